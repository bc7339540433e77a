#include "base/test.h"
#include "maps/change.h"

static void what_is_asked_is_understood(void **state)
{
	auto_buf struct buf out = { 0 };
	struct change_request request;
	struct change change;

	(void)state;
	change_begin(&out, STR("lmdb:/a"), BUILD_REPLACE | BUILD_NO_NUL);
	change_put(&out, STR("a:b,"), STR("c\nd"));
	change_delete(&out, STR("e"));
	change_end(&out);
	assert_str(buf_str(&out), "7:lmdb:/a,2:rn,3:put,4:a:b,,3:c\nd,"
				  "6:delete,1:e,0:,");
	assert_true(change_parse(buf_str(&out), &request));
	assert_str(request.table, "lmdb:/a");
	assert_int_equal(request.flags, BUILD_REPLACE | BUILD_NO_NUL);
	assert_true(change_take(&request.changes, &change));
	assert_false(change.is_delete);
	assert_str(change.key, "a:b,");
	assert_str(change.value, "c\nd");
	assert_true(change_take(&request.changes, &change));
	assert_true(change.is_delete);
	assert_str(change.key, "e");
	assert_false(change_take(&request.changes, &change));
}

/* A request that was cut off, or is none, changes nothing. */
static void all_else_is_refused(void **state)
{
	static const char whole[] = "3:a:b,1:r,3:put,1:k,1:v,0:,";
	static const char *const odd[] = { "", "3:a:b,0:,0:,x", "3:a:b,1:x,0:,",
		"3:a:b,0:,3:get,1:k,0:,", "3:a:b,0:,3:put,1:k,0:,",
		"4:a:b,0:,0:,", "-1:,0:,0:,", "99999999999999999999:a,0:,0:,",
		"3:a:b,0:,6:delete,1:k,1:v,0:," };
	struct change_request request;

	(void)state;
	assert_true(change_parse(str_from(whole), &request));
	for (size_t len = 0; len < strlen(whole); len++)
		assert_false(change_parse(str_of(whole, len), &request));
	for (size_t i = 0; i < COUNT(odd); i++)
		assert_false(change_parse(str_from(odd[i]), &request));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_is_understood),
		cmocka_unit_test(all_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
