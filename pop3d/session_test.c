/*
 * Sessions cut by every event at every offset: none hangs. The code is the
 * fuzz target's. And what QUIT says when the disk refuses.
 */
#include "base/test.h"

#include <errno.h>

#include "pop3d/session_fuzz.c"

static const struct {
	struct str script;
	size_t head; /* octets that are no script */
} scripts[] = {
	{ STR("\1wRETR 1\r\nTOP 2 0\r\nDELE 1\r\nQUIT\r\n"), 0 },
};

/* ---- what QUIT says ---- */

/* The driver of the store, and what it cannot remove: RFC 1939 6. */
static struct mailbox_driver failing;
static const struct mailbox_driver *real;
static unsigned removals_left;
static int failure; /* errno of the others */

static bool unlink_fails(const struct mailbox_place *place,
	const char *mailbox, const struct mailbox_entry *entry)
{
	if (removals_left > 0) {
		removals_left--;
		return real->unlink(place, mailbox, entry);
	}
	errno = failure;
	return false;
}

static const struct {
	const char *commands;
	unsigned removals; /* that the disk does */
	int failure;
	const char *goodbye;
	size_t left;
} endings[] = {
	{ "DELE 1\r\nDELE 2\r\nQUIT\r\n", 2, EACCES, "+OK Goodbye\r\n", 0 },
	{ "DELE 1\r\nDELE 2\r\nQUIT\r\n", 1, EACCES,
		"-ERR [SYS/TEMP] Some messages were not removed\r\n", 1 },
	{ "DELE 1\r\nDELE 2\r\nQUIT\r\n", 0, EIO,
		"-ERR [SYS/TEMP] Some messages were not removed\r\n", 2 },
	/* renamed a moment ago: it is there all the same */
	{ "DELE 2\r\nQUIT\r\n", 0, ENOENT,
		"-ERR [SYS/TEMP] Some messages were not removed\r\n", 2 },
	{ "DELE 1\r\nRSET\r\nQUIT\r\n", 0, EACCES, "+OK Goodbye\r\n", 2 },
};

static size_t count_messages(struct mailbox_store *store)
{
	struct mailbox *inbox;
	size_t count;

	assert_int_equal(mailbox_open(store, STR("INBOX"), &inbox),
		MAILBOX_OK);
	assert_int_equal(mailbox_refresh(inbox, true), MAILBOX_OK);
	count = inbox->count;
	mailbox_close(inbox);
	return count;
}

static void end_one(size_t i)
{
	struct mailbox_store *store = stand_store_open("maildir++");
	auto_buf struct buf replies = { 0 };
	struct stand stand;

	real = store->driver;
	failing = *real;
	failing.unlink = unlink_fails;
	removals_left = endings[i].removals;
	failure = endings[i].failure;
	store->driver = &failing;
	stand_begin(&stand, run_client, store);
	stand_play(stand.fd, STR("\1w"), false, NULL, NULL);
	stand_play(stand.fd, str_from(endings[i].commands), false, &replies,
		NULL);
	stand_play(stand.fd, STR("\1w"), false, &replies, NULL);
	assert_true(stand_end(&stand));
	store->driver = real;
	if (!str_ends(buf_str(&replies), str_from(endings[i].goodbye)))
		fail_msg("ending %zu: %.*s", i, STR_ARG(buf_str(&replies)));
	assert_int_equal(count_messages(store), endings[i].left);
	stand_store_close(store);
}

static void end_all(void *context)
{
	(void)context;
	for (size_t i = 0; i < COUNT(endings); i++)
		end_one(i);
	io_stop();
}

static void quit_tells_what_was_not_removed(void **state)
{
	static const uint8_t script[] = "QUIT\r\n";

	(void)state;
	/* It prepares the process. */
	LLVMFuzzerTestOneInput(script, sizeof(script) - 1);
	io_run(end_all, NULL);
}

#define MORE_TESTS cmocka_unit_test(quit_tells_what_was_not_removed),
#include "service/session_test.h"
