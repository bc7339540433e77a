/*
 * io/fiber - stackful fibers on one scheduler (epoll and a timer heap).
 *
 * Each connection, delivery or job is a fiber with straight-line code. Fibers
 * of a process run one at a time and switch only inside calls that may wait
 * (io_*, and functions whose header says so): shared state that was read
 * before such a call is read again after it.
 *
 * Memory   a stack is mapped with a PROT_NONE guard of 64 KiB; freed stacks
 *          are kept for reuse
 * Errors   a call that waits gives false or -1 with errno: ETIMEDOUT,
 *          ECANCELED (the fiber was cancelled: every later wait fails too,
 *          until io_uncancel), or the system's own
 */
#ifndef IO_FIBER_H
#define IO_FIBER_H

#include "base/list.h"
#include "base/span.h"

struct fiber;

/*
 * Run `first` as a fiber and schedule until io_stop was called or no fiber is
 * left. Only one scheduler a process; may be called again after it returned.
 * A forked child calls io_forked() before anything else of this folder.
 * SIGPIPE is ignored from here on; io_forked sets it back to its default.
 */
void io_run(void (*first)(void *context), void *context);
/* The scheduler returns when the running fiber next waits; others stay. */
void io_stop(void);
/* In a child after fork: forget epoll, timers, hooks, signals (unblocked
 * again), helpers and all fibers, whose stacks go, too, but for the one that
 * forked; the caller may then io_run. */
void io_forked(void);

/*
 * Start a fiber; it first runs when the caller waits or ends. `name` (static)
 * is for diagnostics. The returned pointer is valid until the fiber's end.
 */
struct fiber *io_spawn(const char *name, void (*run)(void *context),
	void *context);
/* NULL outside of any fiber; there io_wait and io_sleep block the process. */
struct fiber *io_self(void);
const char *io_name(const struct fiber *fiber);
size_t io_fibers(void);

/* Let the others run first. */
void io_yield(void);
/* Let the others run, and those for whom input is there already. */
void io_pause(void);
/* False (ECANCELED) when cancelled. */
bool io_sleep(struct span span);
/*
 * Wait until `fd` (non-blocking, any that epoll takes) is ready for `events`
 * (POLLIN, POLLOUT); POLLERR and POLLHUP count as ready. Two fibers may wait
 * for one descriptor if one reads and the other writes.
 */
must_check bool io_wait(int fd, short events, struct span timeout);
/*
 * The same without a system call for a busy descriptor: only right after the
 * system call gave EAGAIN (or less than was asked for), and only if `fd` was
 * io_fresh or never seen by this process before. lib/io's own calls use it.
 */
must_check bool io_wait_again(int fd, short events, struct span timeout);
must_check bool io_wait_again_until(int fd, short events, struct moment until);
/*
 * To be called before a descriptor that was waited for is closed outside
 * lib/io (io_close does both): drops it from epoll's memory. A listener from
 * which nothing will be accepted for a while must be forgotten too, else it
 * takes wake-ups that other processes would have got (EPOLLEXCLUSIVE).
 * Fibers that wait for it fail with EBADF.
 */
void io_forget(int fd);
void io_close(int fd);
/* This number is a new descriptor now, whatever was known of an older one. */
void io_fresh(int fd);

/* Makes the fiber's present and future waits fail with ECANCELED. */
void io_cancel(struct fiber *fiber);
bool io_is_cancelled(void);
/* For a fiber that must still say goodbye: waits work again. */
void io_uncancel(void);

/* Something that fibers wait for; made ready by io_event_init. */
struct io_event {
	struct list waiting;
};

void io_event_init(struct io_event *event);
/* Returns false with ETIMEDOUT or ECANCELED. Check the condition again. */
must_check bool io_event_wait(struct io_event *event, struct span timeout);
must_check bool io_event_wait_until(struct io_event *event,
	struct moment until);
void io_event_wake_one(struct io_event *event);
void io_event_wake_all(struct io_event *event);

/* At most `free` fibers at once between enter and leave. */
struct io_gate {
	size_t free;
	struct io_event event;
};

void io_gate_init(struct io_gate *gate, size_t free);
must_check bool io_gate_enter(struct io_gate *gate, struct span timeout);
void io_gate_leave(struct io_gate *gate);

/*
 * Call hook(context) each time before the scheduler would block in epoll,
 * when all runnable fibers have run: the place where output that was
 * collected is sent in one piece. Hooks may wake fibers but not wait.
 */
void io_before_wait(void (*hook)(void *context), void *context);
/* The one hook for the moment when the process has become quiet, and gives back
 * what its busiest moment took: it may do the same, but neither wait nor wake. */
void io_when_calm(void (*hook)(void *context), void *context);

/* What nobody uses goes back to the system, as in that moment: stacks of fibers
 * that have ended, and the heap. For who knows that a burst is over. */
void io_cool(void);

/* From now on the signal (below 64) only arrives through io_signal_wait. */
void io_signal_watch(int signal_number);
/* Wait for one of the watched signals; gives its number, or -1 with errno. */
int io_signal_wait(struct span timeout);

#endif
