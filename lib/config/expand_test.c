#include "base/test.h"

#include "base/log.h"
#include "config/expand.h"
#include "config/findings.h"
#include "config/interfaces.h"
#include "config/list.h"
#include "config/main_cf.h"
#include "config/value.h"

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

/* ---- main.cf ---- */

static const struct {
	const char *text;
	const char *name[3], *value[3];
	enum main_cf_fault fault[3];
	unsigned line[3];
} files[] = {
	{ "a = b\n", { "a" }, { "b" }, { MAIN_CF_FINE }, { 1 } },
	{ "a=\nb =c =d \n", { "a", "b" }, { "", "c =d" }, { 0 }, { 1, 2 } },
	{ "a = a\n# c\n  b\n\n c\n", { "a" }, { "a b c" }, { 0 }, { 1 } },
	{ "#x\n\na = b\r\n\tc", { "a" }, { "b c" }, { 0 }, { 3 } },
	{ "  a = b\nc = d\n", { NULL, "c" }, { NULL, "d" },
		{ MAIN_CF_INDENTED }, { 1, 2 } },
	{ "nonsense\na b = c\n", { NULL, NULL }, { NULL },
		{ MAIN_CF_NO_EQUALS, MAIN_CF_NO_EQUALS }, { 1, 2 } },
	{ "= x\n", { NULL }, { NULL }, { MAIN_CF_NO_EQUALS }, { 1 } },
	{ "", { NULL }, { NULL }, { 0 }, { 0 } },
};

static void reads_lines(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		struct main_cf in = main_cf_of(str_from(files[i].text));
		struct main_cf_entry entry;
		size_t at = 0;

		for (; main_cf_take(arena, &in, &entry); at++) {
			assert_int_equal(entry.fault, files[i].fault[at]);
			assert_int_equal(entry.line, files[i].line[at]);
			if (entry.fault != MAIN_CF_FINE)
				continue;
			assert_str(entry.name, files[i].name[at]);
			assert_str(entry.value, files[i].value[at]);
		}
		assert_true(at == 3 || files[i].line[at] == 0);
	}
	arena_free(arena);
}

/* ---- expansion; results as Postfix 3.7 and later give them ---- */

static const struct {
	const char *text, *value; /* no value: an error */
} expansions[] = {
	{ "plain", "plain" },
	{ "$x", "1" }, { "$x.y $(x)z ${x}y $$x", "1.y 1z 1y $x" },
	{ "[$none]", "[]" }, { "$$$x", "$1" }, { "$twice", "11" },
	{ "[${x? foo }]", "[ foo ]" }, { "[${empty:{ foo bar } }]",
		"[ foo bar ]" },
	{ "[${x?{ a b }:c d }|]", "[ a b |]" }, { "[${x ? {A}}]", "[A]" },
	{ "[${x?foo}${empty?bar}]", "[foo]" },
	{ "[${x?{A}:B}/${empty?{A}:B b}/]", "[A/B b/]" },
	{ "[${ x }]", "[1]" }, { "[$(x?{a})]", "[a]" }, { "${x?a:b}", "a:b" },
	{ "${x?${x?{$x}}}", "1" },
	{ "${{a} == {a} ? { yes } : {no}}", " yes " },
	{ "${{3} < {10}?{num}:{lex}}", "num" },
	{ "${{a3} < {a10}?{num}:{lex}}", "lex" },
	{ "[${{a} < {b}}][${{b} < {a}}]", "[true][]" },
	{ "${{007} == {7} ? {same}}", "same" },
	{ "[${{a} != {a} : {c}}]", "[c]" },
	{ "${{3.1} <level {3.6}?{a}:{b}}", "a" },
	{ "${{3.10} <level {3.6}?{a}:{b}}", "b" },
	{ "${{2} >=level {2.0.0}?{a}:{b}}", "a" },
	{ "${domain_to_ascii{example.org}}", "example.org" },
	{ "${domain_to_ascii{b\303\274cher.example}}",
		"xn--bcher-kva.example" },
	{ "a $ b", NULL }, { "${x", NULL }, { "$(x", NULL }, { "${}", NULL },
	{ "${x?{a}b}", NULL }, { "${x!a}", NULL }, { "${foo{x}}", NULL },
	{ "${{a}}", NULL }, { "${{a} ~ {b} ? {c}}", NULL }, { "$-", NULL },
	{ "${{x} <level {3.6}?{a}:{b}}", NULL }, { "$self", NULL },
	{ "${x?{a}", NULL }, { "$", NULL }, { "$many", NULL },
};

static struct str find_value(void *context, struct str name)
{
	static const struct {
		const char *name, *value;
	} values[] = {
		{ "x", "1" }, { "empty", "" }, { "self", "${self}" },
		{ "twice", "$x$x" }, { "many", "$many1$many1$many1$many1" },
		{ "many1", "$many2$many2$many2$many2$many2$many2$many2" },
		{ "many2", "$many3$many3$many3$many3$many3$many3$many3" },
		{ "many3", "$many4$many4$many4$many4$many4$many4$many4" },
		{ "many4", "$many5$many5$many5$many5$many5$many5$many5" },
		{ "many5", "$many6$many6$many6$many6$many6$many6$many6" },
		{ "many6", "$empty$empty$empty$empty$empty$empty" },
	};

	(void)context;
	for (size_t i = 0; i < COUNT(values); i++)
		if (str_is(name, values[i].name))
			return str_from(values[i].value);
	return STR_NONE;
}

static void expands(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(expansions); i++) {
		struct expand expand = { .find = find_value };
		struct buf out = BUF_IN(arena);
		bool done = expand_text(arena, &expand, &out,
			str_from(expansions[i].text));

		assert_int_equal(done, expansions[i].value != NULL);
		if (done)
			assert_str(buf_str(&out), expansions[i].value);
		else
			assert_true(expand.error.len > 0);
	}
	arena_free(arena);
}

/* ---- values ---- */

static const struct {
	const char *text;
	int64_t seconds; /* -1: refused */
} spans[] = {
	{ "10", 600 }, { "10s", 10 }, { "1m", 60 }, { "2h", 7200 },
	{ "5d", 432000 }, { "1w", 604800 }, { "1W", 604800 }, { "0", 0 },
	{ "", -1 }, { "s", -1 }, { "10x", -1 }, { "10ss", -1 }, { "-1s", -1 },
	{ "1.5h", -1 }, { "99999999999999999999", -1 }, { "10 s", -1 },
};

static void reads_values(void **state)
{
	struct span span;
	bool yes;

	(void)state;
	for (size_t i = 0; i < COUNT(spans); i++) {
		bool good = conf_span_parse(str_from(spans[i].text), 'm',
			&span);

		assert_int_equal(good, spans[i].seconds >= 0);
		if (good)
			assert_int_equal(span_to_s(span), spans[i].seconds);
	}
	assert_true(conf_bool_parse(STR("Yes"), &yes) && yes);
	assert_true(conf_bool_parse(STR("no"), &yes) && !yes);
	assert_false(conf_bool_parse(STR("on"), &yes));
	assert_int_equal(protocols_parse(STR("ipv4, ipv6")),
		PROTOCOL_V4 | PROTOCOL_V6);
	assert_int_equal(protocols_parse(STR("ipx")), 0);
}

/* ---- lists ---- */

static void takes_elements(void **state)
{
	static const char *const expected[] = { "a", "b", "{c, d {e}}",
		"inline:{x=y, {z = 1 2}}", "check_x", "pcre:/f", "{open a, b" };
	struct str list = STR("a,, b\t{c, d {e}} inline:{x=y, {z = 1 2}},\n"
			      "check_x pcre:/f {open a, b");
	struct str element, type, name;
	size_t at = 0;

	(void)state;
	for (; list_take(&list, &element); at++)
		assert_str(element, expected[at]);
	assert_int_equal(at, COUNT(expected));
	element = STR("{ a { b } }");
	assert_true(list_unbrace(&element));
	assert_str(element, "a { b }");
	element = STR("{a}{b}");
	assert_false(list_unbrace(&element));
	assert_true(list_split_table(STR("hash:/x"), &type, &name));
	assert_str(type, "hash");
	assert_str(name, "/x");
	assert_false(list_split_table(STR("2001:db8::1"), &type, &name));
	assert_false(list_split_table(STR("fe80::1"), &type, &name));
	assert_false(list_split_table(STR("/file:x"), &type, &name));
	assert_false(list_split_table(STR("hash:"), &type, &name));
}

/* ---- findings ---- */

static const struct {
	const char *override;
	int kind; /* -1: nothing is found */
	const char *text;
} found[] = {
	{ "smtpd_timeout=10m", -1, NULL },
	{ "smtpd_tiemout=10m", FINDING_UNKNOWN, "-o: smtpd_tiemout: unknown "
		"parameter (is smtpd_timeout meant?)" },
	{ "quite_another_thing=1", FINDING_UNKNOWN,
		"-o: quite_another_thing: unknown parameter" },
	{ "smtpd_timeout=10q", FINDING_VALUE, "-o: bad time configuration: "
		"smtpd_timeout = 10q (write a number, at least 1s, with s, m, "
		"h, d or w behind it, like 300s)" },
	{ "hopcount_limit=0", FINDING_VALUE, "-o: bad numerical "
		"configuration: hopcount_limit = 0 (write a number from 1 to "
		"10000)" },
	{ "soft_bounce=maybe", FINDING_VALUE, "-o: bad boolean "
		"configuration: soft_bounce = maybe (write yes or no)" },
	{ "mynetworks_style=net", FINDING_VALUE, "-o: bad value: "
		"mynetworks_style = net (write one of: host subnet class)" },
	{ "mydestination=$", FINDING_VALUE,
		"-o: mydestination: empty macro name: \"$\"" },
	{ "slow_destination_concurrency_limit=1", -1, NULL },
	{ "smtpd_fiber_limit=1", -1, NULL },
};

static void finds(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(found); i++) {
		const char *overrides[] = { found[i].override, NULL };
		const struct conf *conf = conf_for_test(arena, overrides);
		struct findings findings;
		size_t at = 0;

		conf_findings(arena, conf, NULL, 0, &findings);
		while (at < findings.count &&
			findings.all[at].kind == FINDING_LATER)
			at++;
		assert_int_equal(findings.count - at, found[i].kind >= 0);
		if (found[i].kind < 0)
			continue;
		assert_int_equal(findings.all[at].kind, found[i].kind);
		assert_str(findings.all[at].text, found[i].text);
	}
	arena_free(arena);
}

static void knows_what_is_used(void **state)
{
	static const char *const overrides[] = { "a=1", "b=2", "c=3",
		"mynetworks=${a?x} $(b)", "smtpd_restriction_classes=k",
		"k=permit", NULL };
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, overrides);

	(void)state;
	assert_true(conf_is_used(conf, STR("a"), NULL, 0));
	assert_true(conf_is_used(conf, STR("b"), NULL, 0));
	assert_false(conf_is_used(conf, STR("c"), NULL, 0));
	assert_true(conf_is_used(conf, STR("k"), NULL, 0));
	assert_true(conf_is_used(conf, STR("c"), &STR("$c"), 1));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lines),
		cmocka_unit_test(expands),
		cmocka_unit_test(reads_values),
		cmocka_unit_test(takes_elements),
		cmocka_unit_test(finds),
		cmocka_unit_test(knows_what_is_used),
	};

	log_sink(be_silent);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
