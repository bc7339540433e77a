#include "talk/features.h"

#include "base/test.h"

static void reads_what_is_offered(void **state)
{
	struct talk_features f;

	(void)state;
	talk_features_parse(STR("250-mx.example Hello\n250-PIPELINING\n"
			   "250-SIZE 10240000\n250-auth PLAIN CRAM-MD5\n"
			   "250-AUTH=PLAIN\n250-XFORWARD NAME ADDR IDENT\n"
			   "250-STARTTLS\n250 8BITMIME"),
		STR("etrn, StartTLS"), &f);
	assert_str(f.name, "mx.example");
	assert_int_equal(f.set, FEATURE_PIPELINING | FEATURE_SIZE |
			FEATURE_AUTH | FEATURE_XFORWARD | FEATURE_8BITMIME);
	assert_int_equal(f.size_limit, 10240000);
	assert_str(f.mechanisms, "PLAIN CRAM-MD5");
	assert_int_equal(f.xforward,
		OFFERS_NAME | OFFERS_ADDR | OFFERS_IDENT);
}

static void bears_nonsense(void **state)
{
	struct talk_features f;

	(void)state;
	talk_features_parse(STR("250-\n250-SIZE\n250-SIZE -5\n250-\n250 SIZEX"),
		STR(""), &f);
	assert_int_equal(f.set, FEATURE_SIZE);
	assert_int_equal(f.size_limit, 0);
	talk_features_parse(STR(""), STR(""), &f);
	assert_int_equal(f.set, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_offered),
		cmocka_unit_test(bears_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
