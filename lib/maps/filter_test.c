#include "base/test.h"

#include "maps/filter.h"

static void quotes(void **state)
{
	auto_buf struct buf out = { 0 };

	(void)state;
	filter_quote(&out, str_of("a*)(uid=\\\0x", 11));
	assert_str(buf_str(&out), "a\\2a\\29\\28uid=\\5c\\00x");
	buf_clear(&out);
	filter_quote_name(&out, STR("a,dc=x+\" #;<>\\"));
	assert_str(buf_str(&out),
		"a\\2cdc\\3dx\\2b\\22\\20\\23\\3b\\3c\\3e\\5c");
}

static const struct {
	const char *text, *base, *scope, *filter; /* no base: not a URL */
} urls[] = {
	{ "ldap:///dc=example,dc=org??sub?(mail=a*)", "dc=example,dc=org",
		"sub", "(mail=a*)" },
	{ "ldap://host:389/cn=a%20b?mail", "cn=a b", "base",
		"(objectclass=*)" },
	{ "LDAPS://host/", "", "base", "(objectclass=*)" },
	{ "ldap://host", "", "base", "(objectclass=*)" },
	{ "ldap:///a%2?b?one?%", "a%2", "one", "%" },
	{ "cn=a,dc=example" },
	{ "" },
};

static void reads_urls(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct filter_url url;

		if (!filter_url_parse(arena, str_from(urls[i].text), &url)) {
			assert_null(urls[i].base);
			continue;
		}
		assert_non_null(urls[i].base);
		assert_str(url.base, urls[i].base);
		assert_str(url.scope, urls[i].scope);
		assert_str(url.filter, urls[i].filter);
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes),
		cmocka_unit_test(reads_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
