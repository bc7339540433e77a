/*
 * cleanup/header - the rules for the header of a message.
 *
 * Fields that must not travel are dropped (message_drop_headers), hops are
 * counted (RFC 5321 6.3), addresses are completed and rewritten, what is
 * missing is added (RFC 5322 3.6, 6409 8) where the client is one of ours.
 */
#include "cleanup/cleanup.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/list.h"
#include "mail/transfer.h"
#include "mail/word.h"
#include "rewrite/header.h"

/* What has been seen in the header so far. */
struct seen {
	unsigned received;
	bool from, to, date, message_id; /* To: any destination field */
	bool resent, resent_from, resent_date, resent_message_id;
	struct str id; /* of Message-ID or Resent-Message-ID */
};

/* The fields that matter here. */
static const struct field {
	const char *name;
	size_t seen;       /* offset of the flag that it sets */
	bool is_resent;
} fields[] = {
	{ "From", offsetof(struct seen, from), false },
	{ "To", offsetof(struct seen, to), false },
	{ "Cc", offsetof(struct seen, to), false },
	{ "Bcc", offsetof(struct seen, to), false },
	{ "Date", offsetof(struct seen, date), false },
	{ "Message-ID", offsetof(struct seen, message_id), false },
	{ "Resent-From", offsetof(struct seen, resent_from), true },
	{ "Resent-Sender", 0, true },
	{ "Resent-Reply-To", 0, true },
	{ "Resent-To", offsetof(struct seen, to), true },
	{ "Resent-Cc", offsetof(struct seen, to), true },
	{ "Resent-Bcc", offsetof(struct seen, to), true },
	{ "Resent-Date", offsetof(struct seen, resent_date), true },
	{ "Resent-Message-ID", offsetof(struct seen, resent_message_id), true },
};

static const struct field *find_field(const struct mail_header *header)
{
	for (size_t i = 0; i < COUNT(fields); i++)
		if (mail_header_is(header, fields[i].name))
			return &fields[i];
	return NULL;
}

static bool is_dropped(const struct intake *intake,
	const struct mail_header *header)
{
	struct str list = intake->conf->message_drop_headers, item;

	while (str_take_item(&list, ", \t\r\n", &item))
		if (str_eq_nocase(item, header->name))
			return true;
	return false;
}

static bool is_local(const struct intake *intake)
{
	return intake->facts.flags & SUBMIT_LOCAL_HEADERS;
}

/* Are its addresses rewritten, and by which rules? */
static bool is_rewritten(const struct intake *intake,
	enum rewrite_context *context)
{
	*context = is_local(intake) ? REWRITE_LOCAL : REWRITE_REMOTE;
	return !(intake->facts.flags & (SUBMIT_NO_REWRITE | SUBMIT_INTERNAL)) &&
		(*context == REWRITE_LOCAL ||
			intake->conf->remote_header_rewrite_domain.len > 0);
}

/* Append the field as it shall be. */
static struct status put_field(struct intake *intake, struct buf *out,
	const struct mail_header *header)
{
	unsigned where = header_where(header->name);
	enum rewrite_context context;
	struct str changed = STR_NONE;
	struct status status = STATUS_OK;

	if (where && is_rewritten(intake, &context))
		status = rewriting_header(intake, context, where, header->body,
			&changed);
	if (!status_is_ok(status))
		return status;
	if (str_is_none(changed)) {
		buf_add(out, header->raw);
		if (header->raw.len && header->raw.p[header->raw.len - 1] !=
				'\n')
			buf_char(out, '\n');
		return STATUS_OK;
	}
	buf_fmt(out, "%.*s: %.*s\n", STR_ARG(header->name), STR_ARG(changed));
	return STATUS_OK;
}

static void notice(struct seen *seen, const struct mail_header *header,
	const struct field *field)
{
	if (mail_header_is(header, "Received"))
		seen->received++;
	if (!field)
		return;
	seen->resent |= field->is_resent;
	if (field->seen)
		*((bool *)(void *)((char *)seen + field->seen)) = true;
	if (mail_header_is(header, "Message-ID") ||
		mail_header_is(header, "Resent-Message-ID"))
		seen->id = str_trim(header->body);
}

/* ---- what is missing ---- */

/* <YYYYmmddHHMMSS.ID@myhostname>, or <ID@myhostname> with long IDs. */
static struct str make_message_id(struct intake *intake)
{
	time_t now = (time_t)(intake->facts.arrival_us / 1000000);
	char stamp[32] = "";
	struct tm tm;

	if (!intake->conf->enable_long_queue_ids && gmtime_r(&now, &tm))
		strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S.", &tm);
	return arena_fmt(intake->arena, "<%s%.*s@%.*s>", stamp,
		STR_ARG(intake->facts.queue_id),
		STR_ARG(intake->conf->myhostname));
}

/* The author is the sender, by the address that the envelope will have. */
static struct status put_from(struct intake *intake, struct buf *out,
	const char *prefix)
{
	struct str sender = intake->facts.sender;
	struct status status = STATUS_OK;
	struct str name = intake->facts.full_name;
	auto_buf struct buf words = { 0 };
	const char *charset = arena_cstr(
		intake->arena, intake->conf->full_name_encoding_charset);

	if (!(intake->facts.flags & (SUBMIT_NO_REWRITE | SUBMIT_INTERNAL)))
		status = rewriting_sender(intake, &sender);
	if (!status_is_ok(status))
		return status;
	if (sender.len == 0)
		sender = STR("MAILER-DAEMON");
	buf_fmt(out, "%sFrom: ", prefix);
	if (str_is_none(name) || name.len == 0) {
		mail_address_format(out, sender);
	} else if (str_is_nocase(intake->conf->header_from_format,
			   "obsolete")) {
		mail_address_format(out, sender);
		buf_char(out, ' ');
		mail_words_format(&words, name, charset);
		mail_comment_format(out, buf_str(&words));
	} else {
		mail_words_format(&words, name, charset);
		mail_mailbox_format(out, buf_str(&words), sender);
	}
	buf_char(out, '\n');
	return STATUS_OK;
}

static struct status put_missing(struct intake *intake, struct buf *out,
	struct seen *seen)
{
	const char *prefix = seen->resent ? "Resent-" : "";
	bool has_id = seen->resent ? seen->resent_message_id
				   : seen->message_id;
	bool has_date = seen->resent ? seen->resent_date : seen->date;
	bool has_from = seen->resent ? seen->resent_from : seen->from;
	struct str undisclosed = intake->conf->undisclosed_recipients_header;
	struct status status = STATUS_OK;

	if (!is_local(intake) && !intake->conf->always_add_missing_headers)
		return STATUS_OK;
	if (!has_id) {
		seen->id = make_message_id(intake);
		buf_fmt(out, "%sMessage-Id: %.*s\n", prefix,
			STR_ARG(seen->id));
	}
	if (!has_date) {
		buf_fmt(out, "%sDate: ", prefix);
		mail_date_format(out,
			(int64_t)(intake->facts.arrival_us / 1000000));
		buf_char(out, '\n');
	}
	if (!has_from)
		status = put_from(intake, out, prefix);
	if (!seen->to && undisclosed.len)
		buf_fmt(out, "%.*s\n", STR_ARG(undisclosed));
	return status;
}

/* ---- all of it ---- */

/* "Content-Transfer-Encoding: 8bit" says as much as BODY=8BITMIME. */
static void notice_8bit(struct intake *intake, const struct mail_header *field)
{
	if (!intake->conf->detect_8bit_encoding_header ||
		!mail_header_is(field, "Content-Transfer-Encoding"))
		return;
	if (mail_encoding_parse(field->body) == MAIL_ENCODING_8BIT)
		intake->facts.encoding = STR("8bit");
}

/* The fields, one by one, from *rest (which then begins with the body). */
static struct status put_fields(struct intake *intake, struct buf *out,
	struct str *rest, struct seen *seen)
{
	struct walk walk = checks_walk(intake);
	struct mail_header header;

	while (mail_header_take(rest, &header)) {
		struct status status;

		notice(seen, &header, find_field(&header));
		notice_8bit(intake, &header);
		if (!walk_field(&walk, &header, out))
			continue;
		if (is_dropped(intake, &header))
			continue;
		status = put_field(intake, out, &header);
		if (!status_is_ok(status))
			return status;
		if (intake->refusal.code)
			return intake->refusal;
	}
	return STATUS_OK;
}

static struct status check_hops(struct intake *intake, const struct seen *seen)
{
	if ((int64_t)seen->received <= intake->conf->hopcount_limit)
		return STATUS_OK;
	log_warning("%.*s: message rejected: hopcount exceeded",
		STR_ARG(intake->facts.queue_id));
	return STATUS(554, 4, 0, "Error: too many hops");
}

static void log_message_id(struct intake *intake, const struct seen *seen)
{
	struct str id = mail_header_unfold(intake->arena, seen->id);

	intake->message_id = arena_copy(intake->arena, id);
	log_info("%.*s: %smessage-id=%.*s", STR_ARG(intake->facts.queue_id),
		seen->resent ? "resent-" : "",
		STR_ARG(id.len ? id : STR("<>")));
}

/* A body without the empty line before it gets one. */
static struct status end_header(const struct intake *intake, struct buf *head)
{
	static const char why[] =
		"message header was not terminated by empty line";
	struct str action = intake->conf->non_empty_end_of_header_action;

	if (str_is_nocase(action, "reject") &&
		checks_inspect(intake))
		return (struct status){ 550, 6, 0, str_from(why) };
	if (str_is_nocase(action, "add_header"))
		buf_fmt(head, "MIME-Error: %s\n", why);
	buf_char(head, '\n');
	return STATUS_OK;
}

struct status header_apply(struct intake *intake, struct str content)
{
	struct buf head = BUF_IN(intake->arena);
	struct str rest = content, old;
	struct seen seen = { .id = STR("") };
	struct status status;

	if (!buf_room(&head, mail_header_length(content, NULL) + 1024))
		return STATUS(451, 3, 0, "Error: queue file write error");
	status = put_fields(intake, &head, &rest, &seen);
	if (!status_is_ok(status))
		return status;
	status = put_missing(intake, &head, &seen);
	if (status_is_ok(status))
		status = check_hops(intake, &seen);
	if (!status_is_ok(status))
		return status;
	log_message_id(intake, &seen);
	old = str_first(content, content.len - rest.len);
	if (rest.len && rest.p[0] != '\n')
		status = end_header(intake, &head);
	if (!status_is_ok(status))
		return status;
	if (intake->extra.len) {
		intake->extra = arena_join(
			intake->arena, intake->extra, buf_str(&head));
		head = BUF_IN(intake->arena);
		buf_add(&head, intake->extra);
	}
	if (str_eq(old, buf_str(&head)))
		return STATUS_OK;
	if (intake->is_large) {
		intake->content = buf_str(&head);
		intake->skip = old.len;
		return STATUS_OK;
	}
	buf_add(&head, rest);
	intake->content = buf_str(&head);
	return STATUS_OK;
}
