/*
 * Many mailboxes of another program are met while helpers read their files, and
 * while others go on with them.
 */
#include "base/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fiber.h"
#include "io/helper.h"
#include "mailbox/departed.h"
#include "mailbox/gather.h"
#include "mailbox/store.h"
#include "mailbox/test_dir.h"
#include "mailbox/uidlist.h"

enum {
	BOXES = 300,   /* more than are read at a time */
	KNOWN = 40,    /* was opened before */
	BROKEN = 70,   /* has no cur/ */
	LISTED = 200,  /* another program gave it uids */
	LOCKED = 210,  /* and does so just now */
	EXPUNGED = 220, /* one of its files is to be removed */
};

static struct {
	struct mailbox_store *store;
	struct str names[BOXES];
	enum mailbox_met met[BOXES];
	int dropped; /* how many got one message more */
	bool is_done;
} all;

static void put_file(const char *text, const char *format, int n)
{
	char name[80];
	FILE *f;

	snprintf(name, sizeof(name), ".B%d/", n);
	snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s",
		format);
	f = fopen(path_in(name), "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* n modulo 3 messages. */
static void make_box(struct arena *arena, int n)
{
	static const char *const parts[] = { "", "/tmp", "/new", "/cur" };
	char name[80];

	all.names[n] = arena_fmt(arena, "B%d", n);
	for (size_t i = 0; i < COUNT(parts); i++) {
		snprintf(name, sizeof(name), ".B%d%s", n, parts[i]);
		if (n != BROKEN || i < 3)
			assert_int_equal(mkdir(path_in(name), 0700), 0);
	}
	for (int i = 0; i < n % 3 && n != BROKEN; i++)
		put_file("Subject: a\n\na\n", i ? "cur/2.a:2,S" : "cur/1.a:2,",
			n);
}

/* An index that there was before has expunged the first one. */
static void leave_remains(struct arena *arena)
{
	struct buf list = BUF_IN(arena);

	departed_line_format(&list, "1.a:2,", false);
	departed_end_format(&list, 0);
	departed_confirm_format(&list);
	put_file(arena_cstr(arena, buf_str(&list)), "posthorn-expunged",
		EXPUNGED);
}

/* As a delivery program that knows nothing of us. */
static void drop_everywhere(void *context)
{
	(void)context;
	for (; all.dropped < BOXES; all.dropped++) {
		put_file("Subject: b\n\nb\n", "new/3.b", all.dropped);
		if (all.dropped % 7 == 0)
			io_yield();
	}
	all.is_done = true;
}

/* A uidlist and others beside the messages, or a neighbour has one: those that
 * are read in one go, of all but KNOWN. */
static bool is_read_in_order(int n)
{
	return n >= LISTED && (n - 1) / MAILBOX_GATHER_MOST ==
		(LISTED - 1) / MAILBOX_GATHER_MOST;
}

static void check_box(int n)
{
	struct mailbox *m;
	struct index_mailbox row;

	if (n == BROKEN) {
		assert_int_equal(all.met[n], MAILBOX_NOT_MET);
		assert_int_equal(mailbox_open(all.store, all.names[n], &m),
			MAILBOX_NONEXISTENT);
		return;
	}
	assert_int_equal(all.met[n] != MAILBOX_NOT_MET, n != KNOWN);
	if (n != KNOWN)
		assert_int_equal(all.met[n] == MAILBOX_MET_BARE,
			!is_read_in_order(n));
	if (n != LOCKED && all.met[n] != MAILBOX_NOT_MET)
		assert_true(mailbox_store_status_met(all.store, all.names[n],
			&row));
	assert_int_equal(mailbox_open(all.store, all.names[n], &m),
		MAILBOX_OK);
	/* Whenever it came: what was read before it is not all there is. */
	assert_int_equal(m->count, n == LOCKED ? 0 :
		n % 3 + (n != EXPUNGED));
	if (n == LISTED) {
		assert_int_equal(m->row.uidvalidity, 4711);
		assert_int_equal(m->messages[0].is.uid, 17);
		assert_int_equal(m->messages[1].is.uid, 29);
	}
	mailbox_close(m);
}

static void meet(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct mailbox *known;
	bool have[BOXES];

	(void)context;
	for (int n = 0; n < BOXES; n++)
		make_box(arena, n);
	put_file("3 V4711 N30 G00112233445566778899aabbccddeeff\n"
		 "17 :2.a\n29 :1.a\n", "dovecot-uidlist", LISTED);
	put_file("", "dovecot-uidlist.lock", LOCKED);
	leave_remains(arena);
	all.store = mailbox_store_open(dir);
	assert_non_null(all.store);
	assert_int_equal(mailbox_open(all.store, all.names[KNOWN], &known),
		MAILBOX_OK);
	mailbox_close(known);
	io_spawn("drop", drop_everywhere, NULL);
	assert_int_equal(mailbox_store_meet(all.store, all.names, BOXES, false,
		all.met), MAILBOX_OK);
	mailbox_store_have(all.store, all.names, BOXES, all.met, have);
	while (!all.is_done)
		io_yield();
	for (int n = 0; n < BOXES; n++) {
		assert_int_equal(have[n], n != BROKEN);
		check_box(n);
	}
	mailbox_store_close(all.store);
	/* No fiber for what was left to do: it would find no store. */
	assert_int_equal(io_fibers(), 1);
	io_stop();
}

static void in_helpers(void *context)
{
	io_helpers_start(2);
	meet(context);
}

static void begin(void)
{
	memset(&all, 0, sizeof(all));
}

static void many_are_met_by_helpers(void **state)
{
	(void)state;
	begin();
	io_run(in_helpers, NULL);
}

static void and_in_place(void **state)
{
	(void)state;
	begin();
	io_run(meet, NULL);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		IN_DIR(and_in_place), /* before there are helpers */
		IN_DIR(many_are_met_by_helpers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
