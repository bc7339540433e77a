#include "resolver/hosts.h"

#include "base/test.h"
#include "dns/record.h"
#include "resolver/servers.h"

static const char text[] =
	"# nothing\n"
	"127.0.0.1\tlocalhost localhost.localdomain\n"
	"  192.0.2.5   Box.Example  box # comment\n"
	"2001:db8::5 box.example\n"
	"192.0.2.6 box.example\n"
	"192.0.2.7\n"
	"not-an-address name.example\n"
	"192.0.2.8 bad..name -x good.example\n";

static const struct {
	const char *name;
	enum dns_type type;
	bool known;
	unsigned count;
} questions[] = {
	{ "localhost", DNS_A, true, 1 },
	{ "localhost", DNS_AAAA, true, 0 },
	{ "box.example", DNS_A, true, 2 },
	{ "BOX", DNS_A, true, 1 },
	{ "box.example", DNS_AAAA, true, 1 },
	{ "box.example", DNS_MX, false, 0 },
	{ "name.example", DNS_A, false, 0 },
	{ "bad..name", DNS_A, false, 0 },
	{ "good.example", DNS_A, true, 1 },
	{ "5.2.0.192.in-addr.arpa", DNS_PTR, true, 1 },
	{ "7.2.0.192.in-addr.arpa", DNS_PTR, false, 0 },
};

static void answers_from_the_file(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct hosts *hosts = hosts_parse(str_from(text));

	(void)state;
	for (size_t i = 0; i < COUNT(questions); i++) {
		struct dns_answer answer;

		if (hosts_find(arena, hosts, str_from(questions[i].name),
			    questions[i].type, &answer) != questions[i].known)
			fail_msg("%s", questions[i].name);
		if (questions[i].known)
			assert_int_equal(answer.count, questions[i].count);
	}
	hosts_free(hosts);
}

static const struct {
	const char *text;
	bool fine;
	uint16_t port;
} servers[] = {
	{ "192.0.2.1", true, 53 }, { "192.0.2.1:5353", true, 5353 },
	{ "2001:db8::1", true, 53 }, { "[2001:db8::1]:5353", true, 5353 },
	{ "[::1]", true, 53 }, { "ns.example" }, { "" }, { "192.0.2.1:" },
	{ "[::1]x" }, { "192.0.2.1:99999" },
};

static void reads_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(servers); i++) {
		struct server server;

		assert_int_equal(server_parse(str_from(servers[i].text),
					 &server),
			servers[i].fine);
		if (servers[i].fine)
			assert_int_equal(server.port, servers[i].port);
	}
}

static void reads_resolv_conf(void **state)
{
	struct servers got = { .attempts = 2 };

	(void)state;
	servers_parse(STR("search example.org\nnameserver 127.0.0.53\n"
			  "; nameserver 192.0.2.9\nnameserver ::1\n"
			  "options edns0 trust-ad timeout:3 attempts:99\n"),
		&got);
	assert_int_equal(got.count, 2);
	assert_true(got.trusted);
	assert_int_equal(span_to_s(got.timeout), 3);
	assert_int_equal(got.attempts, 2);
}

/* The AD bit is somebody else's word for it: RFC 7672 2.2. Here, or not at
 * all, unless the administrator says otherwise. */
static void trusts_those_on_loopback(void **state)
{
	static const struct {
		const char *servers, *trust_ad;
		bool trusted;
	} cases[] = {
		{ "127.0.0.1", "no", true },
		{ "127.0.0.53 [::1]:5353", "no", true },
		{ "192.0.2.1", "no", false },
		{ "2001:db8::1", "no", false },
		{ "127.0.0.1, 192.0.2.1", "no", false },
		{ "192.0.2.1", "yes", true },
	};
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *const settings[] = {
			arena_fmt(arena, "resolver_servers=%s",
				cases[i].servers).p,
			arena_fmt(arena, "resolver_trust_ad=%s",
				cases[i].trust_ad).p, NULL };
		struct servers got = servers_read(arena,
			conf_for_test(arena, settings));

		if (got.trusted != cases[i].trusted)
			fail_msg("case %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_from_the_file),
		cmocka_unit_test(reads_servers),
		cmocka_unit_test(reads_resolv_conf),
		cmocka_unit_test(trusts_those_on_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
