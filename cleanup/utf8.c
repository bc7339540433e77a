/*
 * cleanup/utf8 - mail that needs SMTPUTF8 although nobody has said so: UTF-8 in
 * its envelope or header, from a source of smtputf8_autodetect_classes.
 *
 * RFC      6531 3.1; 6532 3
 */
#include "cleanup/cleanup.h"

#include "config/list.h"
#include "mail/header.h"

/* The source as smtputf8_autodetect_classes has it. */
static const char *class_of(const struct msg_submission *facts)
{
	if (facts->flags & SUBMIT_PROBE)
		return "verify";
	if (facts->flags & SUBMIT_INTERNAL)
		return facts->sender.len > 0 ? "notify" : "bounce";
	if (facts->flags & SUBMIT_FORWARDED)
		return "forward";
	return facts->protocol.len > 0 ? "smtpd" : "sendmail";
}

static bool is_looked_at(const struct intake *intake)
{
	struct str classes = intake->conf->smtputf8_autodetect_classes;

	return intake->conf->smtputf8_enable &&
		!(intake->facts.flags & SUBMIT_SMTPUTF8) &&
		(list_has_word(classes, "all") ||
			list_has_word(classes, class_of(&intake->facts)));
}

static bool is_wide(struct str text)
{
	return !str_is_ascii(text) && str_is_utf8(text);
}

void utf8_header(struct intake *intake, struct str content)
{
	if (is_looked_at(intake) && is_wide(str_first(content,
		mail_header_length(content, NULL))))
		intake->facts.flags |= SUBMIT_SMTPUTF8;
}

void utf8_envelope(struct intake *intake)
{
	bool wide = is_wide(intake->facts.sender);

	if (!is_looked_at(intake))
		return;
	for (size_t i = 0; i < intake->recipient_count && !wide; i++)
		wide = is_wide(intake->recipients[i].address);
	if (wide)
		intake->facts.flags |= SUBMIT_SMTPUTF8;
}
