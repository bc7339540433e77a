#include "base/test.h"

#include "io/fiber.h"
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Each test runs as a fiber with a stream and the raw other end. */
static struct arena *arena;
static struct stream *stream;
static int other;

static void open_pair(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
				 pair), 0);
	arena = arena_new(1 << 20);
	stream = stream_open(arena, pair[0]);
	other = pair[1];
	io_fresh(other);
}

static void close_pair(void)
{
	arena_free(arena);
	io_close(other);
}

static void run(void **state, void (*test)(void *context))
{
	(void)state;
	open_pair();
	io_run(test, NULL);
	close_pair();
}

static void say(const char *text)
{
	assert_int_equal(write(other, text, strlen(text)), strlen(text));
}

/* What the other end has received by now. */
static struct str heard(void)
{
	static char into[65536];
	ssize_t got = read(other, into, sizeof(into));

	return str_of(into, got > 0 ? (size_t)got : 0);
}

static void lines(void *context)
{
	struct str line;

	(void)context;
	say("EHLO a\r\nbare\nwith\rcr\r\n\r\n\nrest");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "EHLO a");
	assert_false(stream_bare_lf(stream));
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "bare");
	assert_true(stream_bare_lf(stream));
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "with\rcr");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "");
	assert_false(stream_bare_lf(stream));
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "");
	assert_true(stream_bare_lf(stream));
	assert_false(io_line(stream, &line, span_ms(1)));
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(io_failure(stream), 0); /* it may be tried again */
	say("ored\r\n");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "restored");
	say("last");
	shutdown(other, SHUT_WR);
	assert_false(io_line(stream, &line, span_s(10)));
	assert_int_equal(errno, 0);
	assert_str(stream_buffered(stream), "last");
	assert_true(io_text(stream, "221 bye\r\n"));
	assert_true(io_flush(stream, span_s(10)));
	assert_str(heard(), "221 bye\r\n");
}

static void reads_lines(void **state)
{
	run(state, lines);
}

static void octet_by_octet(void *context)
{
	const char *text = "one\r\ntwo\r\n";

	(void)context;
	for (; *text; text++) {
		assert_int_equal(write(other, text, 1), 1);
		io_sleep(span_us(200));
	}
}

static void slow_lines(void *context)
{
	struct str line;

	(void)context;
	io_spawn("typist", octet_by_octet, NULL);
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "one");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "two");
}

static void reads_lines_in_pieces(void **state)
{
	run(state, slow_lines);
}

static void say_many(size_t count, const char *end)
{
	static char many[8192];

	memset(many, 'x', count);
	many[count] = '\0';
	say(many);
	say(end);
}

static void limits(void *context)
{
	struct str line;

	(void)context;
	stream_line_limit(stream, 10);
	say("0123456789\r\n0123456789\n0123456789a\r\nok\r\n");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_true(io_line(stream, &line, span_s(10)));
	assert_int_equal(line.len, 10);
	assert_false(io_line(stream, &line, span_s(10)));
	assert_int_equal(errno, EMSGSIZE);
	assert_str(stream_line_end(stream), "0123456789a");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "ok");
	/* the end of the long line comes later, even after a timeout */
	say_many(5000, "");
	assert_false(io_line(stream, &line, span_ms(1)));
	assert_int_equal(errno, ETIMEDOUT);
	say_many(100, " the end {1}\r\nagain\r\n");
	assert_false(io_line(stream, &line, span_s(10)));
	assert_int_equal(errno, EMSGSIZE);
	assert_str(stream_line_end(stream), "xxxxxxxxxxxxxxxxxxxx the end {1}");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "again");
}

static void limits_lines(void **state)
{
	run(state, limits);
}

/* RFC 2920: replies to a group leave together, when we would wait. */
static void pipelining(void *context)
{
	struct str line;

	(void)context;
	say("MAIL\r\nRCPT\r\nDATA\r\n");
	for (int i = 0; i < 3; i++) {
		assert_true(io_line(stream, &line, span_s(10)));
		assert_true(io_fmt(stream, "250 %.*s\r\n", STR_ARG(line)));
		assert_int_equal(heard().len, 0);
		assert_true(io_has_input(stream) == (i < 2));
	}
	assert_int_equal(stream_unsent(stream), 30);
	assert_false(io_line(stream, &line, span_ms(1)));
	assert_str(heard(), "250 MAIL\r\n250 RCPT\r\n250 DATA\r\n");
	assert_int_equal(stream_octets_out(stream), 30);
	assert_int_equal(stream_octets_in(stream), 18);
	/* a line stays while we look for more input */
	say("ONE\r\n");
	assert_true(io_line(stream, &line, span_s(10)));
	say("TWO\r\n");
	assert_true(io_has_input(stream));
	assert_str(line, "ONE");
	/* and so does the next one, which came by that look */
	assert_true(io_line(stream, &line, span_s(10)));
	say("THREE\r\n");
	assert_true(io_has_input(stream));
	assert_str(line, "TWO");
	assert_int_equal(stream_discard_input(stream), 7);
	assert_false(io_has_input(stream));
}

static void flushes_before_waiting(void **state)
{
	run(state, pipelining);
}

enum {
	BULK = 3000000,
};

static char bulk_octet(size_t at)
{
	return (char)(at * 2654435761u >> 13);
}

static void bulk_source(void *context)
{
	static char piece[20000];

	(void)context;
	for (size_t at = 0; at < BULK; at += sizeof(piece)) {
		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = bulk_octet(at + i);
		assert_true(io_write(stream, str_of(piece, 7)));
		assert_true(io_write(stream,
			str_of(piece + 7, sizeof(piece) - 7)));
	}
	assert_true(io_shutdown(stream, span_s(10)));
}

static void bulk(void *context)
{
	struct stream *sink = stream_open(arena, other);
	struct str got;
	size_t at = 0;

	(void)context;
	io_spawn("source", bulk_source, NULL);
	while (io_peek(sink, &got, span_s(10))) {
		for (size_t i = 0; i < got.len; i++)
			if (got.p[i] != bulk_octet(at + i))
				fail_msg("wrong octet at %zu", at + i);
		at += got.len;
		stream_consume(sink, got.len);
	}
	assert_int_equal(errno, 0);
	assert_int_equal(at, BULK);
	other = -1; /* the sink's */
}

static void carries_bulk(void **state)
{
	run(state, bulk);
}

enum {
	LENT = 5000, /* so much that it is not copied */
	MANY = 150,  /* pieces: more than are lent at a time */
	SOME = 50,   /* not as many, but more than a socket takes */
};

static char lent[MANY][LENT];

static void fill_lent(void)
{
	for (size_t i = 0; i < MANY; i++)
		memset(lent[i], 'a' + (int)(i % 26), LENT);
}

/* What lend_all has written: each piece behind its number. */
static bool is_lent_whole(struct str got, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t number;
		struct str piece;

		if (!str_take_u64(&got, MANY, &number) || number != i ||
			!str_take_char(&got, ':') || got.len < LENT)
			return false;
		piece = str_first(got, LENT);
		for (size_t at = 0; at < LENT; at++)
			if (piece.p[at] != 'a' + (char)(i % 26))
				return false;
		got = str_skip(got, LENT);
	}
	return got.len == 0;
}

static void lend_all(void *context)
{
	(void)context;
	for (size_t i = 0; i < MANY; i++) {
		assert_true(io_fmt(stream, "%zu:", i));
		assert_true(io_lend(stream, str_of(lent[i], LENT)));
	}
	assert_true(io_take_back(stream));
	assert_int_equal(stream_unsent(stream), 0);
	memset(lent, '?', sizeof(lent));
	assert_true(io_shutdown(stream, span_s(10)));
}

static void hear_all(struct stream *sink, struct buf *all)
{
	struct str got;

	while (io_peek(sink, &got, span_s(10))) {
		buf_add(all, got);
		stream_consume(sink, got.len);
	}
	assert_int_equal(errno, 0);
}

static void lending(void *context)
{
	struct stream *sink = stream_open(arena, other);
	auto_buf struct buf all = { 0 };

	(void)context;
	fill_lent();
	io_spawn("lender", lend_all, NULL);
	hear_all(sink, &all);
	assert_true(is_lent_whole(buf_str(&all), MANY));
	other = -1; /* the sink's */
}

static void sends_what_is_lent(void **state)
{
	run(state, lending);
}

static void one_piece(void *context)
{
	char small[] = "small";

	(void)context;
	fill_lent();
	assert_true(io_lend(stream, str_from(small)));
	memset(small, '?', sizeof(small) - 1); /* it was copied */
	assert_true(io_take_back(stream));
	assert_int_equal(heard().len, 0); /* nothing had to go */
	assert_true(io_lend(stream, str_of(lent[1], LENT)));
	assert_true(io_text(stream, "."));
	assert_int_equal(heard().len, 0);
	assert_int_equal(stream_unsent(stream), 5 + LENT + 1);
	assert_true(io_take_back(stream));
	lent[1][0] = '?';
	assert_int_equal(stream_octets_out(stream), 5 + LENT + 1);
	assert_true(str_starts(heard(), STR("smallbbbb")));
}

static void lends_until_it_takes_back(void **state)
{
	run(state, one_piece);
}

/* Cancelled while the other end reads nothing: what is left goes later. */
static void lend_in_vain(void *context)
{
	(void)context;
	for (size_t i = 0; i < SOME; i++) {
		assert_true(io_fmt(stream, "%zu:", i));
		assert_true(io_lend(stream, str_of(lent[i], LENT)));
	}
	assert_false(io_take_back(stream));
	assert_int_equal(errno, ECANCELED);
	memset(lent, '?', sizeof(lent));
	io_uncancel();
	assert_true(io_shutdown(stream, span_s(10)));
}

static void cancelled_lender(void *context)
{
	struct stream *sink = stream_open(arena, other);
	auto_buf struct buf all = { 0 };
	struct fiber *lender;
	int little = 8 * 1024;

	(void)context;
	fill_lent();
	assert_int_equal(setsockopt(stream_fd(stream), SOL_SOCKET, SO_SNDBUF,
		&little, sizeof(little)), 0);
	lender = io_spawn("lender", lend_in_vain, NULL);
	io_yield(); /* it waits */
	io_cancel(lender);
	io_yield();
	hear_all(sink, &all);
	assert_true(is_lent_whole(buf_str(&all), SOME));
	other = -1; /* the sink's */
}

static void what_is_lent_is_kept(void **state)
{
	run(state, cancelled_lender);
}

static void exact(void *context)
{
	struct str octets;

	(void)context;
	say("{5}\r\nhelloX");
	assert_true(io_line(stream, &octets, span_s(10)));
	assert_true(io_read(stream, 5, &octets, span_s(10)));
	assert_str(octets, "hello");
	assert_false(io_read(stream, 65536, &octets, span_ms(1)));
	assert_int_equal(errno, ETIMEDOUT);
	assert_true(io_read(stream, 1, &octets, span_s(10)));
	assert_str(octets, "X");
}

static void reads_exactly(void **state)
{
	run(state, exact);
}

static void write_stalls(void *context)
{
	static char much[8 << 20];

	(void)context;
	stream_write_timeout(stream, span_ms(5));
	assert_false(io_write(stream, str_of(much, sizeof(much))));
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(io_failure(stream), ETIMEDOUT);
	assert_false(io_text(stream, "more"));
	assert_int_equal(errno, ETIMEDOUT);
}

static void a_stalled_write_ends(void **state)
{
	run(state, write_stalls);
}

static void deadlines(void *context)
{
	struct str line;

	(void)context;
	stream_deadline(stream, moment_after(span_ms(2)));
	assert_false(io_line(stream, &line, span_s(100)));
	assert_int_equal(errno, ETIMEDOUT);
	stream_deadline(stream, MOMENT_NEVER);
	say("on\r\n");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_true(io_text(stream, "421 too slow\r\n"));
	assert_true(io_flush(stream, span_s(10)));
	assert_str(heard(), "421 too slow\r\n");
}

static void deadline_is_for_all(void **state)
{
	run(state, deadlines);
}

static void wait_for_line(void *context)
{
	struct str line;

	(void)context;
	assert_false(io_line(stream, &line, SPAN_FOREVER));
	assert_int_equal(errno, ECANCELED);
	io_uncancel();
	assert_true(io_text(stream, "421 shutting down\r\n"));
	assert_true(io_shutdown(stream, span_s(10)));
}

static void cancels(void *context)
{
	struct fiber *fiber = io_spawn("session", wait_for_line, NULL);

	(void)context;
	io_yield();
	io_cancel(fiber);
}

static void cancelled_session_says_goodbye(void **state)
{
	(void)state;
	open_pair();
	io_run(cancels, NULL);
	assert_str(heard(), "421 shutting down\r\n");
	close_pair();
}

static void over(void *context)
{
	struct str line;

	(void)context;
	say("a\r\n");
	arena_alloc(arena, 2 << 20);
	assert_false(io_line(stream, &line, span_s(10)));
	assert_int_equal(errno, ENOMEM);
	assert_false(io_text(stream, "x"));
	assert_int_equal(io_failure(stream), ENOMEM);
}

static void arena_ceiling_ends_the_stream(void **state)
{
	run(state, over);
}

static void broken(void *context)
{
	struct str line;

	(void)context;
	io_close(other);
	other = -1;
	assert_true(io_text(stream, "x"));
	assert_false(io_flush(stream, span_s(10)));
	assert_int_equal(errno, EPIPE);
	assert_false(io_line(stream, &line, span_s(10)));
	assert_int_equal(errno, EPIPE);
}

static void a_broken_stream_stays_so(void **state)
{
	run(state, broken);
}

/* A layer that adds one to each octet, ends at '\x7f', and answers "!"
 * within the protocol with "?" (which is not data). */
static bool decode(void *state, struct str in, struct buf *plain,
	struct buf *wire)
{
	(void)state;
	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] == 0x7f) {
			errno = 0;
			return false;
		}
		if (in.p[i] == '!')
			buf_text(wire, "?");
		else
			buf_char(plain, (char)(in.p[i] - 1));
	}
	return true;
}

static bool encode(void *state, struct str plain, struct buf *wire)
{
	(void)state;
	for (size_t i = 0; i < plain.len; i++)
		buf_char(wire, (char)(plain.p[i] + 1));
	return true;
}

static bool finish(void *state, struct buf *wire)
{
	(void)state;
	buf_text(wire, "\x7f");
	return true;
}

static const struct stream_layer caesar = { decode, encode, finish };

static void layers(void *context)
{
	struct str line;

	(void)context;
	say("STARTTLS\r\nINJECTED\r\n");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_int_equal(stream_discard_input(stream), 10);
	assert_true(io_text(stream, "220 go\r\n"));
	assert_true(stream_raw_write(stream, STR("hello"), span_s(10)));
	assert_str(heard(), "220 go\r\nhello");
	say("olleh");
	assert_true(stream_raw_read(stream, &line, span_s(10)));
	assert_str(line, "olleh");
	stream_set_layer(stream, &caesar, NULL);
	say("!");
	assert_false(io_has_input(stream));
	assert_false(io_line(stream, &line, span_ms(1)));
	assert_str(heard(), "?");
	say("bc\x0e\x0b");
	assert_true(io_has_input(stream));
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "ab");
	assert_true(io_text(stream, "xyz"));
	fill_lent();
	assert_true(io_lend(stream, str_of(lent[0], LENT)));
	lent[0][0] = '?'; /* a layer looks at it when it is sent: a copy */
	assert_true(io_take_back(stream));
	assert_true(io_shutdown(stream, span_s(10)));
	line = heard();
	assert_int_equal(line.len, 3 + LENT + 1);
	assert_true(str_starts(line, STR("yz{bbbb")));
	assert_int_equal(line.p[line.len - 1], 0x7f);
	say("d\x7f");
	assert_true(io_peek(stream, &line, span_s(10)));
	assert_str(line, "c");
	stream_consume(stream, 1);
	assert_false(io_peek(stream, &line, span_s(10)));
	assert_int_equal(errno, 0);
}

static void layers_stand_between(void **state)
{
	run(state, layers);
}

static void pipes(void *context)
{
	FILE *file = tmpfile();
	int pipe_ends[2];
	struct stream *both;
	struct str line;
	char got[16];

	(void)context;
	assert_non_null(file);
	fputs("first\nsecond", file);
	rewind(file);
	assert_int_equal(pipe(pipe_ends), 0);
	both = stream_open_pair(arena, dup(fileno(file)), pipe_ends[1]);
	assert_true(io_text(both, "out"));
	assert_true(io_line(both, &line, span_s(10)));
	assert_str(line, "first");
	assert_false(io_line(both, &line, span_s(10)));
	assert_int_equal(errno, 0);
	assert_str(stream_buffered(both), "second");
	assert_true(io_shutdown(both, span_s(10)));
	assert_int_equal(read(pipe_ends[0], got, sizeof(got)), 3);
	assert_int_equal(read(pipe_ends[0], got, sizeof(got)), 0);
	close(pipe_ends[0]);
	stream_close(both);
	fclose(file);
}

static void files_and_pipes(void **state)
{
	run(state, pipes);
}

static void outside_fibers(void **state)
{
	struct str line;

	(void)state;
	open_pair();
	say("hello\r\n");
	assert_true(io_line(stream, &line, span_s(10)));
	assert_str(line, "hello");
	assert_false(io_line(stream, &line, span_ms(1)));
	assert_int_equal(errno, ETIMEDOUT);
	close_pair();
}

static void before_a_dialogue(void *context)
{
	struct str octets;

	(void)context;
	say("12345one\ntwo\nmore");
	assert_true(stream_raw_exactly(stream, 5, span_s(10), &octets));
	assert_true(str_is(octets, "12345"));
	assert_true(stream_raw_line(stream, 20, span_s(10), &octets));
	assert_true(str_is(octets, "one\n"));
	assert_false(stream_raw_line(stream, 2, span_s(10), &octets));
	assert_int_equal(errno, EMSGSIZE);
	assert_true(io_line(stream, &octets, span_s(10)));
	assert_true(str_is(octets, "o"));
	assert_true(io_peek(stream, &octets, span_s(10)));
	assert_true(str_is(octets, "more"));
	assert_int_equal(stream_octets_in(stream), 17);
}

static void takes_no_more_than_asked(void **state)
{
	run(state, before_a_dialogue);
}

static void in_pieces(void *context)
{
	struct str octets;

	(void)context;
	say("PRO");
	assert_false(stream_raw_line(stream, 20, span_ms(1), &octets));
	assert_int_equal(errno, ETIMEDOUT);
	say("XY\n");
	shutdown(other, SHUT_WR);
	assert_true(stream_raw_line(stream, 20, span_s(10), &octets));
	assert_true(str_is(octets, "XY\n"));
	assert_false(stream_raw_exactly(stream, 1, span_s(10), &octets));
	assert_int_equal(errno, 0);
}

static void waits_for_the_rest(void **state)
{
	run(state, in_pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_no_more_than_asked),
		cmocka_unit_test(waits_for_the_rest),
		cmocka_unit_test(reads_lines),
		cmocka_unit_test(reads_lines_in_pieces),
		cmocka_unit_test(limits_lines),
		cmocka_unit_test(flushes_before_waiting),
		cmocka_unit_test(carries_bulk),
		cmocka_unit_test(sends_what_is_lent),
		cmocka_unit_test(lends_until_it_takes_back),
		cmocka_unit_test(what_is_lent_is_kept),
		cmocka_unit_test(reads_exactly),
		cmocka_unit_test(a_stalled_write_ends),
		cmocka_unit_test(deadline_is_for_all),
		cmocka_unit_test(cancelled_session_says_goodbye),
		cmocka_unit_test(arena_ceiling_ends_the_stream),
		cmocka_unit_test(a_broken_stream_stays_so),
		cmocka_unit_test(layers_stand_between),
		cmocka_unit_test(files_and_pipes),
		cmocka_unit_test(outside_fibers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
