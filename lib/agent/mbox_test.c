#include "agent/mbox.h"

#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *pieces[3];
	const char *text;
} quotes[] = {
	{ { "From a\n", "b" }, ">From a\nb" },
	{ { "x From a\nFrom b\n" }, "x From a\n>From b\n" },
	{ { "a\n", "From b\n" }, "a\n>From b\n" },
	{ { ">From a\n" }, ">From a\n" },
};

static void from_lines_are_quoted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(quotes); i++) {
		struct buf out = { 0 };
		bool at_start = true;

		for (size_t k = 0; k < 3 && quotes[i].pieces[k]; k++)
			mbox_quote(&out, str_from(quotes[i].pieces[k]),
				&at_start);
		assert_str(buf_str(&out), quotes[i].text);
		buf_free(&out);
	}
}

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

/* limit: mailbox_size_limit, of the file and the message's own octets */
static void a_mailbox_may_be_just_full(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct delivery delivery = make_delivery(arena, STR("S: x\n\ny\n"));
	int64_t full = (int64_t)(contents(arena).len + 8);

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
		cmocka_unit_test(from_lines_are_quoted),
		cmocka_unit_test(a_torn_end_harms_nothing),
		cmocka_unit_test(messages_follow_each_other),
		cmocka_unit_test(a_full_mailbox_is_left_as_it_was),
		cmocka_unit_test(a_mailbox_may_be_just_full),
		cmocka_unit_test(a_lock_that_is_held_defers),
		cmocka_unit_test(a_lock_of_the_dead_is_taken_over),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
