#include "imap/returns.h"

#include "imap/take.h"

static const struct {
	const char *name;
	unsigned bit;
} options[] = {
	{ "MIN",     IMAP_RETURN_MIN     },
	{ "MAX",     IMAP_RETURN_MAX     },
	{ "ALL",     IMAP_RETURN_ALL     },
	{ "COUNT",   IMAP_RETURN_COUNT   },
	{ "SAVE",    IMAP_RETURN_SAVE    },
	{ "PARTIAL", IMAP_RETURN_PARTIAL },
	{ "RELEVANCY", IMAP_RETURN_RELEVANCY },
};

bool imap_partial_take(struct str *in, struct imap_partial *partial)
{
	struct str rest = *in;

	partial->from_end = str_take_char(&rest, '-');
	if (!imap_take_nz_number(&rest, &partial->from) ||
		!str_take_char(&rest, ':') ||
		str_take_char(&rest, '-') != partial->from_end ||
		!imap_take_nz_number(&rest, &partial->to))
		return false;
	*in = rest;
	return true;
}

void imap_partial_format(struct buf *out, const struct imap_partial *partial)
{
	const char *sign = partial->from_end ? "-" : "";

	buf_fmt(out, "%s%u:%s%u", sign, partial->from, sign, partial->to);
}

void imap_partial_window(const struct imap_partial *partial, size_t count,
	size_t *from, size_t *to)
{
	size_t low = partial->from < partial->to ? partial->from : partial->to;
	size_t high = partial->from < partial->to ? partial->to :
						    partial->from;

	*from = *to = 0;
	if (low > count)
		return;
	if (high > count)
		high = count;
	*from = partial->from_end ? count - high : low - 1;
	*to = partial->from_end ? count - low + 1 : high;
}

static bool take_option(struct str *in, struct imap_returns *returns)
{
	struct str word;

	if (!imap_take_atom(in, &word))
		return false;
	for (size_t i = 0; i < COUNT(options); i++) {
		if (!str_is_nocase(word, options[i].name))
			continue;
		/* RFC 9394 3.1 */
		if (options[i].bit & returns->bits & IMAP_RETURN_PARTIAL)
			return false;
		returns->bits |= options[i].bit;
		return options[i].bit != IMAP_RETURN_PARTIAL ||
			(str_take_char(in, ' ') &&
				imap_partial_take(in, &returns->partial));
	}
	return false;
}

bool imap_returns_take(struct str *in, struct imap_returns *returns)
{
	const unsigned both = IMAP_RETURN_ALL | IMAP_RETURN_PARTIAL;

	*returns = (struct imap_returns){ 0 };
	if (!str_take_prefix_nocase(in, STR("RETURN (")))
		return true;
	returns->is_given = true;
	if (!str_take_char(in, ')')) {
		do {
			if (!take_option(in, returns))
				return false;
		} while (str_take_char(in, ' '));
		if (!str_take_char(in, ')'))
			return false;
	}
	if (returns->bits == 0)
		returns->bits = IMAP_RETURN_ALL;
	return (returns->bits & both) != both && str_take_char(in, ' ');
}
