#include "io/switch.h"

void io_switch_start(void);

#if defined(__x86_64__)

enum {
	/* Words that io_switch pops, in order: control words, r15, r14, r13,
	 * r12, rbx, rbp, return address. */
	WORD_CONTROL = 0,
	WORD_ARGUMENT = 3,
	WORD_RUN = 4,
	WORD_RETURN = 7,
	WORDS = 10, /* keeps the stack aligned for the call */
};

/* MXCSR 0x1f80 and x87 control word 0x37f: what a process starts with. */
#define CONTROL_START ((uintptr_t)0x1f80 | (uintptr_t)0x37f << 32)
#define START_RETURN ((uintptr_t)io_switch_start)

__asm__(".text\n"
	".p2align 4\n"
	".globl io_switch\n"
	".type io_switch, @function\n"
	"io_switch:\n"
	"	endbr64\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	subq $8, %rsp\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	addq $8, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size io_switch, . - io_switch\n"
	".p2align 4\n"
	".globl io_switch_start\n"
	".hidden io_switch_start\n"
	".type io_switch_start, @function\n"
	"io_switch_start:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined rip\n"
	"	endbr64\n"
	"	xorl %ebp, %ebp\n"
	"	movq %r13, %rdi\n"
	"	call *%r12\n"
	"	ud2\n"
	"	.cfi_endproc\n"
	".size io_switch_start, . - io_switch_start\n");

#elif defined(__aarch64__)

enum {
	/* x19 to x30 in words 0 to 11, d8 to d15 in 12 to 19, FPCR in 20. */
	WORD_CONTROL = 20,
	WORD_ARGUMENT = 0,
	WORD_RUN = 1,
	WORD_RETURN = 11,
	WORDS = 22,
};

#define CONTROL_START ((uintptr_t)0)
#define START_RETURN ((uintptr_t)io_switch_start)

__asm__(".text\n"
	".p2align 4\n"
	".globl io_switch\n"
	".type io_switch, %function\n"
	"io_switch:\n"
	"	hint #34\n" /* bti c */
	"	sub sp, sp, #176\n"
	"	stp x19, x20, [sp, #0]\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mrs x9, fpcr\n"
	"	str x9, [sp, #160]\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	mov sp, x1\n"
	"	ldr x9, [sp, #160]\n"
	"	msr fpcr, x9\n"
	"	ldp x19, x20, [sp, #0]\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #176\n"
	"	ret\n"
	".size io_switch, . - io_switch\n"
	".p2align 4\n"
	".globl io_switch_start\n"
	".hidden io_switch_start\n"
	".type io_switch_start, %function\n"
	"io_switch_start:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined x30\n"
	"	hint #34\n"
	"	mov x29, #0\n"
	"	mov x0, x19\n"
	"	blr x20\n"
	"	brk #1\n"
	"	.cfi_endproc\n"
	".size io_switch_start, . - io_switch_start\n");

#else
#error "io/switch knows x86_64 and aarch64 only"
#endif

void *io_switch_prepare(void *top, void (*run)(void *argument),
	void *argument)
{
	uintptr_t *words = top;

	words -= WORDS;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = 0;
	words[WORD_CONTROL] = CONTROL_START;
	words[WORD_ARGUMENT] = (uintptr_t)argument;
	words[WORD_RUN] = (uintptr_t)run;
	words[WORD_RETURN] = START_RETURN;
	return words;
}
