#include "smtpd/session.h"

#include <string.h>

#include "base/log.h"
#include "mail/address.h"

struct str queue_id(const struct session *s)
{
	return s->mail && !str_is_none(s->mail->queue_id) ?
		s->mail->queue_id : STR("NOQUEUE");
}

struct str shown(struct session *s, struct str address)
{
	return mail_address_external(s->mail ? s->mail->arena : s->arena,
		address);
}

static struct str logged(struct session *s, struct str address)
{
	return mail_address_logged(s->arena, s->conf->info_log_address_format,
		address);
}

/* soft_bounce: nothing is refused for good. */
static struct status soften(const struct session *s, struct status status)
{
	if (s->conf->soft_bounce && status_class(status) == 5)
		status.code = (uint16_t)(status.code - 100);
	return status;
}

static void debug(struct session *s, struct str reply)
{
	struct str line;

	while (str_take_line(&reply, &line))
		log_info("> %.*s: %.*s", STR_ARG(s->label),
			STR_ARG(str_trim(line)));
}

static void send_status(struct session *s, struct status status)
{
	auto_buf struct buf out = { 0 };
	auto_arena struct arena *arena = arena_new(0);

	status = footer_apply(s, arena, status);
	smtp_reply_format(&out, status, !(s->hidden & HIDE_ENHANCED));
	if (s->is_debugged)
		debug(s, buf_str(&out));
	transcript_said(s, buf_str(&out));
	io_write(s->io, buf_str(&out));
}

/* After many errors each one costs time. */
static void slow_down(struct session *s)
{
	if ((int64_t)s->errors >= s->conf->smtpd_soft_error_limit &&
		s->conf->smtpd_error_sleep_time.us > 0) {
		(void)io_flush(s->io, s->conf->smtpd_timeout);
		(void)io_sleep(s->conf->smtpd_error_sleep_time);
	}
}

void reply(struct session *s, struct status status)
{
	if (status.code == 200)
		return;
	status = soften(s, status);
	if (status_class(status) >= 4) {
		s->errors++;
		transcript_error(s, status);
		slow_down(s);
	}
	send_status(s, status);
	if (status.code == 421 || status.code == 521)
		s->is_gone = true;
}

void reply_free(struct session *s, struct status status)
{
	send_status(s, soften(s, status));
}

void reply_lines(struct session *s, int code, struct str text)
{
	send_status(s, (struct status){ (uint16_t)code, 0, SMTP_NO_ENHANCED,
		text });
}

void reply_last(struct session *s, int subject, int detail, const char *text)
{
	send_status(s, status_f(s->arena, 421, subject, detail, "%.*s %s",
		STR_ARG(s->conf->myhostname), text));
	s->is_gone = true;
}

/* "; from=<> to=<> proto=ESMTP helo=<>" */
static void format_circumstances(struct session *s, struct buf *line)
{
	buf_char(line, ';');
	if (s->mail)
		buf_fmt(line, " from=<%.*s>",
			STR_ARG(logged(s, s->mail->sender)));
	if (!str_is_none(s->recipient))
		buf_fmt(line, " to=<%.*s>", STR_ARG(logged(s, s->recipient)));
	buf_fmt(line, " proto=%s", s->is_esmtp ? "ESMTP" : "SMTP");
	if (!str_is_none(s->helo))
		buf_fmt(line, " helo=<%.*s>", STR_ARG(s->helo));
	if (!str_is_none(s->sasl_username))
		buf_fmt(line, " sasl_method=%.*s sasl_username=%.*s",
			STR_ARG(s->sasl_method), STR_ARG(s->sasl_username));
	if (s->mail && !str_is_none(s->mail->sender_auth))
		buf_fmt(line, " sasl_sender=%.*s",
			STR_ARG(s->mail->sender_auth));
}

/* "\r\n", "\001": what is no text can still be told from text. */
static void escape(struct buf *out, struct str text)
{
	static const char from[] = "\a\b\f\n\r\t\v\\", to[] = "abfnrtv\\";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		const char *known = c ? strchr(from, c) : NULL;

		if (known)
			buf_fmt(out, "\\%c", to[known - from]);
		else if (ascii_is_print(c))
			buf_char(out, (char)c);
		else
			buf_fmt(out, "\\%03o", c);
	}
}

void log_pipelining(struct session *s)
{
	auto_buf struct buf line = { 0 };
	struct str ahead = STR("");

	(void)!io_peek(s->io, &ahead, span_s(0));
	escape(&line, str_first(ahead, 100));
	log_info("improper command pipelining after %s from %.*s: %.*s",
		s->where, STR_ARG(s->label), (int)line.len, line.p);
}

void log_event(struct session *s, const char *event, struct str text)
{
	auto_buf struct buf line = { 0 };

	buf_fmt(&line, "%.*s: %s: %s from %.*s: %.*s", STR_ARG(queue_id(s)),
		event, s->where, STR_ARG(s->label), STR_ARG(text));
	format_circumstances(s, &line);
	log_info("%.*s", (int)line.len, line.p);
}

void log_proxy(struct session *s, struct status status)
{
	auto_buf struct buf line = { 0 };

	buf_fmt(&line, "proxy-%s: %s: ", status_is_ok(status) ? "accept" :
		"reject", s->where);
	smtp_reply_format_line(&line, soften(s, status), true);
	s->recipient = s->mail->first_recipient;
	format_circumstances(s, &line);
	s->recipient = STR_NONE;
	log_info("%.*s", (int)line.len, line.p);
}

void log_refusal(struct session *s, const char *event, struct status status)
{
	auto_buf struct buf text = { 0 };

	smtp_reply_format_line(&text, soften(s, status), true);
	log_event(s, event, buf_str(&text));
}
