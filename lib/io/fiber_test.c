#include "base/test.h"

#include "io/fiber.h"
#include "io/scheduler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char trace[256];

static void note(const char *what)
{
	strcat(trace, what);
}

static void say_three(void *context)
{
	for (int i = 0; i < 3; i++) {
		note(context);
		io_yield();
	}
}

static void start_two(void *context)
{
	(void)context;
	io_spawn("a", say_three, (void *)(uintptr_t) "a");
	io_spawn("b", say_three, (void *)(uintptr_t) "b");
}

static void fibers_take_turns(void **state)
{
	(void)state;
	trace[0] = '\0';
	io_run(start_two, NULL);
	assert_string_equal(trace, "ababab");
	assert_int_equal(io_fibers(), 0);
	assert_null(io_self());
}

static double summed;

static double deep(int depth)
{
	volatile char room[1024];

	room[0] = (char)depth;
	io_yield();
	return depth == 0 ? 0.5 : deep(depth - 1) + 1 + room[0] * 0.0;
}

static void dig(void *context)
{
	(void)context;
	summed += deep(100);
}

static void many(void *context)
{
	(void)context;
	for (int i = 0; i < 300; i++)
		io_spawn("dig", dig, NULL);
}

static void stacks_are_separate_and_reused(void **state)
{
	(void)state;
	summed = 0;
	io_run(many, NULL);
	io_run(many, NULL);
	assert_true(summed > 600 * 100.5 - 0.01 && summed < 600 * 100.5 + 0.01);
}

/* ---- memory of who waits ---- */

static char *deepest;
static struct io_event enough;

static int plunge(int depth)
{
	volatile char room[4096];

	room[0] = room[4095] = (char)depth;
	deepest = __builtin_frame_address(0);
	return depth == 0 ? 0 : plunge(depth - 1) + room[0] - room[4095] + 1;
}

static void plunge_and_wait(void *context)
{
	char mine[512] = "still here";

	(void)context;
	assert_int_equal(plunge(20), 20);
	assert_true(io_event_wait(&enough, span_s(60)));
	assert_int_equal(plunge(20), 20);
	assert_string_equal(mine, "still here");
	note("w");
}

/* The page that holds the frame, or held it. */
static bool is_resident(const char *frame)
{
	uintptr_t page = (uintptr_t)frame & ~(uintptr_t)4095;
	unsigned char there = 0;

	assert_int_equal(mincore((void *)page, 4096, &there), 0);
	return there & 1;
}

static void tidying(void *context)
{
	(void)context;
	trace[0] = '\0';
	io_event_init(&enough);
	io_spawn("deep", plunge_and_wait, NULL);
	io_yield();
	assert_true(is_resident(deepest));
	io_tidy(); /* it may have run just now */
	assert_true(is_resident(deepest));
	io_tidy();
	assert_false(is_resident(deepest));
	io_event_wake_all(&enough);
	io_yield();
	assert_string_equal(trace, "w");
}

static void who_waits_long_keeps_only_what_it_uses(void **state)
{
	(void)state;
	io_run(tidying, NULL);
}

static void sleeper_long(void *context)
{
	(void)context;
	io_sleep(span_ms(20));
	note("2");
}

static void sleeper_short(void *context)
{
	(void)context;
	io_sleep(span_ms(5));
	note("1");
}

static void sleepers(void *context)
{
	(void)context;
	io_spawn("long", sleeper_long, NULL);
	io_spawn("short", sleeper_short, NULL);
}

static void timers_end_in_order(void **state)
{
	(void)state;
	trace[0] = '\0';
	io_run(sleepers, NULL);
	assert_string_equal(trace, "12");
}

static int pair[2];

static void pair_open(void)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
				 pair), 0);
	io_fresh(pair[0]);
	io_fresh(pair[1]);
}

static void pair_close(void)
{
	io_close(pair[0]);
	io_close(pair[1]);
}

static void reader(void *context)
{
	char octet;

	(void)context;
	for (;;) {
		while (read(pair[0], &octet, 1) == 1)
			note(octet == 'x' ? "x" : "?");
		if (errno != EAGAIN)
			return;
		if (!io_wait_again(pair[0], POLLIN, span_s(10)))
			return;
		if (strlen(trace) >= 3)
			return;
	}
}

static void writer(void *context)
{
	(void)context;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(write(pair[1], "x", 1), 1);
		io_sleep(span_ms(1));
	}
}

static void exchange(void *context)
{
	(void)context;
	io_spawn("reader", reader, NULL);
	io_spawn("writer", writer, NULL);
}

static void readiness_wakes(void **state)
{
	(void)state;
	trace[0] = '\0';
	pair_open();
	io_run(exchange, NULL);
	assert_string_equal(trace, "xxx");
	pair_close();
}

static void waits(void *context)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char octet;

	(void)context;
	assert_false(io_wait(pair[0], POLLIN, span_ms(1)));
	assert_int_equal(errno, ETIMEDOUT);
	assert_true(io_wait(pair[0], POLLOUT, span_ms(0)));
	assert_true(io_wait(file, POLLIN, span_s(10)));
	io_close(file);
	/* io_wait needs no try before it: level, not edge */
	assert_int_equal(write(pair[1], "ab", 2), 2);
	for (int i = 0; i < 2; i++) {
		assert_true(io_wait(pair[0], POLLIN, span_s(10)));
		assert_int_equal(read(pair[0], &octet, 1), 1);
	}
	assert_false(io_wait(pair[0], POLLIN, span_ms(1)));
	/* a number that was closed behind our back and is used again */
	close(pair[0]);
	close(pair[1]);
	pair_open();
	assert_int_equal(write(pair[1], "c", 1), 1);
	assert_true(io_wait(pair[0], POLLIN, span_s(10)));
	/* the other side's end counts as ready, every time */
	assert_int_equal(read(pair[0], &octet, 1), 1);
	io_close(pair[1]);
	for (int i = 0; i < 3; i++)
		assert_true(io_wait_again(pair[0], POLLIN, span_s(10)));
	assert_int_equal(read(pair[0], &octet, 1), 0);
	io_close(pair[0]);
}

static void waits_for_descriptors(void **state)
{
	(void)state;
	pair_open();
	io_run(waits, NULL);
}

/* What a process that stops us tells. */
struct stop {
	struct moment until;
	bool was_in_time;
};

static bool is_stopped(pid_t pid)
{
	char path[32], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state == 'T';
}

/* The octet comes while its reader stands still, until after its time. */
static _Noreturn void stop_reader(pid_t reader, struct stop *stop)
{
	kill(reader, SIGSTOP);
	while (!is_stopped(reader))
		usleep(1000);
	stop->was_in_time = moment_left(stop->until).us > 0;
	if (write(pair[1], "x", 1) != 1)
		_exit(1);
	while (moment_left(stop->until).us > 0)
		usleep(1000);
	kill(reader, SIGCONT);
	_exit(0);
}

static void reads_stopped(void *context)
{
	struct stop *stop = context;
	pid_t reader = getpid(), child;
	bool came;
	char octet;

	do { /* unless the child was late itself */
		stop->until = moment_after(span_ms(200));
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			stop_reader(reader, stop);
		came = io_wait(pair[0], POLLIN, moment_left(stop->until));
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_int_equal(read(pair[0], &octet, 1), 1);
	} while (!stop->was_in_time);
	assert_true(came);
}

static void what_came_while_stopped_is_in_time(void **state)
{
	struct stop *stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(stop, MAP_FAILED);
	pair_open();
	io_run(reads_stopped, stop);
	pair_close();
	munmap(stop, sizeof(*stop));
}

static void waits_outside_fibers(void **state)
{
	(void)state;
	pair_open();
	assert_false(io_wait(pair[0], POLLIN, span_ms(1)));
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(write(pair[1], "a", 1), 1);
	assert_true(io_wait(pair[0], POLLIN, span_s(10)));
	assert_true(io_sleep(span_ms(1)));
	pair_close();
}

static struct io_event event;

static void patient(void *context)
{
	(void)context;
	assert_false(io_event_wait(&event, SPAN_FOREVER));
	assert_int_equal(errno, ECANCELED);
	assert_true(io_is_cancelled());
	assert_false(io_wait(pair[0], POLLIN, span_s(10)));
	assert_int_equal(errno, ECANCELED);
	assert_false(io_sleep(span_ms(1)));
	io_uncancel();
	assert_true(io_sleep(span_ms(1)));
	note("c");
}

static void cancels(void *context)
{
	struct fiber *fiber = io_spawn("patient", patient, NULL);

	(void)context;
	io_yield();
	io_cancel(fiber);
	/* a wake-up after it must not be lost in the one who gave up */
	assert_true(list_is_empty(&event.waiting));
}

static void cancellation_ends_waits(void **state)
{
	(void)state;
	trace[0] = '\0';
	pair_open();
	io_event_init(&event);
	io_run(cancels, NULL);
	assert_string_equal(trace, "c");
	pair_close();
}

static struct io_gate gate;
static int inside, inside_most;

static void through_gate(void *context)
{
	(void)context;
	assert_true(io_gate_enter(&gate, SPAN_FOREVER));
	if (++inside > inside_most)
		inside_most = inside;
	io_sleep(span_ms(1));
	inside--;
	io_gate_leave(&gate);
}

static void crowd(void *context)
{
	(void)context;
	for (int i = 0; i < 10; i++)
		io_spawn("guest", through_gate, NULL);
	io_yield();
	assert_false(io_gate_enter(&gate, span_us(1)));
	assert_int_equal(errno, ETIMEDOUT);
}

static void gates_limit(void **state)
{
	(void)state;
	io_gate_init(&gate, 3);
	io_run(crowd, NULL);
	assert_int_equal(inside_most, 3);
	assert_int_equal(gate.free, 3);
}

static void signals(void *context)
{
	(void)context;
	io_signal_watch(SIGUSR1);
	io_signal_watch(SIGUSR2);
	assert_int_equal(io_signal_wait(span_ms(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	kill(getpid(), SIGUSR2);
	assert_int_equal(io_signal_wait(span_s(10)), SIGUSR2);
	kill(getpid(), SIGUSR1);
	assert_int_equal(io_signal_wait(span_s(10)), SIGUSR1);
}

static void signals_arrive(void **state)
{
	(void)state;
	io_run(signals, NULL);
}

static void child_work(void *context)
{
	*(bool *)context = io_sleep(span_ms(1));
}

/* In the child the test's own machinery is not to be used. */
static int child(void)
{
	bool slept = false;

	io_forked();
	io_run(child_work, &slept);
	return slept && io_fibers() == 0 ? 7 : 1;
}

static void bystander(void *context)
{
	(void)context;
	note("b");
	io_sleep(span_ms(2));
	note("B");
}

static void forks(void *context)
{
	pid_t pid;
	int status;

	(void)context;
	io_spawn("bystander", bystander, NULL);
	io_yield();
	pid = fork();
	if (pid == 0)
		_exit(child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void forked_child_runs_its_own(void **state)
{
	(void)state;
	trace[0] = '\0';
	io_run(forks, NULL);
	assert_string_equal(trace, "bB");
}

static void stops(void *context)
{
	(void)context;
	note("1");
	io_stop();
	io_yield();
	note("2");
}

static void stop_and_go_on(void **state)
{
	(void)state;
	trace[0] = '\0';
	io_run(stops, NULL);
	assert_string_equal(trace, "1");
	assert_int_equal(io_fibers(), 1);
	io_run(NULL, NULL);
	assert_string_equal(trace, "12");
}

static void hook(void *context)
{
	(void)context;
	io_event_wake_all(&event);
}

static void wants_hook(void *context)
{
	(void)context;
	assert_true(io_event_wait(&event, span_s(10)));
}

static void hooks_run_before_the_wait(void **state)
{
	(void)state;
	io_event_init(&event);
	io_before_wait(hook, NULL);
	io_run(wants_hook, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fibers_take_turns),
		cmocka_unit_test(stacks_are_separate_and_reused),
		cmocka_unit_test(who_waits_long_keeps_only_what_it_uses),
		cmocka_unit_test(timers_end_in_order),
		cmocka_unit_test(readiness_wakes),
		cmocka_unit_test(waits_for_descriptors),
		cmocka_unit_test(waits_outside_fibers),
		cmocka_unit_test(what_came_while_stopped_is_in_time),
		cmocka_unit_test(cancellation_ends_waits),
		cmocka_unit_test(gates_limit),
		cmocka_unit_test(signals_arrive),
		cmocka_unit_test(forked_child_runs_its_own),
		cmocka_unit_test(stop_and_go_on),
		cmocka_unit_test(hooks_run_before_the_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
