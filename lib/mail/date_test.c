#include "base/test.h"

#include <stdlib.h>

#include "mail/date.h"

static const struct {
	const char *text;
	int64_t unix_s; /* -1: refused */
	int zone;
} dates[] = {
	{ "Thu, 1 Jan 1970 00:00:00 +0000", 0, 0 },
	{ "Sun, 29 Nov 2026 15:40:03 +0100", 1795963203, 60 },
	{ "29 Nov 2026 14:40 +0000 (UTC)", 1795963200, 0 },
	{ "Sun, 29 Nov 26 09:40:03 EST", 1795963203, -300 },
	{ "Sunday, 29-Nov-2026 14:40:03 GMT", 1795963203, 0 },
	{ " (c) 29 (c) Nov 2026 14 : 40 : 03 -0000", 1795963203, 0 },
	{ "Tue, 29 Feb 2000 12:00:00 +0000", 951825600, 0 },
	{ "1 Jan 126 00:00:00 +0000", 1767225600, 0 },
	{ "32 Nov 2026 14:40:03 +0000", -1 },
	{ "29 Foo 2026 14:40:03 +0000", -1 },
	{ "29 Nov 2026 25:40:03 +0000", -1 },
	{ "Xyz, 29 Nov 2026 14:40:03 +0000", -1 },
	{ "29 Nov 2026", -1 },
	{ "", -1 },
};

static void parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dates); i++) {
		struct mail_date date;
		bool ok = mail_date_parse(str_from(dates[i].text), &date);

		assert_int_equal(ok, dates[i].unix_s != -1);
		if (!ok)
			continue;
		assert_int_equal(date.unix_s, dates[i].unix_s);
		assert_int_equal(date.zone_minutes, dates[i].zone);
	}
}

static void formats(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	(void)state;
	setenv("TZ", "XYZ-1:30", 1);
	mail_date_ready();
	mail_date_format(&out, 1795963203);
	assert_str(buf_str(&out), "Sun, 29 Nov 2026 16:10:03 +0130 (XYZ)");
	buf_clear(&out);
	mail_date_format_zone(&out, (struct mail_date){ 0, -480 });
	assert_str(buf_str(&out), "Wed, 31 Dec 1969 16:00:00 -0800");
	arena_free(arena);
}

static void days_and_back(void **state)
{
	(void)state;
	for (int64_t day = -800000; day < 3000000; day += 997) {
		int y, m, d;

		mail_date_civil(day, &y, &m, &d);
		assert_int_equal(mail_date_days(y, m, d), day);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(formats),
		cmocka_unit_test(days_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
