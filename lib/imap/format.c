#include "imap/format.h"

#include "imap/take.h"

enum {
	QUOTED_MOST = 1000, /* longer strings are literals */
};

static bool is_quotable(struct str s)
{
	if (s.len > QUOTED_MOST)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\r' || c == '\n' || c == 0 || c >= 0x80)
			return false;
	}
	return true;
}

/* Octets at the front that need no backslash. */
static size_t plain_len(struct str s)
{
	size_t len = 0;

	while (len < s.len && s.p[len] != '"' && s.p[len] != '\\')
		len++;
	return len;
}

static void literal_format(struct buf *out, struct str s)
{
	size_t nuls = 0;

	for (size_t i = 0; i < s.len; i++)
		nuls += s.p[i] == 0;
	buf_fmt(out, "{%zu}\r\n", s.len - nuls);
	if (nuls == 0)
		buf_add(out, s);
	else
		for (size_t i = 0; i < s.len; i++)
			if (s.p[i])
				buf_char(out, s.p[i]);
}

void imap_string_format(struct buf *out, struct str s)
{
	if (!is_quotable(s)) {
		literal_format(out, s);
		return;
	}
	buf_char(out, '"');
	while (s.len > 0) {
		size_t len = plain_len(s);

		buf_add(out, str_first(s, len));
		s = str_skip(s, len);
		if (s.len > 0) {
			buf_char(out, '\\');
			buf_char(out, s.p[0]);
		}
		s = str_skip(s, 1);
	}
	buf_char(out, '"');
}

void imap_nstring_format(struct buf *out, struct str s)
{
	if (str_is_none(s))
		buf_text(out, "NIL");
	else
		imap_string_format(out, s);
}

void imap_astring_format(struct buf *out, struct str s)
{
	struct str rest = s, atom;

	if (imap_take_atom(&rest, &atom) && rest.len == 0 &&
		!str_is_nocase(s, "NIL"))
		buf_add(out, s);
	else
		imap_string_format(out, s);
}

void imap_progress_format(struct buf *out, struct str tag, size_t done,
	size_t count)
{
	buf_text(out, "* OK [INPROGRESS (");
	if (memchr(tag.p, ']', tag.len))
		buf_text(out, "NIL");
	else
		imap_string_format(out, tag);
	buf_fmt(out, " %zu %zu)] Still searching\r\n", done, count);
}
