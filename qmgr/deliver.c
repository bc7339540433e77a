/*
 * qmgr/deliver - one delivery: a conversation with an agent, in a fiber.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/deliver.h"
#include "base/log.h"
#include "dsn/action.h"
#include "mail/verp.h"

enum {
	CONNECT_S = 60,
	AGAIN_MOST = 3,
	AGAIN_MS = 100, /* master has to hear of the death, too */
};

/* What an agent says about itself and its destination. */
struct result {
	unsigned site;
	struct str why;
	bool is_settled, has_ended; /* ended: the turn was given back */
	bool is_own; /* those without an answer are for this host */
	bool is_cut; /* the agent died on it */
	size_t left; /* recipients without an answer */
	uint32_t *unsettled; /* delivered, but a power cut may undo it */
	size_t unsettled_count;
};

static bool is_again(const struct dispatch *dispatch)
{
	for (size_t i = 0; i < dispatch->count; i++)
		if (dispatch->message->rcpts[dispatch->recipients[i]].again > 0)
			return true;
	return false;
}

static uint64_t flags_of(const struct dispatch *dispatch)
{
	uint64_t submitted = dispatch->message->stored->envelope.flags;
	uint64_t flags = 0;

	/* clang-format off */
	static const struct { uint64_t submit, deliver; } same[] = {
		{ SUBMIT_SMTPUTF8,     DELIVER_SMTPUTF8 },
		{ SUBMIT_VERIFY_ONLY,  DELIVER_VERIFY },
		{ SUBMIT_TRACE,        DELIVER_TRACE },
		{ SUBMIT_REQUIRETLS,   DELIVER_REQUIRETLS },
		{ SUBMIT_TLS_OPTIONAL, DELIVER_TLS_OPTIONAL },
		{ SUBMIT_INTERNAL,     DELIVER_BOUNCE },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT(same); i++)
		if (submitted & same[i].submit)
			flags |= same[i].deliver;
	if (dest_has_more(dispatch->dest))
		flags |= DELIVER_MORE;
	if (dispatch->message->entry->again || is_again(dispatch) ||
		!message_is_of_this_boot(&dispatch->message->stored->head))
		flags |= DELIVER_RETRY;
	return flags;
}

static struct str text(struct str value)
{
	return str_is_none(value) ? STR("") : value;
}

/* With VERP a delivery has one recipient. */
static struct str sender_of(struct arena *arena,
	const struct dispatch *dispatch)
{
	const struct message *message = dispatch->message;
	const struct envelope *e = &message->stored->envelope;

	if (str_is_none(e->verp))
		return e->sender;
	return mail_verp_sender(arena, e->verp, e->sender,
		message->rcpts[dispatch->recipients[0]].address);
}

static bool send_message(struct arena *arena, struct call *call,
	struct dispatch *dispatch, struct stored *stored)
{
	const struct envelope *e = &stored->envelope;
	struct msg_deliver m = {
		.queue_id = e->queue_id,
		.nexthop = dest_nexthop(dispatch->dest),
		.sender = sender_of(arena, dispatch),
		.encoding = text(e->encoding),
		.flags = flags_of(dispatch),
		.arrival_us = e->arrival_us,
		.active_us = (uint64_t)dispatch->message->active_us,
		.nonce = stored->head.nonce,
		.dsn_envid = e->dsn_envid,
		.dsn_ret = e->dsn_ret,
		.client_name = text(e->client_name),
		.client_address = text(e->client_address),
		.client_port = text(e->client_port),
		.helo = text(e->helo),
		.protocol = text(e->protocol),
		.sasl_method = e->sasl_method,
		.sasl_username = e->sasl_username,
		.sasl_sender = e->sasl_sender,
		.size = message_content_octets(&stored->head, e),
		.content = stored->content,
		.skip = e->skip,
	};

	return msg_deliver_send(call, &m);
}

static bool send_recipients(struct call *call, struct dispatch *dispatch,
	int large)
{
	const struct message *message = dispatch->message;
	struct msg_deliver_go go = { .large = large };

	for (size_t i = 0; i < dispatch->count; i++) {
		uint32_t at = dispatch->recipients[i];
		const struct recipient *r =
			&message->stored->envelope.recipients[at];
		struct msg_deliver_recipient m = {
			.number = at,
			.address = message->rcpts[at].address,
			.orig = r->orig,
			.orcpt = r->orcpt,
			.notify = r->notify,
		};

		if (!msg_deliver_recipient_send(call, &m))
			return false;
	}
	return msg_deliver_go_send(call, &go);
}

/* ---- results ---- */

static bool is_ours(const struct dispatch *dispatch, uint64_t number)
{
	for (size_t i = 0; i < dispatch->count; i++)
		if (dispatch->recipients[i] == number)
			return dispatch->message->rcpts[number].state ==
				RCPT_BUSY;
	return false;
}

/* A recipient is marked as done only when its delivery is durable: else the
 * mark might survive a power cut that the delivery does not. */
static void note_delivered(struct message *message, uint32_t at,
	bool unsettled, struct result *result)
{
	if (unsettled)
		result->unsettled[result->unsettled_count++] = at;
	else if (!is_probe(message)) /* that is over when it was told */
		message_done(message, at);
	message_result(message, at, RCPT_DONE);
}

static void note_result(struct message *message, uint32_t at,
	const struct msg_delivered *m, struct result *result)
{
	struct reason *reason = &message->stored->reasons[at];
	uint64_t class = m->code / 100;

	if (class == 5 && qmgr.conf->soft_bounce)
		class = 4;
	*reason = (struct reason){
		.wall_us = wall_us(),
		.status = { (uint16_t)m->code, (uint16_t)m->subject,
			(uint16_t)m->detail,
			arena_copy(message->arena, m->text) },
		.mta = arena_copy(message->arena, m->mta),
		.diagnostic = arena_copy(message->arena, m->diagnostic),
	};
	message->rcpts[at].action = m->action <= DSN_ACTION_PASSED
		? (uint8_t)m->action : DSN_ACTION_NONE;
	if (class == 2) {
		note_delivered(message, at, m->unsettled, result);
	} else {
		message_result(message, at, class == 5 ? RCPT_BOUNCED
						       : RCPT_DEFERRED);
	}
}

static bool receive_done(struct call *call, struct dispatch *dispatch,
	struct result *result)
{
	struct msg_deliver_done done;

	if (!msg_deliver_done_recv(call, &done, span_s(1)))
		return false;
	result->is_own = done.site == DELIVER_SITE_OWN;
	if (result->left > 0 && !result->is_own)
		return false;
	result->is_settled = done.settled;
	result->site = result->is_own ? DELIVER_SITE_REACHED
				      : (unsigned)done.site;
	result->why = arena_copy(dispatch->message->arena, done.why);
	return true;
}

/* Until deliver_done. False: the agent went away, or talks nonsense. */
static bool receive(struct call *call, struct dispatch *dispatch,
	struct result *result)
{
	enum msg_kind kind;

	while (call_peek(call, &kind, SPAN_FOREVER) && kind == MSG_delivered) {
		struct msg_delivered m;

		if (!msg_delivered_recv(call, &m, span_s(1)) ||
			!is_ours(dispatch, m.number) || m.code < 200 ||
			m.code > 599)
			return false;
		note_result(dispatch->message, (uint32_t)m.number, &m, result);
		result->left--;
	}
	return receive_done(call, dispatch, result);
}

/* The rest of a delivery that came to no good end. */
static void defer_rest(struct dispatch *dispatch, struct str why)
{
	struct message *message = dispatch->message;

	for (size_t i = 0; i < dispatch->count; i++) {
		uint32_t at = dispatch->recipients[i];

		if (message->rcpts[at].state != RCPT_BUSY)
			continue;
		message->stored->reasons[at] = (struct reason){
			.wall_us = wall_us(),
			.status = { 450, 3, 0, why } };
		logline(message, at, "deferred");
		message_result(message, at, RCPT_DEFERRED);
	}
}

/* The next delivery may begin; what is left is a flush. */
static void give_turn_back(struct dispatch *dispatch, struct result *result)
{
	if (result->has_ended)
		return;
	result->has_ended = true;
	schedule_ended(dispatch, result->site, result->why);
	schedule();
}

/* To be delivered again at once, not too often. The agent looks for what is
 * there already. */
static bool may_go_again(struct message *message, uint32_t at)
{
	struct rcpt *rcpt = &message->rcpts[at];

	if (rcpt->again >= AGAIN_MOST)
		return false;
	rcpt->again++;
	rcpt->state = RCPT_IDLE;
	if (message->stop == STOP_NOT)
		schedule_add(message, at);
	else
		message->open--; /* it is kept as it is */
	return true;
}

static void deliver_again(struct message *message, uint32_t at)
{
	message->rcpts[at].state = RCPT_IDLE;
	message->open++;
	if (may_go_again(message, at))
		return;
	message->stored->reasons[at] = (struct reason){
		.wall_us = wall_us(),
		.status = STATUS(450, 3, 0, "the delivery is not known to be "
					    "durable") };
	logline(message, at, "deferred");
	message_result(message, at, RCPT_DEFERRED);
}

/* An agent died: once says nothing about its transport, and mail that waits for
 * it need not be deferred. False: it dies of this again and again. */
static bool begin_again(struct dispatch *dispatch)
{
	struct message *message = dispatch->message;
	bool all = true;

	for (size_t i = 0; i < dispatch->count; i++) {
		uint32_t at = dispatch->recipients[i];

		if (message->rcpts[at].state == RCPT_BUSY)
			all &= may_go_again(message, at);
	}
	return all;
}

/* This host is the best MX of the domain: another agent takes the rest. */
static void pass_rest(struct dispatch *dispatch)
{
	struct message *message = dispatch->message;

	for (size_t i = 0; i < dispatch->count; i++) {
		uint32_t at = dispatch->recipients[i];

		if (message->rcpts[at].state != RCPT_BUSY)
			continue;
		message->rcpts[at].state = RCPT_IDLE;
		if (message->stop == STOP_NOT)
			route_pass(message, at);
		else
			message->open--; /* it is kept as it is */
	}
}

/*
 * What was delivered survives a power cut, says the agent. One that is gone, or
 * that failed to flush, leaves that open: nobody else can tell (sync(2) tells
 * of no error), so it is delivered again. The agent looks for it first.
 */
static void settle(struct call *call, struct message *message,
	const struct result *result)
{
	struct msg_settled settled;
	bool good = result->is_settled ||
		(result->left == 0 &&
			msg_settled_recv(call, &settled, SPAN_FOREVER));

	for (size_t i = 0; i < result->unsettled_count; i++)
		if (good)
			message_done(message, result->unsettled[i]);
		else
			deliver_again(message, result->unsettled[i]);
}

static bool converse(struct dispatch *dispatch, struct result *result)
{
	auto_arena struct arena *arena = arena_new(0);
	struct message *message = dispatch->message;
	struct stored stored = *message->stored;
	struct str transport = dest_transport(dispatch->dest);
	struct call *call;
	bool is_first = service_at_once(transport) == 0;
	auto_close int large = -1;

	if (str_is_none(stored.content) &&
		!store_content(&qmgr.store, arena, &stored)) {
		log_warning("%s: content: %m", message->entry->id);
		defer_rest(dispatch, STR("queue file read error"));
		return true;
	}
	if (stored.head.large_octets) {
		large = store_large(&qmgr.store, &stored);
		if (large < 0) {
			log_warning("%s: large content: %m",
				message->entry->id);
			defer_rest(dispatch, STR("queue file read error"));
			return true;
		}
	}
	call = service_call_str(arena, transport, span_s(CONNECT_S));
	if (call && is_first)
		schedule(); /* how many may run is known now */
	if (!call) {
		result->is_cut = errno == ECONNRESET; /* it died on the way */
		log_warning("connect to transport private/%.*s: %m",
			STR_ARG(transport));
		result->why = STR("mail transport unavailable");
		return false;
	}
	if (!send_message(arena, call, dispatch, &stored) ||
		!send_recipients(call, dispatch, large) ||
		!receive(call, dispatch, result)) {
		log_warning("transport %.*s: conversation failed: %m",
			STR_ARG(transport));
		result->why = STR("unknown mail transport error");
		settle(call, message, result);
		result->is_cut = true;
		return false;
	}
	if (result->is_own)
		pass_rest(dispatch);
	give_turn_back(dispatch, result);
	settle(call, message, result);
	return true;
}

static void attempt(struct dispatch *dispatch, struct result *result)
{
	struct message *message = dispatch->message;

	dispatch_take_up(dispatch);
	result->unsettled = arena_array(message->arena, dispatch->count,
		sizeof(uint32_t));
	/* At a stop they are as new at the next start. */
	if (converse(dispatch, result) || service_is_retiring())
		return;
	result->site = SITE_UNKNOWN;
	if (result->is_cut)
		(void)!io_sleep(span_ms(AGAIN_MS));
	if (!result->is_cut || !begin_again(dispatch)) {
		defer_rest(dispatch, result->why);
		result->site = DELIVER_SITE_SICK;
	}
}

static void run(void *context)
{
	struct dispatch *dispatch = context;
	struct message *message = dispatch->message;
	struct result result = { .left = dispatch->count, .why = STR("") };

	if (shelf_fetch(message, dispatch->count) == STORE_FOUND) {
		attempt(dispatch, &result);
	} else {
		/* They were not tried; the message's end says why. */
		message->open -= (uint32_t)dispatch->count;
		result.site = SITE_UNKNOWN;
	}
	give_turn_back(dispatch, &result);
	free(dispatch->recipients);
	free(dispatch);
	qmgr.deliveries--;
	message->deliveries--;
	message_check(message);
	schedule();
}

void deliver_start(struct dispatch *dispatch)
{
	qmgr.deliveries++;
	io_spawn("delivery", run, dispatch);
}
