#include "imap/icu.h"

#include <unicode/udata.h>

#include "base/log.h"

void icu_without_files(void)
{
	UErrorCode error = U_ZERO_ERROR;

	udata_setFileAccess(UDATA_NO_FILES, &error);
}

const UNormalizer2 *icu_normalizer(
	const UNormalizer2 *(*get)(UErrorCode *error))
{
	UErrorCode error = U_ZERO_ERROR;
	const UNormalizer2 *found;

	icu_without_files();
	found = get(&error);
	if (U_FAILURE(error))
		panic("ICU has no normalizer: %s", u_errorName(error));
	return found;
}
