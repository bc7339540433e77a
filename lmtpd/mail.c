/*
 * MAIL: a transaction begins.
 */
#include "lmtpd/session.h"

#include "agent/deliver.h"
#include "base/random.h"
#include "queue/submission.h"
#include "smtp/command.h"
#include "smtp/param.h"
#include "smtp/path.h"

void mail_end(struct session *s)
{
	struct arena *arena = s->mail ? s->mail->arena : NULL;

	if (s->mail)
		content_free(s->mail);
	s->mail = NULL;
	if (s->stage != AT_START)
		s->stage = AT_IDLE;
	arena_free(arena);
}

struct status unsupported(struct session *s, struct str option)
{
	return status_f(s->arena, 555, 5, 4, "Unsupported option: %.*s",
		STR_ARG(str_first(option, 100)));
}

/* ---- parameters ---- */

static struct status take_size(struct session *s, struct mail *m,
	struct str value)
{
	int64_t most = s->conf->message_size_limit;
	uint64_t size;

	if (!str_parse_u64(value, INT64_MAX, &size))
		return REPLY_SIZE_SYNTAX;
	if (most > 0 && size > (uint64_t)most)
		return REPLY_TOO_BIG;
	return content_reserve(m, size) ? STATUS_OK : REPLY_NO_SPACE;
}

static struct status take_body(struct session *s, struct mail *m,
	struct str value)
{
	(void)s;
	if (str_is_nocase(value, "8BITMIME"))
		m->encoding = STR("8bit");
	else if (str_is_nocase(value, "7BIT"))
		m->encoding = STR("7bit");
	else
		return STATUS(501, 5, 4, "Bad BODY value");
	return STATUS_OK;
}

static struct status take_utf8(struct session *s, struct mail *m,
	struct str value)
{
	if (!s->conf->smtputf8_enable || !str_is_none(value))
		return unsupported(s, STR("SMTPUTF8"));
	m->flags |= DELIVER_SMTPUTF8;
	return STATUS_OK;
}

static struct status take_ret(struct session *s, struct mail *m,
	struct str value)
{
	(void)s;
	if (m->ret != DSN_RET_NONE || !smtp_ret_parse(value, &m->ret))
		return REPLY_RET_SYNTAX;
	return STATUS_OK;
}

static struct status take_envid(struct session *s, struct mail *m,
	struct str value)
{
	(void)s;
	if (!str_is_none(m->envid) ||
		!smtp_envid_parse(m->arena, value, &m->envid))
		return REPLY_ENVID_SYNTAX;
	return STATUS_OK;
}

static const struct {
	const char *keyword;
	struct status (*take)(struct session *s, struct mail *m,
		struct str value);
} mail_params[] = {
	{ "SIZE", take_size },      /* RFC 1870 */
	{ "BODY", take_body },      /* RFC 6152 */
	{ "SMTPUTF8", take_utf8 },  /* RFC 6531 */
	{ "RET", take_ret },        /* RFC 3461 */
	{ "ENVID", take_envid },
};

static struct status take_param(struct session *s, struct mail *m,
	const struct smtp_param *param)
{
	for (size_t i = 0; i < COUNT(mail_params); i++)
		if (str_is_nocase(param->keyword, mail_params[i].keyword))
			return mail_params[i].take(s, m, param->value);
	return unsupported(s, param->keyword);
}

/* ---- the command ---- */

static struct status take_sender(struct session *s, struct mail *m,
	struct str in)
{
	struct smtp_param param;
	bool has_route;

	if (!smtp_keyword_take(&in, "FROM"))
		return REPLY_MAIL_SYNTAX;
	if (!smtp_path_take(m->arena, &in, s->conf->strict_rfc821_envelopes,
		&m->sender, &has_route) || !str_is_utf8(m->sender))
		return REPLY_SENDER_SYNTAX;
	m->sender = arena_copy(m->arena, m->sender);
	while (smtp_param_take(&in, &param)) {
		struct status status = take_param(s, m, &param);

		if (!status_is_ok(status))
			return status;
	}
	if (in.len > 0)
		return unsupported(s, in);
	if (s->conf->strict_smtputf8 && !(m->flags & DELIVER_SMTPUTF8) &&
		!str_is_ascii(m->sender))
		return REPLY_NEED_UTF8;
	return STATUS_OK;
}

struct status verb_mail(struct session *s, struct str arguments)
{
	struct arena *arena = arena_child(s->home);
	struct mail *m = arena_new_of(arena, struct mail);
	struct status status;

	*m = (struct mail){ .arena = arena, .encoding = STR(""),
		.envid = STR_NONE, .file = -1, .arrival_us = wall_us(),
		.text = BUF_IN(arena) };
	random_octets(&m->nonce, sizeof(m->nonce));
	m->id = arena_fmt(arena, "L%015llX",
		(unsigned long long)(m->nonce >> 4));
	status = take_sender(s, m, arguments);
	if (!status_is_ok(status)) {
		status.text = arena_copy(s->arena, status.text);
		content_free(m);
		arena_free(arena);
		return status;
	}
	s->mail = m;
	s->stage = AT_MAIL;
	return REPLY_SENDER_OK;
}

struct status verb_rset(struct session *s, struct str arguments)
{
	(void)arguments;
	mail_end(s);
	return REPLY_OK;
}

struct status verb_noop(struct session *s, struct str arguments)
{
	(void)s;
	(void)arguments;
	return REPLY_OK;
}

struct status verb_quit(struct session *s, struct str arguments)
{
	(void)arguments;
	s->is_gone = true;
	return REPLY_BYE;
}
