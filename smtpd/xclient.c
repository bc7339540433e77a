/*
 * XCLIENT: another server speaks for its client, who is then ours. XFORWARD:
 * where the next message came from, for the log and for what is passed on.
 *
 * Source   Postfix's XCLIENT_README, XFORWARD_README
 */
#include "smtpd/session.h"

void xclient_offer(struct session *s, struct buf *out)
{
	if (s->may_xclient)
		buf_text(out, "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT "
			"LOGIN DESTADDR DESTPORT");
}

void xforward_offer(struct session *s, struct buf *out)
{
	if (s->may_xforward)
		buf_text(out,
			"XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT");
}

static bool has(const struct smtp_xclient *x, enum smtp_xclient_attribute at)
{
	return x->given & 1u << at;
}

/* A copy of a value; of one that is not known, what stands for it. */
static struct str value_of(struct session *s, const struct smtp_xclient *x,
	enum smtp_xclient_attribute at, struct str otherwise)
{
	return str_is_none(x->values[at]) ? otherwise :
		arena_copy(s->home, x->values[at]);
}

/* ---- XCLIENT ---- */

/* Like the client's own address without a name: 4 now, 5 for good. */
static int code_of(const struct smtp_xclient *x,
	enum smtp_xclient_attribute at)
{
	return !str_is_none(x->values[at]) ? 2 :
		x->temporary & 1u << at ? 4 : 5;
}

static void take_names(struct session *s, const struct smtp_xclient *x)
{
	enum smtp_xclient_attribute reverse = has(x, XCLIENT_REVERSE_NAME) ?
		XCLIENT_REVERSE_NAME : XCLIENT_NAME;

	if (has(x, XCLIENT_NAME)) {
		s->name = value_of(s, x, XCLIENT_NAME, STR("unknown"));
		s->name_code = code_of(x, XCLIENT_NAME);
	}
	if (has(x, reverse)) {
		s->reverse_name = value_of(s, x, reverse, STR("unknown"));
		s->reverse_code = code_of(x, reverse);
	}
}

static void take_addresses(struct session *s, const struct smtp_xclient *x)
{
	if (has(x, XCLIENT_ADDR)) {
		s->address_text = value_of(s, x, XCLIENT_ADDR,
			STR("unknown"));
		s->has_address = dns_address_parse(s->address_text,
			&s->address);
	}
	if (has(x, XCLIENT_PORT))
		s->port = value_of(s, x, XCLIENT_PORT, STR("unknown"));
	if (has(x, XCLIENT_DESTADDR))
		s->server_address = value_of(s, x, XCLIENT_DESTADDR,
			STR("unknown"));
	if (has(x, XCLIENT_DESTPORT))
		s->server_port = value_of(s, x, XCLIENT_DESTPORT,
			STR("unknown"));
}

/* The greeting comes again, and what was said before it is forgotten. */
static void take_session(struct session *s, const struct smtp_xclient *x)
{
	s->helo = has(x, XCLIENT_HELO) ?
		value_of(s, x, XCLIENT_HELO, STR_NONE) : STR_NONE;
	s->is_esmtp = has(x, XCLIENT_PROTO) &&
		str_is_nocase(x->values[XCLIENT_PROTO], "ESMTP");
	if (!has(x, XCLIENT_LOGIN))
		return;
	s->sasl_username = value_of(s, x, XCLIENT_LOGIN, STR_NONE);
	s->sasl_method = str_is_none(s->sasl_username) ? STR_NONE :
		STR("XCLIENT");
}

struct status xclient(struct session *s, struct str arguments)
{
	struct smtp_xclient x;
	struct status status;

	if (!s->may_xclient || (s->hidden & HIDE_XCLIENT))
		return REPLY_INSUFFICIENT;
	if (!smtp_xclient_parse(s->arena, arguments, &x))
		return (struct status){ 501, 5, 4, x.problem };
	mail_reset(s);
	take_names(s, &x);
	take_addresses(s, &x);
	take_session(s, &x);
	client_changed(s);
	for (size_t i = 0; i < CHECK_STAGES; i++)
		s->deferrals[i].active = false;
	s->actions = (struct actions){ 0 };
	milter_close(s);
	status = check_connect(s);
	if (status_is_ok(status))
		status = milter_connect(s);
	return status_is_ok(status) ? (struct status){ 220, 0,
		SMTP_NO_ENHANCED, s->conf->smtpd_banner } : status;
}

/* ---- XFORWARD ---- */

struct status xforward(struct session *s, struct str arguments)
{
	struct smtp_xclient x;

	if (!s->may_xforward || (s->hidden & HIDE_XFORWARD))
		return REPLY_INSUFFICIENT;
	if (!smtp_xforward_parse(s->arena, arguments, &x))
		return (struct status){ 501, 5, 4, x.problem };
	if (!s->forwarded_arena)
		s->forwarded_arena = arena_child(s->home);
	for (size_t i = 0; i < XCLIENT_ATTRIBUTES; i++)
		x.values[i] = arena_copy(s->forwarded_arena, x.values[i]);
	smtp_xclient_add(&s->forwarded, &x);
	return REPLY_OK;
}

void xforward_forget(struct session *s)
{
	arena_free(s->forwarded_arena);
	s->forwarded_arena = NULL;
	s->forwarded = (struct smtp_xclient){ 0 };
}

/* Of one that is not known, what stands for it. */
static struct str forwarded(const struct smtp_xclient *x,
	enum smtp_xclient_attribute at, struct str otherwise)
{
	return str_is_none(x->values[at]) ? otherwise : x->values[at];
}

void xforward_fill(struct session *s, struct msg_submission *facts)
{
	const struct smtp_xclient *x = &s->forwarded;
	const struct {
		struct str *fact;
		enum smtp_xclient_attribute at;
		struct str otherwise;
	} rows[] = {
		{ &facts->client_name, XCLIENT_NAME, STR("unknown") },
		{ &facts->client_address, XCLIENT_ADDR, STR("unknown") },
		{ &facts->client_port, XCLIENT_PORT, STR("unknown") },
		{ &facts->helo, XCLIENT_HELO, STR("") },
		{ &facts->protocol, XCLIENT_PROTO, facts->protocol },
	};

	for (size_t i = 0; x->given && i < COUNT(rows); i++)
		*rows[i].fact = forwarded(x, rows[i].at, rows[i].otherwise);
}

void xforward_log(struct session *s, struct buf *line)
{
	const struct smtp_xclient *x = &s->forwarded;

	if (!str_is_none(x->values[XFORWARD_IDENT]))
		buf_fmt(line, ", orig_queue_id=%.*s",
			STR_ARG(x->values[XFORWARD_IDENT]));
	if (has(x, XCLIENT_NAME) || has(x, XCLIENT_ADDR))
		buf_fmt(line, ", orig_client=%.*s[%.*s]",
			STR_ARG(forwarded(x, XCLIENT_NAME, STR("unknown"))),
			STR_ARG(forwarded(x, XCLIENT_ADDR, STR("unknown"))));
}
