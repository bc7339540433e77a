#include "milter/place.h"

#include "base/test.h"

static const struct {
	const char *list;
	size_t count; /* 0 and a list: refused */
	const char *endpoint; /* of the last one */
	enum milter_otherwise otherwise;
	unsigned version;
	bool no_header_reply;
	int connect_s;
} lists[] = {
	{ "inet:127.0.0.1:8891", 1, "inet:127.0.0.1:8891",
		MILTER_OTHERWISE_TEMPFAIL, 6, false, 30 },
	{ "inet:a:1, unix:/run/b  local:c", 3, "local:c",
		MILTER_OTHERWISE_TEMPFAIL, 6, false, 30 },
	{ "{ inet:a:1, default_action=accept }", 1, "inet:a:1",
		MILTER_OTHERWISE_ACCEPT, 6, false, 30 },
	{ "{inet:a:1 default_action = quarantine connect_timeout=5s}", 1,
		"inet:a:1", MILTER_OTHERWISE_QUARANTINE, 6, false, 5 },
	{ "{ unix:x, { protocol = 2, no_header_reply }, connect_timeout=1m }",
		1, "unix:x", MILTER_OTHERWISE_TEMPFAIL, 2, true, 60 },
	{ "{ unix:x, { default_action = shutdown } }", 1, "unix:x",
		MILTER_OTHERWISE_SHUTDOWN, 6, false, 30 },
	{ "", 0, NULL, 0, 0, false, 0 },
	{ "127.0.0.1:8891", 0, NULL, 0, 0, false, 0 },
	{ "inet:8891", 0, NULL, 0, 0, false, 0 },
	{ "unix:", 0, NULL, 0, 0, false, 0 },
	{ "{ inet:a:1, default_action=maybe }", 0, NULL, 0, 0, false, 0 },
	{ "{ inet:a:1, protocol=5 }", 0, NULL, 0, 0, false, 0 },
	{ "{ inet:a:1, connect_timeout=0 }", 0, NULL, 0, 0, false, 0 },
	{ "{ inet:a:1, unknown=1 }", 0, NULL, 0, 0, false, 0 },
	{ "{ inet:a:1, default_action }", 0, NULL, 0, 0, false, 0 },
	{ "{ }", 0, NULL, 0, 0, false, 0 },
};

static void reads_lists(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	const char *settings[] = { "milter_default_action=tempfail", NULL };
	const struct conf *conf = conf_for_test(arena, settings);

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		const char *text = lists[i].list;
		const struct milter_place *last;
		struct milter_places places;
		struct str problem;
		bool ok = milter_places_parse(arena, conf,
			STR("smtpd_milters"), str_from(text), &places,
			&problem);

		assert_int_equal(ok, lists[i].count > 0 || !*text);
		assert_int_equal(ok, problem.len == 0);
		if (lists[i].count == 0)
			continue;
		assert_int_equal(places.count, lists[i].count);
		last = &places.all[places.count - 1];
		assert_str(last->endpoint, lists[i].endpoint);
		assert_str(last->parameter, "smtpd_milters");
		assert_int_equal(last->otherwise, lists[i].otherwise);
		assert_int_equal(last->version, lists[i].version);
		assert_int_equal(last->no_header_reply,
			lists[i].no_header_reply);
		assert_int_equal(last->connect.us,
			lists[i].connect_s * 1000000);
	}
}

static void refuses_bad_defaults(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	const char *settings[] = { "milter_protocol=7", NULL };
	struct milter_places places;
	struct str problem;

	(void)state;
	assert_false(milter_places_parse(arena, conf_for_test(arena, settings),
		STR("smtpd_milters"), STR("inet:a:1"), &places, &problem));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lists),
		cmocka_unit_test(refuses_bad_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
