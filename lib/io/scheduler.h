/*
 * io/scheduler - what the files of lib/io tell each other.
 */
#ifndef IO_SCHEDULER_H
#define IO_SCHEDULER_H

#include "base/span.h"
#include "io/fiber.h"

/*
 * Let others run until the fiber is woken: 0, or ETIMEDOUT, or ECANCELED (at
 * once if it is cancelled already). `deaf`: cancellation does not wake it.
 */
int io_park(struct moment until);
void io_park_deaf(void);
/* Make a parked fiber runnable; the first reason counts. */
void io_wake(struct fiber *fiber, int reason);

/* What io_run does now and then: memory that nobody needs goes back. */
void io_tidy(void);

/* As io_wait_again, but wakes one of several processes that share `fd`. */
must_check bool ready_wait_exclusive(int fd, struct span timeout);
/* Call `when` from the scheduler each time fd becomes readable. */
void ready_watch(int fd, void (*when)(int fd));
/* Wait in epoll, at most so long (-1: forever), and wake fibers. */
void ready_poll(int timeout_ms);
void ready_forked(void);
void helper_forked(void);
void signals_forked(void);

#endif
