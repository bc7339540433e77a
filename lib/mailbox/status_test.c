/*
 * What STATUS tells without opening a mailbox: only what is true. And indexes
 * that an older posthorn wrote.
 */
#include "base/test.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mailbox/store.h"
#include "mailbox/test_dir.h"
#include "mailbox/uidlist.h"

enum { BOXES = 9 };

static void put_file(const char *name)
{
	FILE *f = fopen(path_in(name), "we");

	assert_non_null(f);
	fputs("Subject: a\n\na\n", f);
	fclose(f);
}

/* So that the stamps are trusted. */
static void make_old(const char *folder)
{
	const struct timespec dates[2] = { { .tv_sec = 1000000000 },
		{ .tv_sec = 1000000000 } };

	assert_int_equal(utimensat(AT_FDCWD, path_in(folder), dates, 0), 0);
}

/* As another program does: n messages in the mailbox Bn, one of them seen. */
static struct mailbox_names make_boxes(struct arena *arena)
{
	struct mailbox_names names = { .names = arena_array(arena, BOXES,
		sizeof(struct str)), .count = BOXES };
	char name[80];

	for (int n = 0; n < BOXES; n++) {
		names.names[n] = arena_fmt(arena, "B%d", n);
		for (size_t i = 0; i < 4; i++) {
			static const char *const parts[] = { "", "/tmp",
				"/new", "/cur" };

			snprintf(name, sizeof(name), ".B%d%s", n, parts[i]);
			assert_int_equal(mkdir(path_in(name), 0700), 0);
		}
		for (int i = 0; i < n; i++) {
			snprintf(name, sizeof(name), ".B%d/cur/%d.a:2,%s", n,
				i + 1, i ? "" : "S");
			put_file(name);
		}
		snprintf(name, sizeof(name), ".B%d/cur", n);
		make_old(name);
		snprintf(name, sizeof(name), ".B%d/new", n);
		make_old(name);
	}
	return names;
}

static struct mailbox_store *open_store(void)
{
	struct mailbox_store *store = mailbox_store_open(dir);

	assert_non_null(store);
	return store;
}

static void check_list(struct mailbox_store *store, struct arena *arena, int n,
	const struct index_mailbox *row)
{
	struct mailbox_uidlist list;
	struct str text;
	char path[80];

	snprintf(path, sizeof(path), ".B%d/dovecot-uidlist", n);
	assert_true(mailbox_store_read(store, arena, path, &text));
	assert_true(mailbox_uidlist_parse(arena, text, &list));
	assert_int_equal(list.count, n);
	assert_int_equal(list.uidvalidity, row->uidvalidity);
	assert_true(list.uidnext >= row->uidnext);
	assert_memory_equal(list.guid, row->guid, sizeof(row->guid));
}

static void those_that_are_met_are_known(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox_names names = make_boxes(arena);
	struct index_mailbox row, again;

	(void)state;
	assert_false(mailbox_store_status(store, names.names[3], true, &row));
	assert_int_equal(mailbox_store_meet(store, names.names, names.count,
		true, NULL),
		MAILBOX_OK);
	for (int n = 0; n < BOXES; n++) {
		assert_true(mailbox_store_status(store, names.names[n], true, &row));
		assert_int_equal(row.messages, n);
		assert_int_equal(row.unseen, n ? n - 1 : 0);
		assert_int_equal(row.deleted, 0);
		assert_int_equal(row.uidnext, n + 1);
		check_list(store, arena, n, &row);
	}
	/* Without its index everything is as it was told. */
	mailbox_store_close(store);
	assert_int_equal(unlink(path_in("posthorn-index")), 0);
	store = open_store();
	assert_int_equal(mailbox_store_meet(store, names.names, names.count,
		true, NULL),
		MAILBOX_OK);
	assert_true(mailbox_store_status(store, STR("B8"), true, &again));
	assert_int_equal(again.uidvalidity, row.uidvalidity);
	assert_true(again.uidnext >= row.uidnext);
	assert_memory_equal(again.guid, row.guid, sizeof(row.guid));
	mailbox_store_close(store);
}

static void change(struct mailbox_store *store, unsigned flag)
{
	struct imap_flags flags = { .system = flag };
	struct mailbox_change c = { .mode = MAILBOX_FLAGS_ADD,
		.flags = &flags };
	const uint32_t uid = 2;
	struct mailbox *m;

	assert_int_equal(mailbox_open(store, STR("B4"), &m), MAILBOX_OK);
	assert_int_equal(mailbox_change(m, &uid, 1, &c), MAILBOX_OK);
	mailbox_close(m);
}

static void what_changed_is_not_told_from_memory(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox_names names = make_boxes(arena);
	struct index_mailbox row;
	struct mailbox *m;

	(void)state;
	assert_int_equal(mailbox_store_meet(store, names.names, names.count,
		true, NULL),
		MAILBOX_OK);
	/* By others: a message that came, and one that went. */
	put_file(".B5/new/9.x");
	assert_false(mailbox_store_status(store, STR("B5"), true, &row));
	assert_int_equal(unlink(path_in(".B6/cur/2.a:2,")), 0);
	assert_false(mailbox_store_status(store, STR("B6"), true, &row));
	/* Their uidlist. */
	assert_int_equal(unlink(path_in(".B7/dovecot-uidlist")), 0);
	assert_false(mailbox_store_status(store, STR("B7"), true, &row));
	/* The mailbox. */
	assert_int_equal(stand_folder_remove(path_in(".B3")), 0);
	assert_false(mailbox_store_status(store, STR("B3"), true, &row));
	/* By us; counted again when it leaves memory. */
	change(store, IMAP_SEEN | IMAP_DELETED);
	assert_false(mailbox_store_status(store, STR("B4"), true, &row));
	mailbox_store_close(store);
	make_old(".B4/cur");
	store = open_store();
	assert_int_equal(mailbox_open(store, STR("B4"), &m), MAILBOX_OK);
	mailbox_close(m);
	mailbox_store_close(store);
	store = open_store();
	assert_true(mailbox_store_status(store, STR("B4"), true, &row));
	assert_int_equal(row.messages, 4);
	assert_int_equal(row.unseen, 2);
	assert_int_equal(row.deleted, 1);
	mailbox_store_close(store);
}

static bool is_listed(int n)
{
	char name[80];

	snprintf(name, sizeof(name), ".B%d/dovecot-uidlist", n);
	return access(path_in(name), F_OK) == 0;
}

/* Of whom nobody was told UIDVALIDITY or a UID. */
static void uidlists_follow_in_the_background(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox_names names = make_boxes(arena);
	struct index_mailbox rows[BOXES], row;
	struct mailbox *m;

	(void)state;
	assert_int_equal(mailbox_store_meet(store, names.names, names.count,
		false, NULL), MAILBOX_OK);
	for (int n = 0; n < BOXES; n++) {
		assert_true(mailbox_store_status(store, names.names[n], false,
			&rows[n]));
		assert_int_equal(rows[n].messages, n);
		assert_int_equal(rows[n].uidnext, n + 1);
		assert_false(is_listed(n));
	}
	/* UIDVALIDITY: not before it is on the disk, so to be opened. */
	assert_false(mailbox_store_status(store, names.names[3], true, &row));
	assert_int_equal(mailbox_open(store, names.names[3], &m), MAILBOX_OK);
	assert_int_equal(m->row.uidvalidity, rows[3].uidvalidity);
	check_list(store, arena, 3, &rows[3]);
	mailbox_close(m);
	assert_false(is_listed(2));
	/* It goes with its mailbox. */
	assert_int_equal(mailbox_store_rename(store, STR("B4"), STR("C")),
		MAILBOX_OK);
	assert_int_equal(access(path_in(".C/dovecot-uidlist"), F_OK), 0);
	assert_int_equal(mailbox_store_remove(store, STR("B5")), MAILBOX_OK);
	mailbox_store_settle(store);
	for (int n = 0; n < BOXES; n++)
		if (n != 4 && n != 5)
			check_list(store, arena, n, &rows[n]);
	assert_true(mailbox_store_status(store, names.names[8], true, &row));
	assert_int_equal(row.uidvalidity, rows[8].uidvalidity);
	mailbox_store_close(store);
}

/* Another program was quicker with its own. */
static void another_uidlist_is_not_replaced(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox_names names = make_boxes(arena);
	struct mailbox *m;
	FILE *f;

	(void)state;
	assert_int_equal(mailbox_store_meet(store, names.names, names.count,
		false, NULL), MAILBOX_OK);
	f = fopen(path_in(".B3/dovecot-uidlist"), "we");
	assert_non_null(f);
	fputs("3 V77 N8\n", f);
	fclose(f);
	mailbox_store_settle(store);
	assert_int_equal(mailbox_open(store, names.names[3], &m), MAILBOX_OK);
	assert_int_equal(m->row.uidvalidity, 77);
	mailbox_close(m);
	mailbox_store_close(store);
}

/* As the background does it, before the flush. */
static void write_list(struct mailbox_store *store, const char *name)
{
	struct index_txn *txn = index_begin(store->index, true);
	uint64_t stamp;

	if (!mailbox_uids_settle(store, txn, name, &stamp) || !stamp ||
		!index_commit(txn))
		_exit(2);
}

static void meet_and_die(struct mailbox_names names, const char *listed)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct mailbox_store *store = mailbox_store_open(dir);

		if (mailbox_store_meet(store, names.names, names.count,
			    false, NULL) != MAILBOX_OK)
			_exit(1);
		if (listed)
			write_list(store, listed);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The index has what is to be in the list. */
static void a_kill_before_the_uidlist(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox_names names = make_boxes(arena);
	struct mailbox_store *store;
	struct index_mailbox row;
	struct mailbox *m;

	(void)state;
	mailbox_store_close(open_store());
	meet_and_die(names, NULL);
	assert_false(is_listed(6));
	store = open_store();
	assert_true(mailbox_store_status(store, names.names[6], false, &row));
	assert_int_equal(row.messages, 6);
	assert_false(mailbox_store_status(store, names.names[6], true, &row));
	assert_int_equal(mailbox_open(store, names.names[6], &m), MAILBOX_OK);
	assert_int_equal(m->row.uidvalidity, row.uidvalidity);
	check_list(store, arena, 6, &row);
	mailbox_close(m);
	mailbox_store_close(store);
}

/* It is there, and would not be after a power cut: nobody is told its
 * UIDVALIDITY before a flush. */
static void a_kill_before_the_flush(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox_names names = make_boxes(arena);
	struct mailbox_store *store;
	struct index_mailbox row;
	struct mailbox *m;

	(void)state;
	mailbox_store_close(open_store());
	meet_and_die(names, "B6");
	assert_true(is_listed(6));
	store = open_store();
	assert_false(mailbox_store_status(store, names.names[6], true, &row));
	assert_false(mailbox_store_is_named(store, "B6"));
	assert_int_equal(mailbox_open(store, names.names[6], &m), MAILBOX_OK);
	assert_true(mailbox_store_is_named(store, "B6"));
	check_list(store, arena, 6, &m->row);
	mailbox_close(m);
	mailbox_store_close(store);
	/* Known from then on. */
	store = open_store();
	assert_true(mailbox_store_status(store, names.names[6], true, &row));
	assert_int_equal(row.messages, 6);
	mailbox_store_close(store);
}

/* One of them cannot be read: the others are told all the same. */
static void one_that_is_no_mailbox_any_more(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox_names names = make_boxes(arena);
	struct index_mailbox row;

	(void)state;
	assert_int_equal(stand_folder_remove(path_in(".B3/cur")), 0);
	assert_int_equal(mailbox_store_meet(store, names.names, names.count,
		true, NULL),
		MAILBOX_OK);
	assert_false(mailbox_store_status(store, STR("B3"), true, &row));
	assert_true(mailbox_store_status(store, STR("B4"), true, &row));
	assert_int_equal(row.messages, 4);
	mailbox_store_close(store);
}

/* ---- what an older posthorn wrote ---- */

static void must(int error)
{
	assert_int_equal(error, 0);
}

static void make_older(void)
{
	MDB_val key = { 6, (char[]){ "format" } };
	MDB_val val = { 10, (char[]){ "posthorn 7" } };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta;

	must(mdb_env_create(&env));
	must(mdb_env_set_maxdbs(env, 16));
	must(mdb_env_open(env, path_in("posthorn-index"), MDB_NOSUBDIR, 0600));
	must(mdb_txn_begin(env, NULL, 0, &txn));
	must(mdb_dbi_open(txn, "meta", 0, &meta));
	must(mdb_put(txn, meta, &key, &val, 0));
	must(mdb_txn_commit(txn));
	mdb_env_close(env);
}

static void read_row(const char *name, struct index_mailbox *row)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m;

	assert_int_equal(mailbox_open(store, str_from(name), &m), MAILBOX_OK);
	*row = m->row;
	mailbox_close(m);
	mailbox_store_close(store);
}

/* What it knew of messages may be less, or something else: made anew, from the
 * uidlists. */
static void older_indexes_begin_anew(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct index_mailbox before, after;

	(void)state;
	make_boxes(arena);
	read_row("B4", &before);
	make_older();
	read_row("B4", &after);
	assert_int_equal(after.uidvalidity, before.uidvalidity);
	assert_true(after.uidnext >= before.uidnext);
	assert_true(after.modseq >= before.modseq);
	assert_memory_equal(after.guid, before.guid, sizeof(before.guid));
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		IN_DIR(those_that_are_met_are_known),
		IN_DIR(what_changed_is_not_told_from_memory),
		IN_DIR(uidlists_follow_in_the_background),
		IN_DIR(another_uidlist_is_not_replaced),
		IN_DIR(a_kill_before_the_uidlist),
		IN_DIR(a_kill_before_the_flush),
		IN_DIR(one_that_is_no_mailbox_any_more),
		IN_DIR(older_indexes_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
