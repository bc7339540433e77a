#include "base/test.h"

#include "base/arena.h"
#include "config/config.h"
#include "config/params.h"

static void defaults_convert(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);

	(void)state;
	assert_str(conf->myhostname, "mail.example.org");
	assert_str(conf->mydomain, "example.org");
	assert_str(conf->mydestination,
		"mail.example.org, localhost.example.org, localhost");
	assert_int_equal(span_to_s(conf->smtpd_timeout), 300);
	assert_int_equal(span_to_s(conf->maximal_queue_lifetime), 5 * 86400);
	assert_int_equal(conf->message_size_limit, 10240000);
	assert_true(conf->append_dot_mydomain);
	assert_str(conf->smtpd_relay_restrictions, "");
	assert_str(conf_text(conf, STR("2bounce_notice_recipient")),
		"postmaster");
	assert_true(str_is_none(conf_text(conf, STR("no_such_name"))));
	arena_free(arena);
}

static void overrides_count(void **state)
{
	static const char *const overrides[] = { "compatibility_level=3.12",
		"mydomain = example.net", "stress=yes", "x=$mydomain",
		"relay_destination_concurrency_limit=7",
		"mail_name=a", "mail_name=b", "smtpd_soft_error_limit=oops",
		"y_fiber_limit=3", NULL };
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, overrides);

	(void)state;
	assert_false(conf->append_dot_mydomain);
	assert_int_equal(span_to_s(conf->smtpd_timeout), 10);
	assert_str(conf_text(conf, STR("x")), "example.net");
	assert_str(conf->mail_name, "b");
	assert_int_equal(conf->smtpd_soft_error_limit, 10); /* the default */
	assert_int_equal(conf_transport_int(conf, STR("relay"),
				 "destination_concurrency_limit"),
		7);
	assert_int_equal(conf_transport_int(conf, STR("other"),
				 "destination_concurrency_limit"),
		20);
	assert_int_equal(conf_transport_int(conf, STR("local"),
				 "destination_recipient_limit"),
		1);
	assert_int_equal(span_to_s(conf_transport_span(conf, STR("pipe"),
				 "time_limit")),
		1000);
	assert_str(conf_text(conf, STR("y_fiber_limit")), "3");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_convert),
		cmocka_unit_test(overrides_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
