#include "dialer/policy.h"

#include "base/test.h"

static const char config[] =
	"relayhost = [127.0.0.1]:2525\n"
	"content_filter=smtp:[127.0.0.1]:10024,\n"
	"lmtp:inet:127.0.0.1:2424 virtual=lmtp:unix:/run/lmtp\n"
	"example.org smtp:[::1]:2600\n"
	"example.com relay:[127.0.0.5]\n"
	"example.net smtp:[localhost]:2700\n"
	"hash:/etc/aliases {unix:private/lmtp} fe80::1\n";

static const struct {
	const char *address;
	uint16_t port;
	bool allowed;
} places[] = {
	{ "127.0.0.1", 2525, true },
	{ "127.0.0.1", 10024, true },
	{ "127.0.0.1", 2424, true },
	{ "::1", 2600, true },
	{ "127.0.0.5", 25, true },
	{ "127.0.0.1", 2700, true },
	{ "192.0.2.7", 2700, true }, /* own, by host name */
	{ "192.0.2.8", 1234, true }, /* somebody else */
	{ "127.0.0.1", 25 },
	{ "127.0.0.1", 6379 },
	{ "127.0.0.2", 2525 },
	{ "0.0.0.0", 2525 },
	{ "::1", 2525 },
	{ "192.0.2.7", 25 }, /* own */
	{ "127.0.0.5", 26 },
	{ "224.0.0.1", 25 },
	{ "192.0.2.8", 0 },
};

static void names_places_of_this_host(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct policy *policy = policy_new(arena);
	struct dns_address own;

	(void)state;
	assert_true(dns_address_parse(STR("192.0.2.7"), &own));
	policy_own(policy, &own);
	policy_scan(policy, str_from(config));
	for (size_t i = 0; i < COUNT(places); i++) {
		struct dns_address address;

		assert_true(dns_address_parse(str_from(places[i].address),
			&address));
		if (!policy_refuses_inet(policy, &address, places[i].port) !=
			places[i].allowed)
			fail_msg("%s %u", places[i].address, places[i].port);
	}
}

static void names_paths(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct policy *policy = policy_new(arena);

	(void)state;
	policy_scan(policy, str_from(config));
	assert_null(policy_refuses_unix(policy, STR("/run/lmtp")));
	assert_null(policy_refuses_unix(policy, STR("private/lmtp")));
	assert_non_null(policy_refuses_unix(policy, STR("/run/docker.sock")));
	assert_non_null(policy_refuses_unix(policy, STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_places_of_this_host),
		cmocka_unit_test(names_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
