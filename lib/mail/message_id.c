#include "mail/message_id.h"

#include "mail/date.h"
#include "mail/param.h"

static bool is_before_id(unsigned char c)
{
	return c != '<' && c != '(' && c != '"';
}

/* A quoted string that is not part of an ID. */
static void skip_quoted(struct str *in)
{
	*in = str_skip(*in, 1);
	while (in->len > 0 && in->p[0] != '"')
		*in = str_skip(*in, in->p[0] == '\\' ? 2 : 1);
	*in = str_skip(*in, 1);
}

/* Length of "<...>" at the front; 0: it does not end before another "<" or a
 * line end. */
static size_t id_length(struct str in)
{
	for (size_t i = 1; i < in.len; i++) {
		if (in.p[i] == '>')
			return i + 1;
		if (in.p[i] == '<' || in.p[i] == '\n')
			return 0;
	}
	return 0;
}

bool mail_message_id_take(struct str *in, struct str *id)
{
	while (in->len > 0) {
		size_t len, before = in->len;

		(void)str_take_while(in, is_before_id);
		mail_blanks_take(in);
		if (in->len == 0)
			break;
		if (in->p[0] == '"') {
			skip_quoted(in);
			continue;
		}
		len = in->p[0] == '<' ? id_length(*in) : 0;
		if (len > 2) {
			*id = str_first(*in, len);
			*in = str_skip(*in, len);
			return true;
		}
		if (in->p[0] == '<' || in->len == before)
			*in = str_skip(*in, 1);
	}
	return false;
}

void mail_message_id_format(struct buf *out, int64_t unix_s,
	struct str queue_id, bool is_long, struct str hostname)
{
	int year, month, day, second = (int)(unix_s % 86400);

	buf_char(out, '<');
	if (!is_long) {
		mail_date_civil(unix_s / 86400, &year, &month, &day);
		buf_fmt(out, "%04d%02d%02d%02d%02d%02d.", year, month, day,
			second / 3600, second / 60 % 60, second % 60);
	}
	buf_add(out, queue_id);
	buf_char(out, '@');
	buf_add(out, hostname);
	buf_char(out, '>');
}
