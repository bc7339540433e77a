#include "imap/charset.h"

#include <unicode/ucnv.h>

#include "imap/icu.h"
#include "mail/word.h"

enum {
	NAME_MOST = 60,
	PIVOT = 512,   /* units of UTF-16 */
	PIECE = 4096,  /* octets that are made at a time */
};

/* The name as ICU has it; options behind a comma are its own affair. */
static UConverter *open_converter(struct str charset)
{
	char name[NAME_MOST + 1];
	UErrorCode error = U_ZERO_ERROR;
	UConverter *converter;

	if (charset.len == 0 || charset.len > NAME_MOST)
		return NULL;
	for (size_t i = 0; i < charset.len; i++)
		if (!ascii_is_alnum((unsigned char)charset.p[i]) &&
			!memchr("-_.:()+", charset.p[i], 7))
			return NULL;
	memcpy(name, charset.p, charset.len);
	name[charset.len] = '\0';
	icu_without_files();
	converter = ucnv_open(name, &error);
	return U_FAILURE(error) ? NULL : converter;
}

bool imap_charset_is_known(struct str charset)
{
	struct buf nothing = { 0 };
	UConverter *converter;

	if (mail_charset_format(&nothing, charset, STR("")))
		return true;
	converter = open_converter(charset);
	if (converter)
		ucnv_close(converter);
	return converter != NULL;
}

/* False: no memory. */
static bool convert(UConverter *from, UConverter *to, struct str octets,
	struct buf *out)
{
	UChar pivot[PIVOT], *pivot_from = pivot, *pivot_to = pivot;
	const char *in = octets.p;
	UErrorCode error;
	bool first = true;

	do {
		char *start, *at;

		if (!buf_room(out, PIECE))
			return false;
		start = at = out->p + out->len;
		error = U_ZERO_ERROR;
		ucnv_convertEx(to, from, &at, start + PIECE, &in,
			octets.p + octets.len, pivot, &pivot_from, &pivot_to,
			pivot + PIVOT, first, true, &error);
		out->len += (size_t)(at - start);
		first = false;
	} while (error == U_BUFFER_OVERFLOW_ERROR);
	return !U_FAILURE(error);
}

static bool convert_with(UConverter *from, struct str octets, struct buf *out)
{
	UErrorCode error = U_ZERO_ERROR;
	UConverter *to = ucnv_open("UTF-8", &error);
	bool ok;

	if (U_FAILURE(error))
		return false;
	ok = convert(from, to, octets, out);
	ucnv_close(to);
	return ok;
}

bool imap_charset_format(struct buf *out, struct str charset,
	struct str octets)
{
	UConverter *from;
	size_t before = out->len;
	bool ok;

	if (mail_charset_format(out, charset, octets))
		return true;
	if (str_is_nocase(charset, "utf-8") || str_is_nocase(charset, "utf8"))
		return false;
	from = open_converter(charset);
	if (!from)
		return false;
	ok = octets.len == 0 || convert_with(from, octets, out);
	ucnv_close(from);
	if (!ok)
		out->len = before;
	return ok;
}

struct str imap_words_decode(struct arena *arena, struct str text)
{
	return mail_words_decode_by(arena, text, imap_charset_format);
}
