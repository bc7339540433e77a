/*
 * Sessions with a mail filter, cut by every event at every offset: none hangs,
 * and no mail passes a filter that cannot be asked. The code is the fuzz
 * target's.
 */
#include "base/test.h"

#include "smtpd/milter_fuzz.c"

#define HELLO "\1wEHLO c.example\r\n\1w"
#define MAIL "MAIL FROM:<a@example.net>\r\nRCPT TO:<joe@example.org>\r\n"
#define TEXT "DATA\r\n\1wSubject: x\r\n\r\ntext\r\n.\r\n\1wQUIT\r\n"
#define GO_ON "\0\0\0\1c"
#define REFUSES "\0\0\0\1r"
/* Ten times: connect, helo, mail, rcpt, data, header, eoh, body, end. */
#define ALL_PASS GO_ON GO_ON GO_ON GO_ON GO_ON GO_ON GO_ON GO_ON GO_ON GO_ON

/* Head, and what the filter says, whose length is in it. */
#define CASE(action, steps, said, script)                                      \
	{ STR(action steps said script),                                       \
		sizeof(action) + sizeof(steps) + sizeof(said) - 3 }

static const struct {
	struct str script;
	size_t head; /* octets that are no script */
} scripts[] = {
	CASE("\4", "\0\0\0\0\x32", ALL_PASS, HELLO MAIL TEXT),
	/* the second recipient is refused; then nonsense; then nothing */
	CASE("\3", "\0\0\0\0\x1c", GO_ON GO_ON GO_ON REFUSES "\0\0\0\2c\0"
		"\xff\xff", HELLO MAIL MAIL TEXT),
	/* an answer that comes in the wrong place: an edit */
	CASE("\x0a", "\0\0\0\0\x0f", GO_ON GO_ON "\0\0\0\1+",
		HELLO MAIL TEXT),
	/* nobody there */
	CASE("\4", "\0\0\0\0\0", "", HELLO MAIL TEXT HELLO),
	CASE("\0", "\0\0\0\0\0", "", HELLO MAIL TEXT),
};

static size_t taken_by(const void *octets, size_t len)
{
	size_t before = queue.taken;

	LLVMFuzzerTestOneInput(octets, len);
	return queue.taken - before;
}

/* The stand works: mail passes, or does not, as the filter says. */
static void the_filter_decides(void **state)
{
	(void)state;
	assert_int_equal(taken_by(scripts[0].script.p, scripts[0].script.len),
		1);
	assert_int_equal(taken_by(scripts[3].script.p, scripts[3].script.len),
		0);
	assert_int_equal(taken_by(scripts[4].script.p, scripts[4].script.len),
		1);
}

#define MORE_TESTS cmocka_unit_test(the_filter_decides),
#include "service/session_test.h"
