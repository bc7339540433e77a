#include "io/fiber.h"

#include "base/heap.h"
#include "base/memory.h"
#include "io/helper.h"
#include "io/sanitizer.h"
#include "io/scheduler.h"
#include "io/stack.h"
#include "io/switch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
	HOOKS_MOST = 16,
	PAUSE_ROUNDS = 4,    /* polls that a pause may last */
	TURNS_PER_POLL = 64, /* switches before epoll is asked anyway */
	TIDY_S = 5,
	RESTED = 2, /* looks that found that it had not run */
	CALMER = 8, /* times less to do than in the busiest moment */
};

struct fiber {
	struct list turn;    /* in the runnable list */
	struct list waiting; /* in an io_event's list */
	struct list member;  /* of all */
	struct heap_link timer;
	void *sp;
	struct stack stack;
	const char *name;
	void (*run)(void *context);
	void *context;
	void *fake_stack; /* AddressSanitizer's */
	void *watched;    /* ThreadSanitizer's; NULL: the scheduler's */
	int reason;
	unsigned char rested;
	bool parked, deaf, cancelled, ended;
};

/* The one scheduler of the process. */
static struct {
	struct list runnable;
	struct list paused; /* by io_pause */
	int pause_rounds;
	struct heap timers;
	struct list members;
	struct fiber *running;
	size_t fibers;
	struct moment tidy; /* when to look again; zero: nothing has run */
	unsigned turns;     /* since the last look ... */
	unsigned busiest;   /* ... and most of all, since memory went back */
	void *sp; /* of the scheduler itself, while a fiber runs */
	void *fake_stack, *watched;
	const void *stack_base; /* learnt from AddressSanitizer */
	size_t stack_len;
	struct {
		void (*call)(void *context);
		void *context;
	} hooks[HOOKS_MOST], calm;
	size_t hook_count;
	bool ready, stopping;
} all;

static void prepare(void)
{
	if (all.ready)
		return;
	list_init(&all.runnable);
	list_init(&all.paused);
	list_init(&all.members);
	all.ready = true;
}

/* Back to the scheduler, from a fiber. */
SANITIZER_SWITCHES static void leave(struct fiber *fiber)
{
	sanitizer_leave(fiber->ended ? NULL : &fiber->fake_stack,
		all.stack_base, all.stack_len);
	if (fiber->watched)
		sanitizer_fiber_switch(all.watched);
	io_switch(&fiber->sp, all.sp);
	sanitizer_enter(fiber->fake_stack, &all.stack_base, &all.stack_len);
}

SANITIZER_SWITCHES static void begin(void *argument)
{
	struct fiber *fiber = argument;

	sanitizer_enter(NULL, &all.stack_base, &all.stack_len);
	fiber->run(fiber->context);
	fiber->ended = true;
	leave(fiber);
	panic("fiber %s goes on after its end", fiber->name);
}

SANITIZER_SWITCHES static void enter(struct fiber *fiber)
{
	if (all.tidy.us == 0)
		all.tidy = moment_after(span_s(TIDY_S));
	fiber->rested = 0;
	all.turns++;
	all.running = fiber;
	sanitizer_leave(&all.fake_stack, fiber->stack.base, STACK_OCTETS);
	all.watched = sanitizer_fiber_self();
	if (fiber->watched)
		sanitizer_fiber_switch(fiber->watched);
	io_switch(&all.sp, fiber->sp);
	sanitizer_enter(all.fake_stack, NULL, NULL);
	all.running = NULL;
	if (!fiber->ended)
		return;
	heap_remove(&all.timers, &fiber->timer);
	list_remove(&fiber->member);
	sanitizer_fiber_free(fiber->watched);
	stack_free(&fiber->stack);
	free(fiber);
	all.fibers--;
}

struct fiber *io_spawn(const char *name, void (*run)(void *context),
	void *context)
{
	struct fiber *fiber = mem_new(1, sizeof(*fiber));

	prepare();
	if (!stack_new(&fiber->stack))
		starved("no memory for the stack of fiber %s: %m", name);
	fiber->watched = io_has_helpers() ? sanitizer_fiber_new() : NULL;
	fiber->name = name;
	fiber->run = run;
	fiber->context = context;
	fiber->sp = io_switch_prepare(fiber->stack.base + STACK_OCTETS, begin,
		fiber);
	list_append(&all.runnable, &fiber->turn);
	list_append(&all.members, &fiber->member);
	all.fibers++;
	return fiber;
}

struct fiber *io_self(void)
{
	return all.running;
}

const char *io_name(const struct fiber *fiber)
{
	return fiber->name;
}

size_t io_fibers(void)
{
	return all.fibers;
}

static struct fiber *must_be_fiber(void)
{
	if (!all.running)
		panic("a wait outside any fiber");
	return all.running;
}

int io_park(struct moment until)
{
	struct fiber *fiber = must_be_fiber();

	if (fiber->cancelled) {
		list_remove(&fiber->waiting);
		return ECANCELED;
	}
	if (!moment_is_never(until))
		heap_put(&all.timers, &fiber->timer, until.us);
	fiber->reason = 0;
	fiber->parked = true;
	leave(fiber);
	return fiber->reason;
}

void io_park_deaf(void)
{
	struct fiber *fiber = must_be_fiber();

	fiber->parked = fiber->deaf = true;
	leave(fiber);
	fiber->deaf = false;
}

/* Also out of the event's list: a wake-up must not go to a fiber that has
 * given up already. */
void io_wake(struct fiber *fiber, int reason)
{
	if (!fiber->parked)
		return;
	fiber->parked = false;
	fiber->reason = reason;
	heap_remove(&all.timers, &fiber->timer);
	list_remove(&fiber->waiting);
	list_append(&all.runnable, &fiber->turn);
}

void io_yield(void)
{
	struct fiber *fiber = must_be_fiber();

	list_append(&all.runnable, &fiber->turn);
	leave(fiber);
}

void io_pause(void)
{
	struct fiber *fiber = must_be_fiber();

	list_append(&all.paused, &fiber->turn);
	leave(fiber);
}

static bool sleep_outside(struct span span)
{
	struct timespec time = {
		.tv_sec = (time_t)(span.us / 1000000),
		.tv_nsec = (long)(span.us % 1000000) * 1000,
	};

	while (nanosleep(&time, &time) < 0)
		if (errno != EINTR)
			panic("nanosleep: %m");
	return true;
}

bool io_sleep(struct span span)
{
	int reason;

	if (!all.running)
		return sleep_outside(span);
	reason = io_park(moment_after(span));
	if (reason == ECANCELED)
		errno = ECANCELED;
	return reason != ECANCELED;
}

void io_cancel(struct fiber *fiber)
{
	fiber->cancelled = true;
	if (!fiber->deaf)
		io_wake(fiber, ECANCELED);
}

bool io_is_cancelled(void)
{
	return all.running && all.running->cancelled;
}

void io_uncancel(void)
{
	must_be_fiber()->cancelled = false;
}

void io_event_init(struct io_event *event)
{
	list_init(&event->waiting);
}

bool io_event_wait(struct io_event *event, struct span timeout)
{
	return io_event_wait_until(event, moment_after(timeout));
}

bool io_event_wait_until(struct io_event *event, struct moment until)
{
	struct fiber *fiber = must_be_fiber();
	int reason;

	list_append(&event->waiting, &fiber->waiting);
	reason = io_park(until);
	if (reason)
		errno = reason;
	return reason == 0;
}

void io_event_wake_one(struct io_event *event)
{
	struct list *first = list_first(&event->waiting);

	if (first)
		io_wake(CONTAINER(first, struct fiber, waiting), 0);
}

void io_event_wake_all(struct io_event *event)
{
	while (!list_is_empty(&event->waiting))
		io_event_wake_one(event);
}

void io_gate_init(struct io_gate *gate, size_t free_places)
{
	gate->free = free_places;
	io_event_init(&gate->event);
}

/* A place that is left goes straight to who waits longest. */
bool io_gate_enter(struct io_gate *gate, struct span timeout)
{
	if (gate->free > 0 && !io_is_cancelled()) {
		gate->free--;
		return true;
	}
	return io_event_wait(&gate->event, timeout);
}

void io_gate_leave(struct io_gate *gate)
{
	if (list_is_empty(&gate->event.waiting))
		gate->free++;
	else
		io_event_wake_one(&gate->event);
}

void io_before_wait(void (*hook)(void *context), void *context)
{
	if (all.hook_count == HOOKS_MOST)
		panic("more than %d io_before_wait hooks", HOOKS_MOST);
	all.hooks[all.hook_count].call = hook;
	all.hooks[all.hook_count++].context = context;
}

void io_when_calm(void (*hook)(void *context), void *context)
{
	all.calm.call = hook;
	all.calm.context = context;
}

void io_cool(void)
{
	stack_cool();
	memory_return();
}

static void run_hooks(void)
{
	for (size_t i = 0; i < all.hook_count; i++)
		all.hooks[i].call(all.hooks[i].context);
}

static void wake_sleepers(struct moment now)
{
	struct heap_link *first;

	while ((first = heap_first(&all.timers)) && first->key <= now.us)
		io_wake(CONTAINER(first, struct fiber, timer), ETIMEDOUT);
}

/*
 * A fiber that waits for long needs none of the pages that its last work has
 * touched below its frames, and a process that has become quiet none of what
 * its busiest moment took. Called every TIDY_S seconds until all have rested.
 */
void io_tidy(void)
{
	bool is_tidy = true, is_calm;

	if (all.turns > all.busiest)
		all.busiest = all.turns;
	is_calm = all.turns <= all.busiest / CALMER;
	list_each(at, &all.members) {
		struct fiber *fiber = CONTAINER(at, struct fiber, member);

		if (fiber->rested == RESTED)
			continue;
		if (++fiber->rested == RESTED)
			stack_trim(&fiber->stack, fiber->sp);
		else
			is_tidy = false;
	}
	if (is_calm) {
		if (all.calm.call)
			all.calm.call(all.calm.context);
		io_cool();
		all.busiest = all.turns;
	}
	all.turns = 0;
	all.tidy = is_tidy && is_calm ? (struct moment){ 0 } :
		moment_after(span_s(TIDY_S));
}

/* Whose time has come. */
static void look_at_clock(void)
{
	struct moment now;

	if (!heap_first(&all.timers) && all.tidy.us == 0)
		return;
	now = moment_now();
	wake_sleepers(now);
	if (all.tidy.us != 0 && all.tidy.us <= now.us)
		io_tidy();
}

/* For epoll: rounded up, so that it does not return just before the time. */
static int until_first_timer(void)
{
	struct heap_link *first = heap_first(&all.timers);
	int64_t next = first ? first->key : INT64_MAX, left;

	if (all.tidy.us != 0 && all.tidy.us < next)
		next = all.tidy.us;
	if (next == INT64_MAX)
		return -1;
	left = next - moment_now().us;
	if (left <= 0)
		return 0;
	left = (left + 999) / 1000;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Paused ones go on when nobody else wants to, or has wanted to for long. */
static void end_pauses(void)
{
	struct list *turn;

	if (!list_is_empty(&all.runnable) && ++all.pause_rounds < PAUSE_ROUNDS)
		return;
	all.pause_rounds = 0;
	while ((turn = list_shift(&all.paused)))
		list_append(&all.runnable, turn);
}

static void run_fibers(void)
{
	struct list *turn;

	for (int turns = 0; turns < TURNS_PER_POLL && !all.stopping; turns++) {
		turn = list_shift(&all.runnable);
		if (!turn)
			return;
		enter(CONTAINER(turn, struct fiber, turn));
	}
}

void io_run(void (*first)(void *context), void *context)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	prepare();
	if (all.running)
		panic("io_run inside fiber %s", all.running->name);
	sigaction(SIGPIPE, &ignore, NULL);
	if (first)
		io_spawn("first", first, context);
	all.stopping = false;
	for (;;) {
		run_fibers();
		if (all.stopping || all.fibers == 0)
			return;
		run_hooks();
		ready_poll(list_is_empty(&all.runnable) &&
				list_is_empty(&all.paused)
			? until_first_timer() : 0);
		look_at_clock();
		if (!list_is_empty(&all.paused))
			end_pauses();
	}
}

void io_stop(void)
{
	all.stopping = true;
}

/* All but the one that forked: nobody will run them here. */
static void drop_fibers(void)
{
	struct list *link;

	while ((link = list_shift(&all.members))) {
		struct fiber *fiber = CONTAINER(link, struct fiber, member);

		if (fiber == all.running)
			continue;
		sanitizer_fiber_free(fiber->watched);
		stack_drop(&fiber->stack);
		free(fiber);
	}
}

void io_forked(void)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };

	if (all.ready)
		drop_fibers();
	stack_forked();
	heap_free(&all.timers);
	list_init(&all.runnable);
	list_init(&all.paused);
	list_init(&all.members);
	all.tidy = (struct moment){ 0 };
	all.running = NULL;
	all.fibers = all.hook_count = 0;
	all.calm.call = NULL;
	all.ready = true;
	all.stopping = false;
	ready_forked();
	helper_forked();
	signals_forked();
	sigaction(SIGPIPE, &usual, NULL);
}
