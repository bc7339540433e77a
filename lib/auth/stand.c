#include "auth/stand.h"

#include "base/log.h"
#include "io/stream.h"
#include "ipc/messages.h"
#include "service/stand.h"

enum {
	WAIT_S = 20,
	ACCEPTED = 0,
	WRONG = 1,
	NO_MECHANISM = 3,
};

static bool ask(struct call *call, struct str challenge, struct str *answer)
{
	struct msg_auth_challenge m = { .octets = challenge };
	struct msg_auth_response response;

	if (!msg_auth_challenge_send(call, &m) ||
		!msg_auth_response_recv(call, &response, span_s(WAIT_S)))
		return false;
	*answer = response.octets;
	return true;
}

/* False: the asker has gone. */
static bool judge(struct call *call, const struct msg_auth_start *m,
	struct msg_auth_verdict *verdict)
{
	struct str answer = m->initial;

	verdict->verdict = WRONG;
	if (str_is(m->mechanism, "PLAIN")) {
		if (str_is_none(answer) && !ask(call, STR(""), &answer))
			return false;
		if (str_ends(answer, STR("\0right")))
			verdict->verdict = ACCEPTED;
	} else if (str_is(m->mechanism, "LOGIN")) {
		if (str_is_none(answer) &&
			!ask(call, STR("Username:"), &answer))
			return false;
		if (!ask(call, STR("Password:"), &answer))
			return false;
		verdict->verdict = ACCEPTED;
	} else if (str_is(m->mechanism, "SCRAM-SHA-256")) {
		if (!ask(call, STR("r=nonce,s=c2FsdA==,i=4096"), &answer))
			return false;
	} else {
		verdict->verdict = NO_MECHANISM;
	}
	return true;
}

/* The user's process: says a line, and takes what comes to the end. */
static void be_at_home(struct msg_handover *m)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stream *io = stream_open(arena, fd_keep(&m->socket));
	struct str octets;

	io_text(io, "* OK at home\r\n");
	while (io_peek(io, &octets, span_s(WAIT_S)))
		stream_consume(io, octets.len);
}

static void take_client(struct call *call, struct msg_handover *m)
{
	const struct msg_handed_over done = { 0 };

	if (m->socket < 0)
		panic("login has handed nothing over");
	if (msg_handed_over_send(call, &done))
		be_at_home(m);
}

static void serve_start(struct call *call)
{
	struct msg_auth_start m;
	struct msg_auth_verdict verdict = { .user = STR("joe"),
		.final = STR_NONE, .text = STR("") };
	struct msg_handover handover = { .socket = -1 };

	if (!msg_auth_start_recv(call, &m, span_s(WAIT_S)) ||
		(m.handover && !msg_handover_recv(call, &handover,
			span_s(WAIT_S))))
		return;
	if (judge(call, &m, &verdict) &&
		msg_auth_verdict_send(call, &verdict) &&
		verdict.verdict == ACCEPTED && !str_is(m.service, "smtp") &&
		(m.handover || msg_handover_recv(call, &handover,
			span_s(WAIT_S))))
		take_client(call, &handover);
	base_close(&handover.socket);
}

static void serve(struct call *call, void *context)
{
	struct str names[] = { STR("PLAIN"), STR("LOGIN"),
		STR("SCRAM-SHA-256") };
	struct msg_auth_offer offer = {
		.mechanisms = { .items = names, .count = COUNT(names) } };
	struct msg_auth_mechanisms m;
	enum msg_kind kind;

	(void)context;
	if (!call_peek(call, &kind, span_s(WAIT_S)))
		return;
	if (kind == MSG_auth_start)
		serve_start(call);
	else if (msg_auth_mechanisms_recv(call, &m, span_s(WAIT_S)))
		(void)!msg_auth_offer_send(call, &offer);
}

void stand_auth_open(void)
{
	stand_peer("auth", serve, 0);
}
