/*
 * qmgr/report - has bounce(8) tell a sender what became of a message.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "dsn/report.h"
#include "mail/verp.h"

enum {
	CONNECT_S = 60,
	ANSWER_S = 600,
};

/* `sender` is the message's, or with VERP one recipient's. */
static bool send_facts(struct call *call, const struct stored *stored,
	struct str sender, unsigned kind, int large)
{
	const struct envelope *e = &stored->envelope;
	struct span life = e->sender.len ? qmgr.conf->maximal_queue_lifetime
					 : qmgr.conf->bounce_queue_lifetime;
	struct msg_bounce m = {
		.kind = kind,
		.queue_id = e->queue_id,
		.sender = sender,
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

	return msg_bounce_send(call, &m);
}

static bool send_recipient(struct call *call, const struct message *message,
	unsigned kind, uint32_t at)
{
	const struct recipient *r =
		&message->stored->envelope.recipients[at];
	const struct reason *reason = &message->stored->reasons[at];
	struct msg_bounce_recipient m = {
		.address = message->rcpts[at].address,
		.orig = r->orig,
		.orcpt = r->orcpt,
		/* also whom nothing but an end of a delay is told */
		.notify = r->notify |
			(kind == DSN_SUCCESS ? DSN_NOTIFY_SUCCESS : 0),
		.code = reason->status.code ? reason->status.code : 450,
		.subject = reason->status.subject,
		.detail = reason->status.detail,
		.text = reason->status.text.len ? reason->status.text
						: STR("delivery was not "
						      "attempted"),
		.action = message->rcpts[at].action == DSN_ACTION_PASSED
			? DSN_ACTION_RELAYED : message->rcpts[at].action,
		.mta = reason->mta,
		.diagnostic = reason->diagnostic,
		.attempt_us = (uint64_t)reason->wall_us,
	};

	return msg_bounce_recipient_send(call, &m);
}

/* One notification. */
struct notice {
	struct message *message;
	const struct stored *stored;
	unsigned kind;
	int large;
	bool (*is_chosen)(const struct message *message, uint32_t recipient);
};

static bool send_chosen(struct call *call, const struct notice *notice,
	struct str sender, uint32_t from, uint32_t to)
{
	struct msg_bounce_go go = { 0 };

	if (!send_facts(call, notice->stored, sender, notice->kind,
		    notice->large))
		return false;
	for (uint32_t i = from; i < to; i++)
		if (notice->is_chosen(notice->message, i) &&
			!send_recipient(call, notice->message, notice->kind,
				i))
			return false;
	return msg_bounce_go_send(call, &go);
}

/* About the chosen ones among these recipients. */
static bool converse(struct arena *arena, const struct notice *notice,
	struct str sender, uint32_t from, uint32_t to)
{
	struct call *call = service_call(arena, "bounce", span_s(CONNECT_S));
	struct msg_bounced answer;

	if (!call || !send_chosen(call, notice, sender, from, to) ||
		!msg_bounced_recv(call, &answer, span_s(ANSWER_S))) {
		log_warning("%s: no notification: bounce: %m",
			notice->message->entry->id);
		return false;
	}
	call_close(call);
	if (answer.code / 100 != 2)
		log_warning("%s: bounce: %.*s", notice->message->entry->id,
			STR_ARG(answer.text));
	return answer.code / 100 == 2;
}

/* Each recipient's bounce goes to the sender that the delivery had. */
static bool converse_verp(struct arena *arena, const struct notice *notice)
{
	const struct envelope *e = &notice->stored->envelope;

	for (uint32_t i = 0; i < e->recipient_count; i++) {
		struct str sender;

		if (!notice->is_chosen(notice->message, i))
			continue;
		sender = mail_verp_sender(arena, e->verp, e->sender,
			notice->message->rcpts[i].address);
		if (!converse(arena, notice, sender, i, i + 1))
			return false;
	}
	return true;
}

bool report_send(struct message *message, unsigned kind,
	bool (*is_chosen)(const struct message *message, uint32_t recipient))
{
	auto_arena struct arena *arena = arena_new(0);
	struct stored stored = *message->stored;
	struct notice notice = { message, &stored, kind, -1, is_chosen };
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
	notice.large = large;
	if (kind == DSN_FAILURE && !str_is_none(stored.envelope.verp) &&
		!qmgr.conf->disable_verp_bounces)
		return converse_verp(arena, &notice);
	return converse(arena, &notice, stored.envelope.sender, 0,
		(uint32_t)stored.envelope.recipient_count);
}
