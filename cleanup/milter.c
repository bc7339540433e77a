/*
 * cleanup/milter - the mail filters and the content of a message.
 *
 * Mail that came by SMTP brings its filters: smtpd has told them of the
 * envelope. For mail of local users (non_smtpd_milters) all happens here, as if
 * it had come by SMTP from localhost.
 *
 * Source   MILTER_README of Postfix
 */
#include "cleanup/cleanup.h"

#include "base/log.h"
#include "config/list.h"
#include "mail/address.h"
#include "mail/header.h"
#include "smtp/param.h"
#include "smtp/reply.h"

#include <errno.h>

static struct {
	struct milter_places places;
	bool is_broken; /* what is configured is not understood */
} local; /* non_smtpd_milters; set once, by milter_prepare */

void milter_prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0); /* as long as the process */
	struct str problem;

	local.is_broken = !milter_places_parse(arena, conf,
		STR("non_smtpd_milters"), conf->non_smtpd_milters,
		&local.places, &problem);
	if (local.is_broken)
		log_warning("non_smtpd_milters: %.*s", STR_ARG(problem));
}

bool milter_take(struct intake *in)
{
	struct msg_milter m = { .socket = -1 };

	if (!in->milters)
		in->milters = milters_received(in->arena, in->conf);
	return msg_milter_recv(in->call, &m, span_s(60)) && m.socket >= 0 &&
		milters_receive(in->milters, &m);
}

/* ---- macros, for mail of local users ---- */

static struct str client_name(const struct intake *in)
{
	return in->facts.client_address.len ? checks_client(in) :
		STR("localhost[127.0.0.1]");
}

struct local_macros {
	struct intake *in;
	struct str recipient; /* at hand */
};

static struct str get_queue_id(const struct local_macros *m)
{
	return m->in->facts.queue_id;
}

static struct str get_hostname(const struct local_macros *m)
{
	return m->in->conf->myhostname;
}

static struct str get_version(const struct local_macros *m)
{
	return m->in->conf->milter_macro_v;
}

static struct str get_client(const struct local_macros *m)
{
	(void)m;
	return STR("localhost [127.0.0.1]");
}

static struct str get_address(const struct local_macros *m)
{
	(void)m;
	return STR("127.0.0.1");
}

static struct str get_name(const struct local_macros *m)
{
	(void)m;
	return STR("localhost");
}

static struct str get_resolve(const struct local_macros *m)
{
	(void)m;
	return STR("OK");
}

static struct str get_daemon_name(const struct local_macros *m)
{
	return m->in->conf->milter_macro_daemon_name;
}

static struct resolved route(const struct local_macros *m, struct str address)
{
	struct resolved resolved = { .nexthop = STR_NONE,
		.transport = STR_NONE };

	if (!str_is_none(address))
		rewriting_resolve(m->in, address, &resolved);
	return resolved;
}

static struct str get_mail_address(const struct local_macros *m)
{
	return mail_address_external(m->in->arena, m->in->facts.sender);
}

static struct str get_mail_host(const struct local_macros *m)
{
	return route(m, m->in->facts.sender).nexthop;
}

static struct str get_mail_mailer(const struct local_macros *m)
{
	return route(m, m->in->facts.sender).transport;
}

static struct str get_rcpt_address(const struct local_macros *m)
{
	return m->recipient.len ?
		mail_address_external(m->in->arena, m->recipient) : STR_NONE;
}

static struct str get_rcpt_host(const struct local_macros *m)
{
	return route(m, m->recipient).nexthop;
}

static struct str get_rcpt_mailer(const struct local_macros *m)
{
	return route(m, m->recipient).transport;
}

static const struct {
	const char *name;
	struct str (*get)(const struct local_macros *m);
} macros[] = {
	{ "i", get_queue_id },
	{ "j", get_hostname },
	{ "v", get_version },
	{ "_", get_client },
	{ "{daemon_name}", get_daemon_name },
	{ "{client_addr}", get_address },
	{ "{client_name}", get_name },
	{ "{client_ptr}", get_name },
	{ "{client_resolve}", get_resolve },
	{ "{if_name}", get_hostname },
	{ "{mail_addr}", get_mail_address },
	{ "{mail_host}", get_mail_host },
	{ "{mail_mailer}", get_mail_mailer },
	{ "{rcpt_addr}", get_rcpt_address },
	{ "{rcpt_host}", get_rcpt_host },
	{ "{rcpt_mailer}", get_rcpt_mailer },
};

static struct str find_macro(void *context, struct str name)
{
	for (size_t i = 0; i < COUNT(macros); i++)
		if (str_is(name, macros[i].name))
			return macros[i].get(context);
	return STR_NONE;
}

/* ---- what the log says ---- */

static void log_event(struct intake *in, const char *event, const char *where,
	struct str why)
{
	log_info("%.*s: %s: %s from %.*s: %.*s; %.*s",
		STR_ARG(in->facts.queue_id), event, where,
		STR_ARG(client_name(in)), STR_ARG(why),
		STR_ARG(checks_envelope(in)));
}

static void log_refusal(struct intake *in, const char *where,
	struct status status)
{
	auto_buf struct buf text = { 0 };

	smtp_reply_format_line(&text, status, true);
	/* As Postfix's cleanup has it: without the code of SMTP. */
	log_event(in, "milter-reject", where, str_skip(buf_str(&text), 4));
}

static void notice(struct intake *in, const char *where)
{
	struct str hold = milters_hold(in->milters);

	if (milters_discard(in->milters) && !in->discard)
		log_event(in, "milter-discard", where,
			STR("milter triggers DISCARD action"));
	in->discard |= milters_discard(in->milters);
	if (!str_is_none(hold) && !in->hold)
		log_event(in, "milter-hold", where, hold);
	in->hold |= !str_is_none(hold);
}

/* ---- the envelope, for mail of local users ---- */

static bool is_local(const struct intake *in)
{
	uint64_t flags = in->facts.flags;

	return !in->milters && in->facts.protocol.len == 0 &&
		!(flags & (SUBMIT_NO_MILTERS | SUBMIT_FORWARDED)) &&
		(!(flags & SUBMIT_INTERNAL) || (flags & SUBMIT_INSPECT)) &&
		(local.places.count > 0 || local.is_broken);
}

static struct str path(struct intake *in, struct str address)
{
	return arena_fmt(in->arena, "<%.*s>",
		STR_ARG(mail_address_external(in->arena, address)));
}

/* A filter that knows recipients cannot refuse one of several: the message
 * waits until somebody has looked at the configuration. */
static struct status tell_recipients(struct intake *in, struct local_macros *m,
	const char **where)
{
	struct status status = STATUS_OK;

	for (size_t i = 0; i < in->recipient_count && status_is_ok(status);
		i++) {
		struct str to = path(in, in->recipients[i].address);

		m->recipient = in->recipients[i].address;
		status = milters_rcpt(in->milters, &to, 1);
	}
	if (status_class(status) != 5)
		return status;
	log_refusal(in, "RCPT", status);
	log_warning("%.*s: a milter of non_smtpd_milters refuses a recipient "
		"of mail that is not from SMTP: tried again later",
		STR_ARG(in->facts.queue_id));
	*where = NULL; /* it is logged */
	return STATUS(451, 3, 5, "Error: server configuration error");
}

static struct status tell_envelope(struct intake *in, struct local_macros *m,
	const char **where)
{
	struct str from = path(in, in->facts.sender);
	struct status status;

	*where = "CONNECT";
	status = milters_connect(in->milters, STR("localhost"), '4', 0,
		STR("127.0.0.1"));
	if (!status_is_ok(status))
		return status;
	*where = "EHLO";
	status = milters_helo(in->milters, in->conf->myhostname);
	if (!status_is_ok(status))
		return status;
	*where = "MAIL";
	status = milters_mail(in->milters, &from, 1);
	if (!status_is_ok(status))
		return status;
	*where = "RCPT";
	status = tell_recipients(in, m, where);
	if (!status_is_ok(status))
		return status;
	*where = "DATA";
	return milters_data(in->milters);
}

/* ---- edits of the envelope ---- */

static void warn_argument(struct intake *in, struct str keyword)
{
	log_warning("%.*s: a milter wants the ESMTP parameter %.*s, which is "
		"ignored", STR_ARG(in->facts.queue_id), STR_ARG(keyword));
}

static bool take_sender_param(struct intake *in,
	const struct smtp_param *param)
{
	unsigned ret;

	if (str_is_nocase(param->keyword, "RET") &&
		smtp_ret_parse(param->value, &ret)) {
		in->facts.dsn_ret = ret;
		return true;
	}
	return str_is_nocase(param->keyword, "ENVID") &&
		smtp_envid_parse(in->arena, param->value,
			&in->facts.dsn_envid);
}

static void change_sender(struct intake *in, const struct milter_edit *edit)
{
	struct str arguments = str_trim(edit->arguments);
	struct smtp_param param;

	in->facts.sender = edit->address;
	while (smtp_param_take(&arguments, &param))
		if (!take_sender_param(in, &param))
			warn_argument(in, param.keyword);
	if (arguments.len > 0)
		warn_argument(in, arguments);
}

static bool take_recipient_param(struct msg_recipient *r,
	const struct smtp_param *param)
{
	unsigned notify;

	if (str_is_nocase(param->keyword, "NOTIFY") &&
		smtp_notify_parse(param->value, &notify)) {
		r->notify = notify;
		return true;
	}
	if (!str_is_nocase(param->keyword, "ORCPT") ||
		!smtp_orcpt_parse(param->value))
		return false;
	r->orcpt = param->value;
	return true;
}

static void add_recipient(struct intake *in, const struct milter_edit *edit)
{
	struct str arguments = str_trim(edit->arguments);
	struct smtp_param param;
	struct msg_recipient r = { .address = edit->address,
		.orig = STR_NONE, .orcpt = STR_NONE };

	while (smtp_param_take(&arguments, &param))
		if (!take_recipient_param(&r, &param))
			warn_argument(in, param.keyword);
	if (arguments.len > 0)
		warn_argument(in, arguments);
	arena_grow(in->arena, &in->recipients, &in->recipient_capacity,
		in->recipient_count + 1, sizeof(*in->recipients));
	in->recipients[in->recipient_count++] = r;
}

/* All of that address. The first one's memory stays, for the log. */
static void delete_recipient(struct intake *in, const struct milter_edit *edit)
{
	size_t kept = 0;

	for (size_t i = 0; i < in->recipient_count; i++)
		if (!mail_address_eq(in->recipients[i].address, edit->address))
			in->recipients[kept++] = in->recipients[i];
	in->recipient_count = kept;
}

static const struct {
	char kind;
	void (*run)(struct intake *in, const struct milter_edit *edit);
} edits[] = {
	{ MILTER_CHANGE_SENDER, change_sender },
	{ MILTER_ADD_RECIPIENT, add_recipient },
	{ MILTER_ADD_RECIPIENT_WITH, add_recipient },
	{ MILTER_DELETE_RECIPIENT, delete_recipient },
};

/* ---- the content ---- */

/* The message as it lies there: its header, and where the body is. */
struct shown {
	struct intake *in;
	struct str body;  /* unless large */
	uint64_t body_at; /* in the file */
	char *piece;      /* of the file, as last read */
	size_t piece_len;
};

static void run_edit(void *owner, const struct milter_edit *edit)
{
	const struct shown *shown = owner;

	for (size_t i = 0; i < COUNT(edits); i++)
		if (edits[i].kind == edit->kind)
			edits[i].run(shown->in, edit);
}

static enum milter_line run_line(void *owner, struct str *line)
{
	const struct shown *shown = owner;

	return checks_milter_line(shown->in, line);
}

static struct str read_body(void *owner, uint64_t at, size_t len)
{
	struct shown *shown = owner;
	struct intake *in = shown->in;

	if (!in->is_large)
		return str_first(str_skip(shown->body, (size_t)at), len);
	if (len > shown->piece_len) {
		shown->piece = arena_alloc(in->arena, len);
		shown->piece_len = len;
	}
	if (!disk_read_all(in->cleanup->disk, in->file, shown->piece, len,
		    (int64_t)(shown->body_at + at)))
		return STR_NONE;
	return str_of(shown->piece, len);
}

/* All fields, from the front of `rest`. */
static struct str take_fields(struct str *rest)
{
	struct str all = *rest;
	struct mail_header field;

	while (mail_header_take(rest, &field))
		;
	return str_first(all, all.len - rest->len);
}

/* Behind the header stands the empty line, in what is new or in the file. */
static void look_at_large(struct shown *shown, struct str head,
	struct milter_content *c)
{
	struct intake *in = shown->in;
	struct str rest = in->skip > 0 ? in->content : head;
	bool is_in_file;

	c->header = take_fields(&rest);
	shown->body_at = in->skip > 0 ? in->skip : c->header.len;
	is_in_file = in->skip > 0 ? rest.len == 0 :
		mail_header_take_end(&rest);
	if (is_in_file && shown->body_at < in->octets)
		shown->body_at++;
	c->body_octets = in->octets - shown->body_at;
}

static void look_at_small(struct shown *shown, struct milter_content *c)
{
	struct str rest = shown->in->content;

	c->header = take_fields(&rest);
	(void)mail_header_take_end(&rest);
	shown->body = rest;
	c->body_octets = rest.len;
}

static struct status put_back(const struct shown *shown,
	const struct milter_content *c)
{
	struct intake *in = shown->in;
	struct buf out = BUF_IN(in->arena);

	if (!c->has_new_header && !c->has_new_body)
		return STATUS_OK;
	buf_add(&out, c->header);
	buf_char(&out, '\n');
	if (in->is_large && !c->has_new_body) {
		in->content = buf_str(&out);
		in->skip = shown->body_at;
		return STATUS_OK;
	}
	buf_add(&out, c->has_new_body ? c->body : shown->body);
	return intake_replace(in, buf_str(&out));
}

static struct status show(struct intake *in, struct str head)
{
	struct shown shown = { .in = in };
	struct milter_content c = { .arena = in->arena, .read = read_body,
		.line = run_line, .edit = run_edit, .owner = &shown,
		.body_most = in->conf->message_size_limit > 0 ?
			(uint64_t)in->conf->message_size_limit : 0 };
	struct status status;

	if (in->is_large)
		look_at_large(&shown, head, &c);
	else
		look_at_small(&shown, &c);
	status = milters_content(in->milters, &c);
	if (in->refusal.code)
		return in->refusal;
	if (!status_is_ok(status)) {
		log_refusal(in, "END-OF-MESSAGE", status);
		return status;
	}
	notice(in, "END-OF-MESSAGE");
	if (in->recipient_count == 0) {
		log_event(in, "milter-discard", "END-OF-MESSAGE",
			STR("milter has deleted all recipients"));
		in->discard = true;
	}
	return in->discard ? STATUS_OK : put_back(&shown, &c);
}

/* Nobody waits for the answer any more: then the message is not ours. */
static struct status still_wanted(const struct intake *in)
{
	if (call_is_alive(in->call))
		return STATUS_OK;
	log_info("%.*s: removed (canceled)", STR_ARG(in->facts.queue_id));
	return STATUS(451, 3, 0, "Error: queue file write error");
}

static struct status begin_local(struct intake *in)
{
	struct local_macros *m =
		arena_new_of(in->arena, struct local_macros);
	struct milter_plan plan = { .conf = in->conf,
		.places = local.places, .finder = { find_macro, m } };
	const char *where = "CONNECT";
	struct status status;

	if (local.is_broken) {
		log_warning("%.*s: non_smtpd_milters: not understood: message "
			"not accepted", STR_ARG(in->facts.queue_id));
		return STATUS(451, 3, 5,
			"Error: server configuration error");
	}
	m->in = in;
	m->recipient = STR_NONE;
	in->milters = milters_new(in->arena, &plan);
	in->began_milters = true;
	status = tell_envelope(in, m, &where);
	m->recipient = STR_NONE;
	if (status_is_ok(status))
		notice(in, where);
	else if (where)
		log_refusal(in, where, status);
	return status;
}

struct status milter_apply(struct intake *in, struct str head)
{
	struct status status = STATUS_OK;

	if (in->refusal.code)
		return in->refusal;
	if (in->discard || in->passed)
		return STATUS_OK;
	if (is_local(in))
		status = begin_local(in);
	if (!in->milters || !status_is_ok(status) || in->discard)
		return status;
	status = show(in, head);
	return status_is_ok(status) ? still_wanted(in) : status;
}

uint64_t milter_end(struct intake *in)
{
	uint64_t in_step;

	if (!in->milters)
		return 0;
	milters_abort(in->milters);
	in_step = milters_in_step(in->milters);
	if (in->began_milters)
		milters_close(in->milters);
	return in_step;
}
