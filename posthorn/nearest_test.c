#include "posthorn/nearest.h"

#include "base/test.h"

static const struct {
	const char *a, *b;
	unsigned distance;
} pairs[] = {
	{ "", "", 0 }, { "a", "a", 0 }, { "a", "b", 1 }, { "ab", "ba", 1 },
	{ "myhostname", "myhostnme", 1 }, { "relayhost", "relay_host", 1 },
	{ "abc", "xyz", 3 }, { "abc", "abcdefgh", 4 }, /* more than most */
};

static void counts_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++)
		assert_int_equal(nearest_distance(str_from(pairs[i].a),
			str_from(pairs[i].b), 3), pairs[i].distance);
}

static void finds_the_nearest(void **state)
{
	struct nearest best = nearest_of(STR("smtpd_banenr"));

	(void)state;
	nearest_look(&best, STR("smtp_bind_address"));
	assert_int_equal(best.name.len, 0);
	nearest_look(&best, STR("smtpd_banner"));
	nearest_look(&best, STR("smtpd_timeout"));
	assert_str(best.name, "smtpd_banner");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_mistakes),
		cmocka_unit_test(finds_the_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
