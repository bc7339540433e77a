#include "smtp/tls_policy.h"

#include "agent/deliver.h"
#include "base/test.h"
#include "smtp/tables.h"

static const struct {
	const char *key, *value;
} rows[] = {
	{ "example.org", "secure match=.example.org:mx.example.net" },
	{ ".example.org", "encrypt ciphers=high" },
	{ "[mx.example]:587", "verify servername=hostname" },
	{ "dane.example", "dane-only" },
	{ "half.example", "half-dane" },
	{ "print.example", "fingerprint match=AB:CD|ef01 match=23:45" },
	{ "noprint.example", "fingerprint" },
	{ "odd.example", "encrypt tafile=/x" },
	{ "none.example", "none" },
};

bool tables_has(enum table_use use)
{
	return use == TABLE_POLICIES;
}

enum table_result tables_find(struct arena *arena, enum table_use use,
	struct str key, struct str *value)
{
	(void)arena, (void)use;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_is(key, rows[i].key)) {
			*value = str_from(rows[i].value);
			return TABLE_FOUND;
		}
	return str_is(key, "sick.example") ? TABLE_TROUBLE : TABLE_NOTHING;
}

static const struct {
	const char *destination;
	unsigned flags;
	enum tls_level level;
	bool refused;
} cases[] = {
	{ "example.org", 0, TLS_LEVEL_SECURE, false },
	{ "sub.example.org", 0, TLS_LEVEL_ENCRYPT, false },
	{ "a.sub.example.org:26", 0, TLS_LEVEL_ENCRYPT, false },
	{ "[sub.example.org]", 0, TLS_LEVEL_MAY, false },
	{ "[mx.example]:587", 0, TLS_LEVEL_VERIFY, false },
	{ "none.example", 0, TLS_LEVEL_NONE, false },
	{ "other.example", 0, TLS_LEVEL_MAY, false },
	{ "other.example", DELIVER_REQUIRETLS, TLS_LEVEL_VERIFY, false },
	{ "example.org", DELIVER_TLS_OPTIONAL, TLS_LEVEL_MAY, false },
	{ "other.example", DELIVER_TLS_OPTIONAL, TLS_LEVEL_MAY, false },
	{ "dane.example", 0, TLS_LEVEL_DANE_ONLY, false },
	{ "dane.example", DELIVER_REQUIRETLS, TLS_LEVEL_DANE_ONLY, false },
	{ "dane.example", DELIVER_TLS_OPTIONAL, TLS_LEVEL_MAY, false },
	{ "half.example", 0, TLS_LEVEL_NONE, true },
	{ "print.example", 0, TLS_LEVEL_FINGERPRINT, false },
	{ "print.example", DELIVER_REQUIRETLS, TLS_LEVEL_FINGERPRINT, false },
	{ "noprint.example", 0, TLS_LEVEL_NONE, true },
	{ "odd.example", 0, TLS_LEVEL_NONE, true },
	{ "sick.example", 0, TLS_LEVEL_NONE, true },
};

static void finds_policies(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct conf conf = { .tls_high_cipherlist = STR("HIGH") };
	struct settings set = { .conf = &conf,
		.tls_security_level = STR("may"),
		.tls_verify_cert_match = STR("hostname"),
		.tls_secure_cert_match = STR("nexthop, dot-nexthop") };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct talk_destination d;
		struct tls_policy policy;

		assert_true(talk_destination_parse(str_from(cases[i].destination),
			false, &d));
		policy = tls_policy_find(arena, &set, &d, cases[i].flags);
		if ((policy.refused.status.code != 0) != cases[i].refused)
			fail_msg("%s", cases[i].destination);
		if (!cases[i].refused && policy.level != cases[i].level)
			fail_msg("%s: %d", cases[i].destination, policy.level);
	}
	set.tls_security_level = STR("fingerprint");
	{
		struct talk_destination d;

		assert_true(talk_destination_parse(STR("x.example"), false, &d));
		assert_int_equal(tls_policy_find(arena, &set, &d, 0)
					 .refused.status.code,
			451);
		set.tls_fingerprint_cert_match = STR("AB:CD, EF:01");
		assert_int_equal(tls_policy_find(arena, &set, &d, 0)
					 .refused.status.code,
			0);
		assert_true(talk_destination_parse(STR("print.example"), false,
			&d));
		assert_str(tls_policy_find(arena, &set, &d, 0).match,
			"AB:CD|ef01|23:45");
	}
}

static void knows_names(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct conf conf = { 0 };
	struct settings set = { .conf = &conf,
		.tls_secure_cert_match = STR("nexthop, dot-nexthop") };
	struct talk_destination d;
	struct tls_policy policy;
	struct tls_client client;
	struct tls_dane dane = { .base = STR("mx.x") };
	struct site site = { .host = STR("mx.x"), .is_mx_secure = true,
		.domain = STR("alias.example.org") };

	(void)state;
	assert_true(talk_destination_parse(STR("example.org"), false, &d));
	policy = tls_policy_find(arena, &set, &d, 0);
	client = tls_policy_client(arena, &set, &policy, &d, &site);
	assert_int_equal(client.match_count, 2);
	assert_str(client.match[0], ".example.org");
	assert_str(client.match[1], "mx.example.net");
	policy.match = STR("nexthop, dot-nexthop, hostname");
	client = tls_policy_client(arena, &set, &policy, &d, &site);
	assert_int_equal(client.match_count, 3);
	assert_str(client.match[0], "example.org");
	assert_str(client.match[1], ".example.org");
	assert_str(client.match[2], "mx.x");
	assert_str(client.servername, "mx.x");
	policy.dane = &dane;
	client = tls_policy_client(arena, &set, &policy, &d, &site);
	assert_ptr_equal(client.dane, &dane);
	assert_int_equal(client.match_count, 2);
	assert_str(client.match[0], "example.org");
	assert_str(client.match[1], "alias.example.org");
	/* where the records stand is no name that anybody has validated */
	site.is_mx_secure = false;
	client = tls_policy_client(arena, &set, &policy, &d, &site);
	assert_str(client.match[0], "example.org");
	assert_int_equal(client.match[1].len, 0);
}

static void is_satisfied(void **state)
{
	static const enum tls_level needy[] = { TLS_LEVEL_HALF_DANE,
		TLS_LEVEL_DANE, TLS_LEVEL_DANE_ONLY, TLS_LEVEL_VERIFY,
		TLS_LEVEL_SECURE };
	struct tls_session tls = { .is_trusted = true };
	struct tls_policy policy = { .level = TLS_LEVEL_ENCRYPT };

	(void)state;
	assert_true(tls_policy_judge(&policy, &tls));
	for (size_t i = 0; i < COUNT(needy); i++) {
		policy.level = needy[i];
		tls.is_matched = false;
		assert_false(tls_policy_judge(&policy, &tls));
		tls.is_matched = true;
		assert_true(tls_policy_judge(&policy, &tls));
		assert_int_equal(tls.is_matched,
			needy[i] != TLS_LEVEL_HALF_DANE);
	}
}

static const struct {
	const char *text;
	bool is_refused, is_sts;
	int reuse;
	const char *match, *patterns;
} texts[] = {
	{ "secure match=a:b connection_reuse=yes", false, false, REUSE_YES,
		"a b", "" },
	{ "secure connection_reuse=no enable_rpk=yes match=a", false, false,
		REUSE_NO, "a", "" },
	{ "secure connection_reuse=maybe", true, false, REUSE_NO, "", "" },
	{ "secure enable_rpk=1", true, false, REUSE_USUAL, "", "" },
	{ "secure match=mx.example servername=hostname policy_type=sts "
	  "policy_domain=a.example policy_ttl=60 "
	  "{ policy_string = version: STSv1 } {policy_string=mode: enforce} "
	  "mx_host_pattern=mx.a.example mx_host_pattern=*.b.example", false,
		true, REUSE_USUAL, "mx.example",
		"mx.a.example|*.b.example" },
	{ "secure { match = a } { ciphers=high }", false, false, REUSE_USUAL,
		"a", "" },
	{ "secure {", true, false, REUSE_USUAL, "", "" },
	{ "secure { }", true, false, REUSE_USUAL, "", "" },
	{ "secure {match=a", false, false, REUSE_USUAL, "a", "" },
	{ "secure tafile=/x", true, false, REUSE_USUAL, "", "" },
};

static void reads_attributes(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct tls_policy got;

		tls_policy_parse(arena, str_from(texts[i].text), &got);
		if ((got.refused.status.code != 0) != texts[i].is_refused)
			fail_msg("%s", texts[i].text);
		if (texts[i].is_refused)
			continue;
		assert_int_equal(got.is_sts, texts[i].is_sts);
		assert_int_equal(got.reuse, texts[i].reuse);
		assert_str(got.match, texts[i].match);
		assert_str(got.mx_patterns, texts[i].patterns);
	}
}

static const struct {
	const char *patterns, *host;
	bool allows;
} hosts[] = {
	{ "mx.a.example", "MX.a.example", true },
	{ "mx.b.example|mx.a.example", "mx.a.example", true },
	{ "mx.b.example", "mx.a.example", false },
	{ "*.a.example", "mx.a.example", true },
	{ "*.a.example", "mx.mx.a.example", false },
	{ "*.a.example", "a.example", false },
	{ "*.a.example", ".a.example", false },
	{ "", "mx.a.example", true }, /* nothing to enforce */
};

static void knows_sts_patterns(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct conf conf = { 0 };
	struct settings set = { .conf = &conf };

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct tls_policy policy = { .is_sts = true,
			.level = TLS_LEVEL_SECURE, .match = STR("x.example"),
			.mx_patterns = str_from(hosts[i].patterns) };
		struct str host = str_from(hosts[i].host);

		set.tls_enforce_sts_mx_patterns = true;
		if (tls_policy_allows(&set, &policy, host) != hosts[i].allows)
			fail_msg("%s: %s", hosts[i].patterns, hosts[i].host);
		tls_policy_complete(arena, &set, &policy);
		assert_str(policy.match, hosts[i].patterns[0] ? "hostname" :
								"x.example");
		set.tls_enforce_sts_mx_patterns = false;
		assert_true(tls_policy_allows(&set, &policy, host));
		set.tls_enforce_sts_mx_patterns = true;
		policy.is_sts = false;
		assert_true(tls_policy_allows(&set, &policy, host));
	}
}

static const struct {
	const char *match;
	bool fits;
} prints[] = {
	{ "AB:CD:EF", true }, { "ab:cd:ef", true }, { "abcdef", true },
	{ "01:23", true }, { "11:22|AB:CD:EF", true }, { "11:22, abcdef", true },
	{ "11:22", false }, { "AB:CD", false }, { "AB:CD:EF:00", false },
	{ "abcdef00", false }, { "AB:CD:E", false }, { ":", false },
	{ "::", false }, { "", false }, { "A:BCDEF", false },
};

static void compares_fingerprints(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(prints); i++) {
		struct tls_policy policy = { .level = TLS_LEVEL_FINGERPRINT,
			.match = str_from(prints[i].match) };
		struct tls_session tls = { .is_trusted = !prints[i].fits,
			.is_matched = !prints[i].fits,
			.peer_fingerprint = STR("AB:CD:EF"),
			.peer_key_fingerprint = STR("01:23") };

		if (tls_policy_judge(&policy, &tls) != prints[i].fits)
			fail_msg("%s", prints[i].match);
		assert_int_equal(tls.is_trusted, prints[i].fits);
		assert_int_equal(tls.is_matched, prints[i].fits);
		/* no certificate was shown */
		tls.peer_fingerprint = tls.peer_key_fingerprint = STR("");
		assert_false(tls_policy_judge(&policy, &tls));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_policies),
		cmocka_unit_test(knows_names),
		cmocka_unit_test(is_satisfied),
		cmocka_unit_test(compares_fingerprints),
		cmocka_unit_test(reads_attributes),
		cmocka_unit_test(knows_sts_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
