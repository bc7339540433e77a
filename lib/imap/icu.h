/*
 * imap/icu - ICU without files: its data is in the library.
 *
 * Memory   ICU's, for good
 * Waits    no
 */
#ifndef IMAP_ICU_H
#define IMAP_ICU_H

#include <unicode/unorm2.h>

/* From here on ICU looks for no file. */
void icu_without_files(void);
/* What unorm2_getNFCInstance and its like give; the process ends without. */
const UNormalizer2 *icu_normalizer(
	const UNormalizer2 *(*get)(UErrorCode *error));

#endif
