/*
 * The message as a delivery to virtual, as qmgr would hand it over; what comes
 * of each recipient is what the client is told. "Delivered" counts only when
 * it would survive a power cut: after the last flush.
 */
#include "lmtpd/session.h"

#include <sys/stat.h>

#include "agent/deliver.h"
#include "base/log.h"
#include "ipc/messages.h"

enum {
	INTRODUCE_S = 30,
	DELIVER_S = 600,
};

#define NOT_KNOWN STATUS(451, 3, 0, "mail cannot be delivered now")

static bool send_all(struct session *s, struct call *call,
	const struct mail *m, unsigned flags,
	const struct recipient *recipients, size_t count)
{
	const struct msg_deliver_go go = { 0 };
	const struct msg_deliver deliver = {
		.queue_id = m->id, .nexthop = STR(""), .sender = m->sender,
		.encoding = m->encoding, .flags = m->flags | flags,
		.arrival_us = (uint64_t)m->arrival_us,
		.active_us = (uint64_t)m->arrival_us, .nonce = m->nonce,
		.dsn_envid = STR_NONE, .client_name = STR("unknown"),
		.client_address = s->address, .client_port = STR("0"),
		.helo = str_is_none(s->hello) ? STR("") : s->hello,
		.protocol = STR("LMTP"), .sasl_method = STR_NONE,
		.sasl_username = STR_NONE, .sasl_sender = STR_NONE,
		.size = m->octets,
		.content = m->file < 0 ? buf_str(&m->text) : STR(""),
		.large = m->file,
	};

	if (!msg_deliver_send(call, &deliver))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct msg_deliver_recipient recipient = {
			.number = i, .address = recipients[i].address,
			.orig = recipients[i].orig, .orcpt = STR_NONE,
		};

		if (!msg_deliver_recipient_send(call, &recipient))
			return false;
	}
	return msg_deliver_go_send(call, &go);
}

static bool take_report(struct session *s, const struct msg_delivered *report,
	struct recipient *recipients, size_t count)
{
	uint64_t class = report->code / 100;

	if (report->number >= count || (class != 2 && class != 4 && class != 5)
		|| report->subject > 999 || report->detail > 999)
		return false;
	recipients[report->number].status = (struct status){
		.code = (uint16_t)report->code,
		.subject = (uint16_t)report->subject,
		.detail = (uint16_t)report->detail,
		.text = arena_copy(s->arena, report->text),
	};
	return true;
}

static bool receive_all(struct session *s, struct call *call,
	struct recipient *recipients, size_t count)
{
	struct msg_deliver_done done;
	struct msg_settled settled;

	for (size_t i = 0; i < count; i++) {
		struct msg_delivered report;

		if (!msg_delivered_recv(call, &report, span_s(DELIVER_S)) ||
			!take_report(s, &report, recipients, count))
			return false;
	}
	return msg_deliver_done_recv(call, &done, span_s(DELIVER_S)) &&
		(done.settled ||
			msg_settled_recv(call, &settled, span_s(DELIVER_S)));
}

void hand_over(struct session *s, struct mail *m, unsigned flags,
	struct recipient *recipients, size_t count)
{
	struct arena *arena = arena_child(s->arena);
	struct call *call = service_call(arena, "virtual",
		span_s(INTRODUCE_S));

	for (size_t i = 0; i < count; i++)
		recipients[i].status = NOT_KNOWN;
	if (!call || !send_all(s, call, m, flags, recipients, count) ||
		!receive_all(s, call, recipients, count)) {
		log_warning("%.*s: problem talking to service virtual: %m",
			STR_ARG(m->id));
		/* What virtual refused for good stays so. */
		for (size_t i = 0; i < count; i++)
			if (status_is_ok(recipients[i].status))
				recipients[i].status = NOT_KNOWN;
	}
	arena_free(arena);
}
