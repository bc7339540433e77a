#include "base/test.h"

#include "base/arena.h"
#include "base/log.h"
#include "maps/match.h"

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static const struct {
	const char *parameter, *list, *domain;
	enum maps_result result;
} domains[] = {
	{ "mydestination", "example.org", "example.org", MAPS_FOUND },
	{ "mydestination", "a, Example.ORG", "eXample.org.", MAPS_FOUND },
	{ "mydestination", "example.org", "sub.example.org", MAPS_ABSENT },
	{ "mydestination", ".example.org", "sub.example.org", MAPS_FOUND },
	{ "mydestination", ".example.org", "example.org", MAPS_ABSENT },
	{ "relay_domains", "example.org", "a.b.example.org", MAPS_FOUND },
	{ "relay_domains", "example.org", "badexample.org", MAPS_ABSENT },
	{ "relay_domains", "!sub.example.org example.org", "sub.example.org",
		MAPS_ABSENT },
	{ "relay_domains", "!sub.example.org example.org", "a.example.org",
		MAPS_FOUND },
	{ "mydestination", "inline:{example.org=x}", "example.org",
		MAPS_FOUND },
	{ "relay_domains", "inline:{example.org=x}", "sub.example.org",
		MAPS_FOUND },
	{ "mydestination", "inline:{.example.org=x}", "sub.example.org",
		MAPS_FOUND },
	{ "mydestination", "fail:x example.org", "example.org", MAPS_ERROR },
	{ "mydestination", "example.org fail:x", "example.org", MAPS_FOUND },
	{ "mydestination", "/nonexistent", "example.org", MAPS_ERROR },
	{ "mydestination", "", "example.org", MAPS_ABSENT },
};

static void matches_domains(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(domains); i++) {
		struct match *match = match_open(arena, conf,
			domains[i].parameter, str_from(domains[i].list));

		assert_int_equal(match_domain(match, arena,
					 str_from(domains[i].domain)),
			domains[i].result);
	}
	arena_free(arena);
}

static const struct {
	const char *list, *name, *address;
	enum maps_result result;
} hosts[] = {
	{ "192.0.2.0/24", NULL, "192.0.2.9", MAPS_FOUND },
	{ "192.0.2.0/24 [2001:db8::]/32", "x", "2001:db8::9", MAPS_FOUND },
	{ "192.0.2.7", "unknown", "192.0.2.7", MAPS_FOUND },
	{ "!192.0.2.7, 192.0.2.0/24", NULL, "192.0.2.7", MAPS_ABSENT },
	{ "!192.0.2.7, 192.0.2.0/24", NULL, "192.0.2.8", MAPS_FOUND },
	{ "host.example.org", "host.example.org", "192.0.2.7", MAPS_FOUND },
	{ ".example.org", "host.example.org", "192.0.2.7", MAPS_FOUND },
	{ "unknown", "unknown", "192.0.2.7", MAPS_ABSENT },
	{ "cidr:{{192.0.2.0/24 x}}", NULL, "192.0.2.9", MAPS_FOUND },
	{ "inline:{192.0.2.9=x}", NULL, "192.0.2.9", MAPS_FOUND },
	{ "127.0.0.0/8", NULL, "2001:db8::1", MAPS_ABSENT },
	{ "static:all", NULL, "2001:db8::1", MAPS_FOUND },
};

static void matches_hosts(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct match *match = match_open(arena, conf, "mynetworks",
			str_from(hosts[i].list));

		assert_int_equal(match_host(match, arena,
					 str_from(hosts[i].name),
					 str_from(hosts[i].address)),
			hosts[i].result);
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_domains),
		cmocka_unit_test(matches_hosts),
	};

	log_sink(be_silent);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
