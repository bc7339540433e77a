#include "io/stack.h"

#include "io/sanitizer.h"

#include <sys/mman.h>

enum {
	KEPT_WARM = 16,  /* reused first, with the pages they have */
	KEPT_MOST = 256, /* the others keep only their topmost pages */
	KEPT_TOP = 8 * 1024,
};

static struct {
	struct stack stacks[KEPT_MOST];
	size_t count;
} kept;

bool stack_new(struct stack *stack)
{
	char *memory;

	if (kept.count > 0) {
		*stack = kept.stacks[--kept.count];
		sanitizer_clear(stack->base, STACK_OCTETS);
		return true;
	}
	memory = mmap(NULL, STACK_GUARD + STACK_OCTETS, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	if (mprotect(memory + STACK_GUARD, STACK_OCTETS,
		    PROT_READ | PROT_WRITE) < 0) {
		munmap(memory, STACK_GUARD + STACK_OCTETS);
		return false;
	}
	stack->base = memory + STACK_GUARD;
	stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->base,
		stack->base + STACK_OCTETS - 1);
	sanitizer_clear(stack->base, STACK_OCTETS);
	return true;
}

void stack_free(struct stack *stack)
{
	sanitizer_clear(stack->base, STACK_OCTETS);
	if (kept.count >= KEPT_MOST) {
		VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
		munmap(stack->base - STACK_GUARD, STACK_GUARD + STACK_OCTETS);
		stack->base = NULL;
		return;
	}
	if (kept.count >= KEPT_WARM)
		madvise(stack->base, STACK_OCTETS - KEPT_TOP, MADV_DONTNEED);
	kept.stacks[kept.count++] = *stack;
	stack->base = NULL;
}
