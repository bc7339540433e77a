#include "verify/probe.h"

#include "base/span.h"
#include "mail/address.h"
#include "mail/date.h"
#include "queue/submit.h"
#include "rewrite/probe.h"

#include <time.h>

static void put_message(struct buf *out, const struct conf *conf,
	struct str id, struct str sender, struct str address)
{
	int64_t now_s = wall_us() / 1000000;
	time_t now = (time_t)now_s;
	struct tm tm;
	char stamp[32];

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
	buf_fmt(out, "Received: by %.*s (%.*s)\n\tid %.*s; ",
		STR_ARG(conf->myhostname), STR_ARG(conf->mail_name),
		STR_ARG(id));
	mail_date_format(out, now_s);
	buf_text(out, "\nDate: ");
	mail_date_format(out, now_s);
	buf_fmt(out, "\nFrom: %.*s\nTo: ",
		STR_ARG(sender.len > 0 ? sender : STR("MAILER-DAEMON")));
	buf_add(out, mail_address_external(out->arena, address));
	buf_text(out, "\nSubject: Does this address exist?\n");
	buf_fmt(out, "Message-Id: <%s.%.*s@%.*s>\n\n", stamp, STR_ARG(id),
		STR_ARG(conf->myhostname));
}

struct status probe_submit(struct arena *arena, const struct conf *conf,
	struct str address)
{
	struct msg_submission facts = {
		.arrival_us = (uint64_t)wall_us(),
		.flags = SUBMIT_INTERNAL | SUBMIT_VERIFY_ONLY | SUBMIT_PROBE,
	};
	const struct msg_recipient recipient = {
		.address = address,
		.notify = DSN_NOTIFY_NEVER,
	};
	struct submission *submission;
	struct buf text = BUF_IN(arena);
	struct status status = submit_may(false);

	if (status_is_ok(status))
		status = submit_id(arena, conf->enable_long_queue_ids,
			&facts.queue_id);
	if (!status_is_ok(status))
		return status;
	facts.sender = probe_sender(arena, conf, wall_us() / 1000000);
	put_message(&text, conf, facts.queue_id, facts.sender, address);
	submission = submission_open(arena, &facts);
	submission_recipient(submission, &recipient);
	submission_write(submission, buf_str(&text));
	return submission_commit(submission);
}
