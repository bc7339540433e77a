#include "base/test.h"

#include "mail/message_id.h"

static void takes(void **state)
{
	struct str in = STR("<a@b> (x <c@d>) junk \"q <e>\" <f@g>\n <h@i> <j");
	struct str id;

	(void)state;
	assert_true(mail_message_id_take(&in, &id));
	assert_str(id, "<a@b>");
	assert_true(mail_message_id_take(&in, &id));
	assert_str(id, "<f@g>");
	assert_true(mail_message_id_take(&in, &id));
	assert_str(id, "<h@i>");
	assert_false(mail_message_id_take(&in, &id));
	assert_int_equal(in.len, 0);
}

static void formats(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	(void)state;
	mail_message_id_format(&out, 1795963203, STR("4A5F21002B"), false,
		STR("mail.example.org"));
	assert_str(buf_str(&out),
		"<20261129144003.4A5F21002B@mail.example.org>");
	buf_clear(&out);
	mail_message_id_format(&out, 1795963203, STR("4hLmQ21Sb3z8Wp"), true,
		STR("mail.example.org"));
	assert_str(buf_str(&out), "<4hLmQ21Sb3z8Wp@mail.example.org>");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes),
		cmocka_unit_test(formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
