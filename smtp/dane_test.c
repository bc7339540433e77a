#include "smtp/dane.h"

#include "base/log.h"
#include "base/test.h"
#include "io/fiber.h"
#include "smtp/tables.h"

/* ---- stand-ins ---- */

bool tables_has(enum table_use use)
{
	(void)use;
	return false;
}

enum table_result tables_find(struct arena *arena, enum table_use use,
	struct str key, struct str *value)
{
	(void)arena, (void)use, (void)key, (void)value;
	return TABLE_NOTHING;
}

/* What the DNS says of _25._tcp.mx.example.net. */
enum zone { NOTHING, GOOD, OLD, INSECURE, FAILS };

static enum zone zone;
static unsigned probes;

void dns_lookup(struct arena *arena, struct str name, enum dns_type type,
	struct dns_answer *answer)
{
	static const char octets[32];
	struct buf record = BUF_IN(arena);

	*answer = (struct dns_answer){ .status = DNS_NO_NAME, .secure = true };
	if (type == DNS_NS && str_is(name, "."))
		probes++;
	if (type != DNS_TLSA || !str_is(name, "_25._tcp.mx.example.net"))
		return;
	buf_add(&record, zone == OLD ? STR("\1\1\1") : STR("\3\1\1"));
	buf_add(&record, str_of(octets, sizeof(octets)));
	answer->records = arena_new_of(arena, struct str);
	answer->records[0] = buf_str(&record);
	answer->count = zone == GOOD || zone == OLD || zone == INSECURE;
	answer->secure = zone != INSECURE;
	answer->status = zone == FAILS ? DNS_TEMPORARY :
		answer->count          ? DNS_FOUND :
					 DNS_NO_NAME;
}

/* ---- cases ---- */

enum { REFUSED = 100 };

#define DANE TLS_LEVEL_DANE
#define ONLY TLS_LEVEL_DANE_ONLY

static const struct {
	enum tls_level wanted;
	bool is_mx_secure, is_secure;
	enum zone zone;
	const char *insecure_mx; /* policy */
	bool is_required;
	int level; /* or REFUSED */
} cases[] = {
	{ DANE, true, true, GOOD, "dane", false, DANE },
	{ ONLY, true, true, GOOD, "dane", false, ONLY },
	{ DANE, true, true, NOTHING, "dane", false, TLS_LEVEL_MAY },
	{ ONLY, true, true, NOTHING, "dane", false, REFUSED },
	{ DANE, true, true, OLD, "dane", false, TLS_LEVEL_ENCRYPT },
	{ ONLY, true, true, OLD, "dane", false, REFUSED },
	{ DANE, true, true, INSECURE, "dane", false, TLS_LEVEL_MAY },
	{ ONLY, true, true, INSECURE, "dane", false, REFUSED },
	{ DANE, true, true, FAILS, "dane", false, REFUSED },
	{ ONLY, true, true, FAILS, "dane", false, REFUSED },
	{ DANE, true, false, GOOD, "dane", false, TLS_LEVEL_MAY },
	{ ONLY, true, false, GOOD, "dane", false, REFUSED },
	/* the MX record is not validated */
	{ DANE, false, true, GOOD, "dane", false, TLS_LEVEL_HALF_DANE },
	{ DANE, false, true, GOOD, "encrypt", false, TLS_LEVEL_ENCRYPT },
	{ DANE, false, true, GOOD, "may", false, TLS_LEVEL_MAY },
	{ ONLY, false, true, GOOD, "dane", false, REFUSED },
	{ DANE, false, true, NOTHING, "encrypt", false, TLS_LEVEL_MAY },
	{ DANE, false, true, OLD, "dane", false, TLS_LEVEL_ENCRYPT },
	{ DANE, false, true, FAILS, "dane", false, REFUSED },
	{ DANE, false, true, FAILS, "may", false, TLS_LEVEL_MAY },
	/* REQUIRETLS: with DANE, or as without it */
	{ DANE, true, true, GOOD, "dane", true, DANE },
	{ DANE, true, true, NOTHING, "dane", true, TLS_LEVEL_VERIFY },
	{ DANE, true, true, OLD, "dane", true, TLS_LEVEL_VERIFY },
	{ DANE, false, true, GOOD, "dane", true, TLS_LEVEL_VERIFY },
	{ ONLY, true, true, NOTHING, "dane", true, REFUSED },
	/* other levels are no affair of the DNS */
	{ TLS_LEVEL_SECURE, true, true, FAILS, "dane", false,
		TLS_LEVEL_SECURE },
	{ TLS_LEVEL_NONE, true, true, GOOD, "dane", false, TLS_LEVEL_NONE },
};

static struct conf conf;
static struct settings set;

static struct tls_policy policy_of(struct arena *arena, size_t i)
{
	const struct tls_policy wanted = { .level = cases[i].wanted,
		.is_required = cases[i].is_required };
	const struct site site = { .host = STR("mx.example.net"), .port = 25,
		.canonical = STR("mx.example.net"),
		.domain = STR("example.net"),
		.is_mx_secure = cases[i].is_mx_secure,
		.is_secure = cases[i].is_secure };
	struct talk_destination destination;

	assert_true(talk_destination_parse(STR("example.net"), false,
		&destination));
	zone = cases[i].zone;
	set.tls_dane_insecure_mx_policy = str_from(cases[i].insecure_mx);
	return dane_policy(arena, &set, &wanted, &destination, &site);
}

static int prepare(void **state)
{
	(void)state;
	conf.tls_dane_digests = STR("sha512 sha256");
	conf.dnssec_probe = STR("ns:.");
	set = (struct settings){ .conf = &conf,
		.tls_security_level = STR("dane"),
		.dns_support_level = STR("dnssec"),
		.tls_verify_cert_match = STR("hostname") };
	tls_policy_prepare(&set);
	return 0;
}

static void decide_all(void *context)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)context;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tls_policy got = policy_of(arena, i);
		int level = got.refused.status.code ? REFUSED : (int)got.level;

		if (level != cases[i].level)
			fail_msg("case %zu: %d", i, level);
		/* records count at these levels and at no other */
		assert_int_equal(got.dane != NULL,
			level == TLS_LEVEL_HALF_DANE || level == DANE ||
				level == ONLY);
		if (level == REFUSED)
			assert_int_equal(got.refused.status.code, 451);
		if (level == TLS_LEVEL_VERIFY)
			assert_str(got.match, "hostname");
	}
}

static void decides(void **state)
{
	(void)state;
	io_run(decide_all, NULL);
	assert_int_equal(probes, 1); /* in a process */
}

static void needs_dnssec(void **state)
{
	static const char *const lacking[] = { "", "enabled", "disabled" };
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(lacking); i++) {
		set.dns_support_level = str_from(lacking[i]);
		assert_int_equal(policy_of(arena, 0).level, TLS_LEVEL_MAY);
		assert_null(policy_of(arena, 0).dane);
		assert_int_equal(policy_of(arena, 1).refused.status.code, 451);
	}
	set.dns_support_level = STR("dnssec");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides),
		cmocka_unit_test(needs_dnssec),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
