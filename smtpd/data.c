/*
 * DATA and BDAT: the content of the message, RFC 5321 4.1.1.4, RFC 3030.
 */
#include "smtpd/session.h"

#include <errno.h>

#include "base/log.h"
#include "smtp/command.h"

/* ---- on its way to the queue ---- */

static void apply_actions(struct session *s, const struct actions *actions)
{
	struct msg_submission *facts =
		submission_facts(s->mail->submission);

	facts->flags |= actions->flags;
	if (actions->filter.len > 0)
		facts->content_filter = actions->filter;
	if (actions->redirect.len > 0)
		facts->redirect = actions->redirect;
	for (size_t i = 0; i < actions->bcc_count; i++) {
		struct msg_recipient bcc = {
			.address = actions->bcc[i], .orig = STR_NONE,
			.orcpt = STR_NONE, .notify = DSN_NOTIFY_NEVER,
		};

		submission_recipient(s->mail->submission, &bcc);
	}
}

static void store(struct session *s, struct str octets)
{
	struct mail *m = s->mail;

	m->stored += octets.len;
	if (m->proxy)
		proxy_write(s, octets);
	else
		submission_write(m->submission, octets);
}

/* PREPEND lines stand above our own Received:, as Postfix has it. Who is
 * between two others who forward a client's mail leaves no trace in it. */
static void write_head(struct session *s)
{
	struct buf out = BUF_IN(s->mail->arena);

	buf_add(&out, s->actions.prepend);
	buf_add(&out, s->mail->actions.prepend);
	if (!s->mail->proxy || !s->forwarded.given)
		received_format(s, &out);
	store(s, buf_str(&out));
}

static void start_content(struct session *s, bool is_chunked)
{
	struct mail *m = s->mail;
	enum smtp_newline newline = server.newline;

	if (newline != SMTP_NEWLINE_ANY &&
		client_is_in(s, server.bare_newline_exempt))
		newline = SMTP_NEWLINE_SAME;
	smtp_decoder_init(&m->decoder, newline,
		!s->conf->cleanup_replace_stray_cr_lf, is_chunked);
	m->is_chunked = is_chunked;
	write_head(s);
}

/* What is over the limit is read, but not kept. */
static void keep(struct session *s, struct str octets)
{
	struct mail *m = s->mail;
	int64_t most = s->conf->message_size_limit;

	if (most > 0 && m->stored + octets.len > (uint64_t)most)
		m->is_too_big = true;
	if (!m->is_too_big)
		store(s, octets);
}

/* smtpd_per_request_deadline: the time grows with what has arrived. */
static void extend_deadline(struct session *s, struct moment start)
{
	int64_t rate = s->conf->smtpd_min_data_rate;
	struct moment deadline = start;

	if (!s->conf->smtpd_per_request_deadline)
		return;
	deadline.us += s->conf->smtpd_timeout.us;
	if (rate > 0)
		deadline.us += (int64_t)(s->mail->octets * 1000000 /
			(uint64_t)rate);
	stream_deadline(s->io, deadline);
}

/* Up to the final dot. False (errno): the client has gone. */
static bool read_data(struct session *s)
{
	struct mail *m = s->mail;
	auto_buf struct buf text = { 0 };
	struct moment start = moment_now();
	struct str octets;
	bool done = false;

	while (!done) {
		size_t len;

		extend_deadline(s, start);
		if (!io_peek(s->io, &octets, s->conf->smtpd_timeout))
			return false;
		len = octets.len;
		buf_clear(&text);
		done = smtp_decode(&m->decoder, &octets, &text);
		keep(s, buf_str(&text));
		m->octets += len - octets.len;
		stream_consume(s->io, len - octets.len);
	}
	return true;
}

/* ---- the end ---- */

static struct status refuse_bare_lf(struct session *s)
{
	struct status status = REPLY_BARE_LF;

	status.code = (uint16_t)s->conf->smtpd_forbid_bare_newline_reject_code;
	log_refusal(s, "reject", status);
	return status;
}

static struct status judge(struct session *s)
{
	struct mail *m = s->mail;

	if (m->decoder.bare_lf && m->decoder.newline == SMTP_NEWLINE_REJECT)
		return refuse_bare_lf(s);
	s->saw_bare_lf |= m->decoder.bare_lf && server.note_bare_newline;
	if (m->is_too_big) {
		log_warning("%.*s: queue file size limit exceeded",
			STR_ARG(queue_id(s)));
		if (m->proxy)
			log_proxy(s, REPLY_TOO_BIG_DATA);
		return REPLY_TOO_BIG_DATA;
	}
	return check_end_of_data(s);
}

static struct status enqueue(struct session *s)
{
	struct mail *m = s->mail;
	struct status status = milter_pass(s);

	apply_actions(s, &s->actions);
	apply_actions(s, &m->actions);
	if (status_is_ok(status))
		status = submission_commit(m->submission);
	milter_passed(s);
	if (!status_is_ok(status))
		return status;
	if (server.is_local)
		m->queue_id = arena_copy(m->arena, status.text);
	return m->is_chunked ? status_f(s->arena, 250, 0, 0,
		"Ok: %llu bytes queued as %.*s",
		(unsigned long long)m->octets, STR_ARG(m->queue_id)) :
		status_f(s->arena, 250, 0, 0, "Ok: queued as %.*s",
		STR_ARG(m->queue_id));
}

static struct status finish(struct session *s)
{
	struct mail *m = s->mail;
	struct status status;

	s->where = "END-OF-MESSAGE";
	status = judge(s);
	if (status_is_ok(status))
		status = m->proxy ? proxy_finish(s) : enqueue(s);
	if (status_is_ok(status))
		s->errors = s->junk = 0;
	status.text = arena_copy(s->arena, status.text);
	mail_reset(s);
	transcript_may_flush(s);
	return status;
}

/* Everybody who has a say agrees that the content comes. */
static struct status may_follow(struct session *s)
{
	struct status status = check_data(s);

	if (status_is_ok(status))
		status = milter_data(s);
	if (status_is_ok(status) && s->mail->proxy)
		status = proxy_data(s);
	return status;
}

static struct status need_recipients(struct session *s)
{
	return s->mail ? REPLY_NO_RECIPIENTS : REPLY_NEED_RCPT;
}

struct status data(struct session *s, struct str arguments)
{
	struct status status;

	if (!s->mail || s->mail->recipients == 0)
		return need_recipients(s);
	if (s->mail->is_spoiled)
		return REPLY_AFTER_BAD_CHUNK;
	if (arguments.len > 0)
		return REPLY_DATA_SYNTAX;
	status = may_follow(s);
	if (!status_is_ok(status))
		return status;
	reply(s, REPLY_GO_AHEAD);
	start_content(s, false);
	if (!read_data(s))
		return session_lost(s, errno);
	return finish(s);
}

/* ---- BDAT ---- */

/* The chunk is read in any case: what follows is the next command. m: the
 * message that it belongs to, NULL: it is dropped. False (errno): the client
 * has gone. */
static bool read_chunk(struct session *s, uint64_t len, struct mail *m)
{
	auto_buf struct buf text = { 0 };
	struct moment start = moment_now();
	struct str octets;

	while (len > 0) {
		if (m)
			extend_deadline(s, start);
		if (!io_peek(s->io, &octets, s->conf->smtpd_timeout))
			return false;
		octets = str_first(octets, len < SIZE_MAX ? (size_t)len :
			SIZE_MAX);
		len -= octets.len;
		stream_consume(s->io, octets.len);
		if (!m)
			continue;
		m->octets += octets.len;
		buf_clear(&text);
		(void)smtp_decode(&m->decoder, &octets, &text);
		keep(s, buf_str(&text));
	}
	return true;
}

/* A refused one: without it the message would be another one, so that only
 * RSET helps (RFC 3030 2), even if the next chunk is on its way already. */
static struct status skip_chunk(struct session *s, uint64_t len,
	struct status status)
{
	if (s->mail)
		s->mail->is_spoiled = true;
	return read_chunk(s, len, NULL) ? status : session_lost(s, errno);
}

static struct status last_chunk(struct session *s)
{
	struct buf text = BUF_IN(s->mail->arena);

	smtp_decode_end(&s->mail->decoder, &text);
	keep(s, buf_str(&text));
	return finish(s);
}

struct status bdat(struct session *s, struct str arguments)
{
	struct smtp_bdat chunk;
	struct status status;

	if (!smtp_bdat_parse(arguments, &chunk)) {
		log_warning("%.*s: malformed BDAT command syntax from %.*s: "
			"BDAT %.*s", STR_ARG(queue_id(s)), STR_ARG(s->label),
			STR_ARG(str_first(arguments, 100)));
		s->is_cut_off = true;
		/* Where the next command begins is anybody's guess. */
		reply_last(s, 5, 4, "Error: malformed BDAT command");
		return REPLIED;
	}
	if (s->hidden & HIDE_CHUNKING)
		return skip_chunk(s, chunk.octets, REPLY_NOT_IMPLEMENTED);
	if (!s->mail || s->mail->recipients == 0)
		return skip_chunk(s, chunk.octets, need_recipients(s));
	if (s->mail->is_spoiled)
		return skip_chunk(s, chunk.octets, REPLY_AFTER_BAD_CHUNK);
	if (s->stage != AT_BDAT) {
		status = may_follow(s);
		if (!status_is_ok(status))
			return skip_chunk(s, chunk.octets, status);
		start_content(s, true);
		s->stage = AT_BDAT;
	}
	if (!read_chunk(s, chunk.octets, s->mail))
		return session_lost(s, errno);
	if (chunk.is_last)
		return last_chunk(s);
	return status_f(s->mail->arena, 250, 0, 0, "Ok: %llu bytes",
		(unsigned long long)chunk.octets);
}
