/*
 * Smuggling: all strings of up to seven octets of CR, LF, dot, NUL and x, in
 * front of the end of data. In: data ends at the first CRLF.CRLF and nowhere
 * else, however the octets arrive. Out: nothing in a text ends data early, and
 * no CR or LF stands alone on the wire.
 */
#include "base/test.h"

#include "smtp/data.h"

enum {
	LETTERS = 5,
	LENGTH_MOST = 7,
	ROOM = 64,
};

static const char letters[LETTERS] = { '\r', '\n', '.', '\0', 'x' };

/* Call each(string) for all of them. */
static void for_all(void (*each)(struct str string))
{
	char text[LENGTH_MOST];

	for (size_t len = 0, count = 1; len <= LENGTH_MOST;
		len++, count *= LETTERS)
		for (size_t n = 0; n < count; n++) {
			size_t rest = n;

			for (size_t i = 0; i < len; i++, rest /= LETTERS)
				text[i] = letters[rest % LETTERS];
			each(str_of(text, len));
		}
}

/* The octets up to and with the first CRLF.CRLF; one CRLF stands before. */
static size_t true_end(struct str wire)
{
	static const char end[] = "\r\n.\r\n";
	char all[ROOM] = "\r\n";
	char *at;

	memcpy(all + 2, wire.p, wire.len);
	at = memmem(all, wire.len + 2, end, sizeof(end) - 1);
	assert_non_null(at);
	return (size_t)(at - all) + sizeof(end) - 1 - 2;
}

static void check_text(struct str text)
{
	assert_null(memchr(text.p ? text.p : "", '\r', text.len));
	assert_null(memchr(text.p ? text.p : "", '\0', text.len));
	assert_true(text.len == 0 || text.p[text.len - 1] == '\n');
}

/* Take all in pieces of this size; where the message ended. */
static size_t take(struct str wire, size_t step, enum smtp_newline newline,
	struct buf *out)
{
	struct smtp_decoder decoder;
	struct str rest = wire;

	smtp_decoder_init(&decoder, newline, false, false);
	while (rest.len > 0 && !decoder.is_done) {
		struct str piece = str_first(rest, step);
		size_t len = piece.len;

		(void)smtp_decode(&decoder, &piece, out);
		rest = str_skip(rest, len - piece.len);
	}
	assert_true(decoder.is_done);
	return wire.len - rest.len;
}

static void check_in(struct str string)
{
	static const enum smtp_newline modes[] = { SMTP_NEWLINE_NORMALIZE,
		SMTP_NEWLINE_REJECT };
	char wire[ROOM];
	size_t len = string.len;

	memcpy(wire, string.p, len);
	memcpy(wire + len, "\r\n.\r\nRSET\r\n", 11);
	for (size_t mode = 0; mode < COUNT(modes); mode++)
		for (size_t step = 1; step <= 16; step = step < 4 ? step + 1 :
								    16 * step) {
			auto_buf struct buf out = { 0 };

			assert_int_equal(take(str_of(wire, len + 11),
				step < 4 ? step : ROOM, modes[mode], &out),
				true_end(str_of(wire, len + 11)));
			check_text(buf_str(&out));
		}
}

static void in(void **state)
{
	(void)state;
	for_all(check_in);
}

static void check_wire(struct str wire)
{
	for (size_t i = 0; i < wire.len; i++) {
		if (wire.p[i] == '\r')
			assert_true(i + 1 < wire.len && wire.p[i + 1] == '\n');
		if (wire.p[i] == '\n')
			assert_true(i > 0 && wire.p[i - 1] == '\r');
	}
	assert_int_equal(true_end(wire), wire.len);
}

static void check_out(struct str string)
{
	for (size_t most = 0; most < 4; most += 2)
		for (size_t step = 1; step <= LENGTH_MOST; step += 2) {
			auto_buf struct buf out = { 0 };
			struct smtp_encoder encoder = { .line_most = most };
			struct str rest = string;

			for (; rest.len > 0; rest = str_skip(rest, step))
				smtp_encode(&encoder, str_first(rest, step),
					&out);
			smtp_encode_end(&encoder, &out);
			check_wire(buf_str(&out));
		}
}

static void out(void **state)
{
	(void)state;
	for_all(check_out);
}

/* In, out, and in again at the next server: it is still one message, and the
 * same text. */
static void check_relay(struct str string)
{
	auto_buf struct buf first = { 0 }, wire = { 0 }, second = { 0 };
	struct smtp_encoder encoder = { 0 };
	char all[ROOM];

	memcpy(all, string.p, string.len);
	memcpy(all + string.len, "\r\n.\r\n", 5);
	(void)take(str_of(all, string.len + 5), ROOM, SMTP_NEWLINE_NORMALIZE,
		&first);
	smtp_encode(&encoder, buf_str(&first), &wire);
	smtp_encode_end(&encoder, &wire);
	assert_int_equal(take(buf_str(&wire), ROOM, SMTP_NEWLINE_NORMALIZE,
		&second), wire.len);
	assert_true(str_eq(buf_str(&first), buf_str(&second)));
}

static void relay(void **state)
{
	(void)state;
	for_all(check_relay);
}

/* BDAT: no octet ends anything, and the text is whole lines. */
static void check_chunk(struct str string)
{
	auto_buf struct buf out = { 0 };
	struct smtp_decoder decoder;
	struct str rest = string;

	smtp_decoder_init(&decoder, SMTP_NEWLINE_NORMALIZE, false, true);
	assert_false(smtp_decode(&decoder, &rest, &out));
	assert_int_equal(rest.len, 0);
	smtp_decode_end(&decoder, &out);
	check_text(buf_str(&out));
}

static void chunk(void **state)
{
	(void)state;
	for_all(check_chunk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in),
		cmocka_unit_test(out),
		cmocka_unit_test(relay),
		cmocka_unit_test(chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
