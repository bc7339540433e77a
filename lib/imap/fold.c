#include "imap/fold.h"

#include <stdlib.h>

#include <unicode/uchar.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

#include "imap/icu.h"

enum {
	PAGE = 256,
	PAGES = 0x110000 / PAGE,
	SHORT = 15, /* octets that a row of a page holds */
	UNITS_MOST = 64, /* of UTF-16: what one code point can become */
	OCTETS_MOST = 4 * UNITS_MOST,
};

enum kind {
	FOLDED,
	CASEMAP,
	KINDS,
};

struct row {
	unsigned char len; /* SHORT + 1: too long, worked out each time */
	char octets[SHORT];
};

/* What ICU said, a page when it is needed. Helper threads fold, too: a page is
 * shown whole, and that of whoever was first stays. */
static struct row *pages[KINDS][PAGES];

static const UNormalizer2 *nfkd(void)
{
	static const UNormalizer2 *found;
	const UNormalizer2 *it = __atomic_load_n(&found, __ATOMIC_ACQUIRE);

	if (!it) {
		it = icu_normalizer(unorm2_getNFKDInstance);
		__atomic_store_n(&found, it, __ATOMIC_RELEASE);
	}
	return it;
}

static int32_t decompose(UChar *units, int32_t len)
{
	UChar in[UNITS_MOST];
	UErrorCode error = U_ZERO_ERROR;
	int32_t made;

	memcpy(in, units, (size_t)len * sizeof(*in));
	made = unorm2_normalize(nfkd(), in, len, units, UNITS_MOST, &error);
	return U_FAILURE(error) ? -1 : made;
}

/* -1: longer than any should be. */
static int32_t casemap_units(UChar32 c, UChar *units)
{
	UErrorCode error = U_ZERO_ERROR;
	UBool failed = false;
	int32_t len = 0;

	(void)error;
	U16_APPEND(units, len, UNITS_MOST, u_totitle(c), failed);
	return failed ? -1 : decompose(units, len);
}

static int32_t folded_units(UChar32 c, UChar *units)
{
	UChar folded[UNITS_MOST];
	UErrorCode error = U_ZERO_ERROR;
	UBool failed = false;
	int32_t len = 0;

	U16_APPEND(units, len, UNITS_MOST, c, failed);
	len = failed ? -1 : decompose(units, len);
	if (len < 0)
		return -1;
	len = u_strFoldCase(folded, UNITS_MOST, units, len,
		U_FOLD_CASE_DEFAULT, &error);
	if (U_FAILURE(error))
		return -1;
	memcpy(units, folded, (size_t)len * sizeof(*units));
	return decompose(units, len);
}

static bool is_mark(UChar32 c)
{
	return u_charType(c) == U_NON_SPACING_MARK ||
		u_getCombiningClass(c) != 0;
}

/* The octets that the code point becomes. */
static size_t map(enum kind kind, UChar32 c, char *octets)
{
	UChar units[UNITS_MOST];
	int32_t len = kind == FOLDED ? folded_units(c, units) :
				       casemap_units(c, units);
	int32_t at = 0, made = 0;

	if (len < 0) {
		U8_APPEND_UNSAFE(octets, made, c);
		return (size_t)made;
	}
	while (at < len) {
		UChar32 next;

		U16_NEXT(units, at, len, next);
		if (U_IS_SURROGATE(next) || (kind == FOLDED && is_mark(next)))
			continue;
		U8_APPEND_UNSAFE(octets, made, next);
	}
	return (size_t)made;
}

static struct row *make_page(enum kind kind, size_t page)
{
	struct row *rows = mem_new(PAGE, sizeof(*rows)), *first = NULL;
	char octets[OCTETS_MOST];

	for (size_t i = 0; i < PAGE; i++) {
		size_t len = map(kind, (UChar32)(page * PAGE + i), octets);

		rows[i].len = (unsigned char)(len > SHORT ? SHORT + 1 : len);
		if (len <= SHORT)
			memcpy(rows[i].octets, octets, len);
	}
	if (__atomic_compare_exchange_n(&pages[kind][page], &first, rows,
		false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return rows;
	free(rows);
	return first;
}

static void add(struct buf *out, enum kind kind, UChar32 c)
{
	size_t page = (size_t)c / PAGE;
	struct row *rows = __atomic_load_n(&pages[kind][page],
		__ATOMIC_ACQUIRE);
	const struct row *row = &(rows ? rows : make_page(kind, page))
		[(size_t)c % PAGE];
	char octets[OCTETS_MOST];

	if (row->len <= SHORT)
		buf_add(out, str_of(row->octets, row->len));
	else
		buf_add(out, str_of(octets, map(kind, c, octets)));
}

static void add_ascii(struct buf *out, enum kind kind,
	const unsigned char *p, size_t len)
{
	unsigned char first = kind == FOLDED ? 'A' : 'a';
	char *to;

	if (!buf_room(out, len))
		return;
	to = out->p + out->len;
	for (size_t i = 0; i < len; i++)
		to[i] = (char)(p[i] ^ ((unsigned char)(p[i] - first) < 26 ?
			0x20 : 0));
	out->len += len;
}

static void format(struct buf *out, struct str utf8, enum kind kind)
{
	const unsigned char *p = (const unsigned char *)utf8.p;
	size_t at = 0;

	if (!buf_room(out, utf8.len))
		return;
	while (at < utf8.len) {
		size_t next = at;
		UChar32 c;

		while (next < utf8.len && p[next] < 0x80)
			next++;
		add_ascii(out, kind, p + at, next - at);
		at = next;
		if (at == utf8.len)
			return;
		next = at;
		U8_NEXT(p, next, utf8.len, c);
		if (c < 0)
			buf_char(out, (char)p[at++]);
		else
			add(out, kind, c);
		if (c >= 0)
			at = next;
	}
}

void imap_fold_format(struct buf *out, struct str utf8)
{
	format(out, utf8, FOLDED);
}

void imap_casemap_format(struct buf *out, struct str utf8)
{
	format(out, utf8, CASEMAP);
}
