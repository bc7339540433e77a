/*
 * qmgr/route - where the recipients of a message go.
 *
 * rewrite(8) is asked about several addresses in one call; what it said is
 * remembered for a few seconds: a burst of mail to the same people costs one
 * question.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "mail/address.h"

enum {
	AT_ONCE = 100,     /* addresses in a call */
	CACHED_MOST = 4000, /* 300 octets each */
	CACHED_S = 5,
	CONNECT_S = 60,
	ANSWER_S = 60,
	RETRY_S = 30,
};

/* What is remembered about an address; heap, with the texts behind it. */
struct known {
	struct moment until;
	struct msg_resolved answer;
	char texts[];
};

static struct table *cache;
static bool is_forgetting; /* a fiber does */

/* Does the sender matter? */
static bool is_sender_dependent(void)
{
	const struct conf *conf = qmgr.conf;

	return conf->sender_dependent_relayhost_maps.len > 0 ||
		conf->sender_dependent_default_transport_maps.len > 0;
}

static struct str key_of(struct arena *arena, const struct message *message,
	struct str address)
{
	if (!is_sender_dependent() && !is_probe(message))
		return address;
	return arena_fmt(arena, "%s%.*s\n%.*s",
		is_probe(message) ? "\n" : "",
		STR_ARG(message->stored->envelope.sender), STR_ARG(address));
}

static const struct msg_resolved *recall(struct str key)
{
	struct known *known = cache ? table_find(cache, key) : NULL;

	if (!known || moment_left(known->until).us == 0)
		return NULL;
	return &known->answer;
}

static void forget(bool all)
{
	for (struct table_walk w = { 0 }; table_next(cache, &w);) {
		struct known *known = w.value;

		if (!all && moment_left(known->until).us > 0)
			continue;
		table_remove(cache, w.key);
		free(known);
	}
	if (table_count(cache) > 0)
		return;
	table_free(cache);
	cache = NULL;
}

/* Fiber, while there is a cache: nothing stays for long. */
static void forget_in_time(void *context)
{
	(void)context;
	while (io_sleep(span_s(CACHED_S))) {
		if (cache)
			forget(false);
		if (!cache)
			break;
	}
	is_forgetting = false;
}

static struct str keep_text(char **at, struct str s)
{
	char *copy = *at;

	if (s.len)
		memcpy(copy, s.p, s.len);
	*at += s.len;
	return str_of(copy, s.len);
}

static struct known *new_known(const struct msg_resolved *answer)
{
	struct known *known = mem_new(1, sizeof(*known) +
		answer->transport.len + answer->nexthop.len +
		answer->recipient.len);
	char *at = known->texts;

	known->until = moment_after(span_s(CACHED_S));
	known->answer.transport = keep_text(&at, answer->transport);
	known->answer.nexthop = keep_text(&at, answer->nexthop);
	known->answer.recipient = keep_text(&at, answer->recipient);
	known->answer.flags = answer->flags;
	return known;
}

static void remember(struct str key, const struct msg_resolved *answer)
{
	if (answer->flags & RESOLVE_FAIL)
		return;
	if (cache && table_count(cache) >= CACHED_MOST)
		forget(true);
	if (!cache)
		cache = table_new();
	free(table_put(cache, key, new_known(answer)));
	if (is_forgetting)
		return;
	is_forgetting = true;
	io_spawn("forget", forget_in_time, NULL);
}

/* ---- what an answer means ---- */

static void decide(struct message *message, uint32_t recipient,
	struct status status, const char *what)
{
	struct reason *reason = &message->stored->reasons[recipient];

	*reason = (struct reason){ .wall_us = wall_us(), .status = status };
	logline(message, recipient, what);
	message_result(message, recipient,
		status_class(status) == 5 ? RCPT_BOUNCED : RCPT_DEFERRED);
}

static bool is_in_list(struct str list, struct str name)
{
	struct str item;

	while (str_take_item(&list, ", \t\r\n", &item))
		if (str_eq(item, name))
			return true;
	return false;
}

/* A notification to postmaster that cannot be delivered ends here. */
static bool is_double_bounce(struct str address)
{
	const struct conf *conf = qmgr.conf;
	struct str at = address;

	return conf->double_bounce_sender.len > 0 &&
		str_take_prefix_nocase(&at, conf->double_bounce_sender) &&
		(at.len == 0 ||
			(str_take_char(&at, '@') &&
				str_eq_nocase(at, conf->myorigin)));
}

/* content_filter: one place for all. "transport:nexthop" */
static void apply_filter(struct message *message, struct rcpt *rcpt)
{
	struct str filter = message->stored->envelope.content_filter;

	if (filter.len == 0)
		return;
	rcpt->transport = schedule_transport(str_take_until(&filter, ':'));
	if (filter.len == 0)
		filter = qmgr.conf->default_filter_nexthop;
	if (filter.len == 0)
		filter = mail_address_domain(rcpt->address);
	if (filter.len)
		rcpt->nexthop = filter;
}

/* Mostly the domain of the address, or what the recipient before has. */
static struct str keep_nexthop(struct message *message, uint32_t recipient,
	struct str nexthop)
{
	const struct rcpt *rcpt = &message->rcpts[recipient];
	struct str domain = mail_address_domain(rcpt->address);

	if (nexthop.len == 0)
		return STR("");
	if (str_eq(nexthop, domain))
		return domain;
	if (recipient > 0 && str_eq(nexthop, rcpt[-1].nexthop))
		return rcpt[-1].nexthop;
	return arena_copy(message->arena, nexthop);
}

void route_again(struct message *message, uint32_t recipient,
	struct str transport, struct str nexthop)
{
	struct rcpt *rcpt = &message->rcpts[recipient];

	rcpt->transport = transport;
	rcpt->nexthop = keep_nexthop(message, recipient, nexthop);
}

static void apply(struct message *message, uint32_t recipient,
	const struct msg_resolved *answer)
{
	struct rcpt *rcpt = &message->rcpts[recipient];

	if (rcpt->state != RCPT_IDLE)
		return; /* stopped meanwhile */
	if (answer->recipient.len &&
		!str_eq(answer->recipient, rcpt->address))
		rcpt->address = arena_copy(message->arena, answer->recipient);
	rcpt->transport = answer->transport.len
		? schedule_transport(answer->transport) : STR("");
	rcpt->nexthop = keep_nexthop(message, recipient, answer->nexthop);
	if (answer->flags & RESOLVE_FAIL) {
		decide(message, recipient,
			STATUS(451, 3, 0, "address resolver failure"),
			"deferred");
		return;
	}
	if (is_double_bounce(rcpt->address)) {
		message->stored->reasons[recipient].status = STATUS(250, 0, 0,
			"undeliverable postmaster notification discarded");
		logline(message, recipient, "sent");
		if (!is_probe(message))
			message_done(message, recipient);
		message_result(message, recipient, RCPT_DONE);
		return;
	}
	apply_filter(message, rcpt);
	if ((answer->flags & RESOLVE_ERROR) &&
		!str_is(rcpt->transport, "error")) {
		decide(message, recipient,
			STATUS(550, 1, 3, "bad address syntax"), "bounced");
		return;
	}
	if (is_in_list(qmgr.conf->defer_transports, rcpt->transport)) {
		decide(message, recipient,
			STATUS(451, 3, 2, "deferred transport"), "deferred");
		return;
	}
	schedule_add(message, recipient);
}

/* Where mail for it should go is here: best_mx_transport takes it, once. */
void route_pass(struct message *message, uint32_t recipient)
{
	struct rcpt *rcpt = &message->rcpts[recipient];
	struct str nexthop = qmgr.conf->best_mx_transport;
	struct str transport = str_take_until(&nexthop, ':');

	if (rcpt->is_passed || transport.len == 0) {
		decide(message, recipient, status_f(message->arena, 550, 4, 6,
			"mail for %.*s loops back to myself",
			STR_ARG(rcpt->nexthop)), "bounced");
		return;
	}
	rcpt->is_passed = true;
	log_info("%s: passing <%.*s> to transport=%.*s", message->entry->id,
		STR_ARG(logline_address(message->arena, rcpt->address)),
		STR_ARG(transport));
	rcpt->transport = transport;
	if (nexthop.len)
		rcpt->nexthop = nexthop;
	schedule_add(message, recipient);
}

/* ---- asking ---- */

struct batch {
	struct message *message;
	uint32_t recipients[AT_ONCE];
	struct str addresses[AT_ONCE];
	size_t count;
};

static bool ask(struct batch *batch, struct arena *arena,
	struct msg_resolved *answers)
{
	struct call *call = service_call(arena, "rewrite", span_s(CONNECT_S));
	struct msg_resolve question = {
		.sender = batch->message->stored->envelope.sender,
		.addresses = { .items = batch->addresses,
			.count = batch->count },
		.probe = is_probe(batch->message),
	};

	if (!call || !msg_resolve_send(call, &question))
		return false;
	for (size_t i = 0; i < batch->count; i++)
		if (!msg_resolved_recv(call, &answers[i], span_s(ANSWER_S)))
			return false;
	return true;
}

/* One that has died comes back; master may make us wait for it. */
static bool ask_until(struct batch *batch, struct arena *arena,
	struct msg_resolved *answers)
{
	static struct moment told;
	struct moment end = moment_after(span_s(RETRY_S));

	while (!ask(batch, arena, answers)) {
		if (moment_left(told).us == 0) {
			log_warning("connect to rewrite: %m");
			told = moment_after(span_s(10));
		}
		if (moment_left(end).us == 0 || !io_sleep(span_ms(200)))
			return false;
	}
	return true;
}

static void run_batch(struct batch *batch)
{
	auto_arena struct arena *arena = arena_new(0);
	struct msg_resolved answers[AT_ONCE] = { 0 };
	bool is_answered = ask_until(batch, arena, answers);

	for (size_t i = 0; i < batch->count; i++) {
		if (is_answered)
			remember(key_of(arena, batch->message,
					 batch->addresses[i]),
				&answers[i]);
		else
			answers[i].flags = RESOLVE_FAIL;
		apply(batch->message, batch->recipients[i], &answers[i]);
	}
	batch->count = 0;
}

/* Probes are many where somebody guesses addresses: other mail has its share. */
static bool is_one_too_many(const struct message *message)
{
	int64_t limit = qmgr.conf->address_verify_pending_request_limit;

	return is_probe(message) && limit > 0 &&
		qmgr.probes > (uint64_t)limit;
}

static void put_off(struct message *message)
{
	for (uint32_t i = 0; i < message->stored->envelope.recipient_count; i++)
		if (message->rcpts[i].state == RCPT_IDLE)
			decide(message, i, STATUS(451, 3, 2,
				"Too many address verification requests"),
				"deferred");
}

void route(struct message *message)
{
	auto_arena struct arena *arena = arena_new(0);
	size_t count = message->stored->envelope.recipient_count;
	struct batch batch = { .message = message };

	if (is_one_too_many(message)) {
		put_off(message);
		return;
	}

	for (uint32_t i = 0; i < count; i++) {
		struct rcpt *rcpt = &message->rcpts[i];
		const struct msg_resolved *answer;

		if (rcpt->state != RCPT_IDLE)
			continue;
		answer = recall(key_of(arena, message, rcpt->address));
		if (answer) {
			apply(message, i, answer);
			continue;
		}
		batch.recipients[batch.count] = i;
		batch.addresses[batch.count++] = rcpt->address;
		if (batch.count == AT_ONCE)
			run_batch(&batch);
	}
	if (batch.count)
		run_batch(&batch);
}
