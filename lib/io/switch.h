/*
 * io/switch - from one stack to another, in assembly (x86_64, aarch64).
 *
 * Saves what the calling convention says a call preserves, and the floating
 * point control words; the signal mask is the process's and stays. A process
 * must not have a shadow stack (glibc enables none unless a tunable asks).
 */
#ifndef IO_SWITCH_H
#define IO_SWITCH_H

#include "base/base.h"

/* Store the present stack pointer in *from, go on at `to`. */
void io_switch(void **from, void *to);
/* A stack pointer from which io_switch goes to run(argument); `run` must not
 * return. `top` is the end of the stack's memory. */
void *io_switch_prepare(void *top, void (*run)(void *argument),
	void *argument);

#endif
