/*
 * dns/filter_test - records as text, and answers with some of them left out.
 */
#include "base/test.h"

#include "dns/filter.h"

#define OCTETS(text) { "" text, sizeof(text) - 1 }

static const struct {
	enum dns_type type;
	struct str record;
	const char *text;
} records[] = {
	{ DNS_A, OCTETS("\xc0\0\2\1"), "x.example. 60 IN A 192.0.2.1" },
	{ DNS_AAAA, OCTETS("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
		"x.example. 60 IN AAAA 2001:db8::1" },
	{ DNS_MX, OCTETS("\0\xa\2mx\1x\7example\0"),
		"x.example. 60 IN MX 10 mx.x.example." },
	{ DNS_MX, OCTETS("\0\0\0"), "x.example. 60 IN MX 0 ." },
	{ DNS_SRV, OCTETS("\0\1\0\2\0\x19\2mx\1x\0"),
		"x.example. 60 IN SRV 1 2 25 mx.x." },
	{ DNS_CNAME, OCTETS("\1y\0"), "x.example. 60 IN CNAME y." },
	{ DNS_TXT, OCTETS("\3a\nb\2 c"), "x.example. 60 IN TXT a?b c" },
	{ DNS_TLSA, OCTETS("\3\1\1\xab\xcd"),
		"x.example. 60 IN TLSA 3 1 1 ABCD" },
	{ DNS_A, OCTETS("\xc0\0\2"), "x.example. 60 IN A C00002" },
};

static void writes_records(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(records); i++)
		assert_str(dns_record_text(arena, STR("x.example"), 60,
			records[i].type, records[i].record),
			records[i].text);
}

static enum dns_verdict judge(void *context, struct arena *arena,
	struct str record)
{
	unsigned *seen = context;

	(void)arena;
	++*seen;
	return str_ends(record, STR(".1")) ? DNS_IGNORE :
		str_ends(record, STR(".3")) ? DNS_NO_VERDICT : DNS_KEEP;
}

static struct dns_answer filtered(struct arena *arena, unsigned flags,
	struct str first, struct str second)
{
	const struct dns_question question = { STR("x.example"), DNS_A,
		flags };
	struct dns_answer answer = { .status = DNS_FOUND, .ttl = 60,
		.canonical = STR("x.example"), .count = 2,
		.records = arena_array(arena, 2, sizeof(struct str)) };

	answer.records[0] = first;
	answer.records[1] = second;
	dns_filter_apply(arena, &question, &answer);
	return answer;
}

static void leaves_out(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct str one = OCTETS("\xc0\0\2\1"), two = OCTETS("\xc0\0\2\2"),
		three = OCTETS("\xc0\0\2\3");
	struct dns_answer answer;
	unsigned seen = 0;

	(void)state;
	answer = filtered(arena, 0, one, two);
	assert_int_equal(answer.count, 2);
	dns_filter_open(judge, &seen);
	answer = filtered(arena, 0, one, two);
	assert_int_equal(answer.status, DNS_FOUND);
	assert_int_equal(answer.count, 1);
	assert_true(str_eq(answer.records[0], two));
	assert_int_equal(seen, 2);
	answer = filtered(arena, 0, one, one);
	assert_int_equal(answer.status, DNS_TEMPORARY);
	assert_str(answer.text, "DNS reply filter drops all results");
	assert_true(answer.is_filtered && answer.is_dropped);
	answer = filtered(arena, 0, three, two);
	assert_int_equal(answer.status, DNS_TEMPORARY);
	assert_int_equal(answer.count, 0);
	assert_true(answer.is_filtered && !answer.is_dropped);
	seen = 0;
	answer = filtered(arena, DNS_NATIVE, one, two);
	assert_int_equal(answer.count, 2);
	assert_int_equal(seen, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_records),
		cmocka_unit_test(leaves_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
