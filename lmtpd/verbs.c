/*
 * LHLO, and a transaction: MAIL, RCPT, DATA. Each recipient that was accepted
 * gets a reply of its own after the final dot (RFC 2033 4.2).
 */
#include "lmtpd/session.h"

#include <unistd.h>

#include "agent/deliver.h"
#include "base/log.h"
#include "base/random.h"
#include "mail/address.h"
#include "smtp/command.h"
#include "smtp/param.h"
#include "smtp/path.h"

void mail_end(struct session *s)
{
	struct arena *arena = s->mail ? s->mail->arena : NULL;

	if (s->mail && s->mail->file >= 0)
		close(s->mail->file);
	s->mail = NULL;
	if (s->stage == AT_MAIL)
		s->stage = AT_IDLE;
	arena_free(arena);
}

struct status verb_lhlo(struct session *s, struct str arguments)
{
	struct buf out = BUF_IN(s->arena);

	if (arguments.len == 0)
		return STATUS(501, 5, 4, "Syntax: LHLO hostname");
	mail_end(s);
	s->hello = arena_copy(s->home, str_first(arguments, 255));
	s->stage = AT_IDLE;
	buf_fmt(&out, "%.*s\nPIPELINING\nENHANCEDSTATUSCODES\n8BITMIME\n",
		STR_ARG(s->conf->myhostname));
	if (s->conf->smtputf8_enable)
		buf_text(&out, "SMTPUTF8\n");
	buf_fmt(&out, "SIZE %lld",
		(long long)s->conf->message_size_limit);
	return (struct status){ 250, SMTP_NO_ENHANCED, SMTP_NO_ENHANCED,
		buf_str(&out) };
}

/* ---- MAIL ---- */

static struct status unsupported(struct session *s, struct str option)
{
	return status_f(s->arena, 555, 5, 4, "Unsupported option: %.*s",
		STR_ARG(str_first(option, 100)));
}

static struct status take_size(struct session *s, struct mail *m,
	struct str value)
{
	int64_t most = s->conf->message_size_limit;
	uint64_t size;

	(void)m;
	if (!str_parse_u64(value, INT64_MAX, &size))
		return STATUS(501, 5, 4, "Bad message size syntax");
	if (most > 0 && size > (uint64_t)most)
		return STATUS(552, 3, 4, "Message size exceeds fixed limit");
	return STATUS_OK;
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

static const struct {
	const char *keyword;
	struct status (*take)(struct session *s, struct mail *m,
		struct str value);
} mail_params[] = {
	{ "SIZE", take_size },      /* RFC 1870 */
	{ "BODY", take_body },      /* RFC 6152 */
	{ "SMTPUTF8", take_utf8 },  /* RFC 6531 */
};

static struct status take_param(struct session *s, struct mail *m,
	const struct smtp_param *param)
{
	for (size_t i = 0; i < COUNT(mail_params); i++)
		if (str_is_nocase(param->keyword, mail_params[i].keyword))
			return mail_params[i].take(s, m, param->value);
	return unsupported(s, param->keyword);
}

static struct status take_sender(struct session *s, struct mail *m,
	struct str in)
{
	struct smtp_param param;
	bool has_route;

	if (!smtp_keyword_take(&in, "FROM"))
		return STATUS(501, 5, 4, "Syntax: MAIL FROM:<address>");
	if (!smtp_path_take(m->arena, &in, s->conf->strict_rfc821_envelopes,
		&m->sender, &has_route) || !str_is_utf8(m->sender))
		return STATUS(501, 1, 7, "Bad sender address syntax");
	m->sender = arena_copy(m->arena, m->sender);
	while (smtp_param_take(&in, &param)) {
		struct status status = take_param(s, m, &param);

		if (!status_is_ok(status))
			return status;
	}
	return in.len == 0 ? STATUS_OK : unsupported(s, in);
}

struct status verb_mail(struct session *s, struct str arguments)
{
	struct arena *arena = arena_child(s->home);
	struct mail *m = arena_new_of(arena, struct mail);
	struct status status;

	random_octets(&m->nonce, sizeof(m->nonce));
	m->arena = arena;
	m->encoding = STR("");
	m->file = -1;
	m->arrival_us = wall_us();
	m->text = BUF_IN(arena);
	m->id = arena_fmt(arena, "L%015llX",
		(unsigned long long)(m->nonce >> 4));
	status = take_sender(s, m, arguments);
	if (!status_is_ok(status)) {
		status.text = arena_copy(s->arena, status.text);
		arena_free(arena);
		return status;
	}
	s->mail = m;
	s->stage = AT_MAIL;
	return STATUS(250, 1, 0, "Ok");
}

/* ---- RCPT ---- */

static struct status take_address(struct session *s, struct str *in,
	struct str *address)
{
	bool has_route;

	if (!smtp_path_take(s->mail ? s->mail->arena : s->arena, in,
		s->conf->strict_rfc821_envelopes, address, &has_route) ||
		address->len == 0 || !str_is_utf8(*address))
		return STATUS(501, 1, 3, "Bad recipient address syntax");
	return STATUS_OK;
}

/* Is there such a mailbox? virtual knows, without a message. */
static struct status probe(struct session *s, struct str address)
{
	struct mail m = { .arena = s->arena, .file = -1,
		.id = s->mail ? s->mail->id : STR("NOQUEUE"),
		.sender = STR(""), .encoding = STR(""),
		.arrival_us = wall_us() };
	struct recipient recipient = { .address = address, .orig = address };

	hand_over(s, &m, DELIVER_VERIFY, &recipient, 1);
	if (status_is_ok(recipient.status))
		return STATUS_OK;
	return status_f(s->arena, recipient.status.code,
		recipient.status.subject, recipient.status.detail,
		"<%.*s>: %.*s",
		STR_ARG(mail_address_external(s->arena, address)),
		STR_ARG(recipient.status.text));
}

struct status verb_rcpt(struct session *s, struct str arguments)
{
	struct mail *m = s->mail;
	struct str address;
	struct status status;

	if (!smtp_keyword_take(&arguments, "TO"))
		return STATUS(501, 5, 4, "Syntax: RCPT TO:<address>");
	status = take_address(s, &arguments, &address);
	if (!status_is_ok(status))
		return status;
	if (arguments.len > 0)
		return unsupported(s, arguments);
	if ((int64_t)m->count >= s->conf->smtpd_recipient_limit)
		return STATUS(452, 5, 3, "Error: too many recipients");
	status = probe(s, address);
	if (!status_is_ok(status))
		return status;
	arena_grow(m->arena, &m->recipients, &m->capacity, m->count + 1,
		sizeof(*m->recipients));
	address = arena_copy(m->arena, address);
	m->recipients[m->count++] = (struct recipient){ .address = address,
		.orig = address };
	return STATUS(250, 1, 5, "Ok");
}

struct status verb_vrfy(struct session *s, struct str arguments)
{
	struct str address;
	struct status status = take_address(s, &arguments, &address);

	if (status_is_ok(status))
		status = probe(s, address);
	return status_is_ok(status) ?
		status_f(s->arena, 252, 0, 0, "%.*s", STR_ARG(address)) :
		status;
}

/* ---- DATA ---- */

static void answer_each(struct session *s)
{
	struct mail *m = s->mail;

	for (size_t i = 0; i < m->count; i++) {
		const struct recipient *r = &m->recipients[i];

		answer(s, status_f(s->arena, r->status.code,
			r->status.subject, r->status.detail, "<%.*s> %.*s",
			STR_ARG(mail_address_external(s->arena, r->address)),
			STR_ARG(r->status.text)));
	}
}

/* RFC 2033 4.2: the same for all. */
static void refuse_all(struct session *s, struct status status)
{
	for (size_t i = 0; i < s->mail->count; i++)
		s->mail->recipients[i].status = status;
}

struct status verb_data(struct session *s, struct str arguments)
{
	struct mail *m = s->mail;

	if (arguments.len > 0)
		return STATUS(501, 5, 4, "Syntax: DATA");
	if (m->count == 0)
		return STATUS(503, 5, 1, "Error: no valid recipients");
	answer(s, (struct status){ 354, SMTP_NO_ENHANCED, SMTP_NO_ENHANCED,
		STR("End data with <CR><LF>.<CR><LF>") });
	if (!content_read(s)) {
		s->is_gone = true;
		return ANSWERED;
	}
	log_info("%.*s: client=%.*s, from=<%.*s>, size=%llu, nrcpt=%zu",
		STR_ARG(m->id), STR_ARG(s->label), STR_ARG(m->sender),
		(unsigned long long)m->octets, m->count);
	if (m->is_too_big)
		refuse_all(s, STATUS(552, 3, 4, "message is too large"));
	else if (m->has_failed)
		refuse_all(s, STATUS(451, 3, 0, "no memory for it now"));
	else
		hand_over(s, m, DELIVER_AT_ONCE, m->recipients,
			m->count);
	answer_each(s);
	mail_end(s);
	return ANSWERED;
}

/* ---- the rest ---- */

struct status verb_rset(struct session *s, struct str arguments)
{
	(void)arguments;
	mail_end(s);
	return STATUS(250, 0, 0, "Ok");
}

struct status verb_noop(struct session *s, struct str arguments)
{
	(void)s;
	(void)arguments;
	return STATUS(250, 0, 0, "Ok");
}

struct status verb_quit(struct session *s, struct str arguments)
{
	(void)arguments;
	s->is_gone = true;
	return STATUS(221, 0, 0, "Bye");
}
