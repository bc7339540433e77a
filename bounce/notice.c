/*
 * bounce/notice - who is told of what (RFC 3461 6, and notify_classes).
 */
#include "bounce/bounce.h"

#include "base/log.h"
#include "base/span.h"
#include "config/list.h"
#include "mail/address.h"
#include "queue/submit.h"

#include <sys/stat.h>

/* One notification of a notice. */
struct letter {
	struct notice *notice;
	struct str from, to;
	bool is_copy;    /* to postmaster */
	const char *what; /* "sender non-delivery" as logged */
	uint64_t wanted; /* recipients with one of these DSN_NOTIFY bits; 0: all */
};

static const char *const words[DSN_KINDS] = {
	[DSN_FAILURE] = "non-delivery",
	[DSN_DELAY] = "delay",
	[DSN_SUCCESS] = "delivery status",
	[DSN_VERIFY] = "delivery status",
};

bool notice_take_content(struct notice *notice)
{
	const struct msg_bounce *m = &notice->m;
	struct content *content = &notice->content;
	struct stat st;

	content->head = str_is_none(m->content) ? STR("") : m->content;
	content->fd = m->large;
	content->skip = m->skip;
	content->size = content->head.len;
	if (content->fd >= 0) {
		if (!fd_stat(content->fd, &st) || st.st_size < 0 ||
			(uint64_t)st.st_size < content->skip)
			return false;
		content->file_size = (uint64_t)st.st_size;
		content->size += content->file_size - content->skip;
	}
	return content_header(notice->arena, content,
		(size_t)notice->conf->header_size_limit, &notice->header);
}

static bool has_class(const struct conf *conf, const char *class)
{
	struct str rest = conf->notify_classes, item;

	while (str_take_item(&rest, ", \t\n", &item))
		if (str_is_nocase(item, class))
			return true;
	return false;
}

static bool is_wanted(const struct letter *letter,
	const struct notice_recipient *recipient)
{
	uint64_t notify = recipient->notify ?
		recipient->notify :
		DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY;

	return letter->wanted == 0 || (notify & letter->wanted) != 0;
}

static size_t choose(const struct letter *letter,
	struct dsn_recipient *recipients)
{
	const struct notice *notice = letter->notice;
	size_t count = 0;

	for (size_t i = 0; i < notice->count; i++)
		if (is_wanted(letter, &notice->recipients[i]))
			recipients[count++] = notice->recipients[i].dsn;
	return count;
}

static bool next_block(void *context, struct str *octets)
{
	return content_next(context, octets);
}

static void write_block(void *to, struct str octets)
{
	submission_write(to, octets);
}

static bool is_inspected(const struct letter *letter)
{
	return list_has_word(
		letter->notice->conf->internal_mail_filter_classes,
		letter->is_copy ? "notify" : "bounce");
}

static struct submission *begin(const struct letter *letter,
	struct arena *arena, struct str id)
{
	const struct notice *notice = letter->notice;
	const struct msg_submission facts = {
		.queue_id = id,
		.sender = letter->from,
		.arrival_us = (uint64_t)wall_us(),
		.flags = SUBMIT_INTERNAL |
			(is_inspected(letter) ? SUBMIT_INSPECT : 0) |
			(notice->m.flags & SUBMIT_SMTPUTF8),
		.encoding = notice->m.encoding,
	};
	const struct msg_recipient recipient = {
		.address = letter->to,
		.notify = DSN_NOTIFY_NEVER,
	};
	struct submission *submission = submission_open(arena, &facts);

	submission_recipient(submission, &recipient);
	return submission;
}

static bool headers_only(const struct letter *letter)
{
	const struct notice *notice = letter->notice;

	return letter->is_copy || notice->m.kind != DSN_FAILURE ||
		notice->m.dsn_ret == DSN_RET_HDRS ||
		(notice->m.flags & SUBMIT_REQUIRETLS) ||
		notice->content.size >
			(uint64_t)notice->conf->bounce_size_limit;
}

static struct status write_letter(const struct letter *letter,
	const struct dsn_recipient *recipients, size_t count)
{
	struct notice *notice = letter->notice;
	auto_arena struct arena *arena = arena_new(0);
	struct content_reader reader;
	struct dsn_report report = {
		.conf = notice->conf,
		.template = &notice->templates[notice->m.kind],
		.kind = (enum dsn_kind)notice->m.kind,
		.queue_id = notice->m.queue_id,
		.sender = notice->m.sender,
		.to = letter->to,
		.envid = notice->m.dsn_envid,
		.is_8bit = str_is(notice->m.encoding, "8bit"),
		.is_utf8 = (notice->m.flags & SUBMIT_SMTPUTF8) != 0,
		.is_probe = (notice->m.flags & SUBMIT_VERIFY_ONLY) != 0,
		.is_copy = letter->is_copy,
		.headers_only = headers_only(letter),
		.arrival_us = (int64_t)notice->m.arrival_us,
		.retry_until_us = (int64_t)notice->m.retry_until_us,
		.now_us = wall_us(),
		.recipients = recipients,
		.count = count,
		.header = notice->header,
		.next = next_block,
		.context = &reader,
	};
	struct submission *submission;
	struct status status = submit_id(notice->arena,
		notice->conf->enable_long_queue_ids, &report.own_id);

	if (!status_is_ok(status))
		return status;
	log_info("%.*s: %s notification: %.*s", STR_ARG(notice->m.queue_id),
		letter->what, STR_ARG(report.own_id));
	notice->last_id = report.own_id;
	submission = begin(letter, arena, report.own_id);
	content_open(&reader, arena, &notice->content);
	if (!dsn_report_write(arena, &report, write_block, submission)) {
		submission_cancel(submission);
		return STATUS(451, 3, 0, "content cannot be read");
	}
	status = submission_commit(submission);
	status.text = arena_copy(notice->arena, status.text);
	return status;
}

static struct status send_letter(const struct letter *letter)
{
	struct notice *notice = letter->notice;
	struct dsn_recipient *recipients = arena_array(notice->arena,
		notice->count, sizeof(*recipients));
	size_t count = choose(letter, recipients);
	struct status status;

	if (count == 0)
		return STATUS_OK; /* NOTIFY=NEVER */
	status = write_letter(letter, recipients, count);
	if (!status_is_ok(status))
		log_warning("%.*s: %s notification failed: %.*s",
			STR_ARG(notice->m.queue_id), letter->what,
			STR_ARG(status.text));
	return status;
}

static const char *what(struct notice *notice, const char *whom)
{
	return arena_fmt(notice->arena, "%s %s", whom, words[notice->m.kind])
		.p;
}

static struct status tell_sender(struct notice *notice)
{
	static const uint64_t wanted[DSN_KINDS] = {
		[DSN_FAILURE] = DSN_NOTIFY_FAILURE,
		[DSN_DELAY] = DSN_NOTIFY_DELAY,
		[DSN_SUCCESS] = DSN_NOTIFY_SUCCESS,
	};

	return send_letter(&(struct letter){
		.notice = notice,
		.from = STR(""),
		.to = notice->m.sender,
		.what = what(notice, "sender"),
		.wanted = wanted[notice->m.kind],
	});
}

static struct str double_bounce_address(const struct notice *notice)
{
	return arena_fmt(notice->arena, "%.*s@%.*s",
		STR_ARG(notice->conf->double_bounce_sender),
		STR_ARG(notice->conf->myorigin));
}

static struct status tell_postmaster(struct notice *notice,
	struct str address)
{
	return send_letter(&(struct letter){
		.notice = notice,
		.from = double_bounce_address(notice),
		.to = address,
		.is_copy = true,
		.what = what(notice, "postmaster"),
	});
}

/* A notification that cannot be delivered is nobody's but postmaster's; one to
 * postmaster that cannot be delivered ends here. */
static struct status send_undeliverable(struct notice *notice)
{
	const struct conf *conf = notice->conf;

	if (notice->m.kind != DSN_FAILURE)
		return STATUS_OK;
	if (notice->m.sender.len > 0) {
		log_warning("%.*s: undeliverable postmaster notification "
			    "discarded",
			STR_ARG(notice->m.queue_id));
		return STATUS_OK;
	}
	if (!has_class(conf, "2bounce"))
		return STATUS_OK;
	return tell_postmaster(notice, conf->p2bounce_notice_recipient);
}

/* A copy that cannot be made is no reason to tell the sender again. */
static void copy_to_postmaster(struct notice *notice)
{
	const struct conf *conf = notice->conf;

	if (notice->m.kind == DSN_FAILURE && has_class(conf, "bounce"))
		(void)!tell_postmaster(notice, conf->bounce_notice_recipient)
			       .code;
	if (notice->m.kind == DSN_DELAY && has_class(conf, "delay"))
		(void)!tell_postmaster(notice, conf->delay_notice_recipient)
			       .code;
}

struct status notice_send(struct notice *notice)
{
	struct status status;

	if (notice->m.sender.len == 0 ||
		str_eq_nocase(notice->m.sender,
			double_bounce_address(notice)))
		return send_undeliverable(notice);
	status = tell_sender(notice);
	if (!status_is_ok(status))
		return status;
	copy_to_postmaster(notice);
	return status;
}
