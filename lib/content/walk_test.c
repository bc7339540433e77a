#include "content/walk.h"

#include "base/test.h"

/* A table says IGNORE, REPLACE x, PREPEND x, PASS or STOP about a line. */
static enum check_result judge(void *context, enum check_kind kind,
	struct str line, struct str *text)
{
	struct walk *walk = context;
	struct check_word word;

	if (checks_find((struct checks *)(uintptr_t)walk->checks, walk->arena,
		    kind, line, &word) != MAPS_FOUND)
		return CHECK_KEEP;
	*text = word.argument;
	return str_is(word.action, "IGNORE")  ? CHECK_DROP :
		str_is(word.action, "REPLACE") ? CHECK_REPLACE :
		str_is(word.action, "PREPEND") ? CHECK_PREPEND :
		str_is(word.action, "PASS")    ? CHECK_PASS :
						 CHECK_STOP;
}

#define MIXED                                                                  \
	"Content-Type: multipart/mixed; boundary=b\n\n"                        \
	"--b\nContent-Type: text/plain\n\none\ntwo\n"                          \
	"--b\nContent-Type: message/rfc822\n\nSubject: inner\n\nthree\n--b--\n"

static const struct {
	const char *header, *mime, *nested, *body, *in, *out;
} cases[] = {
	{ "pcre:{{/^X-/ IGNORE}}", "", "", "", "X-a: 1\nY: 2\n\nX-b\n",
		"Y: 2\n\nX-b\n" },
	{ "pcre:{{/^X-a: 1$/ REPLACE Z: 3}}", "", "", "", "X-a: 1\nY: 2\n\n",
		"Z: 3\nY: 2\n\n" },
	{ "pcre:{{/^Y/ PREPEND Z: 3}}", "", "", "", "X: 1\nY: 2\n\n",
		"X: 1\nZ: 3\nY: 2\n\n" },
	/* A folded field is one line with a line end in it. */
	{ "pcre:{{/^X: 1.*2$/ IGNORE}}", "", "", "", "X: 1\n 2\nY: 2\n\n",
		"Y: 2\n\n" },
	/* After STOP nothing else is asked. */
	{ "pcre:{{/^X/ STOP} {/^Y/ IGNORE}}", "", "", "pcre:{{/./ IGNORE}}",
		"X: 1\nY: 2\n\nbody\n", "X: 1\nY: 2\n\nbody\n" },
	/* Nor after PASS, wherever it stands. */
	{ "pcre:{{/^X/ PASS} {/^Y/ IGNORE}}", "", "", "pcre:{{/./ IGNORE}}",
		"Y: 1\nX: 1\nY: 2\n\nbody\n", "X: 1\nY: 2\n\nbody\n" },
	{ "", "", "pcre:{{/inner/ IGNORE}}",
		"pcre:{{/^one/ IGNORE} {/^two/ PASS} {/^three/ IGNORE}}", MIXED,
		"Content-Type: multipart/mixed; boundary=b\n\n"
		"--b\nContent-Type: text/plain\n\ntwo\n"
		"--b\nContent-Type: message/rfc822\n\nSubject: inner\n\n"
		"three\n--b--\n" },
	{ "", "", "", "pcre:{{/^two/ REPLACE 2} {/^three/ IGNORE}}", MIXED,
		"Content-Type: multipart/mixed; boundary=b\n\n"
		"--b\nContent-Type: text/plain\n\none\n2\n"
		"--b\nContent-Type: message/rfc822\n\nSubject: inner\n\n"
		"--b--\n" },
	{ "", "pcre:{{/text/ IGNORE} {/inner/ IGNORE}}", "", "", MIXED,
		"Content-Type: multipart/mixed; boundary=b\n\n"
		"--b\n\none\ntwo\n"
		"--b\nContent-Type: message/rfc822\n\nSubject: inner\n\n"
		"three\n--b--\n" },
	{ "", "", "pcre:{{/text/ IGNORE} {/inner/ PREPEND X: y}}", "", MIXED,
		"Content-Type: multipart/mixed; boundary=b\n\n"
		"--b\nContent-Type: text/plain\n\none\ntwo\n"
		"--b\nContent-Type: message/rfc822\n\nX: y\nSubject: inner\n\n"
		"three\n--b--\n" },
};

/* What stands around parts is body; fields about MIME have their own table in
 * each header. */
static const struct {
	const char *header, *mime, *nested, *body, *in, *out;
} around[] = {
	{ "", "", "", "pcre:{{/^--b$/ REPLACE --c} {/^p/ IGNORE} "
		"{/^--b--/ PREPEND last} {/^e/ IGNORE}}",
		"Content-Type: multipart/mixed; boundary=b\n\np\n--b\n\none\n"
		"--b\n\n\n--b--\ne\n",
		"Content-Type: multipart/mixed; boundary=b\n\n--c\n\none\n"
		"--c\n\n\nlast\n--b--\n" },
	{ "pcre:{{/./ IGNORE}}", "pcre:{{/^mime-version/ PREPEND X: y}}", "",
		"", "MIME-Version: 1\nSubject: a\nContent-Foo: b\n\n",
		"X: y\nMIME-Version: 1\n\n" },
	{ "", "pcre:{{/./ PREPEND X: mime}}", "pcre:{{/./ PREPEND X: nested}}",
		"", "Content-Type: message/rfc822\n\nContent-ID: <a>\nA: b\n\n",
		"X: mime\nContent-Type: message/rfc822\n\n"
		"X: mime\nContent-ID: <a>\nX: nested\nA: b\n\n" },
};

static const struct conf *conf;

static struct str walk_all(struct walk *walk, struct str in)
{
	struct buf out = BUF_IN(walk->arena);
	struct mail_header header;
	struct str rest = in;

	while (mail_header_take(&rest, &header))
		if (walk_field(walk, &header, &out))
			buf_add(&out, header.raw);
	buf_add(&out, rest);
	return walk_parts(walk, buf_str(&out));
}

static void check_one(const char *header, const char *mime,
	const char *nested, const char *body, const char *in, const char *out)
{
	struct arena *arena = arena_new(0);
	const struct check_table tables[] = {
		{ "a", str_from(header) },
		{ "b", str_from(mime) },
		{ "c", str_from(nested) },
		{ "d", str_from(body) },
	};
	struct walk walk = { .arena = arena, .conf = conf,
		.checks = checks_open(arena, conf, tables),
		.judge = judge, .context = &walk };

	assert_str(walk_all(&walk, str_from(in)), out);
	arena_free(arena);
}

static void changes_what_tables_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_one(cases[i].header, cases[i].mime, cases[i].nested,
			cases[i].body, cases[i].in, cases[i].out);
}

static void sees_what_stands_around(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(around); i++)
		check_one(around[i].header, around[i].mime, around[i].nested,
			around[i].body, around[i].in, around[i].out);
}

/* What nobody changes is not copied. */
static void leaves_alone_what_stays(void **state)
{
	struct arena *arena = arena_new(0);
	const struct check_table tables[CHECK_KINDS] = { { "a", STR("") },
		{ "b", STR("") }, { "c", STR("") },
		{ "d", STR("pcre:{{/nowhere/ IGNORE}}") } };
	struct walk walk = { .arena = arena, .conf = conf,
		.checks = checks_open(arena, conf, tables), .judge = judge,
		.context = &walk };
	struct str content = STR(MIXED);

	(void)state;
	assert_true(walk_has_parts(&walk));
	assert_ptr_equal(walk_parts(&walk, content).p, content.p);
	arena_free(arena);
}

/* Bodies are looked at in pieces of line_length_limit, and only as far as
 * body_checks_size_limit. */
static void keeps_to_the_limits(void **state)
{
	static const char *const settings[] = { "body_checks_size_limit=520",
		"line_length_limit=512", NULL };
	struct arena *arena = arena_new(0);
	const struct check_table tables[CHECK_KINDS] = { { "a", STR("") },
		{ "b", STR("") }, { "c", STR("") },
		{ "d", STR("pcre:{{/^a+$/ REPLACE 4} {/^x/ IGNORE}}") } };
	struct walk walk = { .arena = arena,
		.conf = conf_for_test(arena, settings),
		.checks = checks_open(arena, conf, tables), .judge = judge,
		.context = &walk };

	struct buf in = BUF_IN(arena);

	(void)state;
	buf_text(&in, "A: 1\n\n");
	for (size_t i = 0; i < 512; i++)
		buf_char(&in, 'a');
	buf_text(&in, "bbbbbb\nx\nx\n"); /* the first x: octet 519 */
	assert_str(walk_parts(&walk, buf_str(&in)), "A: 1\n\n4\nbbbbbb\nx\n");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_what_tables_say),
		cmocka_unit_test(sees_what_stands_around),
		cmocka_unit_test(leaves_alone_what_stays),
		cmocka_unit_test(keeps_to_the_limits),
	};

	conf = conf_for_test(arena_new(0), NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
