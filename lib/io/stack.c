#include "io/stack.h"

#include "io/sanitizer.h"

#include <sys/mman.h>
#include <unistd.h>

enum {
	KEPT_WARM = 128, /* reused first, with the pages they have */
	KEPT_COLD = 128, /* these keep only their topmost pages */
	KEPT_TOP = 8 * 1024,
	KEPT_CALM = 16, /* of the warm ones, when there is little to do */
	RED_ZONE = 128, /* below the stack pointer; System V ABI, AMD64 */
};

static struct {
	struct stack warm[KEPT_WARM], cold[KEPT_COLD];
	size_t warm_count, cold_count;
} kept;

bool stack_new(struct stack *stack)
{
	char *memory;

	if (kept.warm_count + kept.cold_count > 0) {
		*stack = kept.warm_count > 0
			? kept.warm[--kept.warm_count]
			: kept.cold[--kept.cold_count];
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

/* What lies below is nobody's, but for a red zone. Whole pages, of whatever
 * size: the kernel rounds a length up. */
void stack_trim(const struct stack *stack, const void *sp)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t used = ((uintptr_t)sp - RED_ZONE) & ~(page - 1);
	uintptr_t base = (uintptr_t)stack->base;

	if (used > base)
		madvise(stack->base, used - base, MADV_DONTNEED);
}

/* The last one is taken first. */
void stack_cool(void)
{
	for (size_t i = 0; i < kept.warm_count; i++)
		madvise(kept.warm[i].base,
			i + KEPT_CALM < kept.warm_count
				? STACK_OCTETS : STACK_OCTETS - KEPT_TOP,
			MADV_DONTNEED);
	for (size_t i = 0; i < kept.cold_count; i++)
		madvise(kept.cold[i].base, STACK_OCTETS, MADV_DONTNEED);
}

void stack_drop(struct stack *stack)
{
	sanitizer_clear(stack->base, STACK_OCTETS);
	VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
	munmap(stack->base - STACK_GUARD, STACK_GUARD + STACK_OCTETS);
	stack->base = NULL;
}

/* The kept ones are the parent's: their page tables alone are more than a
 * child needs. */
void stack_forked(void)
{
	while (kept.warm_count > 0)
		stack_drop(&kept.warm[--kept.warm_count]);
	while (kept.cold_count > 0)
		stack_drop(&kept.cold[--kept.cold_count]);
}

void stack_free(struct stack *stack)
{
	sanitizer_clear(stack->base, STACK_OCTETS);
	if (kept.warm_count < KEPT_WARM) {
		kept.warm[kept.warm_count++] = *stack;
	} else if (kept.cold_count == KEPT_COLD) {
		stack_drop(stack);
	} else {
		madvise(stack->base, STACK_OCTETS - KEPT_TOP, MADV_DONTNEED);
		kept.cold[kept.cold_count++] = *stack;
	}
	stack->base = NULL;
}
