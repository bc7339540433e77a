/*
 * base/print - vsnprintf for what nearly every format needs, at a fraction of
 * its cost: %s %.*s %c %% and whole numbers (d i u x X, h hh l ll z j, with a
 * width and 0 or -). A format with anything else goes to vsnprintf as it is,
 * so that the result is the same in any case.
 *
 * Source   C17 7.21.6.1 and 7.21.6.12
 * Waits    no
 */
#ifndef BASE_PRINT_H
#define BASE_PRINT_H

#include "base/base.h"

#include <stdarg.h>

/* As vsnprintf: what the whole text is long, -1 on an error; the text ends in
 * a NUL if there is any room. `to` may be NULL when `room` is 0. */
int print_v(char *to, size_t room, const char *format, va_list args)
	printf_like(3, 0);
int print_f(char *to, size_t room, const char *format, ...) printf_like(3, 4);

#endif
