/*
 * What postsuper is told of "hold": nothing before it is durable, and nothing
 * at all of what could not be made so.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"
#include "io/fiber.h"
#include "service/stand.h"

struct qmgr qmgr;

static const struct service service = { .name = "qmgr", .calls = "" };

/* The disk, which answers when it is told to. */
static struct {
	struct io_event event;
	bool is_waiting, is_answered, fails;
	size_t kept;
} disk;

static void wait_for_disk(void)
{
	disk.is_waiting = true;
	while (!disk.is_answered)
		if (!io_event_wait(&disk.event, SPAN_FOREVER))
			break;
	disk.is_waiting = disk.is_answered = false;
}

static void answer_from_disk(bool fails)
{
	disk.fails = fails;
	disk.is_answered = true;
	io_event_wake_all(&disk.event);
}

/* ---- instead of lib/queue ---- */

bool store_keep(struct store *store, struct stored *stored,
	enum queue_name queue)
{
	(void)store;
	wait_for_disk();
	errno = EIO;
	if (disk.fails)
		return false;
	stored->queue = queue;
	disk.kept++;
	return true;
}

enum store_result store_load_file(struct store *store, struct arena *arena,
	enum queue_name queue, struct str id, struct stored **stored)
{
	(void)store;
	*stored = arena_new_of(arena, struct stored);
	(*stored)->queue = queue;
	(*stored)->envelope.queue_id = arena_copy(arena, id);
	return STORE_FOUND;
}

enum store_result store_load_slot(struct store *store, struct arena *arena,
	const struct place *place, bool again, struct stored **stored)
{
	(void)place, (void)again;
	return store_load_file(store, arena, QUEUE_JOURNAL, STR("4A5F21002B"),
		stored);
}

bool store_over(struct store *store, struct stored *stored, bool now)
{
	(void)store, (void)stored, (void)now;
	return false;
}

bool store_update(struct store *store, struct stored *stored, int64_t since_us,
	bool flush)
{
	(void)store, (void)stored, (void)since_us, (void)flush;
	return false;
}

int store_large(struct store *store, const struct stored *stored)
{
	(void)store, (void)stored;
	return -1;
}

/* ---- instead of the rest of qmgr ---- */

/* As message.c does it: put on hold by the way, if the disk can. */
bool message_stop(struct message *message, enum stop stop)
{
	assert_int_equal(stop, STOP_HOLD);
	wait_for_disk();
	if (!disk.fails)
		entry_set_queue(message->entry, QUEUE_HOLD);
	else
		entry_defer(message->entry, wall_us());
	message->entry->active = NULL;
	return true;
}

void digest_put(struct entry *entry, const struct stored *stored)
{
	(void)entry, (void)stored;
}

void digest_drop(struct entry *entry)
{
	(void)entry;
}

bool message_is_behind(void)
{
	return false;
}

void activate_all(void)
{
}

bool activate_now(struct entry *entry)
{
	(void)entry;
	return false;
}

void activate_soon(struct entry *entry)
{
	(void)entry;
}

void schedule_revive(void)
{
}

/* ---- a client ---- */

static struct stand stand;

static void run_client(struct client *client, void *context)
{
	(void)context;
	control_session(qmgr.conf, client);
}

static void ask(const char *line)
{
	stand_begin(&stand, run_client, NULL);
	assert_int_equal(send(stand.fd, line, strlen(line), 0),
		(ssize_t)strlen(line));
	stand_quiet();
}

/* What was answered so far. */
static void assert_answer(const char *wanted)
{
	char got[256];
	ssize_t len = recv(stand.fd, got, sizeof(got), MSG_DONTWAIT);

	if (len < 0 && errno == EAGAIN)
		len = 0;
	assert_true(len >= 0);
	assert_str(str_of(got, (size_t)len), wanted);
}

/* ---- cases ---- */

#define ID "4A5F21002B"

static const struct {
	enum queue_name queue;
	bool is_active;
	int failures; /* of the disk, one after the other */
	const char *answer;
	enum queue_name is_then;
} cases[] = {
	{ QUEUE_DEFERRED, false, 0, "+" ID "\n.\n", QUEUE_HOLD },
	{ QUEUE_DEFERRED, false, 1, ".\n", QUEUE_DEFERRED },
	{ QUEUE_JOURNAL, false, 0, "+" ID "\n.\n", QUEUE_HOLD },
	{ QUEUE_JOURNAL, false, 1, ".\n", QUEUE_JOURNAL },
	{ QUEUE_DEFERRED, true, 0, "+" ID "\n.\n", QUEUE_HOLD },
	/* not on the way, but then; or not at all */
	{ QUEUE_DEFERRED, true, 1, "+" ID "\n.\n", QUEUE_HOLD },
	{ QUEUE_DEFERRED, true, 2, ".\n", QUEUE_DEFERRED },
};

static struct entry *make_entry(enum queue_name queue)
{
	struct place place = { 0 };
	struct entry *entry;
	uint64_t serial;

	assert_true(queue_id_parse(STR(ID), &serial));
	if (queue != QUEUE_JOURNAL) {
		entry = entry_new(serial, STR(ID), queue);
		entry_defer(entry, wall_us());
		return entry;
	}
	place.serial = serial;
	entry = entry_new_slotted(&place);
	memcpy(entry->id, ID, sizeof(ID));
	entry_put_incoming(entry);
	return entry;
}

static void put_on_hold(size_t i)
{
	struct entry *entry = make_entry(cases[i].queue);
	struct message message = { .entry = entry };
	int failures = cases[i].failures;

	if (cases[i].is_active)
		entry->active = &message;
	ask("hold " ID "\n");
	do {
		if (!disk.is_waiting)
			fail_msg("case %zu: not on the disk", i);
		assert_answer("");
		answer_from_disk(failures-- > 0);
		stand_quiet();
	} while (disk.is_waiting);
	assert_answer(cases[i].answer);
	assert_int_equal(entry->queue, cases[i].is_then);
	assert_true(stand_end(&stand));
	entry_free(entry);
}

static void put_all_on_hold(void *context)
{
	(void)context;
	for (size_t i = 0; i < COUNT(cases); i++)
		put_on_hold(i);
	io_stop();
}

static void hold_is_durable_when_it_is_told(void **state)
{
	(void)state;
	io_run(put_all_on_hold, NULL);
	assert_int_equal(disk.kept, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hold_is_durable_when_it_is_told),
	};

	qmgr.conf = conf_for_test(arena_new(0), NULL);
	list_init(&qmgr.incoming);
	io_event_init(&disk.event);
	stand_open(&service, qmgr.conf);
	control_prepare(qmgr.conf);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
