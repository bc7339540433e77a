#include "agent/alias.h"

#include "base/buf.h"
#include "base/test.h"

/* Items as "kind:value kind:value". */
static const struct {
	const char *text, *items;
} values[] = {
	{ "joe", "a:joe" },
	{ "joe, mary@example.org", "a:joe a:mary@example.org" },
	{ "Joe Blow <joe@example.org>, x", "a:joe@example.org a:x" },
	{ "\"joe blow\"@example.org", "a:joe blow@example.org" },
	{ "\"joe,blow\"", "a:joe,blow" },
	{ "|/usr/bin/cat -n", "c:/usr/bin/cat -n" },
	{ "\"|cat, \\\"x\\\"\", joe", "c:cat, \"x\" a:joe" },
	{ "|\"exec cat\"", "c:exec cat" },
	{ "/var/mail/x, \"/a b\"", "f:/var/mail/x f:/a b" },
	{ ":include:/etc/list", "i:/etc/list" },
	{ ":Include: \"/etc/a list\"", "i:/etc/a list" },
	{ "\\joe, mary", "u:joe a:mary" },
	{ "staff: a@example.org, b;", "a:a@example.org a:b" },
	{ "a (one, two), b", "a:a a:b" },
	{ " , ,", "" },
	{ "|", "j:|" },
	{ "root@[IPv6:2001:db8::1]", "a:root@[IPv6:2001:db8::1]" },
	{ "\"", "j:\"" },
};

static struct str format(struct arena *arena, const struct alias_list *list)
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < list->count; i++)
		buf_fmt(&out, "%s%c:%.*s", i ? " " : "", list->items[i].kind,
			STR_ARG(list->items[i].value));
	return buf_str(&out);
}

static void values_are_parsed(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct alias_list list;

		assert_true(alias_parse(
			arena, str_from(values[i].text), &list));
		assert_str(format(arena, &list), values[i].items);
	}
	arena_free(arena);
}

static void files_have_lines_and_comments(void **state)
{
	struct arena *arena = arena_new(0);
	struct alias_list list;

	(void)state;
	assert_true(alias_parse_file(arena,
		STR("# mine\n\\joe\n a@example.org, \"|cat\"\n\n #x\nb"), &list));
	assert_str(format(arena, &list), "u:joe a:a@example.org c:cat a:b");
	assert_true(alias_parse_file(arena, STR(""), &list));
	assert_int_equal(list.count, 0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_parsed),
		cmocka_unit_test(files_have_lines_and_comments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
