/*
 * The message as a delivery to virtual, as qmgr would hand it over; what comes
 * of each recipient is what the client is told. "Delivered" counts only when
 * it would survive a power cut: after the last flush.
 */
#include "lmtpd/session.h"

#include <sys/stat.h>

#include "agent/deliver.h"
#include "base/log.h"
#include "dsn/report.h"
#include "ipc/messages.h"
#include "queue/submission.h"

enum {
	INTRODUCE_S = 30,
	DELIVER_S = 600,
	REPORT_S = 60,
};

#define NOT_KNOWN STATUS(451, 3, 0, "mail cannot be delivered now")

static struct str or_empty(struct str text)
{
	return str_is_none(text) ? STR("") : text;
}

static bool send_all(struct session *s, struct call *call,
	const struct mail *m, unsigned flags,
	const struct recipients *recipients)
{
	const struct msg_deliver_go go = { .large = m->file };
	const struct msg_deliver deliver = {
		.queue_id = m->id, .nexthop = STR(""), .sender = m->sender,
		.encoding = m->encoding, .flags = m->flags | flags,
		.arrival_us = (uint64_t)m->arrival_us,
		.active_us = (uint64_t)m->arrival_us, .nonce = m->nonce,
		.dsn_envid = m->envid, .dsn_ret = m->ret,
		.client_name = s->name, .client_address = s->address,
		.client_port = s->port,
		.helo = or_empty(str_is_none(s->helo) ? s->hello : s->helo),
		.protocol = s->protocol, .sasl_method = STR_NONE,
		.sasl_username = s->login, .sasl_sender = STR_NONE,
		.size = m->octets,
		.content = m->file < 0 ? buf_str(&m->text) : STR(""),
	};

	if (!msg_deliver_send(call, &deliver))
		return false;
	for (size_t i = 0; i < recipients->count; i++) {
		const struct recipient *r = &recipients->all[i];
		const struct msg_deliver_recipient recipient = {
			.number = i, .address = r->address, .orig = r->orig,
			.orcpt = r->orcpt, .notify = r->notify,
		};

		if (!msg_deliver_recipient_send(call, &recipient))
			return false;
	}
	return msg_deliver_go_send(call, &go);
}

static bool take_report(struct session *s, const struct msg_delivered *report,
	const struct recipients *recipients)
{
	uint64_t class = report->code / 100;

	if (report->number >= recipients->count || (class != 2 && class != 4 && class != 5)
		|| report->subject > 999 || report->detail > 999)
		return false;
	recipients->all[report->number].status = (struct status){
		.code = (uint16_t)report->code,
		.subject = (uint16_t)report->subject,
		.detail = (uint16_t)report->detail,
		.text = arena_copy(s->arena, report->text),
	};
	return true;
}

static bool receive_all(struct session *s, struct call *call,
	const struct recipients *recipients)
{
	struct msg_deliver_done done;
	struct msg_settled settled;

	for (size_t i = 0; i < recipients->count; i++) {
		struct msg_delivered report;

		if (!msg_delivered_recv(call, &report, span_s(DELIVER_S)) ||
			!take_report(s, &report, recipients))
			return false;
	}
	return msg_deliver_done_recv(call, &done, span_s(DELIVER_S)) &&
		(done.settled ||
			msg_settled_recv(call, &settled, span_s(DELIVER_S)));
}

void hand_over(struct session *s, struct mail *m, unsigned flags,
	const struct recipients *recipients)
{
	struct arena *arena = arena_child(s->arena);
	struct call *call = service_call(arena, "virtual",
		span_s(INTRODUCE_S));

	for (size_t i = 0; i < recipients->count; i++)
		recipients->all[i].status = NOT_KNOWN;
	if (!call || !send_all(s, call, m, flags, recipients) ||
		!receive_all(s, call, recipients)) {
		log_warning("%.*s: problem talking to service virtual: %m",
			STR_ARG(m->id));
		/* What virtual refused for good stays so. */
		for (size_t i = 0; i < recipients->count; i++)
			if (status_is_ok(recipients->all[i].status))
				recipients->all[i].status = NOT_KNOWN;
	}
	arena_free(arena);
}

/* ---- reports of success ----
 *
 * Of a failure or a delay the client hears, and tells the sender. But a client
 * that passes NOTIFY=SUCCESS on to a server that knows it says nothing itself
 * (RFC 3461 5.2.2): so this is ours. */

static bool wants_report(const struct recipient *r)
{
	return (r->notify & DSN_NOTIFY_SUCCESS) && status_is_ok(r->status);
}

static bool send_report(struct call *call, const struct mail *m)
{
	const struct msg_bounce_go go = { 0 };
	const struct msg_bounce bounce = {
		.kind = DSN_SUCCESS, .queue_id = m->id, .sender = m->sender,
		.encoding = m->encoding,
		.flags = m->flags & DELIVER_SMTPUTF8 ? SUBMIT_SMTPUTF8 : 0,
		.arrival_us = (uint64_t)m->arrival_us,
		.retry_until_us = (uint64_t)m->arrival_us,
		.dsn_envid = m->envid, .dsn_ret = m->ret, .size = m->octets,
		.content = m->file < 0 ? buf_str(&m->text) : STR(""),
		.large = m->file,
	};

	if (!msg_bounce_send(call, &bounce))
		return false;
	for (size_t i = 0; i < m->accepted.count; i++) {
		const struct recipient *r = &m->accepted.all[i];
		const struct msg_bounce_recipient recipient = {
			.address = r->address, .orig = r->orig,
			.orcpt = r->orcpt, .notify = r->notify,
			.code = r->status.code, .subject = r->status.subject,
			.detail = r->status.detail, .text = r->status.text,
			.action = DSN_ACTION_DELIVERED, .mta = STR_NONE,
			.diagnostic = STR_NONE,
			.attempt_us = (uint64_t)wall_us(),
		};

		if (wants_report(r) &&
			!msg_bounce_recipient_send(call, &recipient))
			return false;
	}
	return msg_bounce_go_send(call, &go);
}

static bool is_reported(const struct mail *m)
{
	for (size_t i = 0; m->sender.len > 0 && i < m->accepted.count; i++)
		if (wants_report(&m->accepted.all[i]))
			return true;
	return false;
}

void report_success(struct session *s, const struct mail *m)
{
	struct arena *arena;
	struct call *call;
	struct msg_bounced done;

	if (!is_reported(m))
		return;
	arena = arena_child(s->arena);
	call = service_call(arena, "bounce", span_s(INTRODUCE_S));
	if (!call || !send_report(call, m) ||
		!msg_bounced_recv(call, &done, span_s(REPORT_S)))
		log_warning("%.*s: no report of success: bounce: %m",
			STR_ARG(m->id));
	else if (done.code / 100 != 2)
		log_warning("%.*s: no report of success: %.*s",
			STR_ARG(m->id), STR_ARG(done.text));
	arena_free(arena);
}
