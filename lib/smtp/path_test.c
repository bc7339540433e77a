#include "base/test.h"

#include "smtp/path.h"

static const struct {
	const char *in, *lax, *strict; /* NULL: refused */
	const char *rest;
} paths[] = {
	{ "<joe@example.org> SIZE=1", "joe@example.org", "joe@example.org",
		"SIZE=1" },
	{ "<>", "", "", "" },
	{ "<postmaster>", "postmaster", "postmaster", "" },
	{ "joe@example.org", "joe@example.org", NULL, "" },
	{ "joe@example.org SIZE=1", "joe@example.org", NULL, "SIZE=1" },
	{ "<joe>", "joe", "joe", "" },
	{ "< joe@example.org >", "joe@example.org", NULL, "" },
	{ "<joe@example.org.>", "joe@example.org.", NULL, "" },
	{ "<@a.example,@b.example:joe@c.example>", "joe@c.example",
		"joe@c.example", "" },
	{ "<\"joe blow\"@example.org>", "joe blow@example.org",
		"joe blow@example.org", "" },
	{ "<\"a@b\"@example.org>", "a@b@example.org", "a@b@example.org", "" },
	{ "<\"a>b\"@example.org> X", "a>b@example.org", "a>b@example.org",
		"X" },
	{ "<joe@[192.0.2.1]>", "joe@[192.0.2.1]", "joe@[192.0.2.1]", "" },
	{ "<joe@[IPv6:2001:db8::1]>", "joe@[IPv6:2001:db8::1]",
		"joe@[IPv6:2001:db8::1]", "" },
	{ "<j\xc3\xbc@example.org>", "j\xc3\xbc@example.org",
		"j\xc3\xbc@example.org", "" },
	{ "<a!b>", "a!b", "a!b", "" },
	{ "<a%b@example.org>", "a%b@example.org", "a%b@example.org", "" },
	{ "<joe(comment)@example.org>", "joe@example.org", NULL, "" },
	{ "<joe@[192.0.2.999]>" }, { "<joe@[junk]>" }, { "<joe@>" },
	{ "<a@b@c>" }, { "<joe@example.org" }, { "joe blow", "joe", NULL,
		"blow" },
	{ "<a b@c>" }, { "<@example.org>" }, { "" }, { "<joe@x>y" },
	{ "<\"a\x01\"@example.org>" }, { "<,>" }, { "<a;b>" }, { "<a:b;>" },
	{ "a,b" }, { "a;" }, { ",a" },
};

static void takes(bool strict)
{
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct arena *arena = arena_new(0);
		struct str in = str_from(paths[i].in), address;
		const char *want = strict ? paths[i].strict : paths[i].lax;
		bool has_route;

		if (smtp_path_take(arena, &in, strict, &address,
			&has_route)) {
			assert_non_null(want);
			assert_str(address, want);
			assert_str(in, paths[i].rest);
			assert_int_equal(has_route,
				strstr(paths[i].in, "<@") != NULL);
		} else {
			assert_null(want);
			assert_ptr_equal(in.p, paths[i].in);
		}
		arena_free(arena);
	}
}

static void lax(void **state)
{
	(void)state;
	takes(false);
}

static void strict(void **state)
{
	(void)state;
	takes(true);
}

static void domains(void **state)
{
	(void)state;
	assert_true(smtp_is_domain(STR("mail.example.org")));
	assert_true(smtp_is_domain(STR("a_b")));
	assert_false(smtp_is_domain(STR("a..b")));
	assert_false(smtp_is_domain(STR("-a.b")));
	assert_false(smtp_is_domain(STR("a.b.")));
	assert_false(smtp_is_domain(STR("")));
	assert_true(smtp_is_literal(STR("[192.0.2.1]")));
	assert_false(smtp_is_literal(STR("[192.0.2.1")));
	assert_false(smtp_is_literal(STR("[2001:db8::1]")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lax),
		cmocka_unit_test(strict),
		cmocka_unit_test(domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
