/*
 * qmgr/report - has bounce(8) tell a sender what became of a message.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"

enum {
	CONNECT_S = 60,
	ANSWER_S = 600,
};

static bool send_facts(struct call *call, const struct message *message,
	const struct stored *stored, unsigned kind, int large)
{
	const struct envelope *e = &stored->envelope;
	struct span life = e->sender.len ? qmgr.conf->maximal_queue_lifetime
					 : qmgr.conf->bounce_queue_lifetime;
	struct msg_bounce m = {
		.kind = kind,
		.queue_id = e->queue_id,
		.sender = e->sender,
		.encoding = str_is_none(e->encoding) ? STR("") : e->encoding,
		.flags = e->flags,
		.arrival_us = e->arrival_us,
		.retry_until_us = e->arrival_us + (uint64_t)life.us,
		.dsn_envid = e->dsn_envid,
		.dsn_ret = e->dsn_ret,
		.size = message_content_octets(&stored->head, e),
		.content = stored->content,
		.skip = e->skip,
		.large = large,
	};

	(void)message;
	return msg_bounce_send(call, &m);
}

static bool send_recipient(struct call *call, const struct message *message,
	uint32_t at)
{
	const struct recipient *r =
		&message->stored->envelope.recipients[at];
	const struct reason *reason = &message->stored->reasons[at];
	struct msg_bounce_recipient m = {
		.address = message->rcpts[at].address,
		.orig = r->orig,
		.orcpt = r->orcpt,
		.notify = r->notify,
		.code = reason->status.code ? reason->status.code : 450,
		.subject = reason->status.subject,
		.detail = reason->status.detail,
		.text = reason->status.text.len ? reason->status.text
						: STR("delivery was not "
						      "attempted"),
		.action = message->rcpts[at].action,
		.mta = reason->mta,
		.diagnostic = reason->diagnostic,
		.attempt_us = (uint64_t)reason->wall_us,
	};

	return msg_bounce_recipient_send(call, &m);
}

static bool converse(struct call *call, struct message *message,
	const struct stored *stored, unsigned kind, int large,
	bool (*is_chosen)(const struct message *message, uint32_t recipient))
{
	struct msg_bounce_go go = { 0 };
	struct msg_bounced answer;

	if (!send_facts(call, message, stored, kind, large))
		return false;
	for (uint32_t i = 0; i < stored->envelope.recipient_count; i++)
		if (is_chosen(message, i) &&
			!send_recipient(call, message, i))
			return false;
	if (!msg_bounce_go_send(call, &go) ||
		!msg_bounced_recv(call, &answer, span_s(ANSWER_S)))
		return false;
	if (answer.code / 100 != 2)
		log_warning("%s: bounce: %.*s", message->entry->id,
			STR_ARG(answer.text));
	return answer.code / 100 == 2;
}

bool report_send(struct message *message, unsigned kind,
	bool (*is_chosen)(const struct message *message, uint32_t recipient))
{
	auto_arena struct arena *arena = arena_new(0);
	struct stored stored = *message->stored;
	struct call *call;
	auto_close int large = -1;

	if (str_is_none(stored.content) &&
		!store_content(&qmgr.store, arena, &stored)) {
		log_warning("%s: content: %m", message->entry->id);
		return false;
	}
	if (stored.head.large_octets) {
		large = store_large(&qmgr.store, &stored);
		if (large < 0)
			log_warning("%s: large content: %m",
				message->entry->id);
	}
	call = service_call(arena, "bounce", span_s(CONNECT_S));
	if (call && converse(call, message, &stored, kind, large, is_chosen))
		return true;
	log_warning("%s: no notification: bounce: %m", message->entry->id);
	return false;
}
