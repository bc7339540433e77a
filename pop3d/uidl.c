#include "uidl.h"

#include "base/print.h"

enum {
	WIDTH_MOST = 20,
	UIDL_MOST = 70,
	NUMBER_ROOM = 16, /* of 32 bits, in either way */
};

/* One item of a format: octets as they are, or a number or name. */
struct item {
	char what; /* 'u', 'v', 'f'; 0: `text` */
	bool is_hex, is_zero;
	unsigned width;
	struct str text;
};

static bool take_item(struct str *in, struct item *item)
{
	*item = (struct item){ .text = STR("%") };
	if (!str_take_char(in, '%')) {
		item->text = str_first(*in, 1);
		*in = str_skip(*in, 1);
		return true;
	}
	if (str_take_char(in, '%'))
		return true;
	item->is_zero = str_take_char(in, '0');
	while (in->len > 0 && ascii_is_digit((unsigned char)in->p[0])) {
		item->width = item->width * 10 + (unsigned)(in->p[0] - '0');
		*in = str_skip(*in, 1);
		if (item->width > WIDTH_MOST)
			return false;
	}
	item->is_hex = str_take_char(in, 'X');
	if (in->len == 0 || !memchr("uvf", in->p[0], 3))
		return false;
	item->what = in->p[0];
	*in = str_skip(*in, 1);
	return true;
}

bool uidl_format_is_good(struct str format)
{
	bool is_unique = false;
	struct item item;

	while (format.len > 0) {
		if (!take_item(&format, &item))
			return false;
		is_unique |= item.what == 'u' || item.what == 'f';
	}
	return is_unique;
}

static void format_number(struct buf *out, const struct item *item,
	uint32_t number)
{
	char digits[NUMBER_ROOM];
	int len = print_f(digits, sizeof(digits), item->is_hex ? "%x" : "%u",
		number);

	for (int i = len; i < (int)item->width; i++)
		buf_char(out, item->is_zero ? '0' : ' ');
	buf_add(out, str_of(digits, (size_t)len));
}

static void format_item(struct buf *out, const struct item *item,
	const struct uidl *uidl)
{
	struct str name = uidl->name;

	if (item->what == 'f')
		buf_add(out, str_take_until(&name, ':'));
	else if (item->what)
		format_number(out, item,
			item->what == 'u' ? uidl->uid : uidl->uidvalidity);
	else
		buf_add(out, item->text);
}

static bool is_uidl(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] < 0x21 || text.p[i] > 0x7e)
			return false;
	return text.len > 0 && text.len <= UIDL_MOST;
}

void uidl_format(struct buf *out, struct str format, const struct uidl *uidl)
{
	size_t before = out->len;
	struct item item;

	while (format.len > 0 && take_item(&format, &item))
		format_item(out, &item, uidl);
	if (is_uidl(str_skip(buf_str(out), before)))
		return;
	out->len = before;
	buf_fmt(out, "%08x%08x", uidl->uid, uidl->uidvalidity);
}
