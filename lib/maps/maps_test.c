#include "base/test.h"

#include "base/arena.h"
#include "base/log.h"
#include "maps/address.h"
#include "maps/build.h"
#include "maps/text.h"

#include <stdio.h>
#include <unistd.h>

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static const struct {
	const char *list, *key, *value; /* no value: absent; "!": error */
} lookups[] = {
	{ "inline:{a=b}", "a", "b" },
	{ "inline:{a=b}", "A", "b" },
	{ "inline:{a=b, {c = d e}}", "c", "d e" },
	{ "inline:{a=b}", "b", NULL },
	{ "inline:{a=b}, inline:{b=c}", "b", "c" },
	{ "inline:{a=b} static:x", "q", "x" },
	{ "static:{a b}", "q", "a b" },
	{ "fail:x", "a", "!" },
	{ "inline:{a=b} fail:x", "a", "b" },
	{ "nosuch:x", "a", "!" },
	{ "mysql:/etc/x.cf", "a", "!" },
	{ "plain", "a", "!" },
	{ "hash:/nonexistent/file", "a", "!" },
	{ "unionmap:{inline:{a=b},inline:{a=c},inline:{d=e}}", "a", "b,c" },
	{ "pipemap:{inline:{a=b},inline:{b=c}}", "a", "c" },
	{ "pipemap:{inline:{a=b},inline:{x=c}}", "a", NULL },
	{ "pipemap:{inline:{a=b},fail:x}", "a", "!" },
	{ "randmap:{x}", "a", "x" },
	{ "debug:inline:{a=b}", "a", "b" },
	{ "regexp:{{/^a(.*)z$/ <$1>}}", "aBz", "<B>" },
	{ "regexp:{{/^a(.*)z$/ <${1}$$>}}", "AbZ", "<b$>" },
	{ "regexp:{{/^a/i x}}", "A", NULL },
	{ "regexp:{{!/a/ no}}", "b", "no" },
	{ "regexp:{{!/a(.)/ $1}, {/./ x}}", "b", "x" }, /* rule skipped */
	{ "regexp:{{if /a/}, {/b/ ab}, {endif}, {/b/ b}}", "ab", "ab" },
	{ "regexp:{{if /a/}, {/b/ ab}, {endif}, {/b/ b}}", "b", "b" },
	{ "regexp:{{if !/a/}, {/b/ b}, {endif}}", "ab", NULL },
	{ "regexp:{{/(/ x}, {/a/ y}}", "a", "y" },
	{ "regexp:{{/b++++++++/ x}, {/a/ y}}", "bb", "x" },
	{ "regexp:{{/b+++++++++/ x}, {/b/ y}}", "bb", "y" },
	{ "regexp:{{/b[]+++++*???]\\++/ x}, {/b/ y}}", "b]+", "x" },
	{ "pcre:{{/^(?<n>\\d+)$/ n$1}}", "42", "n42" },
	{ "pcre:{{/a.c/ x}}", "a\nc", "x" },
	{ "pcre:{{/a.c/s x}}", "a\nc", NULL },
	{ "pcre:{{/(a+)+$/ x}}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", NULL },
	{ "cidr:{{192.0.2.0/24 x}}", "192.0.2.7", "x" },
	{ "cidr:{{192.0.2.0/24 x}}", "192.0.3.7", NULL },
	{ "cidr:{{192.0.2.1/24 x}}", "192.0.2.7", NULL }, /* host bits */
	{ "cidr:{{!192.0.2.0/24 x}}", "198.51.100.1", "x" },
	{ "cidr:{{!192.0.2.0/24 x}}", "example.org", NULL },
	{ "cidr:{{2001:db8::/32 x}}", "2001:db8::1", "x" },
	{ "cidr:{{if 192.0.2.0/24}, {192.0.2.1 a}, {endif}}", "192.0.2.1",
		"a" },
	{ "environ:x", "POSTHORN_TEST", "yes" },
	{ "unix:passwd.byname", "no such user", NULL },
	{ "unix:nosuch", "x", "!" },
	{ "proxy:inline:{a=b}", "a", "b" },
	{ "", "a", NULL },
	{ "inline:{a=b}", "", NULL },
};

static void looks_up(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);

	(void)state;
	setenv("POSTHORN_TEST", "yes", 1);
	for (size_t i = 0; i < COUNT(lookups); i++) {
		struct maps *maps = maps_open(arena, conf, "test_maps",
			str_from(lookups[i].list), 0);
		struct str value;
		enum maps_result result = maps_find(maps, arena,
			str_from(lookups[i].key), &value);
		const char *expected = lookups[i].value;

		if (!expected)
			assert_int_equal(result, MAPS_ABSENT);
		else if (strcmp(expected, "!") == 0)
			assert_int_equal(result, MAPS_ERROR);
		else {
			assert_int_equal(result, MAPS_FOUND);
			assert_str(value, expected);
		}
	}
	arena_free(arena);
}

static void refuses_substitution(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);
	struct maps *maps = maps_open(arena, conf, "x",
		STR("regexp:{{/^(.*)$/ /mail/$1}, {/a/ b}}"),
		MAPS_NO_SUBSTITUTION);
	struct str value;

	(void)state;
	assert_int_equal(maps_find(maps, arena, STR("a"), &value), MAPS_FOUND);
	assert_str(value, "b");
	arena_free(arena);
}

static void parts_skip_patterns(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);
	struct maps *maps = maps_open(arena, conf, "x",
		STR("regexp:{{/./ p}} inline:{a=b}"), 0);
	struct str value;

	(void)state;
	assert_int_equal(maps_find_part(maps, arena, STR("a"), &value),
		MAPS_FOUND);
	assert_str(value, "b");
	assert_int_equal(maps_find_part(maps, arena, STR("c"), &value),
		MAPS_ABSENT);
	arena_free(arena);
}

static const struct {
	const char *table, *address, *value, *extension;
	unsigned forms;
	bool ours;
} addresses[] = {
	{ "user+ext@example.org=1", "user+ext@example.org", "1", NULL,
		ADDRESS_CANONICAL },
	{ "user@example.org=1", "user+ext@example.org", "1", "ext",
		ADDRESS_CANONICAL },
	{ "user@example.org=1", "USER@Example.ORG", "1", NULL,
		ADDRESS_CANONICAL },
	{ "user=1", "user+ext@example.org", "1", "ext", ADDRESS_CANONICAL,
		true },
	{ "user=1", "user+ext@example.org", NULL, NULL, ADDRESS_CANONICAL },
	{ "user+ext=1, user=2", "user+ext@example.org", "1", NULL,
		ADDRESS_CANONICAL, true },
	{ "@example.org=1", "user+ext@example.org", "1", NULL,
		ADDRESS_CANONICAL },
	{ "example.org=1", "user@example.org", "1", NULL, ADDRESS_ACCESS },
	{ ".org=1", "user@example.org", "1", NULL, ADDRESS_ACCESS },
	{ "org=1", "user@example.org", NULL, NULL, ADDRESS_ACCESS },
	{ "user@=1", "user+ext@example.org", "1", "ext", ADDRESS_ACCESS },
	{ "user@=1, example.org=2", "user@example.org", "2", NULL,
		ADDRESS_ACCESS },
	{ "{\"a b\"@example.org = 1}", "a b@example.org", "1", NULL,
		ADDRESS_CANONICAL },
	{ "{a b@example.org = 1}", "a b@example.org", "1", NULL,
		ADDRESS_CANONICAL },
	{ "owner-list@example.org=1", "owner-list@example.org", "1", NULL,
		ADDRESS_CANONICAL },
	{ "user=1", "user", "1", NULL, ADDRESS_CANONICAL },
};

static void finds_addresses(void **state)
{
	static const char *const overrides[] = { "recipient_delimiter=+",
		NULL };
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, overrides);

	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct str list = arena_fmt(arena, "inline:{%s}",
			addresses[i].table);
		struct maps *maps = maps_open(arena, conf, "x", list, 0);
		struct address_how how = { .conf = conf,
			.forms = addresses[i].forms,
			.domain_is_ours = addresses[i].ours };
		struct str value, extension;
		enum maps_result result = maps_find_address(maps, arena,
			str_from(addresses[i].address), &how, &value, NULL,
			&extension);

		if (!addresses[i].value) {
			assert_int_equal(result, MAPS_ABSENT);
			continue;
		}
		assert_int_equal(result, MAPS_FOUND);
		assert_str(value, addresses[i].value);
		if (addresses[i].extension)
			assert_str(extension, addresses[i].extension);
		else
			assert_true(str_is_none(extension));
	}
	arena_free(arena);
}

static void finds_networks(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);
	struct maps *maps = maps_open(arena, conf, "x",
		STR("inline:{192.0.2=a, 198=b, 2001:db8=c, .org=d}"), 0);
	struct str value;

	(void)state;
	assert_int_equal(maps_find_network(maps, arena, STR("192.0.2.1"),
				 &value),
		MAPS_FOUND);
	assert_str(value, "a");
	assert_int_equal(maps_find_network(maps, arena, STR("198.51.100.1"),
				 &value),
		MAPS_FOUND);
	assert_str(value, "b");
	assert_int_equal(maps_find_network(maps, arena, STR("2001:db8::1"),
				 &value),
		MAPS_FOUND);
	assert_str(value, "c");
	assert_int_equal(maps_find_network(maps, arena, STR("203.0.113.1"),
				 &value),
		MAPS_ABSENT);
	assert_int_equal(maps_find_host(maps, arena, STR("mx.example.org."),
				 false, &value),
		MAPS_FOUND);
	assert_str(value, "d");
	arena_free(arena);
}

static const struct {
	const char *line, *key, *value;
	enum text_fault fault;
} lines[] = {
	{ "key value", "key", "value", TEXT_FINE },
	{ "key\tmany  words ", "key", "many  words", TEXT_FINE },
	{ "\"a b\"@c x", "\"a b\"@c", "x", TEXT_FINE },
	{ "\"a\\\" b\" y", "\"a\\\" b\"", "y", TEXT_FINE },
	{ "\"a b", NULL, NULL, TEXT_UNBALANCED },
	{ "key", NULL, NULL, TEXT_NO_VALUE },
	{ "key: value", "key:", "value", TEXT_IS_ALIAS },
	{ " key value", NULL, NULL, TEXT_INDENTED },
};

static void splits_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct str key, value;

		assert_int_equal(text_parse_table(str_from(lines[i].line),
					 &key, &value),
			lines[i].fault);
		if (!lines[i].key)
			continue;
		assert_str(key, lines[i].key);
		assert_str(value, lines[i].value);
	}
}

static void reads_files(void **state)
{
	static const char text[] = "# comment\na  one\n\ttwo\n\n  three\n"
				   "B x\n";
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);
	char path[] = "/tmp/maps_test.XXXXXX";
	int fd = mkstemp(path);
	struct maps *maps;
	struct str value;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	maps = maps_open(arena, conf, "x",
		arena_fmt(arena, "texthash:%s", path), 0);
	assert_int_equal(maps_find(maps, arena, STR("a"), &value), MAPS_FOUND);
	assert_str(value, "one\ttwo  three");
	assert_int_equal(maps_find(maps, arena, STR("b"), &value), MAPS_FOUND);
	assert_false(maps_changed());
	unlink(path);
	assert_true(maps_changed());
	close(fd);
	arena_free(arena);
}

static const struct {
	const char *type, *key, *value; /* no value: absent */
} built[] = {
	{ "hash", "a", "one" }, { "hash", "b", "two" }, { "hash", "c", NULL },
	{ "btree", "a", "one" }, { "btree", "c", NULL },
	{ "lmdb", "a", "one" }, { "lmdb", "c", NULL },
	{ "cdb", "a", "one" }, { "cdb", "b", "two" }, { "cdb", "c", NULL },
};

static bool write_table(struct arena *arena, const struct conf *conf,
	const char *type, struct str name)
{
	struct build build;

	if (!build_open(arena, conf, str_from(type), name, 0, &build))
		return false;
	assert_int_equal(build_put(&build, STR("a"), STR("one")), BUILD_PUT);
	assert_int_equal(build_put(&build, STR("b"), STR("two")), BUILD_PUT);
	assert_int_equal(build_put(&build, STR("a"), STR("other")),
		BUILD_DUPLICATE);
	return build_commit(&build, 0644);
}

/* What one part writes, the other reads. */
static void builds_and_reads(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);
	char folder[] = "/tmp/maps_test.XXXXXX";
	struct str name, value;

	(void)state;
	assert_non_null(mkdtemp(folder));
	name = arena_fmt(arena, "%s/table", folder);
	for (size_t i = 0; i < COUNT(built); i++) {
		struct maps *maps;
		enum maps_result result;

		if (!write_table(arena, conf, built[i].type, name))
			continue; /* built without that library */
		maps = maps_open(arena, conf, "x",
			arena_fmt(arena, "%s:%.*s", built[i].type,
				STR_ARG(name)),
			0);
		result = maps_find(maps, arena, str_from(built[i].key), &value);
		assert_int_equal(result,
			built[i].value ? MAPS_FOUND : MAPS_ABSENT);
		if (built[i].value)
			assert_str(value, built[i].value);
	}
	unlink(arena_join(arena, name, STR(".db")).p);
	unlink(arena_join(arena, name, STR(".cdb")).p);
	unlink(arena_join(arena, name, STR(".lmdb")).p);
	unlink(arena_join(arena, name, STR(".lmdb-lock")).p);
	assert_int_equal(rmdir(folder), 0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks_up),
		cmocka_unit_test(refuses_substitution),
		cmocka_unit_test(parts_skip_patterns),
		cmocka_unit_test(finds_addresses),
		cmocka_unit_test(finds_networks),
		cmocka_unit_test(splits_lines),
		cmocka_unit_test(reads_files),
		cmocka_unit_test(builds_and_reads),
	};

	log_sink(be_silent);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
