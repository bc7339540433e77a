#include "talk/destination.h"

#include "base/test.h"

static const struct {
	const char *text;
	bool lmtp, fine;
	const char *host;
	uint16_t port;
	bool mx, is_unix;
} cases[] = {
	{ "example.org", false, true, "example.org", 0, true, false },
	{ "example.org:587", false, true, "example.org", 587, true, false },
	{ "[mail.example.org]:submission", false, true, "mail.example.org",
		587, false, false },
	{ "[192.0.2.1]", false, true, "192.0.2.1", 0, false, false },
	{ "192.0.2.1", false, true, "192.0.2.1", 0, false, false },
	{ "[2001:db8::1]:25", false, true, "2001:db8::1", 25, false, false },
	{ "[IPv6:2001:db8::1]", false, true, "2001:db8::1", 0, false, false },
	{ "unix:/run/lmtp", true, true, "/run/lmtp", 0, false, true },
	{ "inet:host.example", true, true, "host.example", 0, false, false },
	{ "inet:[::1]:2424", true, true, "::1", 2424, false, false },
	{ "inet:127.0.0.1:24", true, true, "127.0.0.1", 24, false, false },
	{ "host.example:24", true, true, "host.example", 24, false, false },
	{ "" }, { "[]" }, { "[example.org" }, { "example.org:" },
	{ "example.org:99999" }, { "[a]x" }, { "[a]:" }, { ":25" },
	{ "unix:", true },
};

static void reads_destinations(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct talk_destination d;

		if (talk_destination_parse(str_from(cases[i].text), cases[i].lmtp,
			    &d) != cases[i].fine)
			fail_msg("%s", cases[i].text);
		if (!cases[i].fine)
			continue;
		assert_str(d.host, cases[i].host);
		assert_int_equal(d.port, cases[i].port);
		assert_int_equal(d.use_mx, cases[i].mx);
		assert_int_equal(d.is_unix, cases[i].is_unix);
	}
}

static void reads_lists(void **state)
{
	struct str list = STR("a.example, [b.example]:26 ,c"), text;

	(void)state;
	assert_true(talk_destination_take(&list, &text));
	assert_str(text, "a.example");
	assert_true(talk_destination_take(&list, &text));
	assert_str(text, "[b.example]:26");
	assert_true(talk_destination_take(&list, &text));
	assert_str(text, "c");
	assert_false(talk_destination_take(&list, &text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_destinations),
		cmocka_unit_test(reads_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
