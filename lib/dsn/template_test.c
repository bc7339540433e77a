#include "dsn/template.h"

#include "base/test.h"

static const struct {
	const char *file, *subject, *text; /* of failures; none: refused */
} files[] = {
	{ "# ours\nfailure_template = <<EOF\nSubject: S\n\nT\nEOF\n", "S",
		"T\n" },
	{ "failure_template=<<END\nCharset: utf-8\nSubject: a\n b\n\nx\n\ny\n"
	  "END\n\nsuccess_template = <<X\n\nz\nX\n",
		"a b", "x\n\ny\n" },
	{ "failure_template = <<EOF\nSubject: S\n\nT\n" },
	{ "other_template = <<EOF\n\nT\nEOF\n" },
	{ "failure_template = T\n" },
	{ "failure_template = <<EOF\nReply-To: x\n\nT\nEOF\n" },
};

static void files_replace_what_is_built_in(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		struct dsn_template templates[DSN_KINDS];
		struct str error = STR("");

		dsn_templates_init(templates);
		if (!dsn_templates_parse(arena, str_from(files[i].file),
			    templates, &error)) {
			assert_null(files[i].subject);
			assert_true(error.len > 0);
			continue;
		}
		assert_str(templates[DSN_FAILURE].subject, files[i].subject);
		assert_str(templates[DSN_FAILURE].text, files[i].text);
		assert_str(templates[DSN_DELAY].subject,
			"Delayed Mail (still being retried)");
	}
	arena_free(arena);
}

static void values_are_put_in(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena,
		(const char *const[]){ "maximal_queue_lifetime=36h",
			"myorigin=example.org", NULL });

	(void)state;
	assert_str(dsn_template_expand(arena, conf,
			   STR("$myhostname: ${maximal_queue_lifetime_days} "
			       "$maximal_queue_lifetime_hours $$")),
		"mail.example.org: 2 36 $");
	assert_str(dsn_template_from(arena, conf, STR("Joe <joe>")),
		"Joe <joe@example.org>");
	assert_str(dsn_template_from(arena, conf, STR("a@example.net (Sys)")),
		"Sys <a@example.net>");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_replace_what_is_built_in),
		cmocka_unit_test(values_are_put_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
