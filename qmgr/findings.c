/*
 * qmgr/findings - tells verify(8) what a probe of it has found.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"

enum {
	CONNECT_S = 10,
	ANSWER_S = 10,
};

static bool tell(struct arena *arena, const struct message *message,
	uint32_t at)
{
	const struct recipient *r = &message->stored->envelope.recipients[at];
	const struct reason *reason = &message->stored->reasons[at];
	struct call *call = service_call(arena, "verify", span_s(CONNECT_S));
	struct str actual = message->rcpts[at].address;
	struct msg_verify_noted noted;
	struct msg_verify_found m = {
		.address = r->orig.len > 0 ? r->orig : actual,
		.actual = actual,
		.code = reason->status.code ? reason->status.code : 450,
		.text = str_is_none(reason->status.text) ? STR("") :
							   reason->status.text,
	};

	return call && msg_verify_found_send(call, &m) &&
		msg_verify_noted_recv(call, &noted, span_s(ANSWER_S));
}

void findings_send(struct message *message,
	bool (*is_chosen)(const struct message *message, uint32_t recipient))
{
	for (uint32_t i = 0; i < message->stored->envelope.recipient_count;
		i++) {
		auto_arena struct arena *arena = arena_new(0);

		if (is_chosen(message, i) && !tell(arena, message, i))
			log_warning("%s: verify does not hear of its probe: "
				    "%m",
				message->entry->id);
	}
}
