#include "talk/request.h"

#include <string.h>

#include "base/encode.h"
#include "mail/address.h"
#include "queue/submission.h"
#include "smtp/param.h"

bool talk_is_harmless(struct str address)
{
	for (size_t i = 0; i < address.len; i++)
		if ((unsigned char)address.p[i] < ' ' ||
			strchr("<>\x7f", address.p[i]))
			return false;
	return true;
}

void talk_address_format(struct buf *out, struct str address, bool as_it_is)
{
	if (as_it_is && talk_is_harmless(address))
		buf_add(out, address);
	else if (address.len > 0)
		mail_address_format(out, address);
}

void talk_mail_format(struct buf *out, const struct talk_mail *mail,
	const struct talk_features *features)
{
	unsigned has = features->set;

	buf_text(out, "MAIL FROM:<");
	talk_address_format(out, mail->sender, mail->as_it_is);
	buf_char(out, '>');
	if (has & FEATURE_SIZE)
		buf_fmt(out, " SIZE=%llu", (unsigned long long)mail->size);
	if ((has & FEATURE_8BITMIME) && mail->is_8bit)
		buf_text(out, " BODY=8BITMIME");
	if ((has & FEATURE_DSN) && mail->dsn_ret)
		buf_fmt(out, " RET=%s",
			mail->dsn_ret == DSN_RET_FULL ? "FULL" : "HDRS");
	if ((has & FEATURE_DSN) && mail->envid.len > 0) {
		buf_text(out, " ENVID=");
		xtext_format(out, mail->envid);
	}
	if ((has & FEATURE_SMTPUTF8) && mail->utf8)
		buf_text(out, " SMTPUTF8");
	if ((has & FEATURE_REQUIRETLS) && mail->requiretls)
		buf_text(out, " REQUIRETLS");
	if ((has & FEATURE_XVERP) && !str_is_none(mail->verp))
		buf_fmt(out, " XVERP=%.*s", STR_ARG(mail->verp));
	if (mail->auth_nobody)
		buf_text(out, " AUTH=<>");
}

static const struct {
	enum dsn_notify bit;
	const char *name;
} notifies[] = {
	{ DSN_NOTIFY_NEVER, "NEVER" },
	{ DSN_NOTIFY_SUCCESS, "SUCCESS" },
	{ DSN_NOTIFY_FAILURE, "FAILURE" },
	{ DSN_NOTIFY_DELAY, "DELAY" },
};

void talk_rcpt_format(struct buf *out, const struct talk_rcpt *rcpt,
	const struct talk_features *features)
{
	const char *before = " NOTIFY=";

	buf_text(out, "RCPT TO:<");
	talk_address_format(out, rcpt->address, rcpt->as_it_is);
	buf_char(out, '>');
	if (!(features->set & FEATURE_DSN))
		return;
	for (size_t i = 0; i < COUNT(notifies); i++)
		if (rcpt->notify & notifies[i].bit) {
			buf_fmt(out, "%s%s", before, notifies[i].name);
			before = ",";
		}
	/* What is none (it came by a queue that others have written, say) must
	 * not make a command of its own. */
	if (smtp_orcpt_parse(rcpt->orcpt)) {
		buf_text(out, " ORCPT=");
		buf_add(out, rcpt->orcpt);
	}
}
