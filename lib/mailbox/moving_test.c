/*
 * In which order MOVE makes the disk sure of what it did: where the messages
 * are now, and only then where they were. A power cut between the two leaves
 * them in both at most, and never in neither.
 */
#include "base/test.h"

#include <errno.h>
#include <unistd.h>

#include "mailbox/store.h"
#include "mailbox/test_dir.h"

enum { FLUSHES_MOST = 16 };

/* Flushes of directories since watch(), by their paths below `dir`. */
static struct {
	bool is_on;
	const char *fails; /* that of this directory; NULL: none */
	char path[FLUSHES_MOST][256];
	size_t count;
} flushes;

/* In place of the library's. */
int fsync(int fd)
{
	char link[64], path[256];
	ssize_t len;

	if (!flushes.is_on)
		return fdatasync(fd);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	assert_true(len > (ssize_t)strlen(dir));
	path[len] = '\0';
	assert_memory_equal(path, dir, strlen(dir));
	assert_true(flushes.count < FLUSHES_MOST);
	snprintf(flushes.path[flushes.count], sizeof(path), "%s",
		path + strlen(dir) + 1);
	if (flushes.fails &&
		strcmp(flushes.path[flushes.count], flushes.fails) == 0) {
		errno = EIO;
		return -1;
	}
	flushes.count++;
	return fdatasync(fd);
}

static void watch(const char *fails)
{
	memset(&flushes, 0, sizeof(flushes));
	flushes.fails = fails;
	flushes.is_on = true;
}

/* SIZE_MAX: it was not flushed. */
static size_t turn_of(const char *path)
{
	for (size_t i = 0; i < flushes.count; i++)
		if (strcmp(flushes.path[i], path) == 0)
			return i;
	return SIZE_MAX;
}

/* ---- two mailboxes ---- */

static struct mailbox_store *store;
static struct mailbox *inbox, *box;

static struct mailbox *open_box(const char *name)
{
	struct mailbox *m;

	assert_int_equal(mailbox_open(store, str_from(name), &m), MAILBOX_OK);
	return m;
}

static void put(const char *name)
{
	FILE *file = fopen(path_in(name), "we");

	assert_non_null(file);
	assert_true(fputs("a: b\n\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* One message that was seen, and one in new/. */
static int begin(void **state)
{
	if (make_dir(state) < 0)
		return -1;
	store = mailbox_store_open(dir);
	assert_non_null(store);
	assert_int_equal(mailbox_store_create(store, STR("Box")), MAILBOX_OK);
	inbox = open_box("INBOX");
	box = open_box("Box");
	put("cur/1.a.x:2,S");
	put("new/2.b.x");
	assert_int_equal(mailbox_refresh(inbox, true), MAILBOX_OK);
	assert_int_equal(inbox->count, 2);
	return 0;
}

static int end(void **state)
{
	flushes.is_on = false;
	mailbox_close(box);
	mailbox_close(inbox);
	mailbox_store_close(store);
	return remove_dir(state);
}

static enum mailbox_result move(struct mailbox *from, struct mailbox *to)
{
	struct arena *arena auto_arena = arena_new(0);
	struct imap_set from_uids, to_uids;
	uint32_t uids[2];

	assert_int_equal(from->count, 2);
	for (size_t i = 0; i < 2; i++)
		uids[i] = from->messages[i].is.uid;
	return mailbox_copy(arena, from, uids, 2, to, true, &from_uids,
		&to_uids);
}

/* ---- cases ---- */

static void where_they_are_comes_first(void **state)
{
	(void)state;
	watch(NULL);
	assert_int_equal(move(inbox, box), MAILBOX_OK);
	assert_true(turn_of(".Box/cur") < turn_of("cur"));
	assert_true(turn_of("cur") < turn_of("new"));
	assert_int_not_equal(turn_of("new"), SIZE_MAX);
	/* and back, by the same rule */
	watch(NULL);
	assert_int_equal(move(box, inbox), MAILBOX_OK);
	assert_true(turn_of("cur") < turn_of(".Box/cur"));
	assert_int_not_equal(turn_of(".Box/cur"), SIZE_MAX);
}

/* Then it is not for us to make sure that they are gone from there. */
static void without_it_nothing_else_is_flushed(void **state)
{
	(void)state;
	watch(".Box/cur");
	assert_int_not_equal(move(inbox, box), MAILBOX_OK);
	assert_int_equal(turn_of("cur"), SIZE_MAX);
	assert_int_equal(turn_of("new"), SIZE_MAX);
}

/* OK is said of both. */
static void where_they_were_is_flushed_or_refused(void **state)
{
	(void)state;
	watch("cur");
	assert_int_not_equal(move(inbox, box), MAILBOX_OK);
	assert_int_not_equal(turn_of(".Box/cur"), SIZE_MAX);
}

int main(void)
{
#define WITH_BOXES(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		WITH_BOXES(where_they_are_comes_first),
		WITH_BOXES(without_it_nothing_else_is_flushed),
		WITH_BOXES(where_they_were_is_flushed_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
