#include "agent/mbox.h"

#include "agent/lock.h"
#include "base/test.h"
#include "io/fiber.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct delivery make_delivery(struct arena *arena, struct str content)
{
	static const char *const overrides[] = { "deliver_lock_attempts=1",
		"deliver_lock_delay=1s", NULL };

	return (struct delivery){
		.conf = conf_for_test(arena, overrides),
		.arena = arena,
		.m = { .sender = STR("a@example.org") },
		.content = { .head = content, .fd = -1, .size = content.len },
	};
}

static struct status append(struct delivery *delivery, const char *path,
	int64_t limit)
{
	return mbox_append(delivery,
		&(struct mbox){
			.base = AT_FDCWD,
			.path = str_from(path),
			.locks = STR("fcntl, dotlock"),
			.limit = limit,
			.head = STR("Delivered-To: b@example.org\n"),
			.what = "mailbox",
		});
}

static char path[] = "/tmp/posthorn-mbox-XXXXXX/box";

static int set_up(void **state)
{
	(void)state;
	path[sizeof(path) - 5] = '\0';
	assert_non_null(mkdtemp(path));
	path[sizeof(path) - 5] = '/';
	return 0;
}

static bool fd_append(const char *name, struct str text)
{
	int fd = open(name, O_WRONLY | O_APPEND);
	bool done = write(fd, text.p, text.len) == (ssize_t)text.len;

	close(fd);
	return done;
}

static struct str contents(struct arena *arena)
{
	char *text = arena_alloc(arena, 4096);
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, text, 4096);

	close(fd);
	return str_of(text, len < 0 ? 0 : (size_t)len);
}

static void messages_follow_each_other(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery =
		make_delivery(arena, STR("S: x\n\nFrom me\nlast"));
	struct str text;

	(void)state;
	assert_int_equal(append(&delivery, path, 0).code, 250);
	assert_int_equal(append(&delivery, path, 0).code, 250);
	text = contents(arena);
	assert_true(str_starts(text, STR("From a@example.org ")));
	assert_true(str_find(text, STR("\n>From me\nlast\n\nFrom a@")) !=
		SIZE_MAX);
	assert_true(str_ends(text, STR("\nlast\n\n")));
}

/* A power cut left a part of a message. */
static void a_torn_end_harms_nothing(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	(void)state;
	assert_int_equal(write(fd, "From b\nS: half", 13), 13);
	close(fd);
	assert_int_equal(append(&delivery, path, 0).code, 250);
	assert_true(str_starts(contents(arena),
		STR("From b\nS: hal\n\nFrom a@example.org ")));
	assert_int_equal(unlink(path), 0);
}

static void a_full_mailbox_is_left_as_it_was(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));
	size_t before = contents(arena).len;
	struct status status = append(&delivery, path, 20);

	(void)state;
	assert_int_equal(status.code, 552);
	assert_int_equal(contents(arena).len, before);
}

/* limit: mailbox_size_limit, of the file, the message's own octets and the
 * lines in front of it */
static void a_mailbox_may_be_just_full(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));
	int64_t full = (int64_t)(contents(arena).len + 8 +
		strlen("Delivered-To: b@example.org\n"));

	(void)state;
	assert_int_equal(append(&delivery, path, full - 1).code, 552);
	assert_int_equal(append(&delivery, path, full).code, 250);
}

static void a_lock_that_is_held_defers(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));
	char lock[sizeof(path) + 5];
	int fd;

	(void)state;
	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = open(lock, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(append(&delivery, path, 0).code, 451);
	close(fd);
	unlink(lock);
	assert_int_equal(append(&delivery, path, 0).code, 250);
}

static void a_lock_of_the_dead_is_taken_over(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));
	char lock[sizeof(path) + 5];
	pid_t child = fork();
	int fd;

	(void)state;
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = open(lock, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	dprintf(fd, "%d other.example.org\n", child);
	assert_int_equal(append(&delivery, path, 0).code, 451);
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	dprintf(fd, "%d %.*s\n", child, STR_ARG(delivery.conf->myhostname));
	close(fd);
	assert_int_equal(append(&delivery, path, 0).code, 250);
}

/* What a fiber that comes by another path would see. */
static void a_lock_of_the_same_process_holds(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	int other = open(path, O_RDONLY);

	(void)state;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(append(&delivery, path, 0).code, 451);
	close(other); /* would end a lock of the process */
	assert_int_equal(append(&delivery, path, 0).code, 451);
	close(fd);
	assert_int_equal(append(&delivery, path, 0).code, 250);
}

static unsigned deferred;

static void append_one(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));
	struct status status;

	(void)context;
	delivery.conf = conf_for_test(arena, (const char *const[]){
		"deliver_lock_attempts=2", "deliver_lock_delay=1s", NULL });
	status = append(&delivery, path, 0);
	deferred += status.code == 451;
}

static void append_many(void *context)
{
	(void)context;
	for (int i = 0; i < 50; i++)
		io_spawn("append", append_one, NULL);
}

/* 50 in a row would take 50 seconds. */
static void who_waits_behind_a_lock_waits_once(void **state)
{
	struct moment begin = moment_now();
	char lock[sizeof(path) + 5];

	(void)state;
	snprintf(lock, sizeof(lock), "%s.lock", path);
	close(open(lock, O_WRONLY | O_CREAT | O_EXCL, 0600));
	io_run(append_many, NULL);
	assert_int_equal(deferred, 50);
	assert_true(span_to_s(moment_between(begin, moment_now())) < 40);
	unlink(lock);
	deferred = 0;
	io_run(append_many, NULL);
	assert_int_equal(deferred, 0);
}

static void append_for_ever(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));

	for (;;)
		(void)append(&delivery, path, 0);
}

/* At whatever moment: a lock that is there tells whose it was. */
static void a_killed_writer_leaves_no_unsigned_lock(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));

	(void)state;
	for (int i = 0; i < 40; i++) {
		pid_t child = fork();

		if (child == 0)
			append_for_ever();
		usleep(1000 + (useconds_t)i * 137);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		assert_int_equal(append(&delivery, path, 0).code, 250);
	}
	unlink(path);
}

/* Its owner might be killed, and nobody would know who that was. */
static void where_nothing_can_be_written_there_is_no_lock(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	char lock_path[sizeof(path) + 5];
	struct file_lock lock = {
		.conf = make_delivery(arena, STR("")).conf,
		.styles = STR("dotlock"),
		.base = AT_FDCWD,
		.lock_path = lock_path,
		.folder = "/tmp",
	};
	struct rlimit usual, none;

	(void)state;
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
	none = (struct rlimit){ 0, usual.rlim_max };
	unlink(lock.lock_path);
	setrlimit(RLIMIT_FSIZE, &none);
	assert_false(lock_dot(&lock));
	assert_int_equal(errno, EFBIG);
	lock.folder = "/nonexistent"; /* the other way of making one */
	assert_false(lock_dot(&lock));
	assert_int_equal(errno, EFBIG);
	setrlimit(RLIMIT_FSIZE, &usual);
	assert_int_not_equal(access(lock.lock_path, F_OK), 0);
	assert_true(lock_dot(&lock));
	lock_release(&lock);
	assert_int_not_equal(access(lock.lock_path, F_OK), 0);
}

static void a_redelivery_finds_what_is_there(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery =
		make_delivery(arena, STR("Id: 1\n\nFrom x\nbody"));
	struct delivery other = make_delivery(arena, STR("Id: 2\n\nbody\n"));
	size_t before;

	(void)state;
	unlink(path);
	assert_int_equal(append(&delivery, path, 0).code, 250);
	assert_int_equal(append(&other, path, 0).code, 250);
	before = contents(arena).len;
	delivery.m.flags = other.m.flags = DELIVER_RETRY;
	/* even if nothing more has room */
	assert_int_equal(append(&delivery, path, 20).code, 250);
	assert_int_equal(append(&other, path, 0).code, 250);
	assert_int_equal(contents(arena).len, before);
	delivery.content.head = STR("Id: 3\n\nFrom x\nbody");
	delivery.content.size = delivery.content.head.len;
	assert_int_equal(append(&delivery, path, 0).code, 250);
	assert_true(contents(arena).len > before);
	unlink(path);
}

/* Cut off anywhere: once the message could be told from others, its part
 * goes; before that it stays, as foreign. In the end it is there whole. */
static void a_part_of_an_attempt_goes(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery =
		make_delivery(arena, STR("Id: 1\n\nbody\nbody\n"));
	struct str whole, all;
	size_t head, first;

	(void)state;
	unlink(path);
	assert_int_equal(append(&delivery, path, 0).code, 250);
	whole = arena_copy(arena, contents(arena));
	head = str_find(whole, STR("Id: 1\n")) + 6;
	first = str_find_char(whole, '\n'); /* its time differs */
	delivery.m.flags = DELIVER_RETRY;
	for (size_t len = 1; len < whole.len; len++) {
		assert_int_equal(truncate(path, 0), 0);
		assert_true(fd_append(path, str_first(whole, len)));
		assert_int_equal(append(&delivery, path, 0).code, 250);
		all = contents(arena);
		if (len >= head)
			assert_int_equal(all.len, whole.len);
		assert_str(str_skip(all, all.len - whole.len + first),
			arena_cstr(arena, str_skip(whole, first)));
	}
	unlink(path);
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	path[sizeof(path) - 5] = '\0';
	return rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_torn_end_harms_nothing),
		cmocka_unit_test(messages_follow_each_other),
		cmocka_unit_test(a_full_mailbox_is_left_as_it_was),
		cmocka_unit_test(a_mailbox_may_be_just_full),
		cmocka_unit_test(a_lock_that_is_held_defers),
		cmocka_unit_test(a_lock_of_the_dead_is_taken_over),
		cmocka_unit_test(a_lock_of_the_same_process_holds),
		cmocka_unit_test(who_waits_behind_a_lock_waits_once),
		cmocka_unit_test(a_killed_writer_leaves_no_unsigned_lock),
		cmocka_unit_test(where_nothing_can_be_written_there_is_no_lock),
		cmocka_unit_test(a_redelivery_finds_what_is_there),
		cmocka_unit_test(a_part_of_an_attempt_goes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
