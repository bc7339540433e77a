#include "smtp/transaction.h"

#include "base/encode.h"
#include "base/log.h"
#include "mail/address.h"
#include "queue/submission.h"
#include "smtp/body.h"
#include "talk/request.h"

enum {
	AHEAD_MOST = 16 * 1024, /* octets of commands without their replies */
};

enum kind {
	XFORWARD_CLIENT,
	XFORWARD_HELLO,
	MAIL,
	RCPT,
	DATA,
	RSET,
};

/* For the log, and the time that the server has. */
static const struct {
	const char *command, *phase;
} kinds[] = {
	[XFORWARD_CLIENT] = { "XFORWARD name/address",
		"sending XFORWARD name/address" },
	[XFORWARD_HELLO] = { "XFORWARD helo/protocol",
		"sending XFORWARD helo/protocol" },
	[MAIL] = { "MAIL FROM", "sending MAIL FROM" },
	[RCPT] = { "RCPT TO", "sending RCPT TO" },
	[DATA] = { "DATA", "sending DATA command" },
	[RSET] = { "final RSET", "sending final RSET" },
};

struct step {
	enum kind kind;
	size_t recipient; /* of RCPT */
	size_t octets;    /* written */
};

struct transaction {
	struct attempt *attempt;
	struct session *session;
	struct delivery *delivery;
	struct arena *arena;
	struct deliver_recipient **recipients;
	bool *accepted;
	size_t count, accepted_count;
	struct step *steps;
	size_t step_count;
	bool to_7bit;
	bool heard;     /* the server has answered something */
	bool stop;      /* nothing more is sent */
	bool data_begun; /* 354 */
	bool is_clean;  /* no RSET is needed before the next MAIL */
	bool is_stale;
};

/* ---- reports ---- */

/*
 * tls=: the level that was wanted; behind it ":none" if the message went in the
 * clear, ":encrypt" and the like if DNSSEC made less of it, "?" if no session
 * came to be; then "/requiretls", with a "!" if it was
 * refused for want of that.
 */
static struct str tls_feature(const struct attempt *a,
	const struct session *session, const struct outcome *outcome)
{
	struct arena *arena = a->delivery->arena;
	bool requires = a->delivery->m.flags & DELIVER_REQUIRETLS;
	struct str less = a->tls_here;
	bool violates = outcome->status.subject == 7 &&
		!status_is_ok(outcome->status);

	if (!a->set->log_tls_feature_status || str_is_none(a->tls))
		return STR_NONE;
	if (session && !session->talk.is_tls && !str_is(a->tls, "none"))
		less = STR("none");
	return arena_fmt(arena, "%.*s%s%.*s%s", STR_ARG(a->tls),
		!session ? "?" : less.len > 0 ? ":" : "",
		STR_ARG(session ? less : STR("")),
		!requires ? "" : violates ? "/!requiretls" : "/requiretls");
}

static void report(struct attempt *a, const struct session *session,
	struct deliver_recipient *recipient, const struct outcome *outcome,
	enum dsn_action action)
{
	struct deliver_report r = {
		.status = outcome->status,
		.relay = session ? session->site.relay :
			outcome->relay.len ? outcome->relay : STR("none"),
		.action = action,
		.mta = outcome->mta,
		.diagnostic = outcome->diagnostic,
		.connected_us = a->connected_us,
		.conn_use = session ? session->uses + 1 : 0,
		.tls = tls_feature(a, session, outcome),
	};

	deliver_report(a->delivery, recipient, &r);
}

void attempt_report_rest(struct attempt *a, const struct outcome *outcome)
{
	for (size_t i = 0; i < a->delivery->count; i++)
		if (!a->delivery->recipients[i].reported)
			report(a, NULL, &a->delivery->recipients[i], outcome,
				DSN_ACTION_NONE);
}

bool attempt_is_over(const struct attempt *a)
{
	for (size_t i = 0; i < a->delivery->count; i++)
		if (!a->delivery->recipients[i].reported)
			return false;
	return true;
}

/* Not delivered: for good, or later, or the next server may know better. */
static void fail(struct transaction *t, size_t i, const struct outcome *outcome)
{
	struct attempt *a = t->attempt;

	if (t->accepted[i])
		t->accepted_count--;
	t->accepted[i] = false;
	if (status_class(outcome->status) == 5 || a->is_final) {
		report(a, t->session, t->recipients[i], outcome,
			DSN_ACTION_NONE);
		return;
	}
	if (!str_eq(a->trouble.status.text, outcome->status.text))
		log_info("%.*s: %.*s", STR_ARG(t->delivery->m.queue_id),
			STR_ARG(outcome->status.text));
	a->trouble = *outcome;
}

static void fail_all(struct transaction *t, const struct outcome *outcome)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->recipients[i]->reported)
			fail(t, i, outcome);
}

static void fail_accepted(struct transaction *t, const struct outcome *outcome)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->accepted[i])
			fail(t, i, outcome);
}

/* RFC 3461 5.2.2; lmtp_assume_final. */
static enum dsn_action action_of(const struct transaction *t)
{
	const struct settings *set = t->attempt->set;

	if (t->session->talk.features.set & FEATURE_DSN)
		return DSN_ACTION_PASSED;
	return set->is_lmtp && set->conf->lmtp_assume_final ?
		DSN_ACTION_DELIVERED : DSN_ACTION_RELAYED;
}

static void succeed(struct transaction *t, size_t i,
	const struct smtp_reply *reply)
{
	struct outcome outcome = {
		.status = smtp_reply_status(reply),
		.diagnostic = talk_text(t->arena, reply),
		.mta = t->session->site.host,
	};

	outcome.status.text = outcome.diagnostic;
	if (status_class(outcome.status) == 3) /* of DATA, to a probe */
		outcome.status.code = 250;
	report(t->attempt, t->session, t->recipients[i], &outcome,
		action_of(t));
	t->accepted[i] = false;
	t->accepted_count--;
}

/* ---- the commands ---- */

static bool has(const struct transaction *t, enum feature feature)
{
	return t->session->talk.features.set & feature;
}

static void format_attribute(struct buf *line, const char *name,
	struct str value)
{
	buf_fmt(line, " %s=", name);
	if (value.len == 0 || str_is_nocase(value, "unknown"))
		buf_text(line, "[UNAVAILABLE]");
	else
		xtext_format(line, value);
}

static void format_xforward(const struct transaction *t, enum kind kind,
	struct buf *line)
{
	const struct msg_deliver *m = &t->delivery->m;
	unsigned offered = t->session->talk.features.xforward;
	const struct {
		enum kind kind;
		enum xforward bit;
		const char *name;
		struct str value;
	} attributes[] = {
		{ XFORWARD_CLIENT, OFFERS_NAME, "NAME", m->client_name },
		{ XFORWARD_CLIENT, OFFERS_ADDR, "ADDR", m->client_address },
		{ XFORWARD_CLIENT, OFFERS_PORT, "PORT", m->client_port },
		{ XFORWARD_HELLO, OFFERS_PROTO, "PROTO", m->protocol },
		{ XFORWARD_HELLO, OFFERS_HELO, "HELO", m->helo },
		{ XFORWARD_HELLO, OFFERS_IDENT, "IDENT", m->queue_id },
		{ XFORWARD_HELLO, OFFERS_SOURCE, "SOURCE",
			m->client_address.len ? STR("REMOTE") : STR("LOCAL") },
	};

	buf_text(line, "XFORWARD");
	for (size_t i = 0; i < COUNT(attributes); i++)
		if (attributes[i].kind == kind && (offered & attributes[i].bit))
			format_attribute(line, attributes[i].name,
				attributes[i].value);
}

static void format_mail(const struct transaction *t, struct buf *line)
{
	const struct msg_deliver *m = &t->delivery->m;
	const struct settings *set = t->session->set;
	const struct talk_mail mail = {
		.sender = t->attempt->out.sender,
		.as_it_is = !set->quote_rfc821_envelope,
		.size = t->delivery->content.size,
		.is_8bit = str_is(m->encoding, "8bit"),
		.utf8 = (m->flags & DELIVER_SMTPUTF8) != 0,
		.requiretls = (m->flags & DELIVER_REQUIRETLS) != 0,
		.auth_nobody = set->send_dummy_mail_auth &&
			t->session->is_authenticated,
		.dsn_ret = m->dsn_ret,
		.envid = m->dsn_envid,
		.verp = STR_NONE,
	};

	talk_mail_format(line, &mail, &t->session->talk.features);
}

/* As it leaves. */
static struct str address_of(const struct transaction *t,
	const struct deliver_recipient *recipient)
{
	size_t i = (size_t)(recipient - t->delivery->recipients);

	return t->attempt->out.recipients[i];
}

/* RFC 3461 5.2.1: without an ORCPT, the address as it came. */
static struct str original_of(const struct transaction *t,
	const struct deliver_recipient *recipient)
{
	struct buf out = BUF_IN(t->arena);

	if (recipient->orcpt.len > 0 || str_find(
			recipient->orig, STR("@")) == SIZE_MAX ||
		!str_is_ascii(recipient->orig))
		return recipient->orcpt;
	buf_text(&out, "rfc822;");
	xtext_format(&out, recipient->orig);
	return buf_str(&out);
}

static void format_rcpt(const struct transaction *t,
	const struct deliver_recipient *recipient, struct buf *line)
{
	const struct talk_rcpt rcpt = {
		.address = address_of(t, recipient),
		.as_it_is = !t->session->set->quote_rfc821_envelope,
		.notify = recipient->notify,
		.orcpt = original_of(t, recipient),
	};

	talk_rcpt_format(line, &rcpt, &t->session->talk.features);
}

static struct str step_line(const struct transaction *t,
	const struct step *step)
{
	struct buf line = BUF_IN(t->arena);

	switch (step->kind) {
	case XFORWARD_CLIENT:
	case XFORWARD_HELLO:
		format_xforward(t, step->kind, &line);
		break;
	case MAIL:
		format_mail(t, &line);
		break;
	case RCPT:
		format_rcpt(t, t->recipients[step->recipient], &line);
		break;
	case DATA:
		buf_text(&line, "DATA");
		break;
	case RSET:
		buf_text(&line, "RSET");
		break;
	}
	buf_text(&line, "\r\n");
	return buf_str(&line);
}

static struct span step_timeout(const struct transaction *t, enum kind kind)
{
	const struct settings *set = t->session->set;
	const struct span times[] = {
		[XFORWARD_CLIENT] = set->xforward_timeout,
		[XFORWARD_HELLO] = set->xforward_timeout,
		[MAIL] = set->mail_timeout,
		[RCPT] = set->rcpt_timeout,
		[DATA] = set->data_init_timeout,
		[RSET] = set->rset_timeout,
	};

	return times[kind];
}

static void add_step(struct transaction *t, enum kind kind, size_t recipient)
{
	t->steps[t->step_count++] =
		(struct step){ .kind = kind, .recipient = recipient };
}

static bool is_probe(const struct transaction *t)
{
	return (t->delivery->m.flags & DELIVER_VERIFY) != 0;
}

/* A probe ends with the reply to RCPT, or, for servers that say no later, to
 * DATA. */
static bool ends_at_rcpt(const struct transaction *t)
{
	return is_probe(t) && !str_is_nocase(
		t->session->set->address_verify_target, "data");
}

static void plan(struct transaction *t)
{
	t->steps = arena_array(t->arena, t->count + 5, sizeof(struct step));
	if (t->session->set->send_xforward_command &&
		t->session->talk.features.xforward) {
		add_step(t, XFORWARD_CLIENT, 0);
		add_step(t, XFORWARD_HELLO, 0);
	}
	add_step(t, MAIL, 0);
	for (size_t i = 0; i < t->count; i++)
		add_step(t, RCPT, i);
	if (!ends_at_rcpt(t))
		add_step(t, DATA, 0);
}

/* ---- the replies ---- */

static void take_mail_reply(struct transaction *t,
	const struct smtp_reply *reply)
{
	struct outcome outcome;

	t->is_clean = reply->code / 100 != 2;
	if (reply->code / 100 == 2)
		return;
	outcome = session_said(t->session, t->arena, reply, "MAIL FROM");
	fail_all(t, &outcome);
	t->stop = true;
}

static void take_rcpt_reply(struct transaction *t, size_t i,
	const struct smtp_reply *reply)
{
	struct outcome outcome;

	if (t->stop || t->recipients[i]->reported)
		return; /* MAIL was refused: this says nothing new */
	if (reply->code / 100 != 2) {
		outcome = session_said(t->session, t->arena, reply, "RCPT TO");
		fail(t, i, &outcome);
		return;
	}
	t->accepted[i] = true;
	t->accepted_count++;
	if (ends_at_rcpt(t))
		succeed(t, i, reply);
}

/* The server wants a message, and there is none to be had: there is no way back
 * but to hang up. */
static void end_probe(struct transaction *t, const struct smtp_reply *reply)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->accepted[i])
			succeed(t, i, reply);
	t->session->talk.is_broken = true;
}

static void take_data_reply(struct transaction *t,
	const struct smtp_reply *reply)
{
	struct outcome outcome;

	if (reply->code / 100 == 3) {
		t->data_begun = true;
		if (is_probe(t))
			end_probe(t, reply);
		return;
	}
	outcome = session_said(t->session, t->arena, reply, "DATA");
	fail_accepted(t, &outcome);
}

static void take_reply(struct transaction *t, const struct step *step,
	const struct smtp_reply *reply)
{
	switch (step->kind) {
	case XFORWARD_CLIENT:
	case XFORWARD_HELLO:
		if (reply->code / 100 != 2)
			log_warning("host %.*s said: %.*s (in reply to %s "
				    "command)",
				STR_ARG(t->session->site.where),
				STR_ARG(talk_text(t->arena, reply)),
				kinds[step->kind].command);
		break;
	case MAIL:
		take_mail_reply(t, reply);
		break;
	case RCPT:
		take_rcpt_reply(t, step->recipient, reply);
		break;
	case DATA:
		take_data_reply(t, reply);
		break;
	case RSET:
		break;
	}
}

/* May this step be sent, with `ahead` octets unanswered? */
static bool may_send(const struct transaction *t, const struct step *step,
	size_t ahead)
{
	if (t->stop)
		return false;
	if (ahead > 0)
		return has(t, FEATURE_PIPELINING) && ahead < AHEAD_MOST;
	return step->kind != DATA || t->accepted_count > 0;
}

/* The server said good-bye, or went away: what is open is for the next. */
static void lose(struct transaction *t, const struct outcome *trouble)
{
	t->stop = true;
	if (!t->heard && t->session->uses > 0) {
		t->is_stale = true;
		return;
	}
	t->attempt->trouble = *trouble;
	fail_all(t, trouble);
}

/* False: the session is of no more use. */
static bool run_steps(struct transaction *t)
{
	size_t sent = 0, got = 0, ahead = 0;
	struct smtp_reply reply;
	struct outcome trouble;

	for (;;) {
		while (sent < t->step_count &&
			may_send(t, &t->steps[sent], ahead)) {
			struct str line = step_line(t, &t->steps[sent]);

			session_debug(t->session, ">", line);
			io_write(t->session->talk.io, line);
			t->steps[sent++].octets = line.len;
			ahead += line.len;
		}
		if (got == sent)
			return true;
		if (!session_reply(t->session, t->arena,
			    step_timeout(t, t->steps[got].kind),
			    kinds[t->steps[got].kind].phase, &reply,
			    &trouble)) {
			lose(t, &trouble);
			return false;
		}
		t->heard = true;
		ahead -= t->steps[got].octets;
		if (t->session->talk.is_broken) { /* 421 */
			trouble = session_said(t->session, t->arena, &reply,
				kinds[t->steps[got].kind].command);
			lose(t, &trouble);
			return false;
		}
		take_reply(t, &t->steps[got++], &reply);
	}
}

/* ---- the content ---- */

/* DATA was accepted, but no recipient: an empty message ends it, RFC 2920
 * 3.1. */
static void end_nothing(struct transaction *t)
{
	struct smtp_reply reply;
	struct outcome trouble;

	(void)!session_command(t->session, t->arena, STR("."),
		t->session->set->data_done_timeout,
		"sending end of data -- message may be sent more than once",
		&reply, &trouble);
}

static void take_end_reply(struct transaction *t, size_t i,
	const struct smtp_reply *reply)
{
	struct outcome outcome;

	if (reply->code / 100 == 2) {
		succeed(t, i, reply);
		return;
	}
	outcome = session_said(t->session, t->arena, reply, "end of DATA");
	fail(t, i, &outcome);
}

/*
 * Whether the server has the message is not known: no other one is asked now,
 * or there would be two of it; later is soon enough.
 */
static void in_doubt(struct transaction *t, const struct outcome *trouble)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->accepted[i])
			report(t->attempt, t->session, t->recipients[i],
				trouble, DSN_ACTION_NONE);
}

static void take_end_replies(struct transaction *t)
{
	struct smtp_reply reply = { 0 };
	struct outcome trouble;
	bool have = false;

	for (size_t i = 0; i < t->count; i++) {
		if (!t->accepted[i])
			continue;
		if ((!have || t->attempt->set->is_lmtp) &&
			!session_reply(t->session, t->arena,
				t->session->set->data_done_timeout,
				"sending end of data -- message may be sent "
				"more than once",
				&reply, &trouble)) {
			in_doubt(t, &trouble);
			return;
		}
		have = true;
		take_end_reply(t, i, &reply);
	}
	t->is_clean = true;
}

static bool is_orphan(struct transaction *t)
{
	struct outcome trouble;

	if (!deliver_is_orphan(t->delivery))
		return false;
	trouble = outcome_f(t->arena, 451, 3, 0, "the queue manager has gone");
	t->session->talk.is_broken = true; /* after 354 there is no other way out */
	t->attempt->trouble = trouble;
	for (size_t i = 0; i < t->count; i++)
		if (!t->recipients[i]->reported)
			report(t->attempt, t->session, t->recipients[i],
				&trouble, DSN_ACTION_NONE);
	return true;
}

static void send_content(struct transaction *t)
{
	struct outcome trouble;

	if (is_orphan(t))
		return;
	if (!body_send(t->session, t->delivery, t->to_7bit)) {
		t->session->talk.is_broken = true;
		trouble = session_lost(t->session, t->arena,
			"sending message body");
		t->attempt->trouble = trouble;
		fail_accepted(t, &trouble);
		return;
	}
	take_end_replies(t);
}

/* ---- what can be known before ---- */

static bool needs_utf8(const struct transaction *t)
{
	if (!str_is_ascii(t->attempt->out.sender))
		return true;
	for (size_t i = 0; i < t->count; i++)
		if (!str_is_ascii(address_of(t, t->recipients[i])))
			return true;
	return t->delivery->m.flags & DELIVER_SMTPUTF8;
}

/* Code 0: nothing is in the way. */
static struct outcome obstacle(struct transaction *t)
{
	const struct site *site = &t->session->site;
	uint64_t limit = t->session->talk.features.size_limit;
	uint64_t size = t->delivery->content.size;
	struct outcome none = { 0 };

	if (limit > 0 && size > limit)
		return outcome_f(t->arena, 552, 3, 4,
			"message size %llu exceeds size limit %llu of server "
			"%.*s",
			(unsigned long long)size, (unsigned long long)limit,
			STR_ARG(site->where));
	if (needs_utf8(t) && !has(t, FEATURE_SMTPUTF8))
		return outcome_f(t->arena, 553, 6, 7,
			"SMTPUTF8 is required, but was not offered by host "
			"%.*s",
			STR_ARG(site->where));
	if ((t->delivery->m.flags & DELIVER_REQUIRETLS) &&
		!has(t, FEATURE_REQUIRETLS))
		return outcome_f(t->arena, 550, 7, 30,
			"REQUIRETLS is required, but was not offered by host "
			"%.*s",
			STR_ARG(site->where));
	return none;
}

static void collect_recipients(struct transaction *t)
{
	struct delivery *d = t->delivery;

	t->recipients = arena_array(t->arena, d->count + 1,
		sizeof(*t->recipients));
	t->accepted = arena_array(t->arena, d->count + 1, sizeof(bool));
	for (size_t i = 0; i < d->count; i++)
		if (!d->recipients[i].reported)
			t->recipients[t->count++] = &d->recipients[i];
}

/* Ready for the next MAIL, or broken. */
static void clean_up(struct transaction *t)
{
	struct smtp_reply reply;
	struct outcome trouble;

	if (t->is_clean || t->session->talk.is_broken)
		return;
	if (!session_command(t->session, t->arena, STR("RSET"),
		    t->session->set->rset_timeout, kinds[RSET].phase, &reply,
		    &trouble) ||
		reply.code / 100 != 2)
		t->session->talk.is_broken = true;
}

enum transaction_end transaction_run(struct attempt *attempt,
	struct session *session)
{
	struct transaction t = {
		.attempt = attempt,
		.session = session,
		.delivery = attempt->delivery,
		.arena = attempt->delivery->arena,
		.is_clean = true,
	};
	struct outcome refused;

	collect_recipients(&t);
	refused = obstacle(&t);
	if (refused.status.code) {
		refused.mta = session->site.host;
		fail_all(&t, &refused);
		return TRANSACTION_DONE;
	}
	t.to_7bit = str_is(t.delivery->m.encoding, "8bit") &&
		!has(&t, FEATURE_8BITMIME) &&
		!session->set->conf->disable_mime_output_conversion;
	plan(&t);
	if (run_steps(&t) && t.data_begun && t.accepted_count > 0)
		send_content(&t);
	else if (t.data_begun && !session->talk.is_broken)
		end_nothing(&t);
	if (t.is_stale)
		return TRANSACTION_STALE;
	clean_up(&t);
	session->uses++;
	return TRANSACTION_DONE;
}
