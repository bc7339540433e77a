/*
 * Smuggling into a mailbox: all strings of up to POSTHORN_LENGTH (4; 7 are
 * 97,656) octets of CR, LF, dot, NUL and x as the end of a literal of APPEND,
 * a command behind it. Each is one message, or refused; the command behind it
 * is the next one; and what FETCH sends back has no CR or LF that stands alone.
 */
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailbox/stand.h"
#include "service/stand.h"
#include "session.h"

enum {
	LETTERS = 5,
	LENGTH_MOST = 7,
	TOGETHER = 500, /* messages, then the mailbox is made anew */
	WAIT_S = 60,
};

static struct stream *io;
static unsigned count; /* messages in the mailbox */

/* The next line must begin so. */
static struct str expect(const char *wanted)
{
	struct str line;

	if (!io_line(io, &line, span_s(WAIT_S)))
		fail_msg("no line that begins with \"%s\"", wanted);
	if (!str_starts(line, str_from(wanted)))
		fail_msg("\"%.*s\", not \"%s\"", STR_ARG(line), wanted);
	return line;
}

static void check_text(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\r')
			assert_true(i + 1 < text.len && text.p[i + 1] == '\n');
		if (text.p[i] == '\n')
			assert_true(i > 0 && text.p[i - 1] == '\r');
	}
}

/* "* N FETCH (BODY[] {size}", the octets, ")", and the answer. */
static void fetch(void)
{
	struct str line, text;
	uint64_t octets;
	bool plus;

	io_fmt(io, "f FETCH %u BODY.PEEK[]\r\n", count);
	line = expect("* ");
	assert_true(imap_literal_follows(line, &octets, &plus));
	assert_in_range(octets, 1, 100);
	assert_true(io_read(io, (size_t)octets, &text, span_s(WAIT_S)));
	check_text(text);
	assert_str(expect(")"), ")");
	expect("f OK");
}

static void append(struct str string)
{
	bool has_nul = string.p && memchr(string.p, 0, string.len);

	io_fmt(io, "a APPEND x {%zu+}\r\na:b\r\n", string.len + 5);
	io_write(io, string);
	io_text(io, "\r\nb NOOP\r\n");
	if (!has_nul) {
		char line[40];

		count++;
		snprintf(line, sizeof(line), "* %u EXISTS", count);
		expect(line);
		snprintf(line, sizeof(line), "* %u RECENT", count);
		expect(line);
	}
	expect(has_nul ? "a NO" : "a OK");
	expect("b OK");
	if (!has_nul)
		fetch();
}

static void begin_anew(void)
{
	if (count > 0) {
		io_text(io, "d UNSELECT\r\nd DELETE x\r\nd CREATE x\r\n");
		for (int i = 0; i < 3; i++)
			expect("d OK");
	}
	count = 0;
	io_text(io, "s SELECT x\r\n");
	while (!str_starts(expect(""), STR("s OK")))
		;
}

static void for_all(size_t most)
{
	static const char letters[LETTERS] = { '\r', '\n', '.', '\0', 'x' };
	char text[LENGTH_MOST];

	for (size_t len = 0, all = 1; len <= most; len++, all *= LETTERS)
		for (size_t n = 0; n < all; n++) {
			size_t rest = n;

			for (size_t i = 0; i < len; i++, rest /= LETTERS)
				text[i] = letters[rest % LETTERS];
			if (count == TOGETHER)
				begin_anew();
			append(str_of(text, len));
		}
}

static void run_client(struct client *client, void *context)
{
	static const struct session_conf conf = SESSION_USUAL;

	session_run(context, client->io, client->arena, STR("joe"), STR_NONE,
		&conf);
}

static void play(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	const char *most = getenv("POSTHORN_LENGTH");
	struct mailbox_store *store = stand_store_open("maildir++");
	struct stand stand;

	(void)context;
	stand_begin(&stand, run_client, store);
	io = stream_open(arena, stand.fd);
	stand.fd = -1; /* the stream closes it */
	expect("* PREAUTH");
	begin_anew();
	for_all(most ? (size_t)atoi(most) : 4);
	io_text(io, "z LOGOUT\r\n");
	expect("* BYE");
	expect("z OK");
	assert_true(stand_end(&stand));
	stand_store_close(store);
	io_stop();
}

static void one_message_or_none(void **state)
{
	static const struct service imapd = { .name = "imapd", .calls = "" };

	(void)state;
	stand_open(&imapd, conf_for_test(arena_new(0), NULL));
	io_run(play, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_message_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
