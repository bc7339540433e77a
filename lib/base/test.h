/*
 * base/test - what unit tests include: cmocka, and assert_str for slices.
 */
#ifndef BASE_TEST_H
#define BASE_TEST_H

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the three above first */
#include <cmocka.h>

/* The slice has exactly the octets of this text. */
#define assert_str(got, text)                                                  \
	do {                                                                   \
		struct str got_ = (got);                                       \
		const char *text_ = (text);                                    \
                                                                               \
		assert_int_equal(got_.len, strlen(text_));                     \
		if (got_.len)                                                  \
			assert_memory_equal(got_.p, text_, got_.len);          \
	} while (0)

#endif
