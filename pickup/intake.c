/*
 * pickup/intake - one local submission: its lines, then its content.
 */
#include "pickup/pickup.h"

#include "base/log.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/verp.h"
#include "queue/maildrop.h"
#include "queue/submit.h"
#include "smtp/param.h"

#include <errno.h>
#include <unistd.h>

enum {
	READ_TIMEOUT_S = 300,
};

struct recipient {
	struct list link;
	struct str address, orcpt;
	uint64_t notify;
};

/* What was read so far. */
struct draft {
	struct intake *intake;
	struct msg_submission facts;
	struct submission *submission;
	uint64_t notify, flags, octets;
	struct list recipients;
	size_t recipient_count;
	struct recipient *last; /* what orcpt and only are about */
	struct str orig_id;
	bool content_seen;
};

#define MALFORMED STATUS(501, 5, 2, "malformed submission")
#define GO_ON STATUS(300, 0, 0, "go on")

/* A file that ends early does so each time; a connection may fare better. */
static struct status line_failure(const struct intake *intake)
{
	if (errno == EMSGSIZE)
		return MALFORMED;
	if (errno == 0 && intake->arrival_us != 0)
		return STATUS(554, 4, 2, "the submission was not complete");
	return STATUS(451, 4, 2, "the submission could not be read");
}

static struct status add_recipient(struct draft *draft, struct str address)
{
	if (++draft->recipient_count > MAILDROP_RECIPIENTS_MOST)
		return STATUS(452, 5, 3, "too many recipients");
	draft->last = arena_new_of(draft->intake->arena, struct recipient);
	draft->last->address = address;
	draft->last->orcpt = STR_NONE;
	list_append(&draft->recipients, &draft->last->link);
	return GO_ON;
}

static struct status set_verp(struct draft *draft, struct str delimiters)
{
	const struct conf *conf = draft->intake->conf;

	draft->facts.verp = delimiters.len ? delimiters :
		conf->default_verp_delimiters;
	return mail_verp_is_valid(draft->facts.verp,
		conf->verp_delimiter_filter) ? GO_ON :
		STATUS(501, 5, 4, "bad VERP delimiters");
}

static struct status set_orcpt(struct draft *draft, struct str orcpt)
{
	if (!draft->last || !smtp_orcpt_parse(orcpt))
		return MALFORMED; /* it goes into a RCPT line as it is */
	draft->last->orcpt = orcpt;
	return GO_ON;
}

static struct status set_only(struct draft *draft, uint64_t notify)
{
	if (!draft->last || draft->content_seen)
		return MALFORMED;
	draft->last->notify = notify;
	return GO_ON;
}

/* Only root and our own user know of IDs that were. */
static struct status set_orig_id(struct draft *draft, struct str id)
{
	uint32_t sys_uid = draft->intake->sys_uid;

	if (sys_uid != 0 && sys_uid != geteuid())
		return MALFORMED;
	draft->orig_id = id;
	return GO_ON;
}

static struct status set_text(struct draft *draft,
	const struct maildrop_line *line)
{
	struct msg_submission *facts = &draft->facts;

	if (draft->content_seen)
		return MALFORMED;
	switch (line->kind) {
	case MAILDROP_SENDER:
		facts->sender = line->text;
		return GO_ON;
	case MAILDROP_NAME:
		facts->full_name = line->text;
		return GO_ON;
	case MAILDROP_ENVID:
		facts->dsn_envid = line->text;
		return GO_ON;
	case MAILDROP_ENCODING:
		facts->encoding = line->text;
		return GO_ON;
	case MAILDROP_RECIPIENT:
		return add_recipient(draft, line->text);
	case MAILDROP_VERP:
		return set_verp(draft, line->text);
	case MAILDROP_ORCPT:
		return set_orcpt(draft, line->text);
	case MAILDROP_ORIG_ID:
		return set_orig_id(draft, line->text);
	default:
		return MALFORMED;
	}
}

static uint64_t submit_flags(uint64_t flags)
{
	static const struct {
		uint64_t from, to;
	} rows[] = {
		{ MAILDROP_FLAG_SMTPUTF8, SUBMIT_SMTPUTF8 },
		{ MAILDROP_FLAG_VERIFY, SUBMIT_VERIFY_ONLY },
		{ MAILDROP_FLAG_TRACE, SUBMIT_TRACE },
		{ MAILDROP_FLAG_REQUIRETLS, SUBMIT_REQUIRETLS },
	};
	uint64_t result =
		flags & MAILDROP_FLAG_GATEWAY ? 0 : SUBMIT_LOCAL_HEADERS;

	for (size_t i = 0; i < COUNT(rows); i++)
		if (flags & rows[i].from)
			result |= rows[i].to;
	return result;
}

static void add_recipients(struct draft *draft)
{
	list_each(link, &draft->recipients) {
		struct recipient *recipient =
			CONTAINER(link, struct recipient, link);
		const struct msg_recipient m = {
			.address = recipient->address,
			.orcpt = recipient->orcpt,
			.notify = recipient->notify ? recipient->notify :
						      draft->notify,
		};

		submission_recipient(draft->submission, &m);
	}
}

static void add_received(struct draft *draft)
{
	const struct conf *conf = draft->intake->conf;
	struct buf header = BUF_IN(draft->intake->arena);

	buf_fmt(&header,
		"Received: by %.*s (%.*s, from userid %u)\n\tid %.*s; ",
		STR_ARG(conf->myhostname), STR_ARG(conf->mail_name),
		draft->intake->sys_uid, STR_ARG(draft->facts.queue_id));
	mail_date_format(&header,
		(int64_t)(draft->facts.arrival_us / 1000000));
	buf_char(&header, '\n');
	submission_write(draft->submission, buf_str(&header));
}

/* May this user submit, and as this sender? */
static struct status check_user(const struct intake *intake,
	struct str sender)
{
	if (!users_has(intake->users, intake->sys_uid))
		return status_f(intake->arena, 550, 7, 1,
			"user %u is not in authorized_submit_users",
			intake->sys_uid);
	return login_may_send(intake->conf, intake->arena, intake->sys_uid,
		sender);
}

/* The lines are over: the message begins. */
static struct status begin_content(struct draft *draft)
{
	struct intake *intake = draft->intake;
	struct msg_submission *facts = &draft->facts;
	struct status status;

	if (draft->content_seen || str_is_none(facts->sender))
		return MALFORMED;
	if (draft->recipient_count == 0)
		return STATUS(554, 5, 1, "no recipients");
	if (facts->sender.len == 0)
		facts->verp = STR_NONE; /* nobody to come back to */
	draft->content_seen = true;
	status = check_user(intake, facts->sender);
	if (status_is_ok(status))
		status = submit_may(false);
	if (status_is_ok(status))
		status = submit_id(intake->arena,
			intake->conf->enable_long_queue_ids,
			&facts->queue_id);
	if (!status_is_ok(status))
		return status;
	facts->arrival_us = (uint64_t)(intake->arrival_us ?
			intake->arrival_us :
			wall_us());
	facts->flags = submit_flags(draft->flags);
	if (intake->conf->content_filter.len > 0)
		facts->content_filter = intake->conf->content_filter;
	log_info("%.*s: uid=%u from=<%.*s>%s%.*s", STR_ARG(facts->queue_id),
		intake->sys_uid,
		STR_ARG(mail_address_logged(intake->arena,
			intake->conf->info_log_address_format,
			facts->sender)),
		draft->orig_id.len ? " orig_id=" : "",
		STR_ARG(draft->orig_id));
	draft->submission = submission_open(intake->arena, facts);
	add_recipients(draft);
	add_received(draft);
	return GO_ON;
}

static struct status read_chunk(struct draft *draft, uint64_t left)
{
	int64_t limit = draft->intake->conf->message_size_limit;
	struct str octets;

	if (!draft->content_seen)
		return MALFORMED;
	draft->octets += left;
	if (limit > 0 && draft->octets > (uint64_t)limit)
		return STATUS(552, 3, 4, "message file too big");
	while (left > 0) {
		if (!io_peek(draft->intake->io, &octets,
			    span_s(READ_TIMEOUT_S)))
			return line_failure(draft->intake);
		octets = str_first(octets, left);
		submission_write(draft->submission, octets);
		stream_consume(draft->intake->io, octets.len);
		left -= octets.len;
	}
	return GO_ON;
}

static struct status run_line(struct draft *draft,
	const struct maildrop_line *line)
{
	switch (line->kind) {
	case MAILDROP_BEGIN:
		return line->number == 1 ? GO_ON : MALFORMED;
	case MAILDROP_RET:
		draft->facts.dsn_ret = line->number;
		return GO_ON;
	case MAILDROP_NOTIFY:
		draft->notify = line->number;
		return GO_ON;
	case MAILDROP_ONLY:
		return set_only(draft, line->number);
	case MAILDROP_FLAGS:
		draft->flags = line->number;
		return GO_ON;
	case MAILDROP_CONTENT:
		return begin_content(draft);
	case MAILDROP_CHUNK:
		return read_chunk(draft, line->number);
	case MAILDROP_END:
		if (!draft->submission)
			return MALFORMED;
		return submission_commit(draft->submission);
	default:
		return set_text(draft, line);
	}
}

struct status intake_run(struct intake *intake)
{
	struct draft draft = {
		.intake = intake,
		.facts = { .client_name = STR("localhost"),
			.client_address = STR("127.0.0.1"),
			.sender = STR_NONE, .verp = STR_NONE },
	};
	struct status status = GO_ON;
	struct maildrop_line line;
	struct str text;

	list_init(&draft.recipients);
	stream_line_limit(intake->io, MAILDROP_LINE_MOST);
	while (status_class(status) == 3) {
		if (!io_line(intake->io, &text, span_s(READ_TIMEOUT_S)))
			status = line_failure(intake);
		else if (!maildrop_line_parse(intake->arena, text, &line))
			status = MALFORMED;
		else
			status = run_line(&draft, &line);
	}
	if (draft.submission && !status_is_ok(status))
		submission_cancel(draft.submission);
	if (status_is_ok(status))
		status = status_f(intake->arena, 250, 0, 0, "%.*s",
			STR_ARG(draft.facts.queue_id));
	return status;
}
