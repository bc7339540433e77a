#include "pipe/pipe.h"

#include "base/test.h"

/* Arguments are separated by "|". */
static char **arguments(struct arena *arena, const char *text)
{
	char **args = arena_array(arena, 20, sizeof(*args));
	struct str in = str_from(text);

	for (size_t i = 0; in.len > 0; i++)
		args[i] = arena_cstr(arena, str_take_until(&in, '|'));
	return args;
}

static const struct {
	const char *in, *wrong; /* NULL: nothing */
} rows[] = {
	{ "user=vmail|argv=/bin/cat",              NULL },
	{ "flags=DRhu|user=a:b|argv=/bin/x|y|z",   NULL },
	{ "flags=BFOXq.>|user=a|argv=x",           NULL },
	{ "flags=|user=a|argv=x",                  NULL },
	{ "user=a|size=9223372036854775807|argv=x", NULL },
	{ "flags=DZ|user=a|argv=x",  "unknown flag: Z" },
	{ "user=|argv=x",            "user= is empty" },
	{ "user=:group|argv=x",      "user= is empty" },
	{ "user=a|argv=",            "argv= is empty" },
	{ "user=a|argv=|x",          "argv= is empty" },
	{ "user=a",                  "argv= is missing" },
	{ "argv=x|user=a",           "user= is missing" },
	{ "user=a|size=1k|argv=x",   "size= is no number" },
	{ "user=a|size=-1|argv=x",   "size= is no number" },
	{ "user=a|colour=red|argv=x", "unknown attribute: colour=red" },
	{ "",                        "argv= is missing" },
};

static void rows_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_arena struct arena *arena = arena_new(0);
		struct attributes got;
		const char *wrong = attributes_parse(arena,
			arguments(arena, rows[i].in), &got);

		if (rows[i].wrong)
			assert_string_equal(wrong, rows[i].wrong);
		else
			assert_null(wrong);
	}
}

static const struct {
	const char *in, *eol;
} ends[] = {
	{ "\\r\\n", "\r\n" }, { "\\015\\012", "\r\n" }, { "\\\\", "\\" },
	{ "x",      "x" },    { "\\",         "\\" },   { "\\9", "9" },
	{ "\\01",   "01" },   { "\\777",      "777" },  { "\\0150", "\r0" },
};

static void ends_of_lines_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		auto_arena struct arena *arena = arena_new(0);
		struct attributes got;
		struct str row = arena_fmt(arena, "eol=%s|user=a|argv=x",
			ends[i].in);

		assert_null(attributes_parse(arena,
			arguments(arena, row.p), &got));
		assert_string_equal(got.eol, ends[i].eol);
	}
}

static const struct {
	const char *words, *recipients[2], *result; /* NULL: refused */
} commands[] = {
	{ "x|-r|${recipient}|end", { "a@example.org", "b@example.org" },
	  "x|-r|a@example.org|b@example.org|end" },
	{ "x|$user+$extension@$domain", { "Al+Box@Example.ORG" },
	  "x|Al+Box@Example.ORG" },
	/* what a stranger wrote is one word, and is not read again */
	{ "x|${recipient}", { "${sender} `id`;$(id)@example.org" },
	  "x|${sender} `id`;$(id)@example.org" },
	{ "x|${sender}",    { "a@example.org" }, "x|MAILER-DAEMON" },
	{ "x|${nothing}",   { "a@example.org" }, NULL },
	{ "x|${user",       { "a@example.org" }, NULL },
	{ "x|$$",           { "a@example.org" }, "x|$" },
	{ "x|$mailbox|",    { "" },              "x|" },
	/* no message makes a command fail that others do not */
	{ "x|${{$recipient} >level {3.6} ? {a} : {b}}", { "a@example.org" },
	  "x|b" },
	{ "x|${domain_to_ascii{$domain}}", { "a@-b..c" }, "x|-b..c" },
};

/* Names in any branch are known before there is a message. */
static const struct {
	const char *words;
	bool good;
} looked_at[] = {
	{ "x|${sender?{$user}:{$domain}}", true },
	{ "x|${sender?{$user}:{$nothing}}", false },
	{ "x|${sender?{$nothing}:{$user}}", false },
	{ "x|${sender?a$nothing}", false },
	{ "x|${sender:a$nothing}", false },
	{ "x|${{$size} == {0} ? {${user?{$nothing}}}}", false },
	{ "x|${{$size} >level {3.6} ? {$user}}", true },
};

static char *joined(struct arena *arena, char **words)
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; words[i]; i++)
		buf_fmt(&out, "%s%s", i > 0 ? "|" : "", words[i]);
	return arena_cstr(arena, buf_str(&out));
}

static void words_are_filled(void **state)
{
	const struct conf *conf;
	auto_arena struct arena *own = arena_new(0);

	(void)state;
	conf = conf_for_test(own, (const char *const[]){
		"recipient_delimiter=+", NULL });
	for (size_t i = 0; i < COUNT(commands); i++) {
		auto_arena struct arena *arena = arena_new(0);
		struct str row = arena_fmt(arena, "user=a|argv=%s",
			commands[i].words), unknown = STR_NONE;
		struct deliver_recipient recipients[2] = { 0 };
		struct delivery delivery = { .conf = conf,
			.recipients = recipients };
		struct attributes got;
		char **words;

		for (; delivery.count < 2 &&
			commands[i].recipients[delivery.count];
			delivery.count++)
			recipients[delivery.count].address = str_from(
				commands[i].recipients[delivery.count]);
		assert_null(attributes_parse(arena,
			arguments(arena, row.p), &got));
		words = words_expand(arena, &got, &delivery, &unknown);
		assert_int_equal(!words, !commands[i].result);
		if (words)
			assert_string_equal(joined(arena, words),
				commands[i].result);
		else
			assert_false(str_is_none(unknown));
	}
}

static void names_are_known_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(looked_at); i++) {
		auto_arena struct arena *arena = arena_new(0);
		struct str row = arena_fmt(arena, "user=a|argv=%s",
			looked_at[i].words), unknown = STR_NONE;
		struct attributes got;

		assert_null(attributes_parse(arena,
			arguments(arena, row.p), &got));
		assert_int_equal(words_expand(arena, &got, NULL,
			&unknown) != NULL, looked_at[i].good);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_read),
		cmocka_unit_test(ends_of_lines_are_read),
		cmocka_unit_test(words_are_filled),
		cmocka_unit_test(names_are_known_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
