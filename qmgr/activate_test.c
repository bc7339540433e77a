/*
 * A message that is found in a file while its slot is being read: the file is
 * the truth, and the message waits for its turn there.
 */
#include "qmgr/qmgr.h"

#include "base/test.h"

struct qmgr qmgr;

static struct {
	enum store_result slot; /* what is read */
	enum queue_name file;   /* found meanwhile; QUEUE_JOURNAL: none */
	struct entry *entry;
} now;

/* ---- instead of the rest of qmgr and of lib/queue ---- */

enum store_result store_load_slot(struct store *store, struct arena *arena,
	const struct place *place, bool again, struct stored **stored)
{
	(void)store;
	(void)arena;
	(void)place;
	(void)again;
	(void)stored;
	if (now.file != QUEUE_JOURNAL) { /* as recover.c does */
		memcpy(now.entry->id, "1000", sizeof("1000"));
		entry_set_queue(now.entry, now.file);
	}
	if (now.file == QUEUE_DEFERRED)
		entry_defer(now.entry, 0);
	return now.slot;
}

enum store_result store_load_file(struct store *store, struct arena *arena,
	enum queue_name queue, struct str id, struct stored **stored)
{
	(void)store;
	(void)arena;
	(void)queue;
	(void)id;
	(void)stored;
	return STORE_ERROR;
}

struct stored *stored_copy(struct arena *arena, const struct stored *stored)
{
	(void)arena;
	(void)stored;
	return NULL; /* so much is not read here */
}

bool service_is_retiring(void)
{
	return false;
}

void digest_drop(struct entry *entry)
{
	(void)entry;
}

void message_begin(struct message *message)
{
	(void)message;
}

void message_check(struct message *message)
{
	(void)message;
}

void schedule_revive(void)
{
}

void schedule_restore(struct message *message)
{
	(void)message;
}

bool message_is_behind(void)
{
	return false;
}

/* ---- cases ---- */

static const struct {
	enum store_result slot;
	enum queue_name file;
	bool stays, waits; /* afterwards: it is known, has a turn */
} cases[] = {
	{ STORE_OVER,  QUEUE_JOURNAL,  true,  false }, /* until it is free */
	{ STORE_GONE,  QUEUE_JOURNAL,  false, false },
	{ STORE_OVER,  QUEUE_DEFERRED, true,  true  },
	{ STORE_GONE,  QUEUE_DEFERRED, true,  true  },
	{ STORE_ERROR, QUEUE_DEFERRED, true,  true  },
	{ STORE_OVER,  QUEUE_HOLD,     true,  false },
	{ STORE_ERROR, QUEUE_HOLD,     true,  false },
};

static void what_is_found_meanwhile_stays(void **state)
{
	const struct conf *conf = conf_for_test(arena_new(0),
		(const char *const[]){ NULL });

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct place place = { .serial = 1 };
		struct entry *entry;

		qmgr = (struct qmgr){ .conf = conf };
		list_init(&qmgr.incoming);
		io_event_init(&qmgr.news);
		io_event_init(&qmgr.ended);
		now.slot = cases[i].slot;
		now.file = cases[i].file;
		now.entry = entry_new_slotted(&place);
		entry_put_incoming(now.entry);
		assert_false(activate_now(now.entry));
		entry = entry_find(1);
		assert_int_equal(entry != NULL, cases[i].stays);
		if (!entry)
			continue;
		assert_int_equal(entry->queue, cases[i].file);
		assert_int_equal(qmgr.deferred.count, cases[i].waits);
		assert_int_equal(entry->is_over,
			cases[i].file == QUEUE_JOURNAL);
		assert_false(entry->is_loading);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_found_meanwhile_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
