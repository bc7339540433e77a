#include "base/test.h"

#include "smtp/restriction.h"

static const char *const classes[] = {
	"smtpd_restriction_classes=strict loop",
	"strict=reject_non_fqdn_sender, REJECT",
	"loop=loop", NULL,
};

static void parses(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, classes);
	struct restriction_list *list = restrictions_parse(arena, conf,
		STR("smtpd_x"), STR("permit_MyNetworks, warn_if_reject "
		"reject_rbl_client bl.example=127.0.0.2 hash:/x\n"
		" check_client_access inline:{a=OK, b=REJECT}, strict, nonsense,"
		" loop reject_maps_rbl sleep x check_helo_access y"),
		ABOUT_SENDER);
	struct restriction *item = list->items;

	(void)state;
	assert_int_equal(list->count, 10);
	assert_int_equal(item[0].id, RESTRICTION_permit_mynetworks);
	assert_false(item[0].warn);
	assert_true(item[1].warn);
	assert_str(item[1].argument, "bl.example=127.0.0.2");
	assert_int_equal(item[2].id, RESTRICTION_check_sender_access);
	assert_str(item[2].argument, "hash:/x");
	assert_str(item[3].argument, "inline:{a=OK, b=REJECT}");
	assert_int_equal(item[4].id, RESTRICTION_CLASS);
	assert_int_equal(item[4].list->count, 2);
	assert_int_equal(item[5].id, RESTRICTION_BAD);
	assert_str(item[5].problem, "unknown smtpd restriction: \"nonsense\"");
	assert_int_equal(item[7].id, RESTRICTION_BAD);
	assert_int_equal(item[8].id, RESTRICTION_BAD);
	assert_int_equal(item[9].id, RESTRICTION_BAD);
	assert_true(restrictions_protect(list));
	arena_free(arena);
}

static const struct {
	const char *text;
	bool protects;
} lists[] = {
	{ "", false },
	{ "permit_mynetworks reject_unauth_destination", true },
	{ "warn_if_reject reject_unauth_destination", false },
	{ "permit, reject", false },
	{ "strict", true },
	{ "defer_if_permit", true },
};

static void protects(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, classes);

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++)
		assert_int_equal(restrictions_protect(restrictions_parse(
			arena, conf, STR("x"), str_from(lists[i].text),
			ABOUT_RECIPIENT)), lists[i].protects);
	arena_free(arena);
}

static void no_tables_in_tables(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, classes);
	struct restriction_list *list = restrictions_parse_action(arena, conf,
		STR("x"), STR("check_sender_access hash:/x, reject"));

	(void)state;
	assert_int_equal(list->items[0].id, RESTRICTION_BAD);
	assert_int_equal(list->items[1].id, RESTRICTION_reject);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(protects),
		cmocka_unit_test(no_tables_in_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
