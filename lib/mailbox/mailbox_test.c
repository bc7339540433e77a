/*
 * A store in a temporary directory, used as imapd does, and changed behind
 * its back as other programs do.
 */
#include "base/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mailbox/metadata.h"
#include "mailbox/store.h"
#include "mailbox/test_dir.h"
#include "mailbox/uidlist.h"
#include "mailbox/view.h"

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(path_in(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void move_file(const char *from, const char *to)
{
	char old[512];

	snprintf(old, sizeof(old), "%s", path_in(from));
	assert_int_equal(rename(old, path_in(to)), 0);
}

static bool is_file(const char *name)
{
	return access(path_in(name), F_OK) == 0;
}

static struct mailbox *open_inbox(struct mailbox_store *store)
{
	struct mailbox *m;

	assert_int_equal(mailbox_open(store, STR("inbox"), &m), MAILBOX_OK);
	return m;
}

static struct mailbox_store *open_store(void)
{
	struct mailbox_store *store = mailbox_store_open(dir);

	assert_non_null(store);
	return store;
}

static uint32_t save(struct mailbox *m, const char *text, unsigned system,
	const char *keyword)
{
	struct arena *arena auto_arena = arena_new(0);
	struct imap_flags flags = { .system = system };
	enum mailbox_result result;
	struct mailbox_save *s = mailbox_save_begin(arena, m, &result);
	uint32_t uid = 0;

	if (keyword)
		flags.keywords[flags.count++] = str_from(keyword);
	assert_non_null(s);
	assert_int_equal(mailbox_save_write(s, str_from(text)), MAILBOX_OK);
	assert_int_equal(mailbox_save_end(s, &flags, 1000000000, &uid),
		MAILBOX_OK);
	return uid;
}

static void saves_and_reads(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	struct mailbox_facts facts;
	struct str text;

	(void)state;
	assert_int_equal(save(m, "Subject: a\r\n\r\nline\rx\r\n",
		IMAP_SEEN, "$Work"), 1);
	assert_int_equal(m->count, 1);
	assert_int_equal(m->messages[0].is.size, 22);
	assert_int_equal(m->messages[0].is.internal_s, 1000000000);
	assert_int_equal(m->messages[0].is.keywords, 1);
	assert_int_equal(mailbox_read(m, 1, arena, 0, &text), MAILBOX_OK);
	assert_str(text, "Subject: a\n\nline x\n"); /* a stray CR */
	assert_int_equal(mailbox_facts(m, 1, arena, true, &facts), MAILBOX_OK);
	assert_int_equal(facts.size, 22);
	assert_str(facts.envelope,
		"(NIL \"a\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	mailbox_close(m);
	mailbox_store_close(store);

	store = open_store();
	m = open_inbox(store);
	assert_int_equal(m->count, 1);
	assert_int_equal(m->messages[0].is.flags, IMAP_SEEN);
	assert_int_equal(mailbox_keyword(m, STR("$work")), 0);
	assert_int_equal(mailbox_facts(m, 1, arena, true, &facts), MAILBOX_OK);
	assert_int_equal(facts.size, 22);
	mailbox_close(m);
	mailbox_store_close(store);
}

/* Of the index's map: what of it is here, and whether more than what is asked
 * for is read (proc(5): "rr" is MADV_RANDOM). */
static size_t mapped_octets(bool *reads_ahead)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool is_index = false;
	size_t octets = 0, kib;
	char line[512];

	*reads_ahead = true;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "r--s "))
			is_index = strstr(line, "posthorn-index\n");
		else if (is_index && sscanf(line, "Rss: %zu", &kib) == 1)
			octets += kib * 1024;
		else if (strstr(line, "VmFlags:")) { /* its last line */
			if (is_index && strstr(line, " rr "))
				*reads_ahead = false;
			is_index = false;
		}
	}
	fclose(f);
	return octets;
}

/* Its pages go, and come back when they are asked for. */
static void an_index_that_rests_is_as_good(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	struct index_mailbox row;
	struct index_txn *txn;
	bool ahead;

	(void)state;
	save(m, "Subject: a\r\n\r\n", 0, NULL);
	assert_true(mapped_octets(&ahead) > 0);
	index_rest(store->index);
	assert_int_equal(mapped_octets(&ahead), 0);
	txn = index_begin(store->index, false);
	assert_true(index_mailbox_find(txn, STR("INBOX"), &row));
	index_abort(txn);
	assert_int_equal(row.id, m->row.id);
	index_rest(store->index);
	assert_int_equal(save(m, "Subject: b\r\n\r\n", 0, NULL), 2);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void ignore_each(void *context, const struct index_message *message,
	struct str name)
{
	(void)context;
	(void)message;
	(void)name;
}

/* Who opens a cold index and looks a row up reads that; who walks, all. */
static void only_a_walk_reads_ahead(void **state)
{
	struct mailbox_store *store = open_store();
	struct index_mailbox row;
	struct index_txn *txn;
	bool ahead;

	(void)state;
	mailbox_close(open_inbox(store));
	mailbox_store_close(store);
	store = open_store();
	txn = index_begin(store->index, false);
	assert_true(index_mailbox_find(txn, STR("INBOX"), &row));
	assert_true(mapped_octets(&ahead) > 0);
	assert_false(ahead);
	index_messages_each(txn, row.id, ignore_each, NULL);
	mapped_octets(&ahead);
	assert_true(ahead);
	index_abort(txn);
	mailbox_store_close(store);
}

/* The index is lost in a power cut: UIDVALIDITY stands in the uidlist before
 * a client hears it, and no UID is given twice or jumped over. */
static void uids_outlive_the_index(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	uint32_t uidvalidity = m->row.uidvalidity;

	(void)state;
	assert_true(is_file("dovecot-uidlist"));
	put_file("cur/100.a.host:2,", "Subject: one\n\n1\n");
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
	put_file("cur/200.b.host:2,", "Subject: two\n\n2\n");
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
	assert_int_equal(m->row.uidnext, 3);
	mailbox_close(m);
	mailbox_store_close(store);
	assert_int_equal(unlink(path_in("posthorn-index")), 0);
	store = open_store();
	m = open_inbox(store);
	assert_int_equal(m->row.uidvalidity, uidvalidity);
	assert_int_equal(m->count, 2);
	assert_int_equal(m->messages[0].is.uid, 1);
	assert_int_equal(m->messages[1].is.uid, 2);
	assert_true(m->row.uidnext > 2);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void sees_other_programs(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	struct mailbox_view *view;
	struct mailbox_news news;

	(void)state;
	assert_int_equal(mailbox_view_open(m, false, &view), MAILBOX_OK);
	put_file("new/100.a.host", "Subject: one\n\n1\n");
	put_file("cur/200.b.host:2,FS", "Subject: two\n\n2\n");
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
	mailbox_view_look(view, arena, MAILBOX_LOOK_ALL, &news);
	assert_true(news.new_count);
	assert_int_equal(view->count, 2);
	assert_int_equal(view->recent_count, 2);
	assert_true(is_file("cur/100.a.host:2,"));
	assert_int_equal(mailbox_find(m, 2)->is.flags,
		IMAP_SEEN | IMAP_FLAGGED);

	/* Flags by another program. */
	move_file("cur/100.a.host:2,", "cur/100.a.host:2,RS");
	move_file("cur/200.b.host:2,FS", "cur/200.b.host:2,S");
	mailbox_stamp_forget(m); /* the clock may be too coarse */
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
	mailbox_view_look(view, arena, MAILBOX_LOOK_ALL, &news);
	assert_int_equal(news.changed_count, 2);
	assert_int_equal(mailbox_find(m, 1)->is.flags,
		IMAP_SEEN | IMAP_ANSWERED);
	assert_int_equal(mailbox_find(m, 2)->is.flags, IMAP_SEEN);

	/* Removed by another program. */
	assert_int_equal(unlink(path_in("cur/100.a.host:2,RS")), 0);
	mailbox_stamp_forget(m);
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
	mailbox_view_look(view, arena, MAILBOX_LOOK_NEW |
		MAILBOX_LOOK_CHANGED, &news);
	assert_int_equal(news.expunged_count, 0);
	assert_int_equal(view->count, 2);
	mailbox_view_look(view, arena, MAILBOX_LOOK_ALL, &news);
	assert_int_equal(news.expunged_count, 1);
	assert_int_equal(news.expunged[0], 1);
	assert_int_equal(view->count, 1);
	assert_int_equal(view->uids[0], 2);
	mailbox_view_close(view);
	mailbox_store_close(store);
}

/* Until each is told of what has changed meanwhile. */
static void views_share_their_uids(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox_view *a, *b, *c;
	struct mailbox_news news;
	struct mailbox *m;

	(void)state;
	put_file("cur/1.a:2,S", "Subject: a\n\na\n");
	put_file("cur/2.b:2,S", "Subject: b\n\nb\n");
	put_file("cur/3.c:2,S", "Subject: c\n\nc\n");
	m = open_inbox(store);
	assert_int_equal(mailbox_view_open(m, true, &a), MAILBOX_OK);
	assert_int_equal(mailbox_view_open(open_inbox(store), true, &b),
		MAILBOX_OK);
	assert_ptr_equal(a->uids, b->uids);
	/* One goes: a is told, b is not. */
	assert_int_equal(unlink(path_in("cur/2.b:2,S")), 0);
	mailbox_stamp_forget(m);
	assert_int_equal(mailbox_refresh(m, false), MAILBOX_OK);
	mailbox_view_look(a, arena, MAILBOX_LOOK_ALL, &news);
	assert_int_equal(news.expunged_count, 1);
	assert_int_equal(a->count, 2);
	assert_int_equal(a->uids[1], 3);
	assert_int_equal(b->count, 3);
	assert_int_equal(b->uids[1], 2);
	assert_int_equal(b->uids[2], 3);
	/* One comes: b is told of that only. */
	put_file("cur/4.d:2,", "Subject: d\n\nd\n");
	mailbox_stamp_forget(m);
	assert_int_equal(mailbox_refresh(m, false), MAILBOX_OK);
	mailbox_view_look(b, arena, MAILBOX_LOOK_NEW, &news);
	assert_int_equal(news.new_count, 1);
	assert_int_equal(b->count, 4);
	assert_int_equal(b->uids[1], 2);
	assert_int_equal(b->uids[3], 4);
	assert_int_equal(a->count, 2);
	/* Who comes sees what there is. */
	assert_int_equal(mailbox_view_open(open_inbox(store), true, &c),
		MAILBOX_OK);
	assert_int_equal(c->count, 3);
	assert_int_equal(c->uids[1], 3);
	assert_int_equal(c->uids[2], 4);
	mailbox_view_close(b);
	mailbox_view_look(a, arena, MAILBOX_LOOK_ALL, &news);
	assert_int_equal(a->count, 3);
	assert_int_equal(a->uids[2], 4);
	mailbox_view_close(a);
	assert_int_equal(c->uids[0], 1);
	mailbox_view_close(c);
	mailbox_store_close(store);
}

static size_t whole_scans;

static enum mailbox_result count_scan(const struct mailbox_place *place,
	const char *mailbox, bool new_only, struct arena *arena,
	struct mailbox_entry **entries, size_t *count)
{
	whole_scans += !new_only;
	return mailbox_maildir.scan(place, mailbox, new_only, arena, entries,
		count);
}

/* How often all files were read for it. */
static size_t refresh(struct mailbox *m, bool claim)
{
	size_t before = whole_scans;

	assert_int_equal(mailbox_refresh(m, claim), MAILBOX_OK);
	return whole_scans - before;
}

/* So that the stamp of cur/ is trusted. */
static void make_cur_old(struct mailbox *m)
{
	const struct timespec dates[2] = { { .tv_sec = 1000000000 },
		{ .tv_sec = 1000000000 } };

	assert_int_equal(utimensat(AT_FDCWD, path_in("cur"), dates, 0), 0);
	assert_int_equal(mailbox_refresh(m, false), MAILBOX_OK);
}

static void what_is_delivered_costs_little(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox_driver driver = mailbox_maildir;
	struct mailbox *m;

	(void)state;
	driver.scan = count_scan;
	store->driver = &driver;
	put_file("cur/1.a:2,S", "Subject: a\n\na\n");
	put_file("cur/2.b:2,S", "Subject: b\n\nb\n");
	m = open_inbox(store);
	make_cur_old(m);
	assert_int_equal(refresh(m, true), 0);
	/* Delivered: only new/ is read, also after it was emptied. */
	put_file("new/3.c", "Subject: c\n\nc\n");
	assert_int_equal(refresh(m, false), 0);
	assert_int_equal(m->count, 3);
	assert_int_equal(refresh(m, true), 0);
	assert_true(is_file("cur/3.c:2,"));
	put_file("new/4.d", "Subject: d\n\nd\n");
	assert_int_equal(refresh(m, true), 0);
	assert_int_equal(m->count, 4);
	assert_int_equal(m->messages[3].is.uid, 4);
	/* Our own change counts as known only for a while. */
	m->own_at.us -= 2000000;
	assert_int_equal(refresh(m, true), 1);
	make_cur_old(m);
	/* What may be one that is there already is looked for. */
	put_file("new/1.z", "Subject: z\n\nz\n");
	assert_int_equal(refresh(m, true), 1);
	assert_int_equal(m->count, 5);
	make_cur_old(m);
	/* Gone from new/ by another hand: it may be in cur/. */
	put_file("new/5.e", "Subject: e\n\ne\n");
	assert_int_equal(refresh(m, false), 0);
	move_file("new/5.e", "cur/5.e:2,F");
	assert_int_equal(refresh(m, false), 1);
	assert_int_equal(m->count, 6);
	assert_true(m->messages[5].is.flags & IMAP_FLAGGED);
	make_cur_old(m);
	/* Whatever the stamps say. */
	mailbox_stamp_forget(m);
	assert_int_equal(refresh(m, false), 1);
	assert_int_equal(m->count, 6);
	mailbox_close(m);
	store->driver = &mailbox_maildir;
	mailbox_store_close(store);
}

static void change(struct mailbox *m, uint32_t uid,
	enum mailbox_change_mode mode, unsigned system, const char *keyword)
{
	struct imap_flags flags = { .system = system };
	struct mailbox_change c = { .mode = mode, .flags = &flags };

	if (keyword)
		flags.keywords[flags.count++] = str_from(keyword);
	assert_int_equal(mailbox_change(m, &uid, 1, &c), MAILBOX_OK);
}

/* All their uids are reserved with one write. */
static void many_at_once_cost_little(void **state)
{
	enum { COUNT_OF_MANY = 3000 };
	struct mailbox_store *store = open_store();
	struct mailbox *m;
	char name[40];

	(void)state;
	for (int i = 0; i < COUNT_OF_MANY; i++) {
		snprintf(name, sizeof(name), "cur/%d.a:2,S", 10000 + i);
		put_file(name, "Subject: a\n\na\n");
	}
	m = open_inbox(store);
	assert_int_equal(m->count, COUNT_OF_MANY);
	assert_int_equal(m->row.uidnext, COUNT_OF_MANY + 1);
	assert_int_equal(m->row.uid_reserved,
		COUNT_OF_MANY + MAILBOX_RESERVED);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void set_dates(const char *name, time_t date)
{
	const struct timespec dates[2] = { { .tv_sec = date },
		{ .tv_sec = date } };

	assert_int_equal(utimensat(AT_FDCWD, path_in(name), dates, 0), 0);
}

static int64_t saved_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_in(name), &st), 0);
	return st.st_ctim.tv_sec;
}

static size_t times_read;

static bool count_times(const struct mailbox_place *place, const char *mailbox,
	const struct mailbox_entry *entry, int64_t *internal_s,
	int64_t *saved_s, uint64_t *octets)
{
	bool read = mailbox_maildir.times(place, mailbox, entry, internal_s,
		saved_s, octets);

	times_read++;
	*saved_s = 1234567890; /* a rename must not be seen in it */
	return read;
}

/* What nobody asked for is read before it changes, and only once. */
static void dates_are_read_when_they_are_wanted(void **state)
{
	const uint32_t uids[] = { 1, 2, 3, 4, 7 };
	struct mailbox_store *store = open_store();
	struct mailbox_driver driver = mailbox_maildir;
	struct mailbox *m;

	(void)state;
	driver.times = count_times;
	store->driver = &driver;
	put_file("cur/1.a:2,", "x: y\n\n");
	put_file("cur/2.b:2,S", "x: y\n\n");
	put_file("cur/3.c:2,S", "x: y\n\n");
	put_file("cur/4.d:2,S", "x: y\n\n");
	set_dates("cur/1.a:2,", 1000000001);
	set_dates("cur/2.b:2,S", 1000000002);
	m = open_inbox(store);
	assert_int_equal(times_read, 0);
	assert_int_equal(m->messages[0].is.internal_s, MAILBOX_DATE_UNKNOWN);
	change(m, 1, MAILBOX_FLAGS_ADD, IMAP_SEEN, NULL);
	mailbox_store_settle(store);
	assert_true(is_file("cur/1.a:2,S"));
	assert_int_equal(times_read, 1);
	assert_int_equal(m->messages[0].is.internal_s, 1000000001);
	/* One is renamed, one goes, behind our back. */
	move_file("cur/3.c:2,S", "cur/3.c:2,FS");
	set_dates("cur/3.c:2,FS", 1000000003);
	assert_int_equal(unlink(path_in("cur/4.d:2,S")), 0);
	assert_int_equal(mailbox_dates(m, uids, COUNT(uids)), MAILBOX_OK);
	assert_int_equal(m->count, 3);
	for (size_t i = 0; i < m->count; i++) {
		assert_int_equal(m->messages[i].is.internal_s,
			1000000001 + (int64_t)i);
		assert_int_equal(m->messages[i].is.saved_s, 1234567890);
	}
	times_read = 0;
	assert_int_equal(mailbox_dates(m, uids, COUNT(uids)), MAILBOX_OK);
	assert_false(mailbox_date_some(m));
	assert_int_equal(times_read, 0);
	mailbox_close(m);
	store->driver = &mailbox_maildir;
	mailbox_store_close(store);
	/* They stay as they were told. */
	set_dates("cur/2.b:2,S", 1100000000);
	assert_int_not_equal(saved_of("cur/2.b:2,S"), 1234567890);
	store = open_store();
	m = open_inbox(store);
	assert_int_equal(mailbox_dates(m, uids, COUNT(uids)), MAILBOX_OK);
	assert_int_equal(m->messages[1].is.internal_s, 1000000002);
	assert_int_equal(m->messages[1].is.saved_s, 1234567890);
	mailbox_close(m);
	mailbox_store_close(store);
}

static size_t opens;

static int count_open(const struct mailbox_place *place, const char *mailbox,
	const struct mailbox_entry *entry)
{
	opens++;
	return mailbox_maildir.open(place, mailbox, entry);
}

/* Out of memory, as far as the file system does that. */
static void make_cold(const char *name)
{
	int fd = open(path_in(name), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

/* Asking brings it back. */
static bool is_cold(const char *name)
{
	struct iovec piece = { .iov_base = (char[1]){ 0 }, .iov_len = 1 };
	int fd = open(path_in(name), O_RDONLY | O_CLOEXEC);
	bool is;

	assert_true(fd >= 0);
	is = preadv2(fd, &piece, 1, 0, RWF_NOWAIT) < 0 && errno == EAGAIN;
	close(fd);
	return is;
}

static void check_read(struct mailbox *m, uint32_t uid)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str text, wanted = arena_fmt(arena, "Subject: %u\n\ntext\n",
		uid);

	assert_int_equal(mailbox_read(m, uid, arena, 0, &text), MAILBOX_OK);
	assert_true(str_eq(text, wanted));
}

/* Whoever reads one after the other from the disk has the next ones read. */
static void cold_messages_are_asked_for_ahead(void **state)
{
	enum { COLD = 100 };
	const uint32_t gone[] = { 40, 41, 42 };
	struct mailbox_store *store = open_store();
	struct mailbox_driver driver = mailbox_maildir;
	struct mailbox *m;
	char name[40], text[40];
	size_t asked;

	(void)state;
	driver.open = count_open;
	store->driver = &driver;
	for (int i = 1; i <= COLD; i++) {
		snprintf(name, sizeof(name), "cur/%d.a:2,S", 1000 + i);
		snprintf(text, sizeof(text), "Subject: %d\n\ntext\n", i);
		put_file(name, text);
	}
	m = open_inbox(store);
	for (uint32_t uid = 1; uid <= COLD; uid++)
		check_read(m, uid);
	assert_int_equal(opens, COLD); /* in memory: nothing is asked for */
	for (int i = 1; i <= COLD; i++) {
		snprintf(name, sizeof(name), "cur/%d.a:2,S", 1000 + i);
		make_cold(name);
	}
	opens = 0;
	for (uint32_t uid = 1; uid <= 30; uid++)
		check_read(m, uid);
	/* Each of the next 31, once: up to number 61, but for the first. */
	asked = opens - 30;
	assert_true(asked <= 59);
	assert_true(asked > 0 || !is_cold("cur/1099.a:2,S"));
	/* Some go, and the numbers of the others change. */
	assert_int_equal(mailbox_expunge(m, gone, COUNT(gone), true),
		MAILBOX_OK);
	for (uint32_t uid = 31; uid <= COLD; uid++)
		if (mailbox_find(m, uid))
			check_read(m, uid);
	check_read(m, 3);
	mailbox_close(m);
	store->driver = &mailbox_maildir;
	mailbox_store_close(store);
}

static void names_follow_flags(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m;

	(void)state;
	put_file("cur/1.a:2,P", "x: y\n\n");
	m = open_inbox(store);
	change(m, 1, MAILBOX_FLAGS_ADD, IMAP_SEEN | IMAP_FLAGGED, "Junk");
	change(m, 1, MAILBOX_FLAGS_REMOVE, IMAP_FLAGGED, NULL);
	assert_true(is_file("cur/1.a:2,P"));
	mailbox_store_settle(store);
	assert_true(is_file("cur/1.a:2,PSa"));
	change(m, 1, MAILBOX_FLAGS_REPLACE, IMAP_DELETED, NULL);
	mailbox_close(m);
	mailbox_store_close(store);
	assert_true(is_file("cur/1.a:2,PT"));
}

/* Killed after OK: what no name shows yet is in the index. */
static void flags_survive(void **state)
{
	struct mailbox_store *store = open_store(), *other;
	struct mailbox *m, *same;

	(void)state;
	put_file("cur/1.a:2,", "x: y\n\n");
	m = open_inbox(store);
	change(m, 1, MAILBOX_FLAGS_ADD, IMAP_SEEN, NULL);
	/* LMDB may be opened once per process, so another one looks. */
	mailbox_close(m);
	mailbox_store_close(store);
	other = open_store();
	same = open_inbox(other);
	assert_int_equal(mailbox_find(same, 1)->is.flags &
		(IMAP_SEEN | IMAP_FLAGGED), IMAP_SEEN);
	mailbox_close(same);
	mailbox_store_close(other);
}

static void expunges_and_never_reuses(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	uint32_t uids[] = { 1, 2, 3 };

	(void)state;
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(save(m, "a: b\r\n\r\n", 0, NULL), i);
	change(m, 2, MAILBOX_FLAGS_ADD, IMAP_DELETED, NULL);
	change(m, 3, MAILBOX_FLAGS_ADD, IMAP_DELETED, NULL);
	assert_int_equal(mailbox_expunge(m, uids, 3, false), MAILBOX_OK);
	assert_int_equal(m->count, 1);
	assert_int_equal(m->messages[0].is.uid, 1);
	assert_int_equal(save(m, "a: b\r\n\r\n", 0, NULL), 4);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void copies_and_moves(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store), *to;
	uint32_t uids[] = { 1, 3 };
	struct imap_set a, b;

	(void)state;
	for (int i = 0; i < 3; i++)
		save(m, "a: b\r\n\r\n", i ? IMAP_FLAGGED : 0, "k");
	assert_int_equal(mailbox_store_create(store, STR("Box")), MAILBOX_OK);
	assert_int_equal(mailbox_open(store, STR("Box"), &to), MAILBOX_OK);
	assert_int_equal(mailbox_copy(arena, m, uids, 2, to, false, &a, &b),
		MAILBOX_OK);
	assert_int_equal(to->count, 2);
	assert_int_equal(to->messages[1].is.flags, IMAP_FLAGGED);
	assert_int_equal(to->messages[1].is.keywords, 1);
	assert_int_equal(m->count, 3);
	assert_true(imap_set_has(&a, 3) && !imap_set_has(&a, 2));
	assert_true(imap_set_has(&b, 2));
	assert_int_equal(mailbox_copy(arena, m, uids, 2, to, true, &a, &b),
		MAILBOX_OK);
	assert_int_equal(to->count, 4);
	assert_int_equal(m->count, 1);
	/* Within itself. */
	uids[0] = 2;
	assert_int_equal(mailbox_copy(arena, m, uids, 1, m, false, &a, &b),
		MAILBOX_OK);
	assert_int_equal(m->count, 2);
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
	assert_int_equal(mailbox_refresh(to, true), MAILBOX_OK);
	assert_int_equal(m->count, 2);
	assert_int_equal(to->count, 4);
	mailbox_close(to);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void takes_over_from_dovecot(void **state)
{
	struct mailbox_store *store;
	struct mailbox *m;
	struct mailbox_names names;
	struct arena *arena auto_arena = arena_new(0);

	(void)state;
	assert_int_equal(mkdir(path_in("cur"), 0700), 0);
	assert_int_equal(mkdir(path_in("new"), 0700), 0);
	put_file("cur/1.a.h,S=6:2,Sb", "a: b\n\n");
	put_file("cur/2.b.h:2,", "a: b\n\n");
	put_file("new/3.c.h", "a: b\n\n");
	put_file("dovecot-uidlist", "3 V1275660208 N25022 Gabcdef\n"
		"17 W8 :1.a.h,S=6\n25017 :2.b.h\n");
	put_file("dovecot-keywords", "0 $Forwarded\n1 NonJunk\n");
	put_file("subscriptions", "V\t2\n\nINBOX\nSent\t2024\n");
	store = open_store();
	m = open_inbox(store);
	assert_int_equal(m->row.uidvalidity, 1275660208);
	assert_int_equal(m->count, 3);
	assert_int_equal(m->messages[0].is.uid, 17);
	assert_int_equal(m->messages[0].is.keywords, 2);
	assert_int_equal(mailbox_keyword(m, STR("nonjunk")), 1);
	assert_int_equal(m->messages[1].is.uid, 25017);
	assert_int_equal(m->messages[2].is.uid, 25022);
	assert_int_equal(mailbox_store_subscriptions(store, arena, &names),
		MAILBOX_OK);
	assert_int_equal(names.count, 2);
	assert_str(names.names[1], "Sent.2024");
	mailbox_close(m);
	mailbox_store_close(store);
}

/* In the place of a file: one that cannot be opened, and not for its absence. */
static void hide(const char *file)
{
	move_file(file, "hidden");
	assert_int_equal(symlink(file, path_in(file)), 0);
}

static void show(const char *file)
{
	move_file("hidden", file);
}

static void lose_index(void)
{
	assert_int_equal(unlink(path_in("posthorn-index")), 0);
	assert_int_equal(unlink(path_in("posthorn-index-lock")), 0);
}

/* What cannot be read just now is not taken for nothing. */
static void unreadable_is_not_empty(void **state)
{
	static const char *const files[] = { "dovecot-uidlist",
		"dovecot-keywords" };
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	struct mailbox_entry_value note = { STR("/private/comment"),
		STR("one") };
	struct mailbox_metadata metadata;
	struct mailbox_names names;
	uint32_t uidvalidity = m->row.uidvalidity, gone = 1;

	(void)state;
	save(m, "a: b\r\n\r\n", 0, "Blue");
	save(m, "a: b\r\n\r\n", 0, "Red");
	assert_int_equal(mailbox_expunge(m, &gone, 1, true), MAILBOX_OK);
	assert_int_equal(mailbox_store_subscribe(store, STR("a"), true),
		MAILBOX_OK);
	assert_int_equal(mailbox_metadata_change(store, STR(""), &note, 1),
		MAILBOX_OK);
	hide("subscriptions");
	assert_int_equal(mailbox_store_subscribe(store, STR("b"), true),
		MAILBOX_TRY_LATER);
	show("subscriptions");
	hide("posthorn-metadata-server");
	note.name = STR("/private/other");
	assert_int_equal(mailbox_metadata_change(store, STR(""), &note, 1),
		MAILBOX_TRY_LATER);
	show("posthorn-metadata-server");
	assert_int_equal(mailbox_store_subscriptions(store, arena, &names),
		MAILBOX_OK);
	assert_int_equal(names.count, 1);
	assert_true(mailbox_metadata_read(store, arena, STR(""), &metadata));
	assert_int_equal(metadata.count, 1);
	mailbox_close(m);
	mailbox_store_close(store);

	for (size_t i = 0; i < COUNT(files); i++) {
		lose_index();
		store = open_store();
		hide(files[i]);
		assert_int_equal(mailbox_open(store, STR("INBOX"), &m),
			MAILBOX_TRY_LATER);
		show(files[i]);
		m = open_inbox(store);
		assert_int_equal(m->row.uidvalidity, uidvalidity);
		assert_int_equal(m->count, 1);
		assert_int_equal(m->messages[0].is.uid, 2);
		assert_int_equal(mailbox_keyword(m, STR("Red")), 1);
		mailbox_close(m);
		mailbox_store_close(store);
	}
}

/* Dovecot adds a keyword beside us; or one of ours was killed between the
 * names of a file and of its keyword, and its commit. */
static void keywords_of_others(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	struct arena *arena auto_arena = arena_new(0);
	struct str text;

	(void)state;
	save(m, "a: b\r\n\r\n", 0, NULL);
	put_file("dovecot-keywords", "0 Blue\n2 Red\n");
	put_file("cur/2.b.h:2,Sac", "a: b\n\n");
	assert_int_equal(mailbox_refresh(m, false), MAILBOX_OK);
	assert_int_equal(m->count, 2);
	assert_int_equal(m->messages[1].is.keywords, 5);
	assert_int_equal(mailbox_keyword(m, STR("blue")), 0);
	assert_int_equal(mailbox_keyword(m, STR("red")), 2);
	assert_int_equal(mailbox_keyword(m, STR("")), -1);

	/* A name that no message has yet is not given to another letter. */
	put_file("dovecot-keywords", "0 Blue\n2 Red\n3 Black\n");
	save(m, "a: b\r\n\r\n", 0, "Green");
	save(m, "a: b\r\n\r\n", 0, "Black");
	assert_int_equal(m->messages[2].is.keywords, 1 << 4);
	assert_int_equal(m->messages[3].is.keywords, 1 << 3);
	assert_true(mailbox_store_read(store, arena, "dovecot-keywords",
		&text));
	assert_str(text, "0 Blue\n2 Red\n3 Black\n4 Green\n");
	mailbox_close(m);
	mailbox_store_close(store);

	store = open_store();
	m = open_inbox(store);
	assert_int_equal(mailbox_keyword(m, STR("red")), 2);
	assert_int_equal(mailbox_keyword(m, STR("black")), 3);
	mailbox_close(m);
	mailbox_store_close(store);
}

/* limit: MAILBOX_KEYWORDS_MOST. What is not kept is not said to be: a change
 * is refused whole; a message is not, for want of a keyword. */
static void keywords_of_a_mailbox_are_limited(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	struct imap_flags flags = { .system = IMAP_SEEN, .count = 3 };
	struct mailbox_change c = { .mode = MAILBOX_FLAGS_ADD,
		.flags = &flags };
	char names[MAILBOX_KEYWORDS_MOST][8];
	uint32_t uid = 1;

	(void)state;
	save(m, "a: b\r\n\r\n", 0, NULL);
	for (int i = 0; i < MAILBOX_KEYWORDS_MOST - 1; i++) {
		snprintf(names[i], sizeof(names[i]), "k%d", i);
		change(m, 1, MAILBOX_FLAGS_ADD, 0, names[i]);
	}
	flags.keywords[0] = STR("one");
	flags.keywords[1] = STR("k0");
	flags.keywords[2] = STR("two");
	assert_int_equal(mailbox_change(m, &uid, 1, &c), MAILBOX_LIMIT);
	assert_int_equal(m->keyword_count, MAILBOX_KEYWORDS_MOST - 1);
	assert_int_equal(m->messages[0].is.flags & IMAP_SEEN, 0);
	flags.keywords[2] = STR("ONE");
	assert_int_equal(mailbox_change(m, &uid, 1, &c), MAILBOX_OK);
	assert_int_equal(m->keyword_count, MAILBOX_KEYWORDS_MOST);
	assert_true(m->messages[0].is.keywords == UINT64_MAX);
	flags.keywords[0] = STR("two");
	assert_int_equal(mailbox_change(m, &uid, 1, &c), MAILBOX_LIMIT);
	c.mode = MAILBOX_FLAGS_REMOVE;
	assert_int_equal(mailbox_change(m, &uid, 1, &c), MAILBOX_OK);
	assert_int_equal(save(m, "a: b\r\n\r\n", 0, "two"), 2);
	assert_int_equal(m->messages[1].is.keywords, 0);
	assert_int_equal(save(m, "a: b\r\n\r\n", 0, "k62"), 3);
	assert_true(m->messages[2].is.keywords ==
		(uint64_t)1 << (MAILBOX_KEYWORDS_MOST - 2));
	mailbox_close(m);
	mailbox_store_close(store);
}

static void index_may_be_lost(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	uint32_t uidvalidity = m->row.uidvalidity, gone = 2, uid;

	(void)state;
	for (int i = 0; i < 3; i++)
		save(m, "a: b\r\n\r\n", IMAP_SEEN, "Work");
	assert_int_equal(mailbox_expunge(m, &gone, 1, true), MAILBOX_OK);
	mailbox_close(m);
	mailbox_store_close(store);
	lose_index();
	store = open_store();
	m = open_inbox(store);
	assert_int_equal(m->row.uidvalidity, uidvalidity);
	assert_int_equal(m->count, 2);
	assert_int_equal(m->messages[0].is.uid, 1);
	assert_int_equal(m->messages[1].is.uid, 3);
	assert_int_equal(m->messages[1].is.flags, IMAP_SEEN);
	assert_int_equal(m->messages[1].is.keywords, 1);
	uid = save(m, "a: b\r\n\r\n", 0, NULL);
	assert_true(uid > 3);
	mailbox_close(m);
	mailbox_store_close(store);
}

/* After a power cut while it was open the index is not trusted. */
static void power_cut_rebuilds(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	uint32_t uidvalidity = m->row.uidvalidity;

	(void)state;
	save(m, "a: b\r\n\r\n", 0, NULL);
	mailbox_close(m);
	mailbox_store_close(store);
	put_file("posthorn-index-boot",
		"00000000-0000-0000-0000-000000000000\n");
	store = open_store();
	m = open_inbox(store);
	assert_int_equal(m->row.uidvalidity, uidvalidity);
	assert_int_equal(m->count, 1);
	assert_int_equal(m->messages[0].is.uid, 1);
	mailbox_close(m);
	mailbox_store_close(store);
}

static const uint64_t no_page = 1u << 30;

/* Numbers that no page has: a look at the pages finds them, reading does
 * not. */
static void damage_pages(const struct timespec dates[2])
{
	int fd = open(path_in("posthorn-index"), O_RDWR);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 2 * 4096; at < st.st_size; at += 4096)
		assert_int_equal(pwrite(fd, &no_page, sizeof(no_page), at),
			sizeof(no_page));
	assert_int_equal(futimens(fd, dates), 0);
	close(fd);
}

/* Is it still that index, after it was opened once more? */
static bool stays_damaged(void)
{
	int fd;
	uint64_t number = 0;

	mailbox_store_close(open_store());
	fd = open(path_in("posthorn-index"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &number, sizeof(number), 2 * 4096),
		sizeof(number));
	close(fd);
	return number == no_page;
}

static void looks_at_pages_that_somebody_wrote(void **state)
{
	struct mailbox_store *store = open_store();
	struct mailbox *m = open_inbox(store);
	struct timespec dates[2];
	struct stat st;

	(void)state;
	save(m, "a\r\n", 0, NULL);
	mailbox_close(m);
	mailbox_store_close(store);
	assert_int_equal(stat(path_in("posthorn-index"), &st), 0);
	dates[0] = dates[1] = st.st_mtim;
	/* As it was left, says its date: not looked at. */
	damage_pages(dates);
	assert_true(stays_damaged());
	/* The file beside it says that somebody had it open: built again. */
	put_file("posthorn-index-boot", "unknown\n");
	assert_false(stays_damaged());
	/* So it is when it has another date. */
	dates[1].tv_sec++;
	damage_pages(dates);
	assert_false(stays_damaged());
}

static void names_of_mailboxes(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_store *store = open_store();
	struct mailbox_names names;
	struct mailbox *m;
	uint32_t uidvalidity;

	(void)state;
	assert_false(mailbox_name_is_good(store, STR("")));
	assert_false(mailbox_name_is_good(store, STR("a/b")));
	assert_false(mailbox_name_is_good(store, STR("../x")));
	assert_false(mailbox_name_is_good(store, STR(".a")));
	assert_false(mailbox_name_is_good(store, STR("a..b")));
	assert_false(mailbox_name_is_good(store, STR("a*")));
	assert_false(mailbox_name_is_good(store, STR("a&b")));
	assert_false(mailbox_name_is_good(store, STR("caf\xc3\xa9")));
	assert_true(mailbox_name_is_good(store, STR("caf&AOk-")));
	assert_int_equal(mailbox_store_create(store, STR("Inbox")),
		MAILBOX_EXISTS);
	assert_int_equal(mailbox_store_create(store, STR("a.b")), MAILBOX_OK);
	assert_int_equal(mailbox_store_create(store, STR("a.b")),
		MAILBOX_EXISTS);
	assert_int_equal(mailbox_open(store, STR("a.b"), &m), MAILBOX_OK);
	save(m, "a: b\r\n\r\n", 0, NULL);
	uidvalidity = m->row.uidvalidity;
	assert_int_equal(mailbox_store_rename(store, STR("a"), STR("c.d")),
		MAILBOX_OK);
	assert_string_equal(m->name, "c.d.b");
	mailbox_close(m);
	assert_int_equal(mailbox_open(store, STR("c.d.b"), &m), MAILBOX_OK);
	assert_int_equal(m->row.uidvalidity, uidvalidity);
	assert_int_equal(m->count, 1);
	assert_int_equal(mailbox_store_list(store, arena, &names), MAILBOX_OK);
	assert_int_equal(names.count, 2);
	assert_str(names.names[0], "INBOX");
	assert_str(names.names[1], "c.d.b");
	assert_int_equal(mailbox_store_remove(store, STR("c.d.b")),
		MAILBOX_OK);
	assert_true(m->is_removed);
	mailbox_close(m);
	assert_int_equal(mailbox_store_create(store, STR("c.d.b")),
		MAILBOX_OK);
	assert_int_equal(mailbox_open(store, STR("c.d.b"), &m), MAILBOX_OK);
	assert_true(m->row.uidvalidity > uidvalidity);
	mailbox_close(m);
	assert_int_equal(mailbox_store_remove(store, STR("x")),
		MAILBOX_NONEXISTENT);
	mailbox_store_close(store);
}

static void make_old(const char *name)
{
	struct timespec old[2] = { { .tv_sec = 1000000000 },
		{ .tv_sec = 1000000000 } };

	assert_int_equal(utimensat(AT_FDCWD, path_in(name), old, 0), 0);
}

/* Dates of a change cannot be set: what is old in one way only stays. */
static void finishes_what_others_died_over(void **state)
{
	struct mailbox_store *store = open_store();

	(void)state;
	mailbox_close(open_inbox(store));
	mailbox_store_close(store);
	put_file("tmp/1.young", "x");
	put_file("tmp/1.dated", "x");
	make_old("tmp/1.dated");
	assert_int_equal(mkdir(path_in("posthorn-removed-1"), 0700), 0);
	assert_int_equal(mkdir(path_in("posthorn-removed-1/cur"), 0700), 0);
	put_file("posthorn-removed-1/cur/1.a", "x");
	put_file("posthorn-removed-1/dovecot-uidlist", "x");
	store = open_store();
	mailbox_close(open_inbox(store));
	assert_true(is_file("tmp/1.young"));
	assert_true(is_file("tmp/1.dated"));
	assert_false(is_file("posthorn-removed-1"));
	mailbox_store_close(store);
}

static void parses_uidlists(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_uidlist list;

	(void)state;
	assert_true(mailbox_uidlist_parse(arena,
		STR("1 99 7\n3 a.b\n9 c.d:2,S\n"), &list));
	assert_int_equal(list.uidvalidity, 99);
	assert_int_equal(list.uidnext, 10);
	assert_int_equal(list.count, 2);
	assert_str(list.items[1].key, "c.d");
	assert_false(mailbox_uidlist_parse(arena, STR(""), &list));
	assert_false(mailbox_uidlist_parse(arena, STR("3 N5\n"), &list));
	assert_true(mailbox_uidlist_parse(arena,
		STR("3 N5 V6\nx\n0 :a\n1\n2 :\n3 W1 X2 :k\n"), &list));
	assert_int_equal(list.count, 1);
	assert_str(list.items[0].key, "k");
}

/* DELETE was cut off between the files and the index, and CREATE follows. */
static void a_name_that_comes_back_is_another_mailbox(void **state)
{
	struct mailbox_store *store = mailbox_store_open(dir);
	struct mailbox *m;
	uint32_t validity, id;

	(void)state;
	assert_int_equal(mailbox_store_create(store, STR("Box")), MAILBOX_OK);
	assert_int_equal(mailbox_open(store, STR("Box"), &m), MAILBOX_OK);
	validity = m->row.uidvalidity;
	id = m->row.id;
	mailbox_close(m);
	mailbox_store_close(store);
	assert_int_equal(stand_folder_remove(path_in(".Box")), 0);
	store = mailbox_store_open(dir);
	assert_int_equal(mailbox_store_create(store, STR("Box")), MAILBOX_OK);
	assert_int_equal(mailbox_open(store, STR("Box"), &m), MAILBOX_OK);
	assert_true(m->row.uidvalidity > validity);
	assert_int_not_equal(m->row.id, id);
	mailbox_close(m);
	mailbox_store_close(store);
}

/* Root's file, as somebody else: its owner may ask that the time of reading is
 * not kept, others may read it all the same. */
static void opens_what_belongs_to_others(void **state)
{
	const struct mailbox_entry entry = { .name = "passwd" };
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		int folder, fd;

		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		folder = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd = mailbox_maildir.open_in(folder, &entry);
		_exit(fd >= 0 && !(fcntl(fd, F_GETFL) & O_NOATIME) ? 7 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		IN_DIR(a_name_that_comes_back_is_another_mailbox),
		IN_DIR(saves_and_reads),
		IN_DIR(an_index_that_rests_is_as_good),
		IN_DIR(only_a_walk_reads_ahead),
		IN_DIR(uids_outlive_the_index),
		IN_DIR(sees_other_programs),
		IN_DIR(views_share_their_uids),
		IN_DIR(what_is_delivered_costs_little),
		IN_DIR(many_at_once_cost_little),
		IN_DIR(dates_are_read_when_they_are_wanted),
		IN_DIR(cold_messages_are_asked_for_ahead),
		IN_DIR(names_follow_flags),
		IN_DIR(flags_survive),
		IN_DIR(expunges_and_never_reuses),
		IN_DIR(copies_and_moves),
		IN_DIR(takes_over_from_dovecot),
		IN_DIR(keywords_of_others),
		IN_DIR(keywords_of_a_mailbox_are_limited),
		IN_DIR(unreadable_is_not_empty),
		IN_DIR(index_may_be_lost),
		IN_DIR(power_cut_rebuilds),
		IN_DIR(looks_at_pages_that_somebody_wrote),
		IN_DIR(names_of_mailboxes),
		IN_DIR(finishes_what_others_died_over),
		cmocka_unit_test(parses_uidlists),
		cmocka_unit_test(opens_what_belongs_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
