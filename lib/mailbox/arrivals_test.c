/*
 * Messages that are durable before their files have names: they are there for
 * everybody who looks, with the UIDs that were told, whatever happens meanwhile;
 * and they do not come back when they went.
 */
#include "base/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/fiber.h"
#include "io/helper.h"
#include "mailbox/arrival.h"
#include "mailbox/arrivals.h"
#include "mailbox/store.h"
#include "mailbox/test_dir.h"
#include "mailbox/verify.h"

enum {
	BEFORE = 8, /* that make a list worth while */
	LARGE = 32 * 1024,
};

/* ---- the text of the list ---- */

static const struct arrival some[] = {
	{ .uid = 7, .internal_s = -1, .temporary_len = 3,
		.name = { "1.a,S=5:2,S", 11 }, .text = { "text\n", 5 } },
	{ .uid = 8, .internal_s = 1, .temporary_len = 1,
		.name = { "1,", 2 }, .text = { "", 0 } },
};

static void write_some(struct buf *out, uint64_t sequence)
{
	const struct arrival_record record = { .sequence = sequence,
		.uidvalidity = 3, .mailbox = STR("a.b"),
		.items = (struct arrival *)(uintptr_t)some,
		.count = COUNT(some) };

	arrival_record_format(out, 99, &record);
}

static bool take_some(struct arena *arena, struct arrival_reading *r)
{
	struct arrival_record record;

	if (!arrival_record_take(arena, r, &record))
		return false;
	assert_int_equal(record.uidvalidity, 3);
	assert_str(record.mailbox, "a.b");
	assert_int_equal(record.count, COUNT(some));
	for (size_t i = 0; i < COUNT(some); i++) {
		assert_int_equal(record.items[i].uid, some[i].uid);
		assert_int_equal(record.items[i].internal_s,
			some[i].internal_s);
		assert_int_equal(record.items[i].temporary_len,
			some[i].temporary_len);
		assert_true(str_eq(record.items[i].name, some[i].name));
		assert_true(str_eq(record.items[i].text, some[i].text));
	}
	return true;
}

static void reads_what_it_writes(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct arrival_head head = { .nonce = 99, .sequence = 5,
		.at = ARRIVAL_BLOCK };
	struct buf out = BUF_IN(arena);
	struct arrival_reading r;

	(void)state;
	/* The third stands where the ring begins again. */
	write_some(&out, 7);
	assert_int_equal(out.len, arrival_record_octets(3, some, COUNT(some)));
	write_some(&out, 5);
	write_some(&out, 6);
	arrival_reading_begin(&r, buf_str(&out), &head);
	for (int i = 0; i < 3; i++)
		assert_true(take_some(arena, &r));
	assert_false(take_some(arena, &r));
	/* Another number, another file. */
	head.sequence = 4;
	arrival_reading_begin(&r, buf_str(&out), &head);
	assert_false(take_some(arena, &r));
	head = (struct arrival_head){ .nonce = 98, .sequence = 7 };
	arrival_reading_begin(&r, buf_str(&out), &head);
	assert_false(take_some(arena, &r));
}

static void believes_nothing_that_is_damaged(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	const struct arrival_head head = { .nonce = 99, .sequence = 5 };
	struct buf out = BUF_IN(arena);
	struct arrival_reading r;
	size_t taken = 0;

	(void)state;
	write_some(&out, 5);
	for (size_t i = 0; i < out.len; i++) {
		struct str ring = buf_str(&out);

		out.p[i] ^= 1;
		arrival_reading_begin(&r, ring, &head);
		taken += take_some(arena, &r);
		out.p[i] ^= 1;
		arrival_reading_begin(&r, str_first(ring, i), &head);
		taken += take_some(arena, &r);
	}
	/* But for the zeroes behind it. */
	assert_int_equal(taken, 2 * (ARRIVAL_BLOCK - (48 + 3 + 2 * 24 + 11 + 5 +
		2)));
}

static void believes_the_later_head(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct arrival_head first = { .nonce = 1, .number = 8, .sequence = 5 },
		second = { .nonce = 1, .number = 9, .sequence = 6,
			.at = ARRIVAL_BLOCK }, head;
	struct buf out = BUF_IN(arena);

	(void)state;
	arrival_head_format(&out, &first);
	arrival_head_format(&out, &second);
	assert_true(arrival_head_parse(buf_str(&out), &head));
	assert_int_equal(head.sequence, 6);
	assert_int_equal(head.at, ARRIVAL_BLOCK);
	out.p[ARRIVAL_BLOCK + 8] ^= 1;
	assert_true(arrival_head_parse(buf_str(&out), &head));
	assert_int_equal(head.sequence, 5);
	out.p[20] ^= 1;
	assert_false(arrival_head_parse(buf_str(&out), &head));
	assert_false(arrival_head_parse(STR("PHheads1"), &head));
}

/* ---- flushes of files in tmp/ ---- */

static atomic_size_t texts_flushed; /* helpers flush, too */

/* In place of the library's. */
int fsync(int fd)
{
	char link[64], path[256];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len > 0) {
		path[len] = '\0';
		texts_flushed += strncmp(path, dir, strlen(dir)) == 0 &&
			strncmp(path + strlen(dir), "/tmp/", 5) == 0;
	}
	return fdatasync(fd);
}

/* ---- messages ---- */

static struct mailbox_store *open_store(struct mailbox **m)
{
	struct mailbox_store *store = mailbox_store_open(dir);

	assert_non_null(store);
	assert_int_equal(mailbox_open(store, STR("INBOX"), m), MAILBOX_OK);
	return store;
}

static const char *text_of(unsigned number, size_t octets)
{
	static char text[LARGE + 100];
	int len = snprintf(text, sizeof(text), "Subject: message %u\n\n",
		number);

	while ((size_t)len < octets) {
		text[len] = len % 70 ? 'x' : '\n';
		len++;
	}
	text[len] = 0;
	return text;
}

enum { DATE = 1700000000 };

/* `count` messages by one command; the uid of the first. */
static uint32_t append_many(struct mailbox_store *store, const char *name,
	unsigned number, size_t count, size_t octets)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_save *saves[300];
	const struct imap_flags flags = { .system = IMAP_SEEN,
		.keywords = { STR("$Label") }, .count = 1 };
	enum mailbox_result result;
	struct mailbox *m;
	uint32_t uid = 0;

	assert_int_equal(mailbox_open_to_add(store, str_from(name), &m),
		MAILBOX_OK);
	for (size_t i = 0; i < count; i++) {
		saves[i] = mailbox_save_begin(arena, m, &result);
		assert_non_null(saves[i]);
		assert_int_equal(mailbox_save_write(saves[i], str_from(text_of(
			number + (unsigned)i, octets))), MAILBOX_OK);
		assert_int_equal(mailbox_save_close(saves[i], &flags, DATE,
			i < MAILBOX_ARRIVALS_MOST), MAILBOX_OK);
	}
	assert_int_equal(mailbox_save_publish(saves, count, &uid), MAILBOX_OK);
	mailbox_close(m);
	return uid;
}

static void append(struct mailbox_store *store, unsigned number)
{
	assert_int_equal(append_many(store, "INBOX", number, 1, 0), number);
}

/* The same, a few at a time. */
static void append_all(struct mailbox_store *store, unsigned number,
	unsigned end, size_t octets)
{
	for (; number < end; number += 4)
		assert_int_equal(append_many(store, "INBOX", number, 4,
			octets), number);
}

static bool has_list(void)
{
	return access(path_in("posthorn-arriving"), F_OK) == 0;
}

/* With the messages 1 to BEFORE, and a list. */
static void make_list(struct mailbox_store *store)
{
	for (unsigned i = 1; i <= BEFORE; i++)
		append(store, i);
	while (!has_list())
		assert_true(io_sleep(span_ms(1)));
	io_yield();
}

static size_t count_in(const char *folder)
{
	DIR *d = opendir(path_in(folder));
	struct dirent *e;
	size_t count = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		count += e->d_name[0] != '.';
	closedir(d);
	return count;
}

/* Messages from the first number on, whole, with these UIDs. */
static void check_in(struct mailbox_store *store, const char *name,
	unsigned first, size_t count, size_t octets)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox *m;

	assert_int_equal(mailbox_open(store, str_from(name), &m), MAILBOX_OK);
	assert_int_equal(m->count, count);
	for (size_t i = 0; i < count; i++) {
		uint32_t uid = m->messages[i].is.uid;
		struct str text;

		assert_int_equal(uid, first + i);
		assert_true(m->messages[i].is.flags & IMAP_SEEN);
		assert_int_equal(m->messages[i].is.keywords, 1);
		assert_int_equal(mailbox_read(m, uid, arena, 0, &text),
			MAILBOX_OK);
		assert_str(text, text_of(uid, octets));
		assert_int_equal(mailbox_dates(m, &uid, 1), MAILBOX_OK);
		assert_int_equal(mailbox_find_whole(m, uid)->is.internal_s,
			DATE);
	}
	assert_true(m->row.uidnext >= first + count);
	mailbox_close(m);
}

static void check(unsigned first, size_t count)
{
	for (int i = 0; i < 2; i++) {
		struct mailbox_store *store = mailbox_store_open(dir);

		assert_non_null(store);
		check_in(store, "INBOX", first, count, 0);
		mailbox_store_close(store);
		assert_false(has_list());
		assert_int_equal(count_in("cur"), count);
	}
}

static void lose_index(void)
{
	assert_int_equal(unlink(path_in("posthorn-index")), 0);
	assert_int_equal(unlink(path_in("posthorn-index-lock")), 0);
	assert_int_equal(unlink(path_in("posthorn-index-boot")), 0);
}

/* What was not flushed. */
static void lose_texts(void)
{
	DIR *d = opendir(path_in("tmp"));
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(d), e->d_name, 0), 0);
	closedir(d);
}

static void die(void)
{
	_exit(0);
}

/* A fiber of a process of its own, which dies behind what it does. */
static void in_a_dying_process(void (*deed)(void *context))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		io_run(deed, NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void append_some_and_die(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	make_list(store);
	append(store, 9);
	assert_int_equal(append_many(store, "INBOX", 10, 3, 0), 10);
	append(store, 13);
	if (count_in("cur") != BEFORE || count_in("tmp") != 5)
		_exit(2);
	die();
}

static void come_back_after_a_kill(void **state)
{
	(void)state;
	in_a_dying_process(append_some_and_die);
	assert_true(has_list());
	check(1, 13);
	assert_int_equal(count_in("tmp"), 0);
}

static void come_back_without_index_and_files(void **state)
{
	(void)state;
	in_a_dying_process(append_some_and_die);
	lose_index();
	lose_texts();
	check(1, 13);
}

static void settle_and_die(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	make_list(store);
	append(store, 9);
	append(store, 10);
	assert_int_equal(mailbox_refresh(m, false), MAILBOX_OK);
	if (m->count != 10 || count_in("cur") != 10)
		_exit(2);
	append(store, 11);
	die();
}

/* Named, and some of the names were not flushed. */
static void come_back_when_their_names_are_lost(void **state)
{
	DIR *d;
	struct dirent *e;
	size_t seen = 0;

	(void)state;
	in_a_dying_process(settle_and_die);
	d = opendir(path_in("cur"));
	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && strstr(e->d_name, "S=21") &&
			seen++ == 0)
			assert_int_equal(unlinkat(dirfd(d), e->d_name, 0), 0);
	closedir(d);
	assert_int_equal(seen, 1); /* number 10: two digits */
	lose_index();
	lose_texts();
	check(1, 11);
}

static void are_made_once(void **state)
{
	(void)state;
	in_a_dying_process(settle_and_die);
	check(1, 11);
}

static void expunge_and_die(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);
	const uint32_t uids[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

	(void)context;
	make_list(store);
	append(store, 9);
	append(store, 10);
	assert_int_equal(mailbox_expunge(m, uids, COUNT(uids), true),
		MAILBOX_OK);
	append(store, 11);
	die();
}

static void do_not_come_back_when_they_were_expunged(void **state)
{
	(void)state;
	in_a_dying_process(expunge_and_die);
	check(10, 2);
}

static void do_not_come_back_without_the_index(void **state)
{
	(void)state;
	in_a_dying_process(expunge_and_die);
	lose_index();
	check(10, 2);
}

static void move_and_die(void *context)
{
	struct mailbox *m, *to;
	struct mailbox_store *store = open_store(&m);
	struct arena *arena auto_arena = arena_new(0);
	const uint32_t uids[] = { 9 };
	struct imap_set a, b;

	(void)context;
	assert_int_equal(mailbox_store_create(store, STR("to")), MAILBOX_OK);
	assert_int_equal(mailbox_open(store, STR("to"), &to), MAILBOX_OK);
	make_list(store);
	append(store, 9);
	append(store, 10);
	assert_int_equal(mailbox_copy(arena, m, uids, 1, to, true, &a, &b),
		MAILBOX_OK);
	die();
}

static void do_not_come_back_when_they_were_moved(void **state)
{
	struct mailbox_store *store;
	struct mailbox *m;

	(void)state;
	in_a_dying_process(move_and_die);
	lose_index();
	store = mailbox_store_open(dir);
	assert_non_null(store);
	assert_int_equal(mailbox_open(store, STR("to"), &m), MAILBOX_OK);
	assert_int_equal(m->count, 1);
	mailbox_close(m);
	assert_int_equal(mailbox_open(store, STR("INBOX"), &m), MAILBOX_OK);
	assert_int_equal(m->count, 9);
	assert_int_equal(m->messages[8].is.uid, 10);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void rename_and_die(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	assert_int_equal(mailbox_store_create(store, STR("a")), MAILBOX_OK);
	assert_int_equal(mailbox_store_create(store, STR("gone")), MAILBOX_OK);
	make_list(store);
	assert_int_equal(append_many(store, "a", 1, 2, 0), 1);
	assert_int_equal(append_many(store, "gone", 1, 1, 0), 1);
	assert_int_equal(mailbox_store_rename(store, STR("a"), STR("b")),
		MAILBOX_OK);
	assert_int_equal(append_many(store, "b", 3, 1, 0), 3);
	assert_int_equal(append_many(store, "gone", 2, 1, 0), 2);
	assert_int_equal(mailbox_store_remove(store, STR("gone")), MAILBOX_OK);
	assert_int_equal(mailbox_store_create(store, STR("gone")), MAILBOX_OK);
	assert_int_equal(append_many(store, "b", 4, 1, 0), 4);
	die();
}

static void remove_folder(const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s", path_in(name));
	assert_int_equal(stand_folder_remove(path), 0);
}

static void lose_the_mailbox(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	assert_int_equal(mailbox_store_create(store, STR("a")), MAILBOX_OK);
	make_list(store);
	assert_int_equal(append_many(store, "a", 1, 2, 0), 1);
	append(store, 9);
	remove_folder(".a");
	assert_int_equal(mailbox_refresh(m, false), MAILBOX_OK);
	assert_int_equal(m->count, 9);
	while (!list_is_empty(&store->open) && has_list()) {
		struct index_txn *txn = index_begin(store->index, false);
		unsigned said = index_arriving(txn);

		index_abort(txn);
		if (said == 0)
			break;
		assert_true(io_sleep(span_ms(1)));
	}
	append(store, 10);
	mailbox_close(m);
	mailbox_store_close(store);
	die();
}

static void go_with_their_mailbox(void **state)
{
	(void)state;
	in_a_dying_process(lose_the_mailbox);
	check(1, 10);
}

static void check_renamed(void)
{
	struct mailbox_store *store = mailbox_store_open(dir);
	struct mailbox *m;

	assert_non_null(store);
	check_in(store, "b", 1, 4, 0);
	assert_false(mailbox_store_has(store, STR("a")));
	assert_int_equal(mailbox_open(store, STR("gone"), &m), MAILBOX_OK);
	assert_int_equal(m->count, 0);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void follow_their_mailbox(void **state)
{
	(void)state;
	in_a_dying_process(rename_and_die);
	check_renamed();
	lose_index();
	check_renamed();
}

static void look_at_all(void *context)
{
	struct mailbox *m, *again;
	struct mailbox_store *store = open_store(&m);
	struct index_mailbox row;
	const struct imap_flags flagged = { .system = IMAP_FLAGGED };
	const uint32_t uid = 11;
	struct mailbox_change change = { .mode = MAILBOX_FLAGS_ADD,
		.flags = &flagged };
	struct mailbox_watcher watcher;

	(void)context;
	make_list(store);
	append(store, 9);
	assert_int_equal(m->arriving, 1);
	assert_false(mailbox_store_status(store, STR("INBOX"), false, &row));
	assert_int_equal(mailbox_open(store, STR("INBOX"), &again),
		MAILBOX_OK);
	assert_int_equal(again->count, 9);
	mailbox_close(again);
	append(store, 10);
	append(store, 11);
	assert_int_equal(mailbox_refresh(m, false), MAILBOX_OK);
	assert_int_equal(m->count, 11);
	assert_int_equal(mailbox_change(m, &uid, 1, &change), MAILBOX_OK);
	/* What came on another way has greater uids. */
	append(store, 12);
	assert_int_equal(append_many(store, "INBOX", 13, 1, LARGE + 50), 13);
	assert_int_equal(m->count, 13);
	/* Whoever has selected it hears at once. */
	watcher = (struct mailbox_watcher){ .wake = NULL };
	list_append(&m->watchers, &watcher.link);
	assert_int_equal(m->arriving, 0);
	list_remove(&watcher.link);
	mailbox_close(m);
	mailbox_store_close(store);
	assert_false(has_list());
}

static void are_there_for_whoever_looks(void **state)
{
	(void)state;
	io_run(look_at_all, NULL);
	assert_int_equal(count_in("cur"), 13);
	assert_int_equal(count_in("tmp"), 0);
}

static void wait_for_them(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);
	uint64_t changes;

	(void)context;
	make_list(store);
	append(store, 9);
	changes = m->changes;
	while (m->changes == changes)
		assert_true(io_sleep(span_ms(1)));
	assert_int_equal(m->count, 9);
	/* Then the list is empty, and others need not wait. */
	for (;;) {
		struct index_txn *txn = index_begin(store->index, false);
		unsigned said = index_arriving(txn);

		index_abort(txn);
		if (said == 0)
			break;
		assert_true(io_sleep(span_ms(1)));
	}
	assert_true(has_list());
	mailbox_close(m);
	mailbox_store_close(store);
}

static void are_settled_in_the_background(void **state)
{
	(void)state;
	io_run(wait_for_them, NULL);
	check(1, 9);
}

/* More than the list has room for. */
static void append_many_times(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	io_helpers_start(2);
	assert_int_equal(append_many(store, "INBOX", 1, BEFORE, 3000), 1);
	while (!has_list())
		assert_true(io_sleep(span_ms(1)));
	io_yield();
	append_all(store, BEFORE + 1, BEFORE + 1101, 3000);
	assert_true(m->arriving > 0);
	/* Too many for it at once. */
	assert_int_equal(append_many(store, "INBOX", BEFORE + 1101, 200, 3000),
		BEFORE + 1101);
	assert_int_equal(m->arriving, 0);
	check_in(store, "INBOX", 1, BEFORE + 1300, 3000);
	mailbox_close(m);
	mailbox_store_close(store);
	die();
}

static void may_be_many(void **state)
{
	struct mailbox_store *store;

	(void)state;
	in_a_dying_process(append_many_times);
	assert_false(has_list());
	store = mailbox_store_open(dir);
	check_in(store, "INBOX", 1, BEFORE + 1300, 3000);
	mailbox_store_close(store);
}

static void append_many_and_die(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	io_helpers_start(2);
	assert_int_equal(append_many(store, "INBOX", 1, BEFORE, 3000), 1);
	while (!has_list())
		assert_true(io_sleep(span_ms(1)));
	io_yield();
	append_all(store, BEFORE + 1, BEFORE + 1 + 1432, 3000);
	die();
}

/* Around the end of the ring. */
static void come_back_from_a_ring(void **state)
{
	struct mailbox_store *store;

	(void)state;
	in_a_dying_process(append_many_and_die);
	lose_index();
	lose_texts();
	store = mailbox_store_open(dir);
	check_in(store, "INBOX", 1, BEFORE + 1432, 3000);
	mailbox_store_close(store);
}

static int tell_fd;

static void append_and_go_on(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	make_list(store);
	for (unsigned i = 9; i <= 40; i++) {
		append(store, i);
		if (write(tell_fd, "", 1) != 1)
			_exit(3);
	}
	mailbox_close(m);
	mailbox_store_close(store);
	die();
}

/* What another process was told is there for this one, while that one lives. */
static void are_waited_for_by_other_processes(void **state)
{
	struct mailbox_store *store = NULL;
	struct mailbox *m;
	int pipes[2], status;
	size_t told = BEFORE;
	char octet;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		tell_fd = pipes[1];
		io_run(append_and_go_on, NULL);
		_exit(1);
	}
	close(pipes[1]);
	while (read(pipes[0], &octet, 1) == 1) {
		told++;
		if (!store)
			store = open_store(&m);
		else
			assert_int_equal(mailbox_refresh(m, false),
				MAILBOX_OK);
		assert_true(m->count >= told);
	}
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_non_null(store);
	mailbox_close(m);
	mailbox_store_close(store);
	check(1, 40);
}

/* Of a process that dies while this one has the store open. */
static void come_back_for_who_is_there(void **state)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);
	int status;
	pid_t pid;

	(void)state;
	mailbox_close(m);
	mailbox_store_close(store);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		store = open_store(&m);
		in_a_dying_process(append_some_and_die);
		if (mailbox_refresh(m, false) != MAILBOX_OK || m->count != 13)
			_exit(2);
		mailbox_close(m);
		mailbox_store_close(store);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	check(1, 13);
}

static void damage_list(void)
{
	int fd = open(path_in("posthorn-arriving"), O_RDWR | O_CLOEXEC);
	char octet = 'x';

	assert_true(fd >= 0);
	/* Of the second command. */
	assert_int_equal(pwrite(fd, &octet, 1, ARRIVAL_HEADS + ARRIVAL_BLOCK +
		100), 1);
	close(fd);
}

/* All or none of a command, and nothing that stands behind. */
static void of_a_damaged_list_are_what_is_whole(void **state)
{
	(void)state;
	in_a_dying_process(append_some_and_die);
	lose_index();
	lose_texts();
	damage_list();
	check(1, 9);
}

static void in_the_other_way(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	make_list(store);
	append(store, 9);
	/* While the list is held, and behind that. */
	assert_true(mailbox_arrivals_hold(store));
	assert_int_equal(m->count, 9);
	append(store, 10);
	assert_int_equal(m->arriving, 0);
	assert_int_equal(m->count, 10);
	mailbox_arrivals_release(store);
	append(store, 11);
	assert_int_equal(m->arriving, 1);
	mailbox_store_settle(store);
	assert_int_equal(m->count, 11);
	mailbox_close(m);
	mailbox_store_close(store);
	die();
}

static void wait_where_names_change(void **state)
{
	(void)state;
	in_a_dying_process(in_the_other_way);
	check(1, 11);
}

/* Those of it that were to be flushed behind the answer are flushed, too,
 * before any of them has its name. */
static void append_too_many(void *context)
{
	enum { MORE = MAILBOX_ARRIVALS_MOST + 6 };
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	make_list(store);
	texts_flushed = 0;
	assert_int_equal(append_many(store, "INBOX", 9, MORE, 0), 9);
	assert_int_equal(m->arriving, 0);
	assert_int_equal(texts_flushed, MORE);
	assert_int_equal(count_in("cur"), BEFORE + MORE);
	assert_int_equal(count_in("tmp"), 0);
	die();
}

static void are_not_too_many_of_a_command(void **state)
{
	(void)state;
	in_a_dying_process(append_too_many);
	check(1, BEFORE + MAILBOX_ARRIVALS_MOST + 6);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(believes_nothing_that_is_damaged),
		cmocka_unit_test(believes_the_later_head),
#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
		CASE(come_back_after_a_kill),
		CASE(come_back_without_index_and_files),
		CASE(come_back_when_their_names_are_lost),
		CASE(are_made_once),
		CASE(do_not_come_back_when_they_were_expunged),
		CASE(do_not_come_back_without_the_index),
		CASE(do_not_come_back_when_they_were_moved),
		CASE(follow_their_mailbox),
		CASE(go_with_their_mailbox),
		CASE(are_there_for_whoever_looks),
		CASE(are_settled_in_the_background),
		CASE(may_be_many),
		CASE(come_back_from_a_ring),
		CASE(are_waited_for_by_other_processes),
		CASE(come_back_for_who_is_there),
		CASE(of_a_damaged_list_are_what_is_whole),
		CASE(wait_where_names_change),
		CASE(are_not_too_many_of_a_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
