/*
 * cleanup/strict - rules about octets and MIME structure: which characters may
 * not come in (message_reject_characters, message_strip_characters), which
 * 8-bit text and encodings are improper (strict_*), and what is made 7bit on
 * its way in (force_mime_input_conversion).
 *
 * Source   RFC 2045 6.4, 6.2; the parameters in postconf(5) of Postfix
 */
#include "cleanup/cleanup.h"

#include "base/log.h"
#include "content/downgrade.h"
#include "mail/mime.h"
#include "mail/transfer.h"

enum {
	LOGGED_MOST = 200, /* octets of the line in the log */
};

struct octets {
	bool has[256];
	bool any;
};

static struct {
	struct octets rejected, stripped;
	bool header_7bit, body_declared, encoding_domain, nesting, to_7bit;
	bool is_any;
} rules; /* set once, by strict_prepare */

/* ---- settings ---- */

static const struct {
	char letter, octet;
} escapes[] = {
	{ 'a', '\a' }, { 'b', '\b' }, { 'f', '\f' }, { 'n', '\n' },
	{ 'r', '\r' }, { 't', '\t' }, { 'v', '\v' }, { '\\', '\\' },
};

/* The octet after a backslash: \n, \012. */
static bool take_escape(struct str *in, unsigned char *octet)
{
	unsigned value = 0;
	size_t digits = 0;

	for (size_t i = 0; i < COUNT(escapes); i++)
		if (str_take_char(in, escapes[i].letter)) {
			*octet = (unsigned char)escapes[i].octet;
			return true;
		}
	while (digits < 3 && digits < in->len && in->p[digits] >= '0' &&
		in->p[digits] <= '7')
		value = value * 8 + (unsigned)(in->p[digits++] - '0');
	*in = str_skip(*in, digits);
	*octet = (unsigned char)value;
	return digits > 0 && value < 256;
}

static void parse_octets(const char *parameter, struct str text,
	struct octets *octets)
{
	while (text.len > 0) {
		unsigned char octet = (unsigned char)text.p[0];

		text = str_skip(text, 1);
		if (octet == '\\' && !take_escape(&text, &octet))
			log_fatal("%s: a backslash stands before one of "
				  "abfnrtv\\ or an octal number: write \\\\ "
				  "for the backslash itself",
				parameter);
		octets->has[octet] = octets->any = true;
	}
}

void strict_prepare(const struct conf *conf)
{
	bool mime = !conf->disable_mime_input_processing;

	parse_octets("message_reject_characters",
		conf->message_reject_characters, &rules.rejected);
	parse_octets("message_strip_characters",
		conf->message_strip_characters, &rules.stripped);
	rules.header_7bit = mime &&
		(conf->strict_7bit_headers || conf->strict_8bitmime);
	rules.body_declared = mime &&
		(conf->strict_8bitmime_body || conf->strict_8bitmime);
	rules.encoding_domain = mime && conf->strict_mime_encoding_domain;
	rules.nesting = mime && (conf->strict_8bitmime ||
		conf->strict_mime_encoding_domain);
	rules.to_7bit = mime && conf->force_mime_input_conversion;
	rules.is_any = rules.rejected.any || rules.stripped.any ||
		rules.header_7bit || rules.body_declared ||
		rules.encoding_domain || rules.to_7bit;
}

bool strict_concerns(const struct intake *intake)
{
	return rules.is_any &&
		checks_inspect(intake);
}

/* ---- characters ---- */

static struct str line_around(struct str content, size_t at)
{
	size_t begin = at, end = at;

	while (begin > 0 && content.p[begin - 1] != '\n')
		begin--;
	while (end < content.len && content.p[end] != '\n')
		end++;
	return str_of(content.p + begin, end - begin);
}

static void reject_characters(struct intake *intake, struct str content)
{
	for (size_t i = 0; i < content.len; i++)
		if (rules.rejected.has[(unsigned char)content.p[i]]) {
			checks_log(intake, "reject", "content",
				line_around(content, i),
				STR("5.7.1 disallowed character"));
			intake->refusal = STATUS(550, 7, 1,
				"disallowed character");
			return;
		}
}

static struct str strip_characters(struct intake *intake, struct str content)
{
	struct buf out = BUF_IN(intake->arena);
	size_t copied = 0;

	for (size_t i = 0; i < content.len; i++)
		if (rules.stripped.has[(unsigned char)content.p[i]]) {
			buf_add(&out,
				str_of(content.p + copied, i - copied));
			copied = i + 1;
		}
	if (copied == 0)
		return content;
	buf_add(&out, str_skip(content, copied));
	return buf_str(&out);
}

/* ---- MIME ---- */

static void refuse(struct intake *intake, struct str why, struct str line)
{
	struct str logged = str_first(line, LOGGED_MOST);

	log_info("%.*s: reject: mime-error %.*s: %.*s from %.*s; from=<%.*s> "
		 "to=<%.*s>",
		STR_ARG(intake->facts.queue_id), STR_ARG(why), STR_ARG(logged),
		STR_ARG(checks_client(intake)),
		STR_ARG(checks_address(intake, intake->facts.sender)),
		STR_ARG(checks_address(intake,
			intake->recipients[0].address)));
	intake->refusal = (struct status){ 550, 6, 0, why };
}

static void check_header(struct intake *intake, struct str header)
{
	struct mail_header field;

	while (mail_header_take(&header, &field))
		if (!str_is_ascii(field.raw)) {
			refuse(intake,
				STR("improper use of 8-bit data in message "
				    "header"),
				str_trim(field.raw));
			return;
		}
}

static void check_body(struct intake *intake, const struct mime_part *part,
	struct str body)
{
	enum mail_encoding encoding = mail_encoding_parse(part->encoding);
	struct str line;

	if (encoding == MAIL_ENCODING_8BIT || encoding == MAIL_ENCODING_BINARY)
		return;
	while (str_take_line(&body, &line))
		if (!str_is_ascii(line)) {
			refuse(intake,
				STR("improper use of 8-bit data in message "
				    "body"),
				line);
			return;
		}
}

/* RFC 2045 6.4: what has parts may only be 7bit, 8bit or binary. */
static void check_domain(struct intake *intake, const struct mime_part *part)
{
	switch (mail_encoding_parse(part->encoding)) {
	case MAIL_ENCODING_7BIT:
	case MAIL_ENCODING_8BIT:
	case MAIL_ENCODING_BINARY:
		break;
	default:
		refuse(intake,
			STR("invalid message/* or multipart/* encoding domain"),
			part->encoding);
	}
}

static void check_part(struct intake *intake, const struct mime_part *part,
	struct str content)
{
	bool utf8 = intake->facts.flags & SUBMIT_SMTPUTF8;

	if (rules.header_7bit && !utf8)
		check_header(intake, str_of(content.p + part->header_at,
					     part->header_len));
	if (intake->refusal.code)
		return;
	if (part->kind == MIME_SINGLE) {
		if (rules.body_declared)
			check_body(intake, part,
				str_of(content.p + part->body_at,
					part->body_len));
		return;
	}
	if (rules.encoding_domain)
		check_domain(intake, part);
	for (const struct mime_part *at = part->children;
		at && !intake->refusal.code; at = at->next)
		check_part(intake, at, content);
}

static struct str to_7bit(struct intake *intake, struct str content)
{
	struct buf out = BUF_IN(intake->arena);
	struct downgrade d;

	if (str_is_ascii(content))
		return content;
	downgrade_init(&d, intake->arena);
	downgrade(&d, content, &out);
	downgrade_end(&d, &out);
	intake->facts.encoding = STR("7bit");
	return buf_str(&out);
}

static void check_parts(struct intake *intake, struct str content)
{
	bool is_deeper;

	check_part(intake, walk_mime(intake->arena, intake->conf, content,
		&is_deeper), content);
	if (is_deeper && rules.nesting && !intake->refusal.code)
		refuse(intake, STR("MIME nesting exceeds safety limit"),
			STR("Content-Type: multipart"));
}

struct str strict_apply(struct intake *intake, struct str content)
{
	if (rules.rejected.any)
		reject_characters(intake, content);
	if (intake->refusal.code)
		return content;
	if (rules.stripped.any)
		content = strip_characters(intake, content);
	if (rules.header_7bit || rules.body_declared || rules.encoding_domain)
		check_parts(intake, content);
	if (rules.to_7bit && !intake->refusal.code)
		content = to_7bit(intake, content);
	return content;
}
