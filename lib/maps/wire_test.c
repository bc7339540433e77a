#include "base/test.h"

#include "maps/wire.h"

static const struct {
	const char *line, *value; /* no value: refused */
	enum maps_result result;
} tcp_lines[] = {
	{ "200 value", "value", MAPS_FOUND },
	{ "200 two%20words%25", "two words%", MAPS_FOUND },
	{ "500 no", "no", MAPS_ABSENT },
	{ "500", "", MAPS_ABSENT },
	{ "400 later", "later", MAPS_ERROR },
	{ "2000 x" }, { "300 x" }, { "" }, { "200 a%" }, { "200 a%2" },
	{ "200 a%zz" }, { "200 a%00" },
};

static void reads_tcp(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(tcp_lines); i++) {
		enum maps_result result;
		struct str value;

		if (!wire_tcp_reply(arena, str_from(tcp_lines[i].line),
			    &result, &value)) {
			assert_null(tcp_lines[i].value);
			continue;
		}
		assert_non_null(tcp_lines[i].value);
		assert_str(value, tcp_lines[i].value);
		assert_int_equal(result, tcp_lines[i].result);
	}
	assert_str(wire_tcp_encode(arena, STR("a b%\n\xc3")),
		"a%20b%25%0A%C3");
	arena_free(arena);
}

static const struct {
	const char *whole, *value; /* no value: refused */
	enum maps_result result;
} netstrings[] = {
	{ "8:OK value,", "value", MAPS_FOUND },
	{ "9:NOTFOUND ,", "", MAPS_ABSENT },
	{ "8:NOTFOUND,", "", MAPS_ABSENT },
	{ "8:TEMP why,", "why", MAPS_ERROR },
	{ "11:TIMEOUT why,", "why", MAPS_ERROR },
	{ "8:PERM why,", "why", MAPS_ERROR },
	{ "2:OK,", "", MAPS_FOUND },
	{ "3:OK,", NULL }, { "2:OKx", NULL }, { "2:KO,", NULL },
	{ ":,", NULL }, { "0:,", NULL }, { "200000:x,", NULL },
	{ "-1:x,", NULL }, { "", NULL }, { "1", NULL },
};

static void reads_netstrings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(netstrings); i++) {
		enum maps_result result;
		struct str text, value;

		if (!wire_netstring_parse(str_from(netstrings[i].whole),
			    &text) ||
			!wire_socketmap_reply(text, &result, &value)) {
			assert_null(netstrings[i].value);
			continue;
		}
		assert_non_null(netstrings[i].value);
		assert_str(value, netstrings[i].value);
		assert_int_equal(result, netstrings[i].result);
	}
}

static void reads_memcache(void **state)
{
	struct arena *arena = arena_new(0);
	uint64_t octets;
	bool found;

	(void)state;
	assert_true(wire_memcache_reply(STR("VALUE k 0 12"), STR("k"), &found,
		&octets));
	assert_true(found);
	assert_int_equal(octets, 12);
	assert_true(wire_memcache_reply(STR("END"), STR("k"), &found,
		&octets));
	assert_false(found);
	assert_false(wire_memcache_reply(STR("VALUE other 0 1"), STR("k"),
		&found, &octets));
	assert_false(wire_memcache_reply(STR("ERROR"), STR("k"), &found,
		&octets));
	assert_false(wire_memcache_reply(STR("VALUE k 0 99999999999"),
		STR("k"), &found, &octets));
	assert_str(wire_memcache_key(arena, STR("a b\r\n")), "a%20b%0D%0A");
	arena_free(arena);
}

static const struct {
	bool (*parse)(struct arena *, struct str, struct wire_place *);
	const char *text, *endpoint, *name; /* no endpoint: refused */
} places[] = {
	{ wire_tcp_place, "127.0.0.1:99", "inet:127.0.0.1:99", NULL },
	{ wire_tcp_place, "[::1]:99", "inet:[::1]:99", NULL },
	{ wire_tcp_place, "localhost" },
	{ wire_tcp_place, "localhost:0" },
	{ wire_tcp_place, "localhost:99:x" },
	{ wire_socketmap_place, "inet:h:9:map", "inet:h:9", "map" },
	{ wire_socketmap_place, "inet:[::1]:9:map", "inet:[::1]:9", "map" },
	{ wire_socketmap_place, "unix:/a/b:map", "unix:/a/b", "map" },
	{ wire_socketmap_place, "unix:/a/b" },
	{ wire_socketmap_place, "inet:h:9" },
	{ wire_socketmap_place, "inet:h:9:" },
	{ wire_socketmap_place, "h:9:map" },
	{ wire_memcache_place, "inet:localhost:11211", "inet:localhost:11211" },
	{ wire_memcache_place, "localhost:11211", "inet:localhost:11211" },
	{ wire_memcache_place, "unix:/x", "unix:/x" },
	{ wire_memcache_place, "unix:" },
};

static void reads_places(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		struct wire_place place;

		if (!places[i].parse(arena, str_from(places[i].text),
			    &place)) {
			assert_null(places[i].endpoint);
			continue;
		}
		assert_non_null(places[i].endpoint);
		assert_str(place.endpoint, places[i].endpoint);
		if (places[i].name)
			assert_str(place.name, places[i].name);
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_tcp),
		cmocka_unit_test(reads_netstrings),
		cmocka_unit_test(reads_memcache),
		cmocka_unit_test(reads_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
