/*
 * queue/message_test - messages and marks as octets, whole and damaged.
 */
#include "base/test.h"

#include "queue/mark.h"
#include "queue/message.h"
#include "queue/segment.h"

static struct arena *arena;

static struct envelope example(struct recipient recipients[2])
{
	recipients[0] = (struct recipient){ .address = STR("a@example.org"),
		.orig = STR("A@example.org"), .orcpt = STR("rfc822;a"),
		.notify = 6 };
	recipients[1] = (struct recipient){ .address = STR("b@example.org"),
		.orig = STR_NONE };
	return (struct envelope){ .queue_id = STR("4A5F21002B"),
		.sender = STR(""), .arrival_us = 1796000000000000,
		.encoding = STR("8bit"), .client_name = STR("unknown"),
		.recipients = recipients, .recipient_count = 2 };
}

static void comes_back(void **state)
{
	struct recipient recipients[2];
	struct envelope envelope = example(recipients), back;
	struct message_head head = { .serial = 0x1002B, .nonce = 7 }, got;
	struct buf octets = BUF_IN(arena);
	struct str body;

	(void)state;
	message_boot_id(head.boot_id);
	message_format(&octets, &head, &envelope, STR("From: a\n\nhi\n"));
	assert_true(message_head_parse(buf_str(&octets), &got));
	assert_int_equal(got.serial, 0x1002B);
	assert_int_equal(got.nonce, 7);
	assert_int_equal(got.recipients, 2);
	assert_int_equal(message_octets(&got), octets.len);
	assert_true(message_is_of_this_boot(&got));
	body = str_skip(buf_str(&octets), MESSAGE_HEAD_OCTETS);
	assert_true(message_body_is_intact(&got, body));
	assert_true(envelope_parse(arena,
		str_first(body, got.envelope_octets), &back));
	assert_str(back.queue_id, "4A5F21002B");
	assert_str(back.sender, "");
	assert_false(str_is_none(back.sender));
	assert_true(str_is_none(back.sasl_method));
	assert_int_equal(back.arrival_us, 1796000000000000);
	assert_int_equal(back.recipient_count, 2);
	assert_str(back.recipients[0].orig, "A@example.org");
	assert_int_equal(back.recipients[0].notify, 6);
	assert_str(back.recipients[1].orig, "b@example.org");
	assert_str(str_skip(body, got.envelope_octets), "From: a\n\nhi\n");
}

/* A copy says the same, and needs nothing of what it was made from. */
static void is_copied(void **state)
{
	struct recipient recipients[2];
	struct envelope envelope = example(recipients), parsed, copy;
	struct buf octets = BUF_IN(arena), again = BUF_IN(arena);
	struct arena *small = arena_new_small(0);
	char *from;

	(void)state;
	envelope_format(&octets, &envelope);
	from = arena_cstr(arena, buf_str(&octets));
	assert_true(envelope_parse(arena, str_of(from, octets.len), &parsed));
	envelope_copy(small, &parsed, &copy);
	/* Of an active message, of which there may be many. */
	assert_in_range(arena_octets(small), octets.len / 2,
		octets.len + 2 * sizeof(struct recipient));
	assert_ptr_equal(copy.recipients[1].orig.p,
		copy.recipients[1].address.p);
	assert_false(str_is_none(copy.sender));
	assert_true(str_is_none(copy.sasl_method));
	assert_int_equal(copy.recipients[0].notify, 6);
	memset(parsed.recipients, 0xff, 2 * sizeof(*parsed.recipients));
	memset(from, 'x', octets.len);
	copy.recipients[1].orig = STR_NONE; /* as it was given */
	envelope_format(&again, &copy);
	assert_true(str_eq(buf_str(&again), buf_str(&octets)));
	arena_free(small);
}

/* Any octet that is changed is noticed. */
static void notices_damage(void **state)
{
	struct recipient recipients[2];
	struct envelope envelope = example(recipients);
	struct message_head head = { .serial = 1 }, got;
	struct buf octets = BUF_IN(arena);

	(void)state;
	message_format(&octets, &head, &envelope, STR("x\n\ny\n"));
	for (size_t i = 0; i < octets.len; i++) {
		octets.p[i] ^= 0x10;
		assert_false(message_head_parse(buf_str(&octets), &got) &&
			message_body_is_intact(&got,
				str_skip(buf_str(&octets),
					MESSAGE_HEAD_OCTETS)));
		octets.p[i] ^= 0x10;
	}
}

static const struct {
	const char *octets;
	size_t len;
	bool is_envelope;
} envelopes[] = {
	{ "I\1\0\0\0xS\0\0\0\0R\1\0\0\0a", 17, true },
	{ "I\1\0\0\0xS\0\0\0\0R\1\0\0\0az\0\0\0\0", 22, true }, /* later */
	{ "I\1\0\0\0xS\0\0\0\0R\1\0\0\0aZ\0\0\0\0", 22 },
	{ "I\1\0\0\0xS\0\0\0\0", 11 },           /* no recipient */
	{ "I\1\0\0\0xR\1\0\0\0a", 12 },          /* no sender */
	{ "S\0\0\0\0R\1\0\0\0a", 11 },           /* no ID */
	{ "I\1\0\0\0xS\0\0\0\0R\2\0\0\0a", 17 }, /* cut */
	{ "I\1\0\0\0xS\0\0\0\0R\1\0\0", 14 },
	{ "I\1\0\0\0xS\0\0\0\0T\1\0\0\0aR\1\0\0\0a", 23 }, /* number */
	{ "", 0 },
};

static void refuses(void **state)
{
	struct envelope envelope;

	(void)state;
	for (size_t i = 0; i < COUNT(envelopes); i++)
		assert_int_equal(envelope_parse(arena,
			str_of(envelopes[i].octets, envelopes[i].len),
			&envelope), envelopes[i].is_envelope);
}

static void marks_come_back(void **state)
{
	struct mark done = { .kind = MARK_DONE, .serial = 9, .slot = 3,
		.recipient = 4 };
	struct mark why = { .kind = MARK_STATUS, .serial = 9, .code = 451,
		.subject = 4, .detail = 1, .text = STR("no"),
		.diagnostic = STR("") };
	struct buf octets = BUF_IN(arena);
	struct mark got;
	uint64_t damaged = 0;
	struct str in;

	(void)state;
	mark_format(&octets, &done);
	buf_add(&octets, str_of("\0\0\0\0\0\0\0", 8));
	mark_format(&octets, &why);
	mark_format(&octets, &done);
	octets.p[octets.len - 9] ^= 1; /* the last is torn */
	in = buf_str(&octets);
	assert_true(mark_take(&in, &got, &damaged));
	assert_int_equal(got.kind, MARK_DONE);
	assert_int_equal(got.recipient, 4);
	assert_true(mark_take(&in, &got, &damaged));
	assert_int_equal(damaged, 8);
	assert_int_equal(got.kind, MARK_STATUS);
	assert_str(got.text, "no");
	assert_true(str_is_none(got.mta));
	assert_false(str_is_none(got.diagnostic));
	assert_false(mark_take(&in, &got, &damaged));
}

static const struct {
	const char *text;
	bool is_place;
} places[] = {
	{ "0-12/17/1002B", true }, { "3-1/0/1", true }, { "0-12/17/" },
	{ "0-12/17" }, { "../../x/1/1" }, { "0-1/99999999/1" },
	{ "0-1/1/11111111111111111" }, { "0-9999999999999999999999/1/1" },
};

static void places_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		struct buf out = BUF_IN(arena);
		struct place place;
		bool is_place = place_parse(str_from(places[i].text), &place);

		assert_int_equal(is_place, places[i].is_place);
		if (!is_place)
			continue;
		place_format(&out, &place);
		assert_str(buf_str(&out), places[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(is_copied),
		cmocka_unit_test(notices_damage),
		cmocka_unit_test(refuses),
		cmocka_unit_test(marks_come_back),
		cmocka_unit_test(places_parse),
	};

	arena = arena_new(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
