/*
 * Packs: what goes in comes out, a damaged one is noticed, and a mailbox that
 * was opened by way of one is the same as one that was read row by row,
 * whatever happened since the pack was made.
 */
#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "mailbox/pack.h"
#include "mailbox/store.h"
#include "mailbox/test_dir.h"
#include "mailbox/verify.h"
#include "mailbox/view.h"

enum { MESSAGES = 700, ROUNDS = 25 };

static size_t warnings;

static void count_warnings(enum log_level level, struct str line)
{
	if (level >= LOG_LEVEL_WARNING) {
		fprintf(stderr, "%.*s\n", STR_ARG(line));
		warnings++;
	}
}

static int begin(void **state)
{
	warnings = 0;
	log_sink(count_warnings);
	return make_dir(state);
}

/* ---- the format ---- */

static void comes_out_as_it_went_in(void **state)
{
	static const struct index_message messages[] = {
		{ .uid = 1, .flags = IMAP_SEEN, .modseq = 77 },
		{ .uid = 2, .flags = IMAP_DRAFT | MAILBOX_PENDING,
			.modseq = 1 },
		{ .uid = 4000000000, .flags = MAILBOX_IN_NEW | IMAP_FLAGGED,
			.keywords = UINT64_MAX, .modseq = 78 },
	};
	const struct index_mailbox row = { .id = 3, .modseq = 78,
		.uidvalidity = 5, .uidnext = 4000000001, .names = 9 };
	auto_arena struct arena *arena = arena_new(0);
	struct index_message last = { .modseq = row.modseq }, m;
	struct index_mailbox other;
	struct buf out = BUF_IN(arena);
	struct pack pack;

	(void)state;
	pack_begin(&out, &row, COUNT(messages));
	for (size_t i = 0; i < COUNT(messages); i++) {
		pack_add(&out, &last, &messages[i]);
		last = messages[i];
	}
	assert_true(pack_open(buf_str(&out), &row, &pack));
	for (size_t i = 0; i < COUNT(messages); i++) {
		assert_true(pack_take(&pack, &row, &m));
		assert_int_equal(m.uid, messages[i].uid);
		assert_int_equal(m.flags, messages[i].flags);
		assert_true(m.keywords == messages[i].keywords);
		assert_true(m.modseq == messages[i].modseq);
		assert_true(m.size == MAILBOX_SIZE_UNKNOWN);
	}
	assert_int_equal(pack.taken, pack.count);
	assert_int_equal(pack.left.len, 0);
	/* Cut off anywhere. */
	for (size_t len = 0; len < out.len; len++) {
		bool ok = pack_open(str_first(buf_str(&out), len), &row,
			&pack);

		while (ok && pack.taken < pack.count)
			ok = pack_take(&pack, &row, &m);
		assert_false(ok);
	}
	/* Of another state. */
	other = row;
	other.modseq++;
	assert_false(pack_open(buf_str(&out), &other, &pack));
	other = row;
	other.names++;
	assert_false(pack_open(buf_str(&out), &other, &pack));
	other = row;
	other.uidnext++;
	assert_false(pack_open(buf_str(&out), &other, &pack));
}

/* ---- mailboxes ---- */

static void deliver(const char *folder, int n)
{
	char name[80];
	FILE *f;

	snprintf(name, sizeof(name), "%s/%d.a%s", folder, 1000000 + n,
		folder[0] == 'c' ? ":2," : "");
	f = fopen(path_in(name), "we");
	assert_non_null(f);
	fprintf(f, "Subject: %d\n\ntext %d\n", n, n);
	fclose(f);
}

static struct mailbox_store *open_store(void)
{
	struct mailbox_store *store = mailbox_store_open(dir);

	assert_non_null(store);
	return store;
}

static struct mailbox *open_inbox(struct mailbox_store *store)
{
	struct mailbox *m;

	assert_int_equal(mailbox_open(store, STR("INBOX"), &m), MAILBOX_OK);
	return m;
}

static void make_old(void)
{
	const struct timespec dates[2] = { { .tv_sec = 1000000000 },
		{ .tv_sec = 1000000000 } };

	assert_int_equal(utimensat(AT_FDCWD, path_in("cur"), dates, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, path_in("new"), dates, 0), 0);
}

/* Opened once by way of the rows, so that a pack is left, with stamps that
 * are trusted. */
static void make_inbox(void)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m;

	for (int n = 0; n < MESSAGES; n++)
		deliver("cur", n);
	make_old();
	m = open_inbox(store);
	assert_int_equal(m->count, MESSAGES);
	assert_false(m->is_packed);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void store_flags(struct mailbox *m, const uint32_t *uids, size_t count,
	enum mailbox_change_mode mode, unsigned system, const char *keyword)
{
	struct imap_flags flags = { .system = system,
		.keywords[0] = str_from(keyword), .count = 1 };
	struct mailbox_change c = { .mode = mode, .flags = &flags };

	assert_int_equal(mailbox_change(m, uids, count, &c), MAILBOX_OK);
}

static void small_changes_leave_it_packed(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	const uint32_t uids[] = { 5, MESSAGES };
	struct mailbox_store *store;
	struct mailbox *m;
	struct str text;
	uint64_t size;

	(void)state;
	make_inbox();
	store = open_store();
	m = open_inbox(store);
	assert_true(m->is_packed);
	assert_int_equal(m->count, MESSAGES);
	assert_null(m->messages[4].name);
	store_flags(m, uids, 2, MAILBOX_FLAGS_ADD, IMAP_FLAGGED, "$x");
	assert_true(m->is_packed);
	assert_int_equal(mailbox_read(m, 7, arena, 0, &text), MAILBOX_OK);
	assert_true(str_find(text, STR("text 6")) != SIZE_MAX);
	assert_int_equal(mailbox_size(m, 9, &size), MAILBOX_OK);
	assert_int_equal(size, strlen("Subject: 8\r\n\r\ntext 8\r\n"));
	assert_true(m->is_packed);
	mailbox_store_settle(store); /* names follow: all of it is read */
	assert_false(m->is_packed);
	assert_true(access(path_in("cur/1000004.a:2,Fa"), F_OK) == 0);
	mailbox_close(m);
	mailbox_store_close(store);
	assert_int_equal(warnings, 0);
}

/* Killed before a pack is made: the old one is not believed. */
static void a_kill_leaves_what_was_done(void **state)
{
	const uint32_t uids[] = { 3, 4, 5 };
	struct mailbox_store *store;
	uint64_t modseq;
	struct mailbox *m;
	int status;
	pid_t pid;

	(void)state;
	make_inbox();
	store = open_store();
	m = open_inbox(store);
	modseq = m->row.modseq;
	mailbox_close(m);
	mailbox_store_close(store);
	pid = fork();
	if (pid == 0) {
		store = mailbox_store_open(dir);
		m = open_inbox(store);
		store_flags(m, uids, 3, MAILBOX_FLAGS_ADD, IMAP_DELETED, "k");
		_exit(m->is_packed ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	store = open_store();
	m = open_inbox(store);
	assert_false(m->is_packed);
	assert_true(m->row.modseq > modseq);
	for (uint32_t uid = 1; uid <= 6; uid++)
		assert_int_equal((mailbox_find(m, uid)->is.flags &
			IMAP_DELETED) != 0, uid >= 3 && uid <= 5);
	mailbox_close(m);
	mailbox_store_close(store);
}

/* ---- anything ---- */

static void tell(void *context, const char *mailbox, struct str text)
{
	(void)context;
	fprintf(stderr, "%s: %.*s\n", mailbox, STR_ARG(text));
}

static void progress(void *context, const char *mailbox, size_t done,
	size_t all)
{
	(void)context;
	(void)mailbox;
	(void)done;
	(void)all;
}

static void do_something(struct mailbox_store *store, struct mailbox *m, int n)
{
	auto_arena struct arena *arena = arena_new(0);
	uint32_t uids[250];
	struct imap_set from, to;
	size_t count = 0;

	for (size_t i = (size_t)rand() % m->count;
		i < m->count && count < COUNT(uids); i += 1 + i % 3)
		uids[count++] = m->messages[i].is.uid;
	if (rand() % 2)
		count = count > 3 ? 3 : count;
	switch (rand() % 8) {
	case 0:
		deliver("new", MESSAGES + n);
		break;
	case 1:
		deliver("cur", MESSAGES + n);
		break;
	case 2:
		store_flags(m, uids, count, MAILBOX_FLAGS_REMOVE, IMAP_SEEN,
			"b");
		break;
	case 3:
		assert_int_equal(mailbox_expunge(m, uids, count > 20 ? 20 :
			count, true), MAILBOX_OK);
		break;
	case 4:
		assert_int_equal(mailbox_copy(arena, m, uids, count > 9 ? 9 :
			count, m, false, &from, &to), MAILBOX_OK);
		break;
	case 5:
		assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
		break;
	case 6:
		mailbox_store_settle(store);
		break;
	default:
		store_flags(m, uids, count, MAILBOX_FLAGS_ADD,
			IMAP_SEEN | IMAP_FLAGGED, "a");
	}
}

static void work(int round, unsigned seed)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);

	srand(seed);
	for (int i = rand() % 6; i > 0; i--)
		do_something(store, m, 10 * round + i);
	if (rand() % 3 == 0)
		_exit(0); /* killed */
	mailbox_close(m);
	mailbox_store_close(store);
	_exit(0);
}

/* What a pack told and what the rows tell of it. */
static bool compare(void)
{
	struct mailbox_verify v = { .tell = tell, .progress = progress };
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	struct mailbox_message *packed = mem_new(m->count + 1,
		sizeof(*packed));
	size_t count = m->count;
	bool was_packed = m->is_packed;

	for (size_t i = 0; i < count; i++)
		packed[i] = m->messages[i];
	assert_true(mailbox_complete(m));
	assert_int_equal(m->count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(packed[i].is.uid, m->messages[i].is.uid);
		assert_int_equal(packed[i].is.flags, m->messages[i].is.flags);
		assert_true(packed[i].is.modseq == m->messages[i].is.modseq);
		assert_true(packed[i].is.keywords ==
			m->messages[i].is.keywords);
		assert_non_null(m->messages[i].name);
	}
	free(packed);
	assert_int_equal(mailbox_verify(store, STR("INBOX"), &v), MAILBOX_OK);
	assert_int_equal(v.problems, 0);
	mailbox_close(m);
	mailbox_store_close(store);
	return was_packed;
}

static void is_what_the_rows_are(void **state)
{
	size_t were_packed = 0;
	int status;
	pid_t pid;

	(void)state;
	make_inbox();
	for (int round = 0; round < ROUNDS; round++) {
		make_old();
		pid = fork();
		if (pid == 0)
			work(round, (unsigned)round);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		were_packed += compare();
		assert_int_equal(warnings, 0);
	}
	assert_true(were_packed > ROUNDS / 4);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, begin, remove_dir)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_out_as_it_went_in),
		IN_DIR(small_changes_leave_it_packed),
		IN_DIR(a_kill_leaves_what_was_done),
		IN_DIR(is_what_the_rows_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
