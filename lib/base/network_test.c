#include "base/test.h"

#include "base/network.h"

static const struct {
	const char *in, *out; /* no out: refused */
	bool has_host_bits;
} networks[] = {
	{ "192.0.2.1", "192.0.2.1/32" },
	{ "192.0.2.0/24", "192.0.2.0/24" },
	{ "192.0.2.1/24", "192.0.2.1/24", true },
	{ "0.0.0.0/0", "0.0.0.0/0" },
	{ "[2001:db8::]/32", "[2001:db8::]/32" },
	{ "2001:db8::1", "[2001:db8::1]/128" },
	{ "::/0", "[::]/0" },
	{ "192.0.2.0/33" }, { "192.0.2" }, { "" }, { "/8" }, { "::1/129" },
	{ "192.0.2.0/" }, { "example.org" }, { "[::1" }, { "1.2.3.4/8/9" },
};

static void reads_networks(void **state)
{
	auto_buf struct buf out = { 0 };
	struct network got;

	(void)state;
	for (size_t i = 0; i < COUNT(networks); i++) {
		if (!network_parse(str_from(networks[i].in), &got)) {
			assert_null(networks[i].out);
			continue;
		}
		assert_non_null(networks[i].out);
		buf_clear(&out);
		network_format(&out, &got, true);
		assert_str(buf_str(&out), networks[i].out);
		assert_int_equal(network_has_host_bits(&got),
			networks[i].has_host_bits);
	}
}

static const struct {
	const char *network, *address;
	bool has;
} members[] = {
	{ "192.0.2.0/24", "192.0.2.255", true },
	{ "192.0.2.0/24", "192.0.3.0", false },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "0.0.0.0/0", "198.51.100.1", true },
	{ "0.0.0.0/0", "::1", false },
	{ "2001:db8::/33", "2001:db8:7fff::1", true },
	{ "2001:db8::/33", "2001:db8:8000::1", false },
	{ "192.0.2.1", "192.0.2.1", true },
};

static void knows_members(void **state)
{
	struct network network, address;

	(void)state;
	for (size_t i = 0; i < COUNT(members); i++) {
		assert_true(network_parse(str_from(members[i].network),
			&network));
		assert_true(network_parse(str_from(members[i].address),
			&address));
		assert_int_equal(network_has(&network, &address),
			members[i].has);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_networks),
		cmocka_unit_test(knows_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
