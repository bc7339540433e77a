#include "imap/subject.h"

#include "imap/charset.h"
#include "mail/header.h"

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Step 1: one space instead of any blanks. */
static struct str collapse(struct arena *arena, struct str text)
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < text.len; i++) {
		if (!is_blank((unsigned char)text.p[i]))
			buf_char(&out, text.p[i]);
		else if (out.len == 0 || out.p[out.len - 1] != ' ')
			buf_char(&out, ' ');
	}
	return buf_str(&out);
}

static struct str trim_end(struct str s)
{
	while (s.len > 0 && s.p[s.len - 1] == ' ')
		s.len--;
	return s;
}

/* Step 2: "(fwd)" and blanks at the end. */
static struct str drop_trailers(struct str s, bool *is_reply)
{
	for (;;) {
		s = trim_end(s);
		if (!str_ends_nocase(s, STR("(fwd)")))
			return s;
		s.len -= 5;
		*is_reply = true;
	}
}

/* subj-blob: "[" *BLOBCHAR "]" *WSP */
static bool take_blob(struct str *in)
{
	size_t end;

	if (in->len == 0 || in->p[0] != '[')
		return false;
	for (end = 1; end < in->len && in->p[end] != '[' &&
		in->p[end] != ']';)
		end++;
	if (end == in->len || in->p[end] != ']')
		return false;
	*in = str_skip(*in, end + 1);
	while (str_take_char(in, ' '))
		;
	return true;
}

/* subj-refwd: ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static bool take_refwd(struct str *in)
{
	struct str rest = *in;

	if (!str_take_prefix_nocase(&rest, STR("re")) &&
		!str_take_prefix_nocase(&rest, STR("fwd")) &&
		!str_take_prefix_nocase(&rest, STR("fw")))
		return false;
	while (str_take_char(&rest, ' '))
		;
	take_blob(&rest);
	if (!str_take_char(&rest, ':'))
		return false;
	*in = rest;
	return true;
}

/* Step 3: (*subj-blob subj-refwd) / WSP */
static bool take_leader(struct str *in, bool *is_reply)
{
	struct str rest = *in;

	if (str_take_char(in, ' '))
		return true;
	while (take_blob(&rest))
		;
	if (!take_refwd(&rest))
		return false;
	*in = rest;
	*is_reply = true;
	return true;
}

/* Steps 3 to 5; a blob goes only if something is left. */
static struct str drop_leaders(struct str s, bool *is_reply)
{
	bool again = true;

	while (again) {
		struct str rest = s;

		again = take_leader(&s, is_reply);
		if (!again && take_blob(&rest) && rest.len > 0) {
			s = rest;
			again = true;
		}
	}
	return s;
}

struct str imap_subject_base(struct arena *arena, struct str body,
	bool *is_reply)
{
	struct str s = collapse(arena, imap_words_decode(arena,
		mail_header_unfold(arena, body)));

	*is_reply = false;
	for (;;) {
		s = drop_leaders(drop_trailers(s, is_reply), is_reply);
		/* Step 6: [fwd: ... ] */
		if (!str_starts_nocase(s, STR("[fwd:")) ||
			!str_ends(s, STR("]")))
			return s;
		s = str_first(str_skip(s, 5), s.len - 6);
		*is_reply = true;
	}
}
