/*
 * io/stack - memory for a fiber's stack, with a guard below it.
 *
 * Memory   mapped, committed page by page as it is used; a bounded number is
 *          kept for reuse
 */
#ifndef IO_STACK_H
#define IO_STACK_H

#include "base/base.h"

enum {
	STACK_OCTETS = 256 * 1024,
	STACK_GUARD = 64 * 1024, /* PROT_NONE; an overflow ends the process */
};

struct stack {
	char *base; /* lowest usable octet; NULL: none */
	unsigned valgrind_id;
};

/* False with errno when the kernel gives no memory. */
must_check bool stack_new(struct stack *stack);
void stack_free(struct stack *stack);
/* Memory that is not in use goes back to the kernel: below `sp`, of one that
 * waits; of those that are kept. */
void stack_trim(const struct stack *stack, const void *sp);
void stack_cool(void);
/* In a forked child: one that nobody will run on, and those that are kept. */
void stack_drop(struct stack *stack);
void stack_forked(void);

#endif
