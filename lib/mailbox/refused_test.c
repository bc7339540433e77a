/*
 * What the disk refuses: it is told, and neither a message nor a number is
 * lost, given twice or left behind.
 */
#include "base/test.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailbox/store.h"
#include "mailbox/test_dir.h"

/* The driver that the store has, and how it fails. */
static struct mailbox_driver failing;
static const struct mailbox_driver *real;
static unsigned copies_left;

static bool unlink_fails(const struct mailbox_place *place,
	const char *mailbox, const struct mailbox_entry *entry)
{
	(void)place;
	(void)mailbox;
	(void)entry;
	errno = EACCES;
	return false;
}

static bool copy_fails(const struct mailbox_place *place, const char *from,
	const struct mailbox_entry *entry, const char *to, const char *name)
{
	if (copies_left-- > 0)
		return real->copy(place, from, entry, to, name);
	errno = ENOSPC;
	return false;
}

/* In place of the library's: where one flush fails. */
static bool flush_fails;

int fsync(int fd)
{
	if (flush_fails) {
		flush_fails = false;
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

static struct mailbox_store *open_store(void)
{
	struct mailbox_store *store = mailbox_store_open(dir);

	assert_non_null(store);
	real = store->driver;
	failing = *real;
	return store;
}

static struct mailbox *open_box(struct mailbox_store *store, const char *name)
{
	struct mailbox *m;

	assert_int_equal(mailbox_open(store, str_from(name), &m), MAILBOX_OK);
	return m;
}

static enum mailbox_result save(struct mailbox *m, uint32_t *uid)
{
	struct arena *arena auto_arena = arena_new(0);
	struct imap_flags flags = { .system = IMAP_DELETED };
	enum mailbox_result result;
	struct mailbox_save *s = mailbox_save_begin(arena, m, &result);

	assert_non_null(s);
	assert_int_equal(mailbox_save_write(s, STR("a: b\r\n\r\n")),
		MAILBOX_OK);
	return mailbox_save_end(s, &flags, 1000000000, uid);
}

static void fill(struct mailbox *m, uint32_t count)
{
	uint32_t uid;

	for (uint32_t i = 1; i <= count; i++) {
		assert_int_equal(save(m, &uid), MAILBOX_OK);
		assert_int_equal(uid, i);
	}
}

/* A range that is not on the disk would be given again after a power cut. */
static void a_uid_is_reserved_or_not_given(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_box(store, "INBOX");
	uint32_t uid = 0;

	(void)state;
	(void)!unlink(path_in("dovecot-uidlist"));
	assert_int_equal(mkdir(path_in("dovecot-uidlist"), 0700), 0);
	m->row.uid_reserved = m->row.uidnext - 1; /* all are used up */
	assert_true(mailbox_commit(m, index_begin(store->index, true), true));
	assert_int_equal(save(m, &uid), MAILBOX_TRY_LATER);
	assert_int_equal(uid, 0);
	assert_int_equal(m->count, 0);
	assert_int_equal(rmdir(path_in("dovecot-uidlist")), 0);
	fill(m, 1);
	assert_int_equal(m->count, 1);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void what_cannot_be_removed_stays(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_box(store, "INBOX");
	uint32_t uids[] = { 1, 2 };

	(void)state;
	fill(m, 2);
	failing.unlink = unlink_fails;
	store->driver = &failing;
	assert_int_not_equal(mailbox_expunge(m, uids, 2, false), MAILBOX_OK);
	assert_int_equal(m->count, 2);
	store->driver = real;
	assert_int_equal(mailbox_expunge(m, uids, 2, false), MAILBOX_OK);
	assert_int_equal(m->count, 0);
	mailbox_close(m);
	mailbox_store_close(store);
}

/* RFC 9051 6.4.7: all of them, or none. */
static void a_copy_that_fails_leaves_nothing(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_box(store, "INBOX"), *to;
	uint32_t uids[] = { 1, 2, 3 };
	struct imap_set from_uids, to_uids;

	(void)state;
	fill(m, 3);
	assert_int_equal(mailbox_store_create(store, STR("Box")), MAILBOX_OK);
	to = open_box(store, "Box");
	failing.copy = copy_fails;
	copies_left = 2;
	store->driver = &failing;
	assert_int_not_equal(mailbox_copy(arena, m, uids, 3, to, false,
		&from_uids, &to_uids), MAILBOX_OK);
	store->driver = real;
	assert_int_equal(mailbox_refresh(to, true), MAILBOX_OK);
	assert_int_equal(to->count, 0);
	assert_int_equal(m->count, 3);
	mailbox_close(to);
	mailbox_close(m);
	mailbox_store_close(store);
}

/* RFC 9051 6.3.12: OK is said of what is on the disk. */
static void a_message_is_flushed_or_refused(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_box(store, "INBOX");
	uint32_t uid = 0;

	(void)state;
	fill(m, 1);
	flush_fails = true;
	assert_int_not_equal(save(m, &uid), MAILBOX_OK);
	assert_false(flush_fails);
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
	assert_int_equal(m->count, 1);
	mailbox_close(m);
	mailbox_store_close(store);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		IN_DIR(a_message_is_flushed_or_refused),
		IN_DIR(a_uid_is_reserved_or_not_given),
		IN_DIR(what_cannot_be_removed_stays),
		IN_DIR(a_copy_that_fails_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
