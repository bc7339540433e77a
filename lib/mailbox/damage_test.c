/*
 * Values of the index that are not what was written: whatever they say, the
 * mailbox answers, and no step ends the process.
 */
#include "base/test.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "mailbox/store.h"
#include "mailbox/test_dir.h"
#include "mailbox/text.h"
#include "mailbox/verify.h"
#include "mailbox/view.h"

enum { ROUNDS = 120 };

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static int begin(void **state)
{
	log_sink(be_silent);
	return make_dir(state);
}

/* ---- what a user does ---- */

static void save(struct mailbox *m, int n)
{
	auto_arena struct arena *arena = arena_new(0);
	static const char *const keywords[] = { "$Work", "$Forwarded" };
	struct imap_flags flags = { .system = n % 2 ? IMAP_SEEN : 0,
		.keywords[0] = str_from(keywords[n % 2]), .count = 1 };
	struct str text = arena_fmt(arena, "From: a%d@example.org\r\n"
		"Message-ID: <m%d@example.org>\r\nSubject: word%d\r\n\r\n"
		"text of number %d\r\n", n, n, n, n);
	enum mailbox_result result;
	struct mailbox_save *s = mailbox_save_begin(arena, m, &result);
	uint32_t uid;

	if (s && mailbox_save_write(s, text) == MAILBOX_OK)
		(void)!mailbox_save_end(s, &flags, 1000000000 + n, &uid);
}

static void tell(void *context, const char *mailbox, struct str text)
{
	(void)context;
	(void)mailbox;
	(void)text;
}

static void progress(void *context, const char *mailbox, size_t done,
	size_t all)
{
	(void)context;
	(void)mailbox;
	(void)done;
	(void)all;
}

static void look(struct mailbox *m, struct arena *arena)
{
	uint32_t *uids = arena_array(arena, m->count + 1, sizeof(*uids));
	struct imap_digest *digests = arena_array(arena, m->count + 1,
		sizeof(*digests));
	struct imap_set all = { 0 }, gone = { 0 };
	struct mailbox_facts facts;
	struct mailbox_kept kept;
	struct mailbox_hits hits;
	struct str text;
	uint64_t size;

	mailbox_kept_begin(m, &kept);
	for (size_t i = 0; i < m->count; i++) {
		uids[i] = m->messages[i].is.uid;
		(void)mailbox_kept_find(&kept, uids[i], &facts);
	}
	mailbox_kept_end(&kept);
	for (size_t i = 0; i < m->count; i++) {
		(void)!mailbox_facts(m, uids[i], arena, true, &facts);
		(void)!mailbox_size(m, uids[i], &size);
		(void)!mailbox_read(m, uids[i], arena, 100000, &text);
	}
	(void)!mailbox_digests(m, arena, uids, m->count, digests);
	imap_set_add_range(arena, &all, 1, 1000);
	(void)!mailbox_vanished(m, arena, &all, 0, 1, &gone);
	mailbox_text_follow(m, NULL, NULL);
	for (int field = 0; field <= MAILBOX_TEXT_ALL; field++)
		(void)!mailbox_text_find(m, arena,
			(enum mailbox_text_field)field, STR("word1"), &hits);
}

static void change(struct mailbox *m, struct mailbox *other,
	struct arena *arena)
{
	struct imap_flags flags = { .system = IMAP_DELETED,
		.keywords[0] = STR("$New"), .count = 1 };
	struct mailbox_change change = { .mode = MAILBOX_FLAGS_ADD,
		.flags = &flags, .arena = arena };
	struct imap_set from = { 0 }, to = { 0 };
	uint32_t uids[2] = { 1, 3 };

	(void)!mailbox_change(m, uids, 2, &change);
	(void)!mailbox_expunge(m, uids, 1, false);
	uids[0] = 2;
	if (other)
		(void)!mailbox_copy(arena, m, uids, 2, other, true, &from,
			&to);
	save(m, 100);
}

static void use(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox_verify verify = { .tell = tell, .progress = progress,
		.deep = true };
	struct mailbox_store *store = mailbox_store_open(dir);
	struct mailbox *m = NULL, *other = NULL;

	if (!store)
		return;
	if (mailbox_open(store, STR("Other"), &other) != MAILBOX_OK)
		other = NULL;
	(void)!mailbox_verify(store, STR("INBOX"), &verify);
	if (mailbox_open(store, STR("INBOX"), &m) == MAILBOX_OK) {
		look(m, arena);
		change(m, other, arena);
		mailbox_close(m);
	}
	if (other)
		mailbox_close(other);
	(void)!mailbox_store_rename(store, STR("Other"), STR("Third"));
	mailbox_store_close(store);
}

/* ---- damage ---- */

/* The row with this number, of all tables; false: there are not so many. */
static bool find_row(MDB_txn *txn, size_t number, MDB_dbi *dbi, MDB_val *key,
	MDB_val *value)
{
	static const char *const tables[] = { "mailboxes", "messages",
		"facts", "digests", "expunged", "keywords", "words", "meta" };

	for (size_t i = 0; i < COUNT(tables); i++) {
		MDB_cursor *cursor;
		bool found = false;

		if (mdb_dbi_open(txn, tables[i], 0, dbi) != 0 ||
			mdb_cursor_open(txn, *dbi, &cursor) != 0)
			continue;
		while (!found && mdb_cursor_get(cursor, key, value,
					 MDB_NEXT) == 0)
			found = number-- == 0;
		mdb_cursor_close(cursor);
		if (found)
			return true;
	}
	return false;
}

/* Another octet here and there, or shorter, or longer. */
static void spoil(char *octets, size_t *len, unsigned *dice)
{
	unsigned kind = (unsigned)rand_r(dice) % 8;
	size_t from = *len ? (size_t)rand_r(dice) % *len : 0;

	if (kind == 0) {
		*len = from;
	} else if (kind == 1) {
		memset(octets + *len, 0xff, 40);
		*len += 40;
	} else if (kind == 2) {
		memset(octets + from, 0xff, *len - from);
	} else {
		for (unsigned i = 0; i < kind && *len > 0; i++)
			octets[(size_t)rand_r(dice) % *len] =
				(char)rand_r(dice);
	}
}

static bool damage(size_t number, unsigned *dice)
{
	static char octets[1 << 20], name[600];
	char path[128];
	MDB_val key, value;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	bool found;

	snprintf(path, sizeof(path), "%s/posthorn-index", dir);
	assert_int_equal(mdb_env_create(&env), 0);
	mdb_env_set_maxdbs(env, 20);
	mdb_env_set_mapsize(env, 64 << 20);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC,
		0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	found = find_row(txn, number, &dbi, &key, &value);
	if (found && value.mv_size < sizeof(octets) - 100) {
		size_t len = value.mv_size;

		memcpy(octets, value.mv_data, len);
		memcpy(name, key.mv_data, key.mv_size);
		spoil(octets, &len, dice);
		key.mv_data = name;
		value = (MDB_val){ .mv_data = octets, .mv_size = len };
		assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	return found;
}

/* Five messages, one expunged, all facts kept. */
static void fill(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox_store *store = mailbox_store_open(dir);
	struct mailbox *m;

	assert_non_null(store);
	(void)!mailbox_store_create(store, STR("Other"));
	assert_int_equal(mailbox_open(store, STR("INBOX"), &m), MAILBOX_OK);
	for (int i = 0; m->count < 5 && i < 8; i++)
		save(m, i);
	look(m, arena);
	mailbox_keep_learned(m);
	if (m->count > 4) {
		uint32_t uid = m->messages[4].is.uid;

		(void)!mailbox_expunge(m, &uid, 1, true);
	}
	mailbox_close(m);
	mailbox_store_close(store);
}

static void values_may_be_damaged(void **state)
{
	unsigned dice = 1;
	size_t number = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 10 == 0) {
			remove_dir(NULL);
			assert_int_equal(mkdir(dir, 0700), 0);
			fill();
		}
		if (!damage(number++, &dice))
			number = 0;
		use();
	}
}

/* Any octet of the file: it is built again, and every message is there. */
static void pages_may_be_damaged(void **state)
{
	char path[128];
	unsigned dice = 2;

	(void)state;
	snprintf(path, sizeof(path), "%s/posthorn-index", dir);
	for (int i = 0; i < ROUNDS / 3; i++) {
		auto_close int fd = -1;
		char octets[64];
		struct stat st;

		if (i % 10 == 0) {
			remove_dir(NULL);
			assert_int_equal(mkdir(dir, 0700), 0);
			fill();
		}
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		for (size_t k = 0; k < sizeof(octets); k++)
			octets[k] = (char)rand_r(&dice);
		for (int k = 0; k <= i % 5; k++)
			assert_true(pwrite(fd, octets,
				1 + (size_t)rand_r(&dice) % sizeof(octets),
				(off_t)((size_t)rand_r(&dice) %
					(size_t)st.st_size)) > 0);
		use();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_may_be_damaged,
			begin, remove_dir),
		cmocka_unit_test_setup_teardown(pages_may_be_damaged,
			begin, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
