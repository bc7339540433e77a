#include "base/test.h"

#include "base/print.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Out of sight of the compiler, which would warn of what is cut off. */
static int library(char *to, size_t room, const char *format, ...)
	printf_like(3, 4);

static int library(char *to, size_t room, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(to, room, format, args);
	va_end(args);
	return len;
}

/* The same as the C library's, with any room. */
#define SAME(...)                                                              \
	do {                                                                   \
		char ours[80], theirs[80];                                     \
                                                                               \
		for (size_t room = 0; room <= sizeof(ours); room++) {          \
			memset(ours, '#', sizeof(ours));                       \
			memset(theirs, '#', sizeof(theirs));                   \
			assert_int_equal(print_f(ours, room, __VA_ARGS__),     \
				library(theirs, room, __VA_ARGS__));           \
			if (room > 0)                                          \
				assert_string_equal(ours, theirs);             \
			assert_memory_equal(ours + room, theirs + room,        \
				sizeof(ours) - room);                          \
		}                                                              \
	} while (0)

static void prints_text(void **state)
{
	const char *text = "text", *volatile none = NULL;

	(void)state;
	SAME("%s", "");
	SAME("nothing to convert");
	SAME("%%");
	SAME("a%%b%s%%", text);
	SAME("%s and %s, %s", text, "more", "");
	SAME("%.*s|%.*s|%.*s", 2, text, 0, text, 10, text);
	SAME("%.*s", -1, text);
	SAME("%.*s|%.*s|%.*s|%.*s|%10s", 0, none, 5, none, 6, none, 7, none,
		none);
	SAME("%10s|%-10s|%2s", text, text, text);
	SAME("%10.*s|%-10.*s", 3, text, 3, text);
	SAME("%c%c|%3c|%-3c|", 'a', 'b', 'c', 'd');
}

static void prints_numbers(void **state)
{
	static const long long values[] = { 0, 1, -1, 9, 10, -10, 15, 16, 99,
		100, 255, 256, 65535, 65536, 123456789, INT_MAX, INT_MIN,
		UINT_MAX, LLONG_MAX, LLONG_MIN };

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		long long v = values[i];

		SAME("%d %i %u %x %X", (int)v, (int)v, (unsigned)v,
			(unsigned)v, (unsigned)v);
		SAME("%hhd %hd %hhu %hu", (signed char)v, (short)v,
			(unsigned char)v, (unsigned short)v);
		SAME("%ld %lu %lx", (long)v, (unsigned long)v,
			(unsigned long)v);
		SAME("%lld %llu %llX", v, (unsigned long long)v,
			(unsigned long long)v);
		SAME("%zd %zu %jd %ju", (ssize_t)v, (size_t)v, (intmax_t)v,
			(uintmax_t)v);
		SAME("%jX %016jX", (uintmax_t)v, (uintmax_t)v);
		SAME("%5d|%-5d|%05d|%02d|%03u", (int)v, (int)v, (int)v, (int)v,
			(unsigned)v);
		SAME("%30lld|%-30lld|%030lld", v, v, v);
		SAME("%08x|%02X|%8x|%-8X|", (unsigned)v, (unsigned)v,
			(unsigned)v, (unsigned)v);
	}
}

/* Anywhere in the format, after arguments that were taken already. */
static void leaves_the_rest_to_the_library(void **state)
{
	(void)state;
	SAME("%d %s %.2f %s", 7, "a", 1.5, "b");
	SAME("%.2f", 1.0);
	SAME("%s %+d % d %#x %.3d", "a", 1, 2, 3U, 4);
	SAME("%*d|%.3s|%o|%p", 5, 1, "abcdef", 8U, (void *)0x10);
	SAME("%s %g %e", "x", 0.25, 1e9);
	errno = ENOENT;
	SAME("%s: %m", "x");
	SAME("%1500s", "wide");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_text),
		cmocka_unit_test(prints_numbers),
		cmocka_unit_test(leaves_the_rest_to_the_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
