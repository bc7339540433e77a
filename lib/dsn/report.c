#include "dsn/report.h"

#include "base/encode.h"
#include "base/span.h"
#include "dsn/template.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"

#include <time.h>

enum {
	LINE_WIDTH = 72,
};

struct writer {
	struct arena *arena;
	const struct dsn_report *report;
	struct buf out;
	struct str boundary;
	bool is_8bit; /* some part of it */
};

/* What differs between the kinds. */
static const struct {
	const char *action, *part;
} kinds[DSN_KINDS] = {
	[DSN_FAILURE] = { "failed", "Undelivered Message" },
	[DSN_DELAY] = { "delayed", "Delayed Message" },
	[DSN_SUCCESS] = { "delivered", "Message" },
	[DSN_VERIFY] = { "delivered", "Message" },
};

static void add_date(struct buf *out, const char *name, int64_t us)
{
	buf_fmt(out, "%s: ", name);
	mail_date_format(out, us / 1000000);
	buf_char(out, '\n');
}

/* Long text is broken between words; lines that follow are indented. */
static void add_wrapped(struct buf *out, struct str text, size_t column)
{
	struct str word;
	bool first = true;

	while (str_take_item(&text, " \t\r\n", &word)) {
		if (!first && column + 1 + word.len > LINE_WIDTH) {
			buf_text(out, "\n    ");
			column = 4;
		} else if (!first) {
			buf_char(out, ' ');
			column++;
		}
		buf_add(out, word);
		column += word.len;
		first = false;
	}
	buf_char(out, '\n');
}

/* What strangers wrote cannot end a line. */
static struct str clean(struct arena *arena, struct str text)
{
	char *copy = arena_cstr(arena, text);

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)copy[i] < ' ' || copy[i] == 0x7f)
			copy[i] = '?';
	return str_of(copy, text.len);
}

static const char *type_word(const struct dsn_report *report)
{
	return report->is_utf8 ? "global-delivery-status" : "delivery-status";
}

static void add_message_id(struct writer *w)
{
	const struct dsn_report *report = w->report;
	time_t seconds = (time_t)(report->now_us / 1000000);
	char stamp[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
	buf_fmt(&w->out, "Message-Id: <%s.%.*s@%.*s>\n", stamp,
		STR_ARG(report->own_id), STR_ARG(report->conf->myhostname));
}

/* So that mail programs show it below the message it is about. */
static void add_references(struct writer *w)
{
	struct mail_header field;
	struct str id;

	if (!w->report->conf->enable_threaded_bounces ||
		!mail_header_find(w->report->header, "Message-ID", &field))
		return;
	id = clean(w->arena, mail_header_unfold(w->arena, field.body));
	if (id.len < 3 || id.len > 500 || id.p[0] != '<' ||
		str_find_char(id, ' ') != SIZE_MAX)
		return;
	buf_fmt(&w->out, "References: %.*s\nIn-Reply-To: %.*s\n", STR_ARG(id),
		STR_ARG(id));
}

static void add_header(struct writer *w)
{
	const struct dsn_report *report = w->report;
	const struct conf *conf = report->conf;
	struct buf *out = &w->out;

	buf_fmt(out, "Received: by %.*s (%.*s)\n\tid %.*s; ",
		STR_ARG(conf->myhostname), STR_ARG(conf->mail_name),
		STR_ARG(report->own_id));
	mail_date_format(out, report->now_us / 1000000);
	buf_char(out, '\n');
	add_date(out, "Date", report->now_us);
	buf_fmt(out, "From: %.*s\n",
		STR_ARG(dsn_template_from(
			w->arena, conf, report->template->from)));
	buf_fmt(out, "Subject: %.*s\n",
		STR_ARG(report->is_copy ? report->template->copy_subject :
					  report->template->subject));
	buf_text(out, "To: ");
	mail_address_format(out, clean(w->arena, report->to));
	buf_char(out, '\n');
	add_references(w);
	buf_fmt(out, "Auto-Submitted: %s\n",
		report->is_copy ? "auto-generated" : "auto-replied");
	buf_text(out, "TLS-Required: no\nMIME-Version: 1.0\n");
	buf_fmt(out,
		"Content-Type: multipart/report; report-type=%s;\n"
		"\tboundary=\"%.*s\"\n",
		type_word(report), STR_ARG(w->boundary));
	if (w->is_8bit)
		buf_text(out, "Content-Transfer-Encoding: 8bit\n");
	add_message_id(w);
	buf_text(out, "\nThis is a MIME-encapsulated message.\n");
}

static void begin_part(struct writer *w, const char *description,
	const char *type)
{
	buf_fmt(&w->out, "\n--%.*s\nContent-Description: %s\n"
			 "Content-Type: %s\n",
		STR_ARG(w->boundary), description, type);
	if (w->is_8bit)
		buf_text(&w->out, "Content-Transfer-Encoding: 8bit\n");
	buf_char(&w->out, '\n');
}

static void add_recipient_text(struct writer *w,
	const struct dsn_recipient *recipient)
{
	struct buf line = BUF_IN(w->arena);

	buf_char(&line, '<');
	mail_address_format(&line, clean(w->arena, recipient->address));
	buf_char(&line, '>');
	if (recipient->orig.len > 0 &&
		!str_eq_nocase(recipient->orig, recipient->address)) {
		buf_text(&line, " (expanded from <");
		mail_address_format(
			&line, clean(w->arena, recipient->orig));
		buf_text(&line, ">)");
	}
	buf_text(&line, ": ");
	buf_add(&line, recipient->status.text);
	buf_char(&w->out, '\n');
	add_wrapped(&w->out, buf_str(&line), 0);
}

static void add_notification(struct writer *w)
{
	const struct dsn_report *report = w->report;
	struct str type = arena_fmt(w->arena, "text/plain; charset=%.*s",
		STR_ARG(report->is_utf8 ? STR("utf-8") :
					  report->template->charset));

	begin_part(w, "Notification", type.p);
	buf_add(&w->out,
		dsn_template_expand(w->arena, report->conf,
			report->template->text));
	for (size_t i = 0; i < report->count; i++)
		add_recipient_text(w, &report->recipients[i]);
}

/* An address-type is an atom, RFC 3461 4.2; those that exist are shorter. */
static bool is_type(struct str type)
{
	for (size_t i = 0; i < type.len; i++)
		if (!ascii_is_alnum((unsigned char)type.p[i]) &&
			type.p[i] != '-')
			return false;
	return type.len > 0 && type.len <= 64;
}

struct str dsn_orcpt_text(struct arena *arena, struct str orcpt)
{
	struct str type, address;

	if (str_find_char(orcpt, ';') == SIZE_MAX)
		return STR_NONE;
	type = str_take_until(&orcpt, ';');
	address = xtext_parse(arena, str_trim(orcpt));
	if (!is_type(type) || str_is_none(address))
		return STR_NONE;
	for (size_t i = 0; i < address.len; i++)
		if ((unsigned char)address.p[i] < 0x20 ||
			address.p[i] == 0x7f)
			return STR_NONE;
	return arena_fmt(arena, "%.*s; %.*s", STR_ARG(type),
		STR_ARG(address));
}

/* One character of UTF-8 as its number; the text is well-formed. */
static uint32_t take_character(struct str *in)
{
	unsigned char first = (unsigned char)in->p[0];
	size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t value = len == 1 ? first : first & (0xffU >> (len + 1));

	for (size_t i = 1; i < len; i++)
		value = value << 6 | ((unsigned char)in->p[i] & 0x3f);
	*in = str_skip(*in, len);
	return value;
}

/* utf-8-addr-xtext of RFC 6533 3, for reports that have to be ASCII. */
static struct str to_unitext(struct arena *arena, struct str address)
{
	struct buf out = BUF_IN(arena);

	if (!str_is_utf8(address))
		return STR("malformed");
	while (address.len > 0) {
		uint32_t c = take_character(&address);

		if (c > ' ' && c < 0x7f && c != '\\' && c != '+' && c != '=')
			buf_char(&out, (char)c);
		else
			buf_fmt(&out, "\\x{%02X}", c);
	}
	return buf_str(&out);
}

static void add_address(struct writer *w, const char *name, struct str address)
{
	bool is_utf8 = !str_is_ascii(address);

	buf_fmt(&w->out, "%s: %s; ", name, is_utf8 ? "utf-8" : "rfc822");
	if (is_utf8 && !w->report->is_utf8)
		buf_add(&w->out, to_unitext(w->arena, address));
	else
		mail_address_format(&w->out, clean(w->arena, address));
	buf_char(&w->out, '\n');
}

/* What was found when nothing, or the first attempt, was to be done. */
static const char *verify_word(const struct dsn_report *report,
	const struct dsn_recipient *recipient)
{
	int class = recipient->status.code / 100;

	if (report->is_probe)
		return class == 2 ? "deliverable" : "undeliverable";
	return class == 2 ? "delivered" : class == 4 ? "delayed" : "failed";
}

static const char *action_word(const struct dsn_report *report,
	const struct dsn_recipient *recipient)
{
	bool is_found = report->kind == DSN_VERIFY &&
		(report->is_probe || recipient->status.code / 100 != 2);

	if (is_found)
		return verify_word(report, recipient);
	if (report->kind != DSN_SUCCESS && report->kind != DSN_VERIFY)
		return kinds[report->kind].action;
	switch (recipient->action) {
	case DSN_ACTION_RELAYED:
	case DSN_ACTION_PASSED:
		return "relayed";
	case DSN_ACTION_EXPANDED:
		return "expanded";
	default:
		return "delivered";
	}
}

static void add_recipient_fields(struct writer *w,
	const struct dsn_recipient *recipient)
{
	const struct dsn_report *report = w->report;
	struct str orcpt = dsn_orcpt_text(w->arena, recipient->orcpt);
	struct buf *out = &w->out;

	buf_char(out, '\n');
	add_address(w, "Final-Recipient", recipient->address);
	if (!str_is_none(orcpt))
		buf_fmt(out, "Original-Recipient: %.*s\n", STR_ARG(orcpt));
	else if (recipient->orig.len > 0)
		add_address(w, "Original-Recipient", recipient->orig);
	buf_fmt(out, "Action: %s\n", action_word(report, recipient));
	buf_fmt(out, "Status: %d.%u.%u\n",
		status_class(recipient->status),
		recipient->status.subject, recipient->status.detail);
	if (recipient->mta.len > 0)
		buf_fmt(out, "Remote-MTA: dns; %.*s\n",
			STR_ARG(clean(w->arena, recipient->mta)));
	buf_text(out, "Diagnostic-Code: ");
	if (recipient->diagnostic.len > 0)
		add_wrapped(out,
			arena_fmt(w->arena, "smtp; %.*s",
				STR_ARG(recipient->diagnostic)),
			17);
	else
		add_wrapped(out,
			arena_fmt(w->arena, "x-%.*s; %.*s",
				STR_ARG(report->conf->mail_name),
				STR_ARG(recipient->status.text)),
			17);
	if (report->kind == DSN_DELAY) {
		if (recipient->attempt_us)
			add_date(out, "Last-Attempt-Date",
				recipient->attempt_us);
		add_date(out, "Will-Retry-Until", report->retry_until_us);
	}
}

static void add_status(struct writer *w)
{
	const struct dsn_report *report = w->report;
	const struct conf *conf = report->conf;
	struct str name = conf->mail_name;

	begin_part(w, "Delivery report",
		report->is_utf8 ? "message/global-delivery-status" :
				  "message/delivery-status");
	buf_fmt(&w->out, "Reporting-MTA: dns; %.*s\n",
		STR_ARG(conf->myhostname));
	if (report->envid.len > 0)
		buf_fmt(&w->out, "Original-Envelope-Id: %.*s\n",
			STR_ARG(clean(w->arena, report->envid)));
	buf_fmt(&w->out, "X-%.*s-Queue-ID: %.*s\n", STR_ARG(name),
		STR_ARG(report->queue_id));
	if (report->sender.len > 0) {
		struct str field = arena_fmt(w->arena, "X-%.*s-Sender",
			STR_ARG(name));

		add_address(w, field.p, report->sender);
	}
	add_date(&w->out, "Arrival-Date", report->arrival_us);
	for (size_t i = 0; i < report->count; i++)
		add_recipient_fields(w, &report->recipients[i]);
}

static void begin_message(struct writer *w)
{
	const struct dsn_report *report = w->report;
	struct str description = arena_fmt(w->arena, "%s%s",
		kinds[report->kind].part,
		report->headers_only ? " Headers" : "");
	const char *type = report->is_utf8 ?
		(report->headers_only ? "message/global-headers" :
					"message/global") :
		(report->headers_only ? "text/rfc822-headers" :
					"message/rfc822");

	begin_part(w, description.p, type);
}

static void hand_over(struct writer *w,
	void (*write)(void *to, struct str octets), void *to)
{
	write(to, buf_str(&w->out));
	buf_clear(&w->out);
}

static bool copy_message(const struct dsn_report *report,
	void (*write)(void *to, struct str octets), void *to)
{
	struct str octets;

	if (report->headers_only) {
		write(to, report->header);
		return true;
	}
	do {
		if (!report->next(report->context, &octets))
			return false;
		if (octets.len)
			write(to, octets);
	} while (octets.len > 0);
	return true;
}

bool dsn_report_write(struct arena *arena, const struct dsn_report *report,
	void (*write)(void *to, struct str octets), void *to)
{
	struct writer w = {
		.arena = arena,
		.report = report,
		.out = BUF_IN(arena),
		.boundary = arena_fmt(arena, "%.*s.%lld/%.*s",
			STR_ARG(report->own_id),
			(long long)(report->now_us / 1000000),
			STR_ARG(report->conf->myhostname)),
		.is_8bit = report->is_8bit || report->is_utf8 ||
			!str_is_ascii(report->template->text),
	};

	add_header(&w);
	add_notification(&w);
	add_status(&w);
	begin_message(&w);
	hand_over(&w, write, to);
	if (!copy_message(report, write, to))
		return false;
	buf_fmt(&w.out, "\n--%.*s--\n", STR_ARG(w.boundary));
	hand_over(&w, write, to);
	return true;
}
