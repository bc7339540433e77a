/*
 * Does this address exist? Restrictions that ask verify(8), which asks whoever
 * would deliver there.
 */
#include "smtpd/check.h"

#include <errno.h>

#include "base/log.h"
#include "ipc/messages.h"
#include "rewrite/probe.h"
#include "service/service.h"

enum {
	CONNECT_S = 10,
	SPARE_S = 10,     /* beyond the time that verify may take */
	AGAIN_MS = 200,
	REASON_MOST = 250, /* octets of one that is not final, as in Postfix */
};

/* What the two restrictions differ in. */
struct manner {
	int detail; /* of the enhanced code */
	int reject_code, defer_code;
	struct str reason, action;
};

static struct manner manner_of(const struct conf *conf,
	enum restriction_subject about)
{
	if (about == ABOUT_SENDER)
		return (struct manner){ 7,
			(int)conf->unverified_sender_reject_code,
			(int)conf->unverified_sender_defer_code,
			conf->unverified_sender_reject_reason,
			conf->unverified_sender_tempfail_action };
	return (struct manner){ 1, (int)conf->unverified_recipient_reject_code,
		(int)conf->unverified_recipient_defer_code,
		conf->unverified_recipient_reject_reason,
		conf->unverified_recipient_tempfail_action };
}

/* The first look is at once, each other one after a pause. */
static struct span patience(const struct conf *conf)
{
	int64_t pauses = conf->address_verify_poll_count - 1;

	return span_us(pauses * conf->address_verify_poll_delay.us);
}

static bool ask_once(struct session *s, struct str address, struct span wait,
	struct msg_verified *answer)
{
	struct call *call = service_call(s->arena, "verify", span_s(CONNECT_S));
	const struct msg_verify_query m = { .address = address,
		.wait_ms = (uint64_t)span_to_ms(wait) };
	bool good = call && msg_verify_query_send(call, &m) &&
		msg_verified_recv(call, answer,
			span_us(wait.us + span_s(SPARE_S).us));

	int error = errno;

	if (call)
		call_close(call); /* what was received is in s->arena */
	errno = error;
	return good;
}

/* One that has died comes back. */
static bool may_come_back(int error)
{
	return error == ECONNRESET || error == EPIPE || error == EAGAIN;
}

/* Again and again, in the time that all this may take. */
static bool ask(struct session *s, struct str address,
	struct msg_verified *answer)
{
	struct span wait = patience(s->conf);
	struct moment end = moment_after(wait);

	while (!ask_once(s, address, moment_left(end), answer)) {
		if (!may_come_back(errno) || moment_left(end).us == 0 ||
			!io_sleep(span_ms(AGAIN_MS))) {
			log_warning("problem talking to service verify: %m");
			return false;
		}
	}
	return true;
}

static struct status refusal(struct session *s, const struct subject *subject,
	int code, int detail, struct str reason)
{
	bool is_final = code / 100 == 5;

	if (!is_final)
		reason = str_first(reason, REASON_MOST);
	return status_f(s->arena, code, 1, detail,
		"<%.*s>: %s rejected: %s address: %.*s", STR_ARG(subject->name),
		subject->class, is_final ? "undeliverable" : "unverified",
		STR_ARG(reason));
}

static enum verdict judge(struct session *s, const struct subject *subject,
	const struct manner *manner, const struct msg_verified *answer)
{
	struct str reason = manner->reason.len > 0 ? manner->reason :
						     answer->text;

	switch (answer->result) {
	case PROBE_DELIVERABLE:
		return DUNNO;
	case PROBE_UNDELIVERABLE:
		return check_refuse_status(s, refusal(s, subject,
			manner->reject_code, manner->detail, reason));
	default:
		return check_tempfail(s, manner->action, refusal(s, subject,
			manner->defer_code, manner->detail, reason));
	}
}

/* Hosts that verify each other's senders would get nowhere. */
static bool is_for_probe_sender(struct session *s,
	enum restriction_subject about, struct str address)
{
	return about == ABOUT_RECIPIENT && probe_is_sender(s->arena, s->conf,
		address, wall_us() / 1000000);
}

enum verdict check_unverified(struct session *s,
	const struct restriction *restriction)
{
	enum restriction_subject about = restriction->row->subject;
	struct subject subject = check_subject(s, about);
	struct manner manner = manner_of(s->conf, about);
	struct msg_verified answer;

	if (subject.value.len == 0 ||
		is_for_probe_sender(s, about, subject.value))
		return DUNNO;
	if (ask(s, subject.value, &answer))
		return judge(s, &subject, &manner, &answer);
	return check_tempfail(s, manner.action, status_f(s->arena,
		manner.defer_code, 3, 0,
		"<%.*s>: %s rejected: address verification problem",
		STR_ARG(subject.name), subject.class));
}
