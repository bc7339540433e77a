/*
 * smtpd/transcript - what was said, for postmaster: a session that had errors of
 * one of notify_classes is told to error_notice_recipient when it has ended.
 *
 * Kept while it lasts; what is older than the last EHLO, RSET or message is
 * forgotten when it is more than smtpd_history_flush_threshold lines.
 */
#include "smtpd/session.h"

#include "base/log.h"
#include "config/list.h"
#include "mail/date.h"

enum {
	OCTETS_MOST = 32 * 1024, /* that are kept */
	LINE_MOST = 500,
};

enum error_class {
	ERROR_RESOURCE = 1 << 0,
	ERROR_SOFTWARE = 1 << 1,
	ERROR_POLICY = 1 << 2,
	ERROR_PROTOCOL = 1 << 3,
	ERROR_DATA = 1 << 4,
};

static const struct {
	const char *name;
	unsigned class;
} names[] = {
	{ "resource", ERROR_RESOURCE }, { "software", ERROR_SOFTWARE },
	{ "policy", ERROR_POLICY },     { "protocol", ERROR_PROTOCOL },
	{ "data", ERROR_DATA },
};

static unsigned wanted(const struct conf *conf)
{
	struct str list = conf->notify_classes, item;
	unsigned classes = 0;

	while (list_take(&list, &item))
		for (size_t i = 0; i < COUNT(names); i++)
			if (str_is_nocase(item, names[i].name))
				classes |= names[i].class;
	return classes;
}

/* By the enhanced code, RFC 3463 3. */
static unsigned class_of(struct status status)
{
	switch (status.subject) {
	case 3: /* of this system: full, a message too large, or broken */
		return status.detail == 1 ? ERROR_RESOURCE :
			status.detail == 4 ? ERROR_DATA :
			status.detail == 2 ? 0 : ERROR_SOFTWARE;
	case 5:
		return status.detail == 3 ? ERROR_POLICY : ERROR_PROTOCOL;
	case 6:
		return ERROR_DATA;
	default:
		return ERROR_POLICY;
	}
}

void transcript_open(struct session *s)
{
	s->transcript = (struct transcript){
		.wanted = server.is_local || service_is_alone() ? 0 :
			wanted(s->conf),
		.text.limit = OCTETS_MOST,
	};
}

/* As it came: most sessions end without anybody ever reading this. */
static void add_line(struct transcript *t, struct str who, struct str line)
{
	buf_add(&t->text, who);
	buf_add(&t->text, str_first(str_trim(line), LINE_MOST));
	buf_char(&t->text, '\n');
	t->lines++;
}

void transcript_said(struct session *s, struct str reply)
{
	struct str line;

	if (!s->transcript.wanted)
		return;
	while (str_take_line(&reply, &line))
		add_line(&s->transcript, STR(" Out: "), line);
}

void transcript_heard(struct session *s, struct str line)
{
	if (s->transcript.wanted)
		add_line(&s->transcript, STR(" In:  "), line);
}

void transcript_error(struct session *s, struct status status)
{
	s->transcript.seen |= class_of(status) & s->transcript.wanted;
}

void transcript_may_flush(struct session *s)
{
	struct transcript *t = &s->transcript;

	if (t->lines <= s->conf->smtpd_history_flush_threshold || t->seen)
		return;
	buf_clear(&t->text);
	t->lines = 0;
}

/* ---- the letter ---- */

static void write_transcript(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		buf_char(out, ascii_is_print((unsigned char)text.p[i]) ||
			text.p[i] == ' ' || text.p[i] == '\n' ?
			text.p[i] : '?');
}

static void write_letter(struct session *s, struct submission *submission,
	struct str id)
{
	const struct conf *conf = s->conf;
	struct buf out = BUF_IN(s->home);

	buf_fmt(&out, "From: MAILER-DAEMON@%.*s (Mail Delivery System)\n"
		"To: %.*s\nSubject: %.*s SMTP server: errors from %.*s\n",
		STR_ARG(conf->myorigin), STR_ARG(conf->error_notice_recipient),
		STR_ARG(conf->mail_name), STR_ARG(s->label));
	buf_fmt(&out, "Message-Id: <%.*s@%.*s>\nDate: ", STR_ARG(id),
		STR_ARG(conf->myhostname));
	mail_date_format(&out, wall_us() / 1000000);
	buf_text(&out, "\nAuto-Submitted: auto-generated\n\n"
		"Transcript of session follows.\n\n");
	write_transcript(&out, buf_str(&s->transcript.text));
	buf_text(&out, "\n\nThe mail log has the details.\n");
	submission_write(submission, buf_str(&out));
}

static struct status send_letter(struct session *s)
{
	const struct conf *conf = s->conf;
	bool is_inspected = list_has_word(conf->internal_mail_filter_classes,
		"notify");
	struct msg_submission facts = {
		.sender = arena_fmt(s->home, "%.*s@%.*s",
			STR_ARG(conf->double_bounce_sender),
			STR_ARG(conf->myorigin)),
		.arrival_us = (uint64_t)wall_us(),
		.flags = SUBMIT_INTERNAL | (is_inspected ? SUBMIT_INSPECT : 0),
		.encoding = STR("7bit"),
		.client_name = STR(""), .client_address = STR(""),
		.client_port = STR(""), .helo = STR(""), .protocol = STR(""),
	};
	const struct msg_recipient recipient = {
		.address = conf->error_notice_recipient,
		.notify = DSN_NOTIFY_NEVER,
	};
	struct submission *submission;
	struct status status = submit_id(s->home, conf->enable_long_queue_ids,
		&facts.queue_id);

	if (!status_is_ok(status))
		return status;
	submission = submission_open(s->home, &facts);
	submission_recipient(submission, &recipient);
	write_letter(s, submission, facts.queue_id);
	return submission_commit(submission);
}

void transcript_close(struct session *s)
{
	struct status status = STATUS_OK;

	if (s->transcript.seen)
		status = send_letter(s);
	if (!status_is_ok(status))
		log_warning("notice to postmaster: %.*s",
			STR_ARG(status.text));
	buf_free(&s->transcript.text);
}
