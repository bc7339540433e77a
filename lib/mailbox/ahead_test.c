/*
 * Messages that a helper reads ahead, some of which other programs change
 * meanwhile: what is given has the size that the client is told.
 */
#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fiber.h"
#include "io/helper.h"
#include "mailbox/ahead.h"
#include "mailbox/store.h"
#include "mailbox/test_dir.h"

enum {
	MESSAGES = 200,  /* more than all batches hold together */
	LARGE = 50,      /* its number; larger than a batch */
	LARGE_LINES = 10000,
	OTHER_SIZE = 2, RENAMED = 3, FIFO = 4, REMOVED = 70,
	DOTS = 60, /* of them alone in a line in this message */
};

static struct mailbox *inbox;

/* With lines, whose ends are longer for a client. */
static struct str text_of(struct arena *arena, uint32_t uid, const char *end)
{
	struct buf out = BUF_IN(arena);
	unsigned lines = uid == LARGE ? LARGE_LINES : uid;

	buf_fmt(&out, "Subject: %u%s%s", uid, end, end);
	for (unsigned i = 0; uid == DOTS && i < DOTS; i++)
		buf_fmt(&out, ".%s", end);
	for (unsigned i = 0; i < lines; i++)
		buf_fmt(&out, "This is line %u of the message.%s", i, end);
	return buf_str(&out);
}

/* As POP3 sends it. */
static struct str dotted(struct arena *arena, uint32_t uid)
{
	struct str text = text_of(arena, uid, "\r\n");
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '.' && text.p[i - 1] == '\n')
			buf_char(&out, '.');
		buf_char(&out, text.p[i]);
	}
	return buf_str(&out);
}

static void save_all(void)
{
	struct arena *arena auto_arena = arena_new(0); /* saves end with it */
	const struct imap_flags flags = { .system = IMAP_SEEN };

	for (uint32_t i = 1; i <= MESSAGES; i++) {
		enum mailbox_result result;
		struct mailbox_save *save =
			mailbox_save_begin(arena, inbox, &result);
		uint32_t uid;

		assert_non_null(save);
		assert_int_equal(mailbox_save_write(save,
			text_of(arena, i, "\r\n")), MAILBOX_OK);
		assert_int_equal(mailbox_save_end(save, &flags, 1000000000,
			&uid), MAILBOX_OK);
		assert_int_equal(uid, i);
	}
}

static const char *path_of(struct arena *arena, uint32_t uid)
{
	const struct mailbox_message *m = mailbox_find(inbox, uid);
	struct mailbox_entry entry = mailbox_entry_of(m);

	return arena_fmt(arena, "%s/%s/%s", dir, entry.is_new ? "new" : "cur",
		entry.name).p;
}

static void disturb(struct arena *arena)
{
	const char *path = path_of(arena, OTHER_SIZE);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs("Subject: something else\n\n", f);
	fclose(f);
	path = path_of(arena, RENAMED);
	assert_int_equal(rename(path, arena_fmt(arena, "%sT", path).p), 0);
	path = path_of(arena, FIFO);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(unlink(path_of(arena, REMOVED)), 0);
}

static bool is_as_saved(uint32_t uid)
{
	return uid != OTHER_SIZE && uid != RENAMED && uid != FIFO &&
		uid != REMOVED && uid != LARGE;
}

/* The kernel forgets their texts. */
static void make_cold(struct arena *arena)
{
	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		auto_close int fd = -1;

		if (!is_as_saved(uid))
			continue;
		fd = open(path_of(arena, uid), O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(fdatasync(fd), 0);
		assert_int_equal(posix_fadvise(fd, 0, 0,
			POSIX_FADV_DONTNEED), 0);
	}
}

/* Each `step`th of them; how many came from there. */
static size_t ask_all(struct arena *arena, const uint32_t *uids,
	enum mailbox_ahead_form form, uint32_t step)
{
	struct mailbox_ahead *ahead = mailbox_ahead_begin(inbox, uids,
		MESSAGES, form);
	struct str before = STR(""), first = STR("");
	size_t found = 0;

	for (uint32_t uid = 1; uid <= MESSAGES; uid += step) {
		struct str text;
		uint64_t octets;

		/* All since it took something back are still as they were. */
		if (mailbox_ahead_takes_back(ahead, uid))
			before = STR("");
		assert_true(before.len == 0 || str_eq(before, first));
		if (!mailbox_ahead_find(ahead, uid, &text, &octets))
			continue;
		if (before.len == 0) {
			before = text;
			first = arena_copy(arena, text);
		}
		assert_true(is_as_saved(uid));
		assert_true(str_eq(text, form == MAILBOX_AHEAD_DOTTED ?
			dotted(arena, uid) : text_of(arena, uid,
				form == MAILBOX_AHEAD_CRLF ? "\r\n" : "\n")));
		assert_int_equal(octets, text_of(arena, uid, "\r\n").len);
		found++;
	}
	assert_false(mailbox_ahead_find(ahead, 1, &(struct str){ 0 },
		&(uint64_t){ 0 }));
	mailbox_ahead_end(ahead);
	return found;
}

static void read_all(void *context)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_store *store = mailbox_store_open(dir);
	struct mailbox_ahead *ahead;
	uint32_t uids[MESSAGES];
	struct str text;
	uint64_t octets;

	(void)context;
	assert_non_null(store);
	assert_int_equal(mailbox_open(store, STR("INBOX"), &inbox),
		MAILBOX_OK);
	save_all();
	for (uint32_t i = 0; i < MESSAGES; i++)
		uids[i] = i + 1;
	assert_null(mailbox_ahead_begin(inbox, uids, MESSAGES,
		MAILBOX_AHEAD_STORED));
	io_helpers_start(2);
	disturb(arena);
	assert_null(mailbox_ahead_begin(inbox, uids, 1, MAILBOX_AHEAD_STORED));
	assert_false(mailbox_ahead_find(NULL, 1, &text, &octets));
	assert_false(mailbox_ahead_takes_back(NULL, 1));
	assert_int_equal(ask_all(arena, uids, MAILBOX_AHEAD_STORED, 1),
		MESSAGES - 5);
	assert_int_equal(ask_all(arena, uids, MAILBOX_AHEAD_CRLF, 1),
		MESSAGES - 5);
	assert_int_equal(ask_all(arena, uids, MAILBOX_AHEAD_DOTTED, 1),
		MESSAGES - 5);
	assert_int_equal(ask_all(arena, uids, MAILBOX_AHEAD_STORED, 5),
		MESSAGES / 5);
	make_cold(arena);
	assert_int_equal(ask_all(arena, uids, MAILBOX_AHEAD_CRLF, 1),
		MESSAGES - 5);
	ahead = mailbox_ahead_begin(inbox, uids, MESSAGES,
		MAILBOX_AHEAD_CRLF);
	mailbox_ahead_end(ahead); /* while they are read */
	mailbox_close(inbox);
	mailbox_store_close(store);
	io_stop();
}

static void what_is_read_ahead_is_what_was_saved(void **state)
{
	(void)state;
	io_run(read_all, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_read_ahead_is_what_was_saved, make_dir,
			remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
