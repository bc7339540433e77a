#include "dns/packet.h"

#include "base/test.h"
#include "dns/record.h"

#define HEAD(flags, answers, authority) \
	"ID" flags "\0\1\0" answers "\0" authority "\0\0"
#define ASKED(type) "\1a\7example\0\0" type "\0\1"
#define NAME_A "\300\14"       /* a.example */
#define NAME_EXAMPLE "\300\16" /* example */
#define IN_TTL(ttl) "\0\1\0\0\0" ttl

static const struct {
	const char *what;
	enum dns_type type;
	struct str packet;
	bool fine;
	enum dns_status status;
	unsigned count, ttl;
	bool secure;
	const char *canonical;
} packets[] = {
	/* clang-format off */
	{ "one address", DNS_A, STR(HEAD("\201\200", "\1", "\0") ASKED("\1")
		NAME_A "\0\1" IN_TTL("\74") "\0\4\300\0\2\1"),
		true, DNS_FOUND, 1, 60, false, "a.example" },
	{ "AD, two addresses", DNS_A, STR(HEAD("\201\240", "\2", "\0")
		ASKED("\1") NAME_A "\0\1" IN_TTL("\74") "\0\4\300\0\2\1"
		NAME_A "\0\1" IN_TTL("\12") "\0\4\300\0\2\2"),
		true, DNS_FOUND, 2, 10, true, "a.example" },
	{ "an alias", DNS_A, STR(HEAD("\201\200", "\2", "\0") ASKED("\1")
		NAME_A "\0\5" IN_TTL("\5") "\0\4\1b" NAME_EXAMPLE
		"\1b" NAME_EXAMPLE "\0\1" IN_TTL("\74") "\0\4\300\0\2\1"),
		true, DNS_FOUND, 1, 5, false, "b.example" },
	{ "an alias to itself", DNS_A, STR(HEAD("\201\200", "\1", "\0")
		ASKED("\1") NAME_A "\0\5" IN_TTL("\5") "\0\2" NAME_A),
		false },
	{ "a record of somebody else", DNS_A, STR(HEAD("\201\200", "\1", "\0")
		ASKED("\1") NAME_EXAMPLE "\0\1" IN_TTL("\74")
		"\0\4\300\0\2\1"),
		true, DNS_NO_DATA, 0, 0, false, "a.example" },
	{ "no such name, a SOA of the wrong length", DNS_A,
		STR(HEAD("\201\203", "\0", "\1") ASKED("\1")
		NAME_EXAMPLE "\0\6" IN_TTL("\74") "\0\31\1m\0\0"
		"\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\7" "xx"),
		true, DNS_NO_NAME, 0, 0, false, "a.example" },
	{ "no such name", DNS_A,
		STR(HEAD("\201\203", "\0", "\1") ASKED("\1")
		NAME_EXAMPLE "\0\6" IN_TTL("\74") "\0\30\1m\0\0"
		"\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\7"),
		true, DNS_NO_NAME, 0, 7, false, "a.example" },
	{ "server failure", DNS_A, STR(HEAD("\201\202", "\0", "\0")
		ASKED("\1")), true, DNS_TEMPORARY, 0, 0, false, "a.example" },
	{ "truncated", DNS_A, STR(HEAD("\203\200", "\0", "\0") ASKED("\1")),
		true, DNS_TEMPORARY, 0, 0, false, "a.example" },
	{ "a question", DNS_A, STR(HEAD("\1\0", "\0", "\0") ASKED("\1")),
		false },
	{ "another question", DNS_A, STR(HEAD("\201\200", "\0", "\0")
		ASKED("\17")), false },
	{ "another ID", DNS_A, STR("XX\201\200\0\1\0\0\0\0\0\0" ASKED("\1")),
		false },
	{ "pointer to itself", DNS_A, STR(HEAD("\201\200", "\1", "\0")
		ASKED("\1") "\300\33" "\0\1" IN_TTL("\74") "\0\4\300\0\2\1"),
		false },
	{ "data beyond the end", DNS_A, STR(HEAD("\201\200", "\1", "\0")
		ASKED("\1") NAME_A "\0\1" IN_TTL("\74") "\0\5\300\0\2\1"),
		false },
	{ "MX, compressed", DNS_MX, STR(HEAD("\201\200", "\1", "\0")
		ASKED("\17") NAME_A "\0\17" IN_TTL("\74") "\0\7\0\12\2mx"
		NAME_EXAMPLE),
		true, DNS_FOUND, 1, 60, false, "a.example" },
	{ "MX with too much data", DNS_MX, STR(HEAD("\201\200", "\1", "\0")
		ASKED("\17") NAME_A "\0\17" IN_TTL("\74") "\0\10\0\12\2mx"
		NAME_EXAMPLE "x"), false },
	{ "nothing", DNS_A, STR(""), false },
	/* clang-format on */
};

static void reads_answers(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(packets); i++) {
		struct dns_answer got;
		bool fine = dns_packet_answer(arena, packets[i].packet, 0x4944,
			STR("A.example"), packets[i].type, &got);

		if (fine != packets[i].fine)
			fail_msg("%s", packets[i].what);
		if (!fine) {
			assert_int_equal(got.status, DNS_MALFORMED);
			continue;
		}
		assert_int_equal(got.status, packets[i].status);
		assert_int_equal(got.count, packets[i].count);
		assert_int_equal(got.ttl, packets[i].ttl);
		assert_int_equal(got.secure, packets[i].secure);
		assert_true(str_is_nocase(got.canonical,
			packets[i].canonical));
	}
}

static void uncompresses(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct dns_answer got;
	struct dns_mx mx;

	(void)state;
	assert_true(dns_packet_answer(arena,
		STR(HEAD("\201\200", "\1", "\0") ASKED("\17") NAME_A
			"\0\17" IN_TTL("\74") "\0\7\0\12\2mx" NAME_EXAMPLE),
		0x4944, STR("a.example"), DNS_MX, &got));
	assert_true(dns_record_mx(arena, got.records[0], &mx));
	assert_str(mx.host, "mx.example");
}

/* Every prefix of a good packet is refused or fine, never a crash. */
static void survives_truncation(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(packets); i++)
		for (size_t len = 0; len < packets[i].packet.len; len++) {
			struct dns_answer got;
			struct str cut = str_first(packets[i].packet, len);
			auto_free char *copy = mem_new(len + 1, 1);

			memcpy(copy, cut.p, len);
			(void)!dns_packet_answer(arena, str_of(copy, len),
				0x4944, STR("a.example"), DNS_A, &got);
		}
}

static void makes_questions(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct str expected = STR("ID\1\40\0\1\0\0\0\0\0\1\1a\7example\0\0\17"
		"\0\1\0\0\51\4\320\0\0\0\0\0\0");

	(void)state;
	assert_true(dns_packet_question(&out, 0x4944, STR("a.example"),
		DNS_MX, 1232));
	assert_true(str_eq(buf_str(&out), expected));
	buf_clear(&out);
	assert_true(dns_name_format(&out, STR("a\\046b")));
	assert_true(str_eq(buf_str(&out), STR("\3a.b\0")));
}

static const char *const unaskable[] = { "a..b", ".a", "a\\99", "\\300",
	"0123456789012345678901234567890123456789012345678901234567890123" };

static void refuses_names(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(unaskable); i++) {
		struct buf out = BUF_IN(arena);

		assert_false(dns_name_format(&out, str_from(unaskable[i])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_answers),
		cmocka_unit_test(uncompresses),
		cmocka_unit_test(survives_truncation),
		cmocka_unit_test(makes_questions),
		cmocka_unit_test(refuses_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
