#include "dns/dns.h"

#include "base/test.h"

static const struct {
	const char *in, *out, *reverse;
} addresses[] = {
	{ "192.0.2.4", "192.0.2.4", "4.2.0.192.in-addr.arpa" },
	{ "2001:DB8::1", "2001:db8::1",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		"0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa" },
	{ "IPv6:::1", "::1",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa" },
	{ "" }, { "192.0.2" }, { "192.0.2.4.5" }, { "192.0.2.256" },
	{ "IPv6:192.0.2.1" }, { "example.org" }, { "[192.0.2.1]" }, { ":::" },
	{ "2001:db8:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:1" },
};

static void reads_and_writes_addresses(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct dns_address got, again;
		struct sockaddr_storage socket;
		uint16_t port;

		if (!dns_address_parse(str_from(addresses[i].in), &got)) {
			assert_null(addresses[i].out);
			continue;
		}
		assert_str(dns_address_text(arena, &got), addresses[i].out);
		assert_str(dns_reverse_name(arena, &got),
			addresses[i].reverse);
		assert_true(dns_address_to(&got, 2525, &socket) > 0);
		assert_true(dns_address_from(&socket, &again, &port));
		assert_int_equal(port, 2525);
		assert_true(dns_address_eq(&got, &again));
	}
}

static const struct {
	const char *name;
	bool fine;
} hostnames[] = {
	{ "example.org", true }, { "a", true }, { "1and1.example", true },
	{ "_dmarc.example.org", true }, { "x-1.example", true },
	{ "" }, { "." }, { "example.org." }, { ".example" }, { "a..b" },
	{ "-a.example" }, { "a-.example" }, { "a b" }, { "192.0.2.1" },
	{ "a.1" }, { "a\xc3\xa9.example" },
	{ "0123456789012345678901234567890123456789012345678901234567890123.x" },
};

static void knows_host_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hostnames); i++)
		assert_int_equal(dns_is_hostname(str_from(hostnames[i].name)),
			hostnames[i].fine);
}

static const struct {
	const char *address;
	bool loopback, unusable;
} classes[] = {
	{ "127.0.0.1", true, false }, { "127.8.9.10", true, false },
	{ "0.0.0.0", true, true }, { "::1", true, false },
	{ "::", true, false }, { "::ffff:127.0.0.1", true, false },
	{ "192.0.2.1", false, false }, { "2001:db8::1", false, false },
	{ "224.0.0.1", false, true }, { "ff02::1", false, true },
	{ "255.255.255.255", false, true },
};

static void tells_classes_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(classes); i++) {
		struct dns_address a;

		assert_true(dns_address_parse(str_from(classes[i].address),
			&a));
		assert_int_equal(dns_address_is_loopback(&a),
			classes[i].loopback);
		assert_int_equal(dns_address_is_unusable(&a),
			classes[i].unusable);
	}
}

static void reads_ports(void **state)
{
	(void)state;
	assert_int_equal(dns_port_parse(STR("smtp")), 25);
	assert_int_equal(dns_port_parse(STR("Submission")), 587);
	assert_int_equal(dns_port_parse(STR("65535")), 65535);
	assert_int_equal(dns_port_parse(STR("65536")), 0);
	assert_int_equal(dns_port_parse(STR("")), 0);
	assert_int_equal(dns_port_parse(STR("-1")), 0);
}

static void knows_types(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	enum dns_type type;

	(void)state;
	assert_true(dns_type_parse(STR("ns"), &type));
	assert_int_equal(type, DNS_NS);
	assert_true(dns_type_parse(STR("TLSA"), &type));
	assert_str(dns_type_name(arena, type), "TLSA");
	assert_false(dns_type_parse(STR("TYPE52"), &type));
	assert_false(dns_type_parse(STR(""), &type));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_addresses),
		cmocka_unit_test(knows_host_names),
		cmocka_unit_test(knows_types),
		cmocka_unit_test(tells_classes_apart),
		cmocka_unit_test(reads_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
