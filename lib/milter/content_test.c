/*
 * A filter whose answers lie in the socket already, and a message.
 */
#include "milter/content.h"

#include "base/test.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER "Received: ours\nFrom: a\nSubject: b\n c\n"
#define BODY "one\ntwo\n"

enum {
	WIRE_MOST = 60000,
};

static struct arena *arena;
static const struct conf *conf;

/* What the owner of the message was told. */
static struct buf told;
static enum milter_line line_verdict;

static struct str read_body(void *owner, uint64_t at, size_t len)
{
	(void)owner;
	return str_first(str_skip(STR(BODY), (size_t)at), len);
}

static enum milter_line hear_line(void *owner, struct str *line)
{
	(void)owner;
	if (str_starts(*line, STR("Bad:")))
		return line_verdict;
	return MILTER_LINE_TAKE;
}

static void hear_edit(void *owner, const struct milter_edit *edit)
{
	(void)owner;
	buf_fmt(&told, "%c%.*s(%.*s)", edit->kind, STR_ARG(edit->address),
		STR_ARG(edit->arguments));
}

/* ---- the filter ---- */

/* "c", "hX-A|b|", ...: '|' stands for NUL, packets are separated by '\n'. */
static void answer(int fd, const char *script)
{
	auto_buf struct buf out = { 0 };
	struct str all = str_from(script), one;

	while (str_take_line(&all, &one)) {
		size_t at;

		milter_number_format(&out, (uint32_t)one.len);
		at = out.len;
		buf_add(&out, one);
		for (; at < out.len; at++)
			if (out.p[at] == '|')
				out.p[at] = '\0';
	}
	assert_int_equal(write(fd, out.p, out.len), out.len);
}

static struct milter_content content;
static struct milters *filters;
static int ends[2]; /* ours, as the filter; milters' */

/* What it was sent up to the goodbye, readable: "LFrom|a|;" for a packet. */
static struct str heard(int fd)
{
	struct buf out = BUF_IN(arena);
	char *wire = arena_alloc(arena, WIRE_MOST);
	struct str in;
	ssize_t got;
	size_t len;

	milters_close(filters);
	got = read(fd, wire, WIRE_MOST);
	in = str_of(wire, got > 0 ? (size_t)got : 0);

	while (milter_length_parse(in, &len)) {
		struct str one = str_first(str_skip(in, 4), len);

		for (size_t i = 0; i < one.len; i++)
			buf_char(&out, one.p[i] == '\0' ? '|' :
				one.p[i] == '\n' ? '$' : one.p[i] == '\r' ?
				'^' : one.p[i]);
		buf_char(&out, ';');
		in = str_skip(in, 4 + len);
	}
	return buf_str(&out);
}

static struct status run(unsigned steps, const char *script)
{
	struct msg_milter m = { .endpoint = STR("inet:a:1"), .version = 6,
		.steps = steps, .otherwise = MILTER_OTHERWISE_TEMPFAIL,
		.timeout_ms = 10000, .eoh_macros = STR(""),
		.end_macros = str_of("i\0" "4X\0", 5) };

	arena_free(arena);
	arena = arena_new(0);
	buf_clear(&told);
	content = (struct milter_content){ .arena = arena,
		.header = STR(HEADER), .body_octets = sizeof(BODY) - 1,
		.read = read_body, .line = hear_line, .edit = hear_edit,
		.body_most = 1000 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	answer(ends[0], script);
	m.socket = ends[1];
	filters = milters_received(arena, conf);
	assert_true(milters_receive(filters, &m));
	shutdown(ends[0], SHUT_WR); /* it has no more to say */
	return milters_content(filters, &content);
}

static void over(void)
{
	arena_free(arena);
	arena = NULL;
	close(ends[0]);
}

static void is_shown_the_message(void **state)
{
	(void)state;
	assert_int_equal(run(0, "c\nc\nc\nc\nc").code, 250);
	assert_int_equal(milters_in_step(filters), 1);
	assert_str(heard(ends[0]), "LFrom|a|;LSubject|b$ c|;N;DBi|4X|;Bone^$two^$;"
				   "DEi|4X|;E;Q;");
	assert_false(content.has_new_header);
	assert_false(content.has_new_body);
	over();
}

static void leaves_out_what_is_not_wanted(void **state)
{
	(void)state;
	assert_int_equal(run(MILTER_NO_HEADERS | MILTER_NO_END_OF_HEADER |
		MILTER_SILENT_BODY, "c").code, 250);
	assert_str(heard(ends[0]), "DBi|4X|;Bone^$two^$;DEi|4X|;E;Q;");
	over();
	assert_int_equal(run(MILTER_NO_BODY | MILTER_SILENT_HEADER |
		MILTER_SILENT_END_OF_HEADER | MILTER_LEADING_SPACE,
		"p\np\nc").code, 250);
	assert_str(heard(ends[0]), "LFrom| a|;LSubject| b$ c|;N;"
				   "DEi|4X|;E;Q;");
	over();
}

#define QUIET (MILTER_NO_HEADERS | MILTER_NO_END_OF_HEADER | MILTER_NO_BODY)

static void changes_the_message(void **state)
{
	(void)state;
	assert_int_equal(run(QUIET, "hX-A|1|\ni|||\1X-B|2|\n"
		"m|||\1subject||\nm|||\1From|z|\nm|||\2New|3|\nc").code, 250);
	assert_true(content.has_new_header);
	assert_str(content.header, "Received: ours\nX-B: 2\nFrom: z\nX-A: 1\n"
				   "New: 3\n");
	over();
	assert_int_equal(run(QUIET, "e<>|RET=HDRS|\n+<b@c>|\n2d@e|NOTIFY=NEVER|\n"
		"-<f@g>|\nba\r\rb\nbc\nqwhy not|\na").code, 250);
	assert_str(buf_str(&told), "e(RET=HDRS)+b@c()2d@e(NOTIFY=NEVER)-f@g()");
	assert_str(content.body, "a  bc\n");
	assert_str(milters_hold(filters), "why not");
	over();
}

static void asks_the_owner_about_lines(void **state)
{
	(void)state;
	line_verdict = MILTER_LINE_LEAVE;
	assert_int_equal(run(QUIET, "hBad|1|\nhGood|2|\nc").code, 250);
	assert_str(content.header, HEADER "Good: 2\n");
	over();
	line_verdict = MILTER_LINE_STOP;
	assert_int_equal(run(QUIET, "hBad|1|\nc").code, 550);
	over();
}

static const struct {
	const char *script;
	unsigned code;
	uint64_t in_step;
} ends_of[] = {
	{ "r", 550, 1 },
	{ "t", 451, 1 },
	{ "y554 5.6.0 odd|", 554, 1 },
	{ "4", 421, 1 },
	{ "hX|1|\nr", 550, 1 },
	/* Nonsense, and an early end. */
	{ "y250 2.0.0 fine|", 451, 0 },
	{ "f", 451, 0 },
	{ "Z", 451, 0 },
	{ "hX Y|1|\nc", 451, 0 },
	{ "+<>|\nc", 451, 0 },
	{ "+a b c|\nc", 451, 0 },
	{ "hX|1|", 451, 0 },
	{ "", 451, 0 },
};

static void takes_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ends_of); i++) {
		assert_int_equal(run(QUIET, ends_of[i].script).code,
			ends_of[i].code);
		assert_int_equal(milters_in_step(filters),
			ends_of[i].in_step);
		assert_false(content.has_new_header);
		over();
	}
}

static void hears_of_an_end_that_comes_early(void **state)
{
	(void)state;
	assert_int_equal(run(0, "c\na").code, 250);
	assert_int_equal(milters_in_step(filters), 1);
	assert_str(heard(ends[0]), "LFrom|a|;LSubject|b$ c|;A;Q;");
	over();
	assert_int_equal(run(0, "c\nd").code, 250);
	assert_true(milters_discard(filters));
	over();
	assert_int_equal(run(0, "c\nc\nc\ns\nc").code, 250);
	over();
}

/* A body that grows beyond what any message may have. */
static void limits_a_new_body(void **state)
{
	char script[3000];

	(void)state;
	snprintf(script, sizeof(script), "b%02000d\nc", 0);
	assert_int_equal(run(QUIET, script).code, 451);
	over();
}

static int begin(void **state)
{
	static struct arena *forever;
	const char *settings[] = { NULL };

	(void)state;
	forever = arena_new(0);
	conf = conf_for_test(forever, settings);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_shown_the_message),
		cmocka_unit_test(leaves_out_what_is_not_wanted),
		cmocka_unit_test(changes_the_message),
		cmocka_unit_test(asks_the_owner_about_lines),
		cmocka_unit_test(takes_verdicts),
		cmocka_unit_test(hears_of_an_end_that_comes_early),
		cmocka_unit_test(limits_a_new_body),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
