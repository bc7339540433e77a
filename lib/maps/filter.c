#include "maps/filter.h"

static void quote(struct buf *out, struct str text, const char *special)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == 0 || strchr(special, c))
			buf_fmt(out, "\\%02x", c);
		else
			buf_char(out, (char)c);
	}
}

void filter_quote(struct buf *out, struct str text)
{
	quote(out, text, "*()\\");
}

void filter_quote_name(struct buf *out, struct str text)
{
	quote(out, text, " \"#+,;<=>\\");
}

/* %XX; what is malformed stays as it is. */
static struct str unpercent(struct arena *arena, struct str text)
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < text.len; i++) {
		int high = -1, low = -1;

		if (text.p[i] == '%' && i + 2 < text.len) {
			high = ascii_hex((unsigned char)text.p[i + 1]);
			low = ascii_hex((unsigned char)text.p[i + 2]);
		}
		if (high < 0 || low < 0) {
			buf_char(&out, text.p[i]);
			continue;
		}
		buf_char(&out, (char)(high << 4 | low));
		i += 2;
	}
	return buf_str(&out);
}

bool filter_url_parse(struct arena *arena, struct str text,
	struct filter_url *url)
{
	if (!str_take_prefix_nocase(&text, STR("ldap://")) &&
		!str_take_prefix_nocase(&text, STR("ldaps://")) &&
		!str_take_prefix_nocase(&text, STR("ldapi://")))
		return false;
	(void)str_take_until(&text, '/'); /* the host: ours is asked */
	url->base = unpercent(arena, str_take_until(&text, '?'));
	(void)str_take_until(&text, '?'); /* attributes */
	url->scope = str_take_until(&text, '?');
	url->filter = unpercent(arena, str_take_until(&text, '?'));
	if (url->scope.len == 0)
		url->scope = STR("base");
	if (url->filter.len == 0)
		url->filter = STR("(objectclass=*)");
	return true;
}
