/*
 * The content filter before the queue: smtpd_proxy_filter. What a client says
 * of a message and its content go to the filter over SMTP; the filter's answer
 * is the client's, and only the filter can accept. What it wants delivered it
 * brings to another SMTP service of ours.
 *
 * A connection for each message, from the first recipient that we accept on;
 * with speed_adjust when the whole message is here, so that a slow client does
 * not keep a filter waiting.
 *
 * Source   SMTPD_PROXY_README and XFORWARD_README of Postfix
 */
#include "smtpd/session.h"

#include <errno.h>

#include "base/encode.h"
#include "base/log.h"
#include "config/list.h"
#include "maps/link.h"
#include "queue/scratch.h"
#include "talk/talk.h"

enum {
	XFORWARD_LINE_MOST = 500, /* of one command, about */
	CEILING = 1 << 20,        /* octets, of one connection */
	GOODBYE_S = 10,
};

struct proxy {
	struct arena *arena; /* of the connection; NULL: there is none */
	struct talk talk;
	struct smtp_encoder encoder;
	bool is_mute;    /* broken, or what was to be said is lost */
	bool in_content; /* all that is said belongs to it */

	/* With speed_adjust: what will be said. */
	struct str *lines; /* RCPT */
	size_t line_count, line_capacity;
	struct scratch *content;
};

/* ---- one command ---- */

/* Once: the connection is of no more use. */
static struct status lost(struct session *s)
{
	struct proxy *p = s->mail->proxy;
	struct str where = s->conf->smtpd_proxy_filter;

	if (errno == ETIMEDOUT)
		log_warning("timeout talking to proxy %.*s", STR_ARG(where));
	else if (errno == EPROTO || errno == EMSGSIZE)
		log_warning("received garbage from proxy %.*s", STR_ARG(where));
	else
		log_warning("lost connection with proxy %.*s", STR_ARG(where));
	p->is_mute = true;
	return REPLY_QUEUE_FAILED;
}

/* Its reply as the client gets it: each line as it is. Code 200 is none that
 * we give, see REPLIED. */
static struct status passed(struct session *s, const struct smtp_reply *reply)
{
	struct status status = { reply->code, 0, SMTP_NO_ENHANCED, STR("") };
	struct buf text = BUF_IN(s->arena);
	struct str rest = reply->whole, line;

	while (smtp_reply_take_line(&rest, &line))
		buf_fmt(&text, "%s%.*s", text.len ? "\n" : "", STR_ARG(line));
	status.text = buf_str(&text);
	if (reply->code / 100 == 2)
		status.code = 250;
	return status;
}

/* What a reply of another class than the wanted one means for the client:
 * what is no refusal is nonsense. */
static struct status refused(struct session *s, const struct smtp_reply *reply)
{
	int class = reply->code / 100;

	return class == 4 || class == 5 ? passed(s, reply) :
		REPLY_QUEUE_FAILED;
}

/* A reply of this class, or what the client gets. `line`: what was said. */
static struct status hear(struct session *s, int class, struct str line)
{
	struct proxy *p = s->mail->proxy;
	struct smtp_reply reply;

	if (p->is_mute)
		return REPLY_QUEUE_FAILED;
	if (!talk_reply(&p->talk, s->arena, s->conf->smtpd_proxy_timeout,
		    &reply))
		return lost(s);
	if (reply.code / 100 == class)
		return STATUS_OK;
	log_warning("proxy %.*s rejected \"%.*s\": \"%.*s\"",
		STR_ARG(s->conf->smtpd_proxy_filter), STR_ARG(line),
		STR_ARG(talk_text(s->arena, &reply)));
	return refused(s, &reply);
}

/* A CR in a quoted string could be the end of a line for the filter. */
static bool is_one_line(struct str line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f)
			return false;
	return true;
}

static struct status say(struct session *s, struct str line, int class)
{
	struct proxy *p = s->mail->proxy;

	if (p->is_mute)
		return REPLY_QUEUE_FAILED;
	if (!is_one_line(line))
		return REPLY_BAD_SYNTAX;
	io_write(p->talk.io, line);
	io_text(p->talk.io, "\r\n");
	return hear(s, class, line);
}

static struct status say_data(struct session *s)
{
	struct status status = say(s, STR("DATA"), 3);

	s->mail->proxy->in_content = status_is_ok(status);
	return status;
}

/* What the client did not cause is not for it to know. */
static struct status in_private(struct status status)
{
	return status_is_ok(status) ? status : REPLY_QUEUE_FAILED;
}

/* ---- whom we speak for ---- */

static struct str network_address(struct session *s)
{
	return s->has_address && s->address.v6 ?
		arena_fmt(s->arena, "IPV6:%.*s", STR_ARG(s->address_text)) :
		s->address_text;
}

static struct str own_value(struct session *s, enum smtp_xclient_attribute at)
{
	switch (at) {
	case XCLIENT_NAME:
		return s->name;
	case XCLIENT_ADDR:
		return network_address(s);
	case XCLIENT_PORT:
		return s->port;
	case XCLIENT_HELO:
		return s->helo;
	case XCLIENT_PROTO:
		return s->is_esmtp ? STR("ESMTP") : STR("SMTP");
	case XFORWARD_SOURCE:
		return mail_is_local(s) ? STR("LOCAL") : STR("REMOTE");
	default:
		return STR_NONE; /* it is not in our queue */
	}
}

/* What our client said of its own client stands before what we know. */
static struct str value_of(struct session *s, enum smtp_xclient_attribute at)
{
	const struct smtp_xclient *x = &s->forwarded;

	return x->given & 1u << at ? x->values[at] : own_value(s, at);
}

static struct status flush_line(struct session *s, struct buf *line)
{
	struct status status = STATUS_OK;

	if (line->len > 0)
		status = say(s, arena_fmt(s->arena, "XFORWARD%.*s",
			STR_ARG(buf_str(line))), 2);
	buf_clear(line);
	return in_private(status);
}

static const struct {
	const char *name;
	enum xforward bit;
	enum smtp_xclient_attribute at;
} attributes[] = {
	{ "NAME", OFFERS_NAME, XCLIENT_NAME },
	{ "ADDR", OFFERS_ADDR, XCLIENT_ADDR },
	{ "PORT", OFFERS_PORT, XCLIENT_PORT },
	{ "HELO", OFFERS_HELO, XCLIENT_HELO },
	{ "IDENT", OFFERS_IDENT, XFORWARD_IDENT },
	{ "PROTO", OFFERS_PROTO, XCLIENT_PROTO },
	{ "SOURCE", OFFERS_SOURCE, XFORWARD_SOURCE },
};

/* As many commands as their length needs. */
static struct status forward(struct session *s)
{
	unsigned offered = s->mail->proxy->talk.features.xforward;
	struct buf line = BUF_IN(s->arena);
	struct status status = STATUS_OK;

	for (size_t i = 0; i < COUNT(attributes) && status_is_ok(status); i++) {
		struct buf item = BUF_IN(s->arena);
		struct str value = value_of(s, attributes[i].at);

		if (!(offered & attributes[i].bit))
			continue;
		buf_fmt(&item, " %s=", attributes[i].name);
		if (value.len == 0 || str_is_nocase(value, "unknown"))
			buf_text(&item, "[UNAVAILABLE]");
		else
			xtext_format(&item, value);
		if (line.len + item.len > XFORWARD_LINE_MOST)
			status = flush_line(s, &line);
		buf_add(&line, buf_str(&item));
	}
	return status_is_ok(status) ? flush_line(s, &line) : status;
}

/* ---- the connection ---- */

static struct status connect_filter(struct session *s)
{
	struct proxy *p = s->mail->proxy;
	const struct links_plan plan = {
		.purpose = STR("smtpd_proxy_filter"),
		.endpoint = s->conf->smtpd_proxy_filter,
		.timeout = s->conf->smtpd_proxy_timeout,
	};
	int fd = link_connect(s->arena, &plan);

	p->is_mute = false;
	if (fd < 0) {
		log_warning("connect to proxy filter %.*s: %m",
			STR_ARG(plan.endpoint));
		return REPLY_QUEUE_FAILED;
	}
	p->arena = arena_new(CEILING);
	p->talk = (struct talk){ .arena = p->arena,
		.io = stream_open(p->arena, fd) };
	p->encoder = (struct smtp_encoder){ 0 };
	stream_line_limit(p->talk.io, (size_t)s->conf->line_length_limit);
	stream_write_timeout(p->talk.io, plan.timeout);
	return in_private(hear(s, 2, STR("connection request")));
}

static struct status introduce(struct session *s)
{
	struct proxy *p = s->mail->proxy;
	struct str name = s->conf->smtpd_proxy_ehlo;
	struct smtp_reply reply;

	if (!talk_hello(&p->talk, s->arena, "EHLO", name, STR(""),
		    s->conf->smtpd_proxy_timeout, &reply))
		return lost(s);
	if (reply.code / 100 == 2)
		return forward(s);
	log_warning("proxy %.*s rejected \"EHLO %.*s\": \"%.*s\"",
		STR_ARG(s->conf->smtpd_proxy_filter), STR_ARG(name),
		STR_ARG(talk_text(s->arena, &reply)));
	return REPLY_QUEUE_FAILED;
}

static struct status begin(struct session *s)
{
	struct status status = connect_filter(s);

	if (status_is_ok(status))
		status = introduce(s);
	return status_is_ok(status) ? say(s, s->mail->command, 2) : status;
}

/* QUIT is not awaited. In the middle of the content there is no other way to
 * say that it is not to be delivered than to go away. */
static void disconnect(struct proxy *p)
{
	if (!p->arena)
		return;
	if (!p->is_mute && !p->in_content && !p->talk.is_broken) {
		io_text(p->talk.io, "QUIT\r\n");
		(void)!io_flush_last(p->talk.io, span_s(GOODBYE_S));
	}
	arena_free(p->arena);
	p->arena = NULL;
}

void proxy_close(struct session *s)
{
	if (s->mail->proxy)
		disconnect(s->mail->proxy);
	s->mail->proxy = NULL;
}

static bool is_adjusted(const struct session *s)
{
	return list_has_word(s->conf->smtpd_proxy_options, "speed_adjust");
}

struct status proxy_open(struct session *s)
{
	struct mail *m = s->mail;
	struct status status;
	struct str id;

	m->proxy = arena_new_of(m->arena, struct proxy);
	if (is_adjusted(s)) {
		status = submit_id(m->arena, s->conf->enable_long_queue_ids,
			&id);
		if (status_is_ok(status))
			m->proxy->content = scratch_new(m->arena, id);
	} else {
		status = begin(s);
	}
	if (!status_is_ok(status))
		proxy_close(s);
	return status;
}

/* ---- the envelope ---- */

struct status proxy_rcpt(struct session *s, struct str arguments)
{
	struct mail *m = s->mail;
	struct proxy *p = m->proxy;
	struct str line = arena_fmt(m->arena, "RCPT %.*s", STR_ARG(arguments));

	if (!p->content)
		return say(s, line, 2);
	arena_grow(m->arena, &p->lines, &p->line_capacity, p->line_count + 1,
		sizeof(*p->lines));
	p->lines[p->line_count++] = line;
	return STATUS_OK;
}

struct status proxy_data(struct session *s)
{
	return s->mail->proxy->content ? STATUS_OK : say_data(s);
}

/* ---- the content ---- */

static void send_text(struct session *s, struct str text)
{
	struct proxy *p = s->mail->proxy;
	auto_buf struct buf wire = { 0 };

	if (p->is_mute)
		return;
	smtp_encode(&p->encoder, text, &wire);
	if (!io_write(p->talk.io, buf_str(&wire)))
		(void)lost(s);
}

/* What went wrong is heard of at the end. */
void proxy_write(struct session *s, struct str octets)
{
	struct proxy *p = s->mail->proxy;

	if (!p->content)
		send_text(s, octets);
	else if (!p->is_mute && !scratch_write(p->content, octets)) {
		log_warning("smtpd_proxy_options: speed_adjust: %m");
		p->is_mute = true;
	}
}

/* Only now may the filter take it for a whole message. */
static struct status end_content(struct session *s)
{
	struct proxy *p = s->mail->proxy;
	auto_buf struct buf wire = { 0 };
	struct smtp_reply reply;

	if (p->is_mute)
		return REPLY_QUEUE_FAILED;
	smtp_encode_end(&p->encoder, &wire);
	io_write(p->talk.io, buf_str(&wire));
	p->in_content = false;
	if (!talk_reply(&p->talk, s->arena, s->conf->smtpd_proxy_timeout,
		    &reply))
		return lost(s);
	return reply.code / 100 == 2 ? passed(s, &reply) : refused(s, &reply);
}

static bool send_scratch(struct session *s)
{
	struct proxy *p = s->mail->proxy;
	struct str block;

	do {
		if (!scratch_read(p->content, &block)) {
			log_warning("smtpd_proxy_options: speed_adjust: %m");
			p->is_mute = true; /* no end: no message */
			return false;
		}
		send_text(s, block);
	} while (block.len > 0);
	return true;
}

/* speed_adjust: all at once. */
static struct status send_all(struct session *s)
{
	struct proxy *p = s->mail->proxy;
	struct status status;

	if (p->is_mute)
		return REPLY_QUEUE_FAILED;
	status = begin(s);
	for (size_t i = 0; i < p->line_count && status_is_ok(status); i++)
		status = say(s, p->lines[i], 2);
	if (status_is_ok(status))
		status = say_data(s);
	if (!status_is_ok(status))
		return status;
	return send_scratch(s) ? end_content(s) : REPLY_QUEUE_FAILED;
}

struct status proxy_finish(struct session *s)
{
	struct status status = s->mail->proxy->content ? send_all(s) :
		end_content(s);

	log_proxy(s, status);
	return status;
}
