#include "ipc/messages.h"

#include "base/test.h"

static void round_trip(void **state)
{
	auto_buf struct buf out = { 0 };
	const struct str names[] = { STR("a"), STR(""), STR("ccc") };
	struct msg_resolve m = { .sender = STR(""),
		.addresses = { .items = names, .count = 3 } }, got;
	struct str item;

	(void)state;
	msg_resolve_format(&out, &m);
	assert_true(msg_resolve_parse(buf_str(&out), &got));
	assert_false(str_is_none(got.sender));
	assert_int_equal(got.addresses.count, 3);
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_true(msg_list_take(&got.addresses, &item));
		assert_true(str_eq(item, names[i]));
	}
	assert_false(msg_list_take(&got.addresses, &item));
}

static void none_is_not_empty(void **state)
{
	auto_buf struct buf out = { 0 };
	struct msg_recipient m = { .address = STR("a@example.org"),
		.orig = STR(""), .orcpt = STR_NONE, .notify = UINT64_MAX };
	struct msg_recipient got;

	(void)state;
	msg_recipient_format(&out, &m);
	assert_true(msg_recipient_parse(buf_str(&out), &got));
	assert_str(got.address, "a@example.org");
	assert_false(str_is_none(got.orig));
	assert_true(str_is_none(got.orcpt));
	assert_true(got.notify == UINT64_MAX);
}

/* Cut anywhere, or with something behind it, a message is refused. */
static void every_length_is_checked(void **state)
{
	auto_buf struct buf out = { 0 };
	const struct str names[] = { STR("a"), STR("bb") };
	struct msg_introduce m = { .service = STR("cleanup"),
		.have = { .items = names, .count = 2 } }, got;

	(void)state;
	msg_introduce_format(&out, &m);
	assert_true(msg_introduce_parse(buf_str(&out), &got));
	for (size_t len = 0; len < out.len; len++)
		assert_false(msg_introduce_parse(str_of(out.p, len), &got));
	buf_char(&out, 'x');
	assert_false(msg_introduce_parse(buf_str(&out), &got));
}

static void flags_are_0_or_1(void **state)
{
	struct msg_retiring got;

	(void)state;
	assert_true(msg_retiring_parse(str_of("\0", 1), &got));
	assert_true(msg_retiring_parse(str_of("\1", 1), &got));
	assert_true(got.replace);
	assert_false(msg_retiring_parse(str_of("\2", 1), &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(none_is_not_empty),
		cmocka_unit_test(every_length_is_checked),
		cmocka_unit_test(flags_are_0_or_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
