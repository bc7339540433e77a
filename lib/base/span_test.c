#include "base/test.h"

#include "base/span.h"

static void spans(void **state)
{
	(void)state;
	assert_int_equal(span_s(2).us, 2000000);
	assert_int_equal(span_ms(2).us, 2000);
	assert_int_equal(span_to_s(span_ms(2999)), 2);
	assert_int_equal(span_to_ms(span_us(2999)), 2);
}

static void moments(void **state)
{
	struct moment before = moment_now(), later = moment_after(span_s(60));

	(void)state;
	assert_true(moment_between(before, later).us >= 60000000);
	assert_true(moment_left(later).us <= 60000000);
	assert_true(moment_left(later).us > 50000000);
	assert_int_equal(moment_left(before).us, 0);
	assert_true(moment_is_never(moment_after(SPAN_FOREVER)));
	assert_int_equal(moment_left(MOMENT_NEVER).us, SPAN_FOREVER.us);
	assert_true(wall_us() > 1000000000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans),
		cmocka_unit_test(moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
