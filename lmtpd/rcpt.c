/*
 * RCPT and VRFY: is there such a mailbox? virtual knows, and is asked once for
 * all the recipients that a client has sent in a row (RFC 2920).
 */
#include "lmtpd/session.h"

#include "agent/deliver.h"
#include "mail/address.h"
#include "smtp/command.h"
#include "smtp/param.h"
#include "smtp/path.h"

static void add(struct mail *m, struct recipients *to,
	const struct recipient *recipient)
{
	arena_grow(m->arena, &to->all, &to->capacity, to->count + 1,
		sizeof(*to->all));
	to->all[to->count++] = *recipient;
}

static struct status take_address(struct session *s, struct arena *arena,
	struct str *in, struct str *address)
{
	bool has_route;

	if (!smtp_path_take(arena, in, s->conf->strict_rfc821_envelopes,
		address, &has_route) || address->len == 0 ||
		!str_is_utf8(*address))
		return REPLY_RECIPIENT_SYNTAX;
	/* <postmaster>, RFC 5321 4.5.1, and what is no address if we are strict:
	 * in the domain that cleanup adds, too. */
	if (str_is_none(mail_address_domain(*address)))
		*address = arena_fmt(arena, "%.*s@%.*s", STR_ARG(*address),
			STR_ARG(s->conf->myorigin));
	else
		*address = arena_copy(arena, *address);
	return STATUS_OK;
}

/* ---- parameters, RFC 3461 4 ---- */

static struct status take_notify(struct recipient *r, struct str value)
{
	if (r->notify || !smtp_notify_parse(value, &r->notify))
		return REPLY_NOTIFY_SYNTAX;
	return STATUS_OK;
}

static struct status take_orcpt(struct recipient *r, struct str value)
{
	if (!str_is_none(r->orcpt) || !smtp_orcpt_parse(value))
		return REPLY_ORCPT_SYNTAX;
	r->orcpt = value;
	return STATUS_OK;
}

static struct status take_param(struct session *s, struct recipient *r,
	const struct smtp_param *param)
{
	if (str_is_nocase(param->keyword, "NOTIFY"))
		return take_notify(r, param->value);
	if (str_is_nocase(param->keyword, "ORCPT"))
		return take_orcpt(r, param->value);
	return unsupported(s, param->keyword);
}

static struct status take_recipient(struct session *s, struct str in,
	struct recipient *r)
{
	struct mail *m = s->mail;
	struct status status;
	struct smtp_param param;

	if (!smtp_keyword_take(&in, "TO"))
		return REPLY_RCPT_SYNTAX;
	status = take_address(s, m->arena, &in, &r->address);
	while (status_is_ok(status) && smtp_param_take(&in, &param))
		status = take_param(s, r, &param);
	if (!status_is_ok(status))
		return status;
	if (in.len > 0)
		return unsupported(s, in);
	if (s->conf->strict_smtputf8 && !(m->flags & DELIVER_SMTPUTF8) &&
		!str_is_ascii(r->address))
		return REPLY_NEED_UTF8;
	r->orig = r->address;
	if (!str_is_none(r->orcpt))
		r->orcpt = arena_copy(m->arena, r->orcpt);
	return STATUS_OK;
}

/* ---- virtual's word ---- */

/* All that have no status yet, in one question. */
static void probe(struct session *s, struct mail *m,
	struct recipients *group)
{
	struct mail question = { .arena = s->arena, .file = -1, .id = m->id,
		.sender = STR(""), .encoding = STR(""), .envid = STR_NONE,
		.arrival_us = wall_us() };
	struct recipients open = { 0 };
	size_t next = 0;

	for (size_t i = 0; i < group->count; i++)
		if (group->all[i].status.code == 0)
			add(&question, &open, &group->all[i]);
	if (open.count == 0)
		return;
	hand_over(s, &question, DELIVER_VERIFY, &open);
	for (size_t i = 0; i < group->count; i++)
		if (group->all[i].status.code == 0)
			group->all[i].status = open.all[next++].status;
}

static struct status said(struct session *s, const struct recipient *r)
{
	if (status_is_ok(r->status))
		return REPLY_RECIPIENT_OK;
	if (str_is_none(r->orig)) /* not even asked about */
		return r->status;
	return status_f(s->arena, r->status.code, r->status.subject,
		r->status.detail, "<%.*s>: %.*s",
		STR_ARG(mail_address_external(s->arena, r->address)),
		STR_ARG(r->status.text));
}

void rcpt_settle(struct session *s)
{
	struct mail *m = s->mail;

	if (!m || m->asked.count == 0)
		return;
	probe(s, m, &m->asked);
	for (size_t i = 0; i < m->asked.count; i++) {
		const struct recipient *r = &m->asked.all[i];

		answer(s, said(s, r));
		if (status_is_ok(r->status))
			add(m, &m->accepted, r);
	}
	m->asked.count = 0;
}

/* Their replies follow in their order, from rcpt_settle. */
struct status verb_rcpt(struct session *s, struct str arguments)
{
	struct mail *m = s->mail;
	int64_t most = s->conf->smtpd_recipient_limit;
	struct recipient r = { .orig = STR_NONE, .orcpt = STR_NONE };

	if (m->asked.count >= GROUP_MOST ||
		(int64_t)(m->accepted.count + m->asked.count) >= most)
		rcpt_settle(s);
	r.status = take_recipient(s, arguments, &r);
	if (status_is_ok(r.status) && (int64_t)m->accepted.count >= most)
		r.status = REPLY_TOO_MANY_RCPT;
	if (status_is_ok(r.status)) {
		r.status = (struct status){ .code = 0 };
	} else {
		r.orig = STR_NONE;
		r.status.text = arena_copy(m->arena, r.status.text);
	}
	add(m, &m->asked, &r);
	return ANSWERED;
}

/* RFC 6531 3.7.4.2: SMTPUTF8 allows a reply that is not ASCII. */
struct status verb_vrfy(struct session *s, struct str arguments)
{
	struct recipient r = { .orcpt = STR_NONE };
	struct recipients one = { .all = &r, .count = 1, .capacity = 1 };
	struct mail question = { .arena = s->arena,
		.id = s->mail ? s->mail->id : STR("NOQUEUE") };
	struct status status = take_address(s, s->arena, &arguments,
		&r.address);

	if (!status_is_ok(status))
		return status;
	if (arguments.len > 0 && !(s->conf->smtputf8_enable &&
		str_is_nocase(arguments, "SMTPUTF8")))
		return unsupported(s, arguments);
	if (arguments.len == 0 && !str_is_ascii(r.address))
		return REPLY_NEED_UTF8;
	r.orig = r.address;
	probe(s, &question, &one);
	return status_is_ok(r.status) ?
		status_f(s->arena, 252, 0, 0, "%.*s", STR_ARG(r.address)) :
		said(s, &r);
}
