#include "dns/record.h"

#include "base/test.h"

static void reads_names(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str name;

	(void)state;
	assert_true(dns_record_name(arena, STR("\1a\7example\0"), &name));
	assert_str(name, "a.example");
	assert_true(dns_record_name(arena, STR("\0"), &name));
	assert_str(name, "");
	assert_true(dns_record_name(arena, STR("\3a.b\0"), &name));
	assert_str(name, "a\\046b");
	assert_false(dns_record_name(arena, STR("\1a\7example"), &name));
	assert_false(dns_record_name(arena, STR("\1a\7exam"), &name));
	assert_false(dns_record_name(arena, STR("\300\0"), &name));
	assert_false(dns_record_name(arena, STR("\1a\0x"), &name));
	assert_false(dns_record_name(arena, STR(""), &name));
}

static void reads_mx(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct dns_mx mx;

	(void)state;
	assert_true(dns_record_mx(arena, STR("\1\2\2mx\7example\0"), &mx));
	assert_int_equal(mx.preference, 258);
	assert_str(mx.host, "mx.example");
	assert_true(dns_record_mx(arena, STR("\0\0\0"), &mx));
	assert_int_equal(mx.host.len, 0); /* RFC 7505 */
	assert_false(dns_record_mx(arena, STR("\0"), &mx));
	assert_false(dns_record_mx(arena, STR("\0\0"), &mx));
}

static void reads_text(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str text;

	(void)state;
	assert_true(dns_record_txt(arena, STR("\3v=s\2pf"), &text));
	assert_str(text, "v=spf");
	assert_true(dns_record_txt(arena, STR("\0"), &text));
	assert_str(text, "");
	assert_false(dns_record_txt(arena, STR(""), &text));
	assert_false(dns_record_txt(arena, STR("\4v=s"), &text));
}

static void reads_the_others(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct dns_address address;
	struct dns_tlsa tlsa;
	struct dns_srv srv;
	struct dns_soa soa;

	(void)state;
	assert_true(dns_record_address(STR("\300\0\2\1"), &address));
	assert_str(dns_address_text(arena, &address), "192.0.2.1");
	assert_false(dns_record_address(STR("\300\0\2"), &address));
	assert_true(dns_record_srv(arena, STR("\0\1\0\2\2\113\1a\0"), &srv));
	assert_int_equal(srv.port, 587);
	assert_str(srv.host, "a");
	assert_false(dns_record_srv(arena, STR("\0\1\0\2\2"), &srv));
	assert_true(dns_record_tlsa(STR("\3\1\1xyz"), &tlsa));
	assert_int_equal(tlsa.usage, 3);
	assert_str(tlsa.data, "xyz");
	assert_false(dns_record_tlsa(STR("\3\1\1"), &tlsa));
	assert_true(dns_record_soa(arena,
		STR("\1a\0\1b\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\1\0"),
		&soa));
	assert_str(soa.mailbox, "b");
	assert_int_equal(soa.serial, 1);
	assert_int_equal(soa.minimum, 256);
	assert_false(dns_record_soa(arena, STR("\1a\0\1b\0\0\0\0\1"), &soa));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_names),
		cmocka_unit_test(reads_mx),
		cmocka_unit_test(reads_text),
		cmocka_unit_test(reads_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
