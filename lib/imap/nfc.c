#include "imap/nfc.h"

#include <unicode/ustring.h>

#include "imap/icu.h"

enum {
	GROWTH_MOST = 4, /* UTF-16 units that one can become, with a reserve */
	OCTETS_OF_UNIT = 3,
};

static const UNormalizer2 *nfc(void)
{
	static const UNormalizer2 *found;

	if (!found)
		found = icu_normalizer(unorm2_getNFCInstance);
	return found;
}

struct str imap_nfc(struct arena *arena, struct str utf8)
{
	UChar in[IMAP_NFC_MOST], out[IMAP_NFC_MOST * GROWTH_MOST];
	UErrorCode error = U_ZERO_ERROR;
	int32_t units, made, octets;
	int32_t most = (int32_t)(sizeof(out) / sizeof(*out)) * OCTETS_OF_UNIT;
	char *text;

	if (str_is_ascii(utf8) || utf8.len > IMAP_NFC_MOST)
		return utf8;
	u_strFromUTF8(in, IMAP_NFC_MOST, &units, utf8.p, (int32_t)utf8.len,
		&error);
	if (U_FAILURE(error) || unorm2_isNormalized(nfc(), in, units, &error))
		return utf8;
	made = unorm2_normalize(nfc(), in, units, out,
		IMAP_NFC_MOST * GROWTH_MOST, &error);
	if (U_FAILURE(error))
		return utf8;
	text = arena_alloc(arena, (size_t)most);
	u_strToUTF8(text, most, &octets, out, made, &error);
	return U_FAILURE(error) ? utf8 : str_of(text, (size_t)octets);
}
