#include "smtp/reply.h"

/* "5.1.1" and a space or the end; class 2, 4 or 5. */
unsigned smtp_enhanced_take(struct str *in, struct status *status)
{
	struct str rest = *in;
	uint64_t class, subject, detail;

	if (!str_take_u64(&rest, 5, &class) || !str_take_char(&rest, '.') ||
		!str_take_u64(&rest, 999, &subject) ||
		!str_take_char(&rest, '.') ||
		!str_take_u64(&rest, 999, &detail))
		return 0;
	if ((class != 2 && class != 4 && class != 5) ||
		(rest.len > 0 && !ascii_is_blank((unsigned char)rest.p[0])))
		return 0;
	status->subject = (uint16_t)subject;
	status->detail = (uint16_t)detail;
	while (rest.len > 0 && ascii_is_blank((unsigned char)rest.p[0]))
		rest = str_skip(rest, 1);
	status->text = rest;
	*in = rest;
	return (unsigned)class;
}

static bool is_code(struct str line)
{
	return line.len >= 3 && line.p[0] >= '2' && line.p[0] <= '5' &&
		ascii_is_digit((unsigned char)line.p[1]) &&
		ascii_is_digit((unsigned char)line.p[2]);
}

bool smtp_reply_line_parse(struct str line, struct smtp_reply_line *parsed)
{
	struct status status = { 0 };

	*parsed = (struct smtp_reply_line){ 0 };
	if (!is_code(line))
		return false;
	parsed->code = (uint16_t)((line.p[0] - '0') * 100 +
		(line.p[1] - '0') * 10 + (line.p[2] - '0'));
	line = str_skip(line, 3);
	parsed->more = str_take_char(&line, '-');
	if (!parsed->more && line.len > 0 && !str_take_char(&line, ' '))
		return false;
	parsed->after_code = line;
	parsed->class = (uint16_t)smtp_enhanced_take(&line, &status);
	parsed->subject = status.subject;
	parsed->detail = status.detail;
	parsed->text = line;
	return true;
}

/* Octets of a stranger that go into log lines and notifications. */
static void add_printable(struct buf *out, struct str text)
{
	if (!buf_room(out, text.len))
		return;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		out->p[out->len++] = c < ' ' || c == 0x7f ? '?' : (char)c;
	}
}

enum smtp_reply_state smtp_reply_add(struct arena *arena,
	struct smtp_reply *reply, struct str line)
{
	struct smtp_reply_line parsed;

	if (!smtp_reply_line_parse(line, &parsed) ||
		reply->line_count >= SMTP_REPLY_LINES_MOST ||
		reply->whole.len + line.len > SMTP_REPLY_OCTETS_MOST)
		return SMTP_REPLY_BAD;
	if (reply->line_count++ == 0) {
		reply->lines_ = BUF_IN(arena);
		reply->text_ = BUF_IN(arena);
	} else {
		buf_char(&reply->lines_, '\n');
		buf_char(&reply->text_, ' ');
	}
	add_printable(&reply->lines_, line);
	add_printable(&reply->text_, parsed.text);
	reply->whole = buf_str(&reply->lines_);
	reply->text = buf_str(&reply->text_);
	reply->code = parsed.code;
	if (!reply->has_enhanced && parsed.class == parsed.code / 100) {
		reply->has_enhanced = true;
		reply->subject = parsed.subject;
		reply->detail = parsed.detail;
	}
	return parsed.more ? SMTP_REPLY_MORE : SMTP_REPLY_DONE;
}

struct status smtp_reply_status(const struct smtp_reply *reply)
{
	return (struct status){
		.code = reply->code,
		.subject = reply->subject, .detail = reply->detail,
		.text = reply->text,
	};
}

bool smtp_reply_take_line(struct str *whole, struct str *after_code)
{
	struct smtp_reply_line parsed;
	struct str line;

	if (!str_take_line(whole, &line) ||
		!smtp_reply_line_parse(line, &parsed))
		return false;
	*after_code = parsed.after_code;
	return true;
}

static void format_codes(struct buf *out, struct status status, bool enhanced,
	char separator)
{
	char code[] = { (char)('0' + status.code / 100 % 10),
		(char)('0' + status.code / 10 % 10),
		(char)('0' + status.code % 10), separator };

	buf_add(out, str_of(code, sizeof(code)));
	if (!enhanced || status.detail == SMTP_NO_ENHANCED ||
		status_class(status) == 3)
		return;
	buf_u64(out, (uint64_t)status_class(status));
	buf_char(out, '.');
	buf_u64(out, status.subject);
	buf_char(out, '.');
	buf_u64(out, status.detail);
	buf_char(out, ' ');
}

void smtp_reply_format(struct buf *out, struct status status, bool enhanced)
{
	struct str rest = status.text, line = STR("");

	if (!str_take_line(&rest, &line))
		line = STR("");
	do {
		format_codes(out, status, enhanced, rest.len > 0 ? '-' : ' ');
		buf_add(out, line);
		buf_text(out, "\r\n");
	} while (str_take_line(&rest, &line));
}

void smtp_reply_format_line(struct buf *out, struct status status,
	bool enhanced)
{
	format_codes(out, status, enhanced, ' ');
	for (size_t i = 0; i < status.text.len; i++)
		buf_char(out, status.text.p[i] == '\n' ? ' ' :
			status.text.p[i]);
}
