/*
 * Thousands of active messages for two destinations, of which one does not
 * answer: few of them are in memory in full at any time, the other gets all of
 * its mail meanwhile, and what cannot be read again is not lost.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/test.h"
#include "io/fiber.h"
#include "mail/address.h"

enum {
	DUE = 3000,
	MANY = 400,
	OCTETS = 12 * 1024, /* of a message as it is read */
	AT_ONCE = 20,       /* default_destination_concurrency_limit */
	CREWS = 100 + 100 + 50 + 50, /* see qmgr/README.md */
	BOUND = 2 * AT_ONCE + CREWS,
	LONG = 100000, /* turns of the scheduler: it hangs */
};

struct qmgr qmgr;

/* What becomes of deliveries and of the disk. */
static struct {
	size_t most_in_full, most_active, kept, over, done;
	size_t loads, fail_from; /* reads from this one on, 0: none */
	enum store_result failure;
	int route_turns; /* that rewrite(8) takes */
	bool all_are_slow, keep_fails;
	bool is_deferring; /* what is kept was deferred by the scheduler */
	struct dispatch *slow[DUE];
	size_t slow_count;
} now;

static void watch(void)
{
	if (qmgr.in_full > now.most_in_full)
		now.most_in_full = qmgr.in_full;
	if (qmgr.active > now.most_active)
		now.most_active = qmgr.active;
}

/* ---- instead of lib/queue ---- */

static struct str address_of(uint64_t serial, size_t recipient)
{
	static const char *const addresses[] = { "a@slow.example",
		"a@fast.example", "b@slow.example" };

	return str_from(addresses[(serial + recipient) % 2
		? 1 : recipient ? 2 : 0]);
}

/* Those from DUE on have three recipients, of which the first is done. */
static struct stored *make_stored(struct arena *arena, uint64_t serial,
	struct str id)
{
	struct stored *stored = arena_new_of(arena, struct stored);
	size_t count = serial > DUE ? 3 : 1;

	stored->queue = QUEUE_DEFERRED;
	stored->head.serial = serial;
	stored->envelope.queue_id = arena_copy(arena, id);
	stored->envelope.sender = STR("s@example.net");
	stored->envelope.verp = STR_NONE;
	stored->envelope.arrival_us = (uint64_t)wall_us();
	stored->envelope.recipients = arena_array(arena, count,
		sizeof(*stored->envelope.recipients));
	stored->envelope.recipient_count = count;
	for (size_t i = 0; i < count; i++)
		stored->envelope.recipients[i].address =
			arena_copy(arena, address_of(serial, i));
	stored->done = arena_array(arena, count, sizeof(*stored->done));
	stored->reasons = arena_array(arena, count, sizeof(*stored->reasons));
	stored->done[0] = count == 3;
	stored->left = count == 3 ? 2 : 1;
	stored->content = str_of(arena_octets_new(arena, OCTETS), OCTETS);
	return stored;
}

enum store_result store_load_file(struct store *store, struct arena *arena,
	enum queue_name queue, struct str id, struct stored **stored)
{
	uint64_t serial;

	(void)store;
	assert_int_equal(queue, QUEUE_DEFERRED);
	assert_true(queue_id_parse(id, &serial));
	watch();
	if (++now.loads >= now.fail_from && now.fail_from > 0) {
		errno = EMFILE;
		return now.failure;
	}
	*stored = make_stored(arena, serial, id);
	return STORE_FOUND;
}

enum store_result store_load_slot(struct store *store, struct arena *arena,
	const struct place *place, bool again, struct stored **stored)
{
	(void)store, (void)arena, (void)place, (void)again, (void)stored;
	return STORE_ERROR;
}

struct stored *stored_copy(struct arena *arena, const struct stored *stored)
{
	size_t count = stored->envelope.recipient_count;
	struct stored *copy = arena_new_of(arena, struct stored);

	*copy = *stored;
	copy->content = STR_NONE;
	copy->done = arena_array(arena, count, sizeof(*copy->done));
	memcpy(copy->done, stored->done, count * sizeof(*copy->done));
	copy->reasons = arena_array(arena, count, sizeof(*copy->reasons));
	memcpy(copy->reasons, stored->reasons, count * sizeof(*copy->reasons));
	for (size_t i = 0; i < count; i++)
		copy->reasons[i].status.text = arena_copy(arena,
			stored->reasons[i].status.text);
	envelope_copy(arena, &stored->envelope, &copy->envelope);
	return copy;
}

void store_done_unwritten(struct stored *stored, uint32_t recipient)
{
	assert_false(stored->done[recipient]);
	stored->done[recipient] = true;
	stored->left--;
	now.done++;
}

bool store_done(struct store *store, struct stored *stored, uint32_t recipient)
{
	(void)store;
	store_done_unwritten(stored, recipient);
	return true;
}

bool store_over(struct store *store, struct stored *stored, bool at_once)
{
	(void)store, (void)at_once;
	assert_int_equal(stored->left, 0);
	watch();
	io_yield();
	now.over++;
	return true;
}

/* Each recipient that is left was told why. */
bool store_keep(struct store *store, struct stored *stored,
	enum queue_name queue)
{
	(void)store;
	watch();
	for (size_t i = 0; i < stored->envelope.recipient_count; i++)
		if (now.is_deferring && !stored->done[i])
			assert_true(str_starts(stored->reasons[i].status.text,
				STR("delivery temporarily suspended: ")));
	io_yield();
	/* Not before it is there. */
	assert_int_equal(entry_find(stored->head.serial)->queue,
		QUEUE_DEFERRED);
	if (now.keep_fails)
		return false;
	stored->queue = queue;
	now.kept++;
	return true;
}

bool store_update(struct store *store, struct stored *stored, int64_t since_us,
	bool flush)
{
	(void)store, (void)stored, (void)since_us, (void)flush;
	return true;
}

/* ---- instead of the rest of qmgr and of the service ---- */

bool service_is_retiring(void)
{
	return false;
}

uint64_t service_at_once(struct str service)
{
	(void)service;
	return 1000;
}

void digest_put(struct entry *entry, const struct stored *stored)
{
	(void)entry, (void)stored;
}

void digest_drop(struct entry *entry)
{
	(void)entry;
}

bool report_send(struct message *message, unsigned kind,
	bool (*is_chosen)(const struct message *message, uint32_t recipient))
{
	(void)message, (void)kind, (void)is_chosen;
	return true;
}

/* No probe of verify(8) is among the messages: nobody is told. */
void findings_send(struct message *message,
	bool (*is_chosen)(const struct message *message, uint32_t recipient))
{
	(void)message;
	(void)is_chosen;
}

void logline(const struct message *message, uint32_t recipient,
	const char *status)
{
	(void)message, (void)recipient, (void)status;
}

struct str logline_address(struct arena *arena, struct str address)
{
	(void)arena;
	return address;
}

void route_again(struct message *message, uint32_t recipient,
	struct str transport, struct str nexthop)
{
	message->rcpts[recipient].transport = transport;
	message->rcpts[recipient].nexthop =
		arena_copy(message->arena, nexthop);
}

void route(struct message *message)
{
	for (int turns = 0; turns < now.route_turns; turns++)
		io_yield();
	for (uint32_t i = 0; i < message->count; i++)
		if (message->rcpts[i].state == RCPT_IDLE) {
			route_again(message, i, schedule_transport(STR("smtp")),
				mail_address_domain(message->rcpts[i].address));
			schedule_add(message, i);
		}
}

static void end_delivery(struct dispatch *dispatch, unsigned site,
	enum attempt state)
{
	struct message *message = dispatch->message;

	for (size_t i = 0; i < dispatch->count; i++) {
		uint32_t at = dispatch->recipients[i];

		message->stored->reasons[at] = (struct reason){ .wall_us = 1,
			.status = { 450, 4, 1,
				STR("delivery temporarily suspended: x") } };
		if (state == RCPT_DONE)
			message_done(message, at);
		message_result(message, at, state);
	}
	schedule_ended(dispatch, site, STR("no answer"));
	free(dispatch->recipients);
	free(dispatch);
	message->deliveries--;
	message_check(message);
	schedule();
}

static void drop(struct dispatch *dispatch)
{
	struct message *message = dispatch->message;

	message->open -= (uint32_t)dispatch->count;
	schedule_ended(dispatch, SITE_UNKNOWN, STR(""));
	free(dispatch->recipients);
	free(dispatch);
	message->deliveries--;
	message_check(message);
	schedule();
}

static void deliver(void *context)
{
	struct dispatch *dispatch = context;
	struct message *message = dispatch->message;

	if (shelf_fetch(message, dispatch->count) != STORE_FOUND) {
		drop(dispatch);
		return;
	}
	dispatch_take_up(dispatch);
	watch();
	for (size_t i = 0; i < dispatch->count; i++) {
		uint32_t at = dispatch->recipients[i];

		assert_int_equal(message->rcpts[at].state, RCPT_BUSY);
		assert_true(str_eq(message->rcpts[at].nexthop,
			dest_nexthop(dispatch->dest)));
		assert_true(str_eq(mail_address_domain(
			message->rcpts[at].address),
			dest_nexthop(dispatch->dest)));
	}
	io_yield();
	if (now.all_are_slow ||
		str_is(dest_nexthop(dispatch->dest), "slow.example"))
		now.slow[now.slow_count++] = dispatch;
	else
		end_delivery(dispatch, 0, RCPT_DONE);
}

void deliver_start(struct dispatch *dispatch)
{
	io_spawn("delivery", deliver, dispatch);
}

/* ---- cases ---- */

static void put_due(uint64_t serial)
{
	auto_arena struct arena *arena = arena_new(0);

	entry_defer(entry_new(serial, queue_id_text(arena, serial, 0, false),
			    QUEUE_DEFERRED), 0);
}

static void wait_until(bool (*is)(void))
{
	for (int turns = 0; !is(); turns++) {
		if (turns == LONG)
			fail();
		io_yield();
	}
}

static bool half_is_over(void)
{
	return now.over == DUE / 2 && now.slow_count == AT_ONCE;
}

static bool none_is_active(void)
{
	return qmgr.active == 0;
}

static bool all_are_active(void)
{
	return qmgr.deferred.count == 0 && now.slow_count == 2 * AT_ONCE;
}

static void forget_all(void)
{
	struct entry *entry;
	size_t at = 0;

	while ((entry = entry_next(&at))) {
		entry_free(entry);
		at = 0;
	}
	now = (__typeof__(now)){ 0 };
}

/* One of two destinations does not answer. */
static void serve_the_other(void *context)
{
	(void)context;
	activate_start();
	now.route_turns = 200;
	for (uint64_t serial = 1; serial <= DUE; serial++)
		put_due(serial);
	activate_all();
	wait_until(half_is_over);
	assert_true(now.most_active > DUE / 2);
	assert_int_equal(qmgr.active, DUE / 2);
	assert_int_equal(qmgr.in_full, AT_ONCE);

	/* It is dead, then: nothing waits for it any more. */
	now.is_deferring = true;
	for (size_t i = 0; i < now.slow_count; i++)
		end_delivery(now.slow[i], 1, RCPT_DEFERRED);
	wait_until(none_is_active);
	assert_int_equal(now.kept, DUE / 2);
	assert_int_equal(qmgr.deferred.count, DUE / 2);
	assert_int_equal(now.done, DUE / 2);
	assert_int_equal(qmgr.in_full, 0);
	assert_int_equal(qmgr.whole, 0);
	assert_true(now.most_in_full <= BOUND);
	forget_all();
	io_stop();
}

static void begin_many(void)
{
	now.all_are_slow = true;
	for (uint64_t serial = 1; serial <= MANY; serial++)
		put_due(serial);
	activate_all();
	wait_until(all_are_active);
	for (int turns = 0; turns < 10; turns++)
		io_yield(); /* the last one is routed */
	assert_int_equal(qmgr.active, MANY);
}

/* All that was begun, and what begins then. */
static void end_all_deliveries(void)
{
	for (int turns = 0; qmgr.active > 0; turns++) {
		if (turns == LONG)
			fail();
		if (now.slow_count > 0)
			end_delivery(now.slow[--now.slow_count], 0, RCPT_DONE);
		io_yield();
	}
}

/* In what was found when it was to be read again. */
static void read_again(enum store_result failure)
{
	size_t shelved;

	begin_many();
	shelved = qmgr.active - qmgr.in_full;
	assert_int_equal(shelved, MANY - 2 * AT_ONCE);
	now.fail_from = now.loads + 1;
	now.failure = failure;
	end_all_deliveries();
	assert_int_equal(now.over, MANY - shelved);
	assert_int_equal(now.done, MANY - shelved);
	assert_int_equal(qmgr.in_full, 0);
	/* It is looked for again, or it is gone. */
	assert_int_equal(qmgr.deferred.count,
		failure == STORE_ERROR ? shelved : 0);
	assert_int_equal(qmgr.entries.count, qmgr.deferred.count);
	forget_all();
}

static void fail_to_read(void *context)
{
	(void)context;
	read_again(STORE_ERROR);
	read_again(STORE_GONE);
	io_stop();
}

static struct entry *put_on_shelf(uint64_t serial)
{
	struct entry *entry;

	put_due(serial);
	activate_all();
	entry = entry_find(serial);
	for (int turns = 0; !entry->active || entry->active->stored; turns++) {
		if (turns == LONG)
			fail();
		io_yield();
	}
	return entry;
}

/* Two recipients for two destinations, and one to whom it was delivered
 * before; a second such one is put on hold meanwhile, and a third one is not,
 * as the disk refuses. */
static void take_from_the_shelf(void *context)
{
	struct entry *entry, *held, *refused;

	(void)context;
	begin_many();
	entry = put_on_shelf(DUE + 1);
	held = put_on_shelf(DUE + 3);
	refused = put_on_shelf(DUE + 5);
	assert_int_equal(entry->active->open, 2);
	assert_true(message_stop(held->active, STOP_HOLD));
	assert_null(held->active);
	assert_int_equal(held->queue, QUEUE_HOLD);
	assert_int_equal(now.kept, 1);
	now.keep_fails = true;
	assert_true(message_stop(refused->active, STOP_HOLD));
	now.keep_fails = false;
	assert_null(refused->active);
	assert_int_equal(refused->queue, QUEUE_DEFERRED);
	end_all_deliveries();
	assert_int_equal(now.over, MANY + 1);
	assert_int_equal(now.done, MANY + 2);
	assert_int_equal(qmgr.entries.count, 2);
	forget_all();
	io_stop();
}

static void use(void (*run)(void *context))
{
	io_run(run, NULL);
}

static void few_are_in_full(void **state)
{
	(void)state;
	use(serve_the_other);
}

static void nothing_is_lost(void **state)
{
	(void)state;
	use(fail_to_read);
}

static void recipients_are_known_again(void **state)
{
	(void)state;
	use(take_from_the_shelf);
}

static void be_silent(enum log_level level, struct str line)
{
	(void)level, (void)line;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_are_in_full),
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(recipients_are_known_again),
	};

	log_sink(be_silent);
	qmgr.conf = conf_for_test(arena_new(0), (const char *const[]){
		"initial_destination_concurrency=20", NULL });
	list_init(&qmgr.incoming);
	io_event_init(&qmgr.news);
	io_event_init(&qmgr.ended);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
