#include "rewrite/probe.h"

#include "base/test.h"

enum { NOW = 1796072258 };

static const struct {
	const char *setting;
	int64_t ttl_s;
	const char *sender;
} senders[] = {
	{ "double-bounce", 0, "double-bounce@example.org" },
	{ "me@else.example", 0, "me@else.example" },
	{ "", 0, "" },
	{ "<>", 100, "" },
	/* as Postfix 3.7 was seen to write it at that time */
	{ "double-bounce", 100, "double-bounceMFWM4@example.org" },
	{ "a@else.example", INT64_C(1) << 40, "a0@else.example" },
};

static void has_a_sender(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(senders); i++) {
		struct conf conf = {
			.myorigin = STR("example.org"),
			.address_verify_sender = str_from(senders[i].setting),
			.address_verify_sender_ttl = span_s(senders[i].ttl_s),
		};

		assert_str(probe_sender(arena, &conf, NOW), senders[i].sender);
	}
	arena_free(arena);
}

static void knows_it_again(void **state)
{
	struct arena *arena = arena_new(0);
	struct conf conf = {
		.myorigin = STR("example.org"),
		.address_verify_sender = STR("Probe"),
		.address_verify_sender_ttl = span_s(100),
	};
	struct str sender = probe_sender(arena, &conf, NOW);

	(void)state;
	assert_true(probe_is_sender(arena, &conf, sender, NOW));
	assert_true(probe_is_sender(arena, &conf, sender, NOW + 100));
	assert_true(probe_is_sender(arena, &conf, sender, NOW - 100));
	assert_false(probe_is_sender(arena, &conf, sender, NOW + 200));
	assert_false(probe_is_sender(arena, &conf, STR("probe@example.org"),
		NOW));
	conf.address_verify_sender_ttl = span_s(0);
	assert_true(probe_is_sender(arena, &conf, STR("probe@EXAMPLE.org"),
		NOW));
	assert_true(probe_is_sender(arena, &conf, STR("probe"), NOW));
	assert_false(probe_is_sender(arena, &conf, STR("probe@example.net"),
		NOW));
	assert_false(probe_is_sender(arena, &conf, STR(""), NOW));
	conf.address_verify_sender = STR("");
	assert_false(probe_is_sender(arena, &conf, STR(""), NOW));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_a_sender),
		cmocka_unit_test(knows_it_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
