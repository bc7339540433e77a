/*
 * Deliveries cut by every event of the server at every offset: each
 * recipient is reported once, nothing goes in the clear that must not. The
 * code is the fuzz target's.
 */
#include "base/test.h"

#include "smtp/session_fuzz.c"

static const struct {
	struct str script;
	size_t head; /* octets that are no script */
} scripts[] = {
	{ STR("2220 x\r\n\1w250-x\r\n250 STARTTLS\r\n\1w220 go\r\n\1t250 x\r\n\1w"
		"250 s\r\n\1w250 r\r\n\1w354 go\r\n\1w250 done\r\n\1w"), 1 },
	{ STR("4220 x\r\n\1w250-x\r\n250 PIPELINING\r\n\1w250 s\r\n250 r\r\n"
		"550 r\r\n250 r\r\n354 go\r\n\1w250 done\r\n\1w"), 1 },
};

#define HELLO "220 x\r\n\1w250-x\r\n250 STARTTLS\r\n\1w"
#define MAY "\0"
#define MUST "\2"
#define ACCOUNT "\20"
#define TAKES_IT "\1w250 s\r\n\1w250 r\r\n\1w354 go\r\n\1w250 done\r\n\1w"

/* RFC 3207 6: nothing that came in the clear before the handshake counts, and
 * where TLS is a must nothing of the mail goes without it. (The session's code
 * itself looks at what came, see look_at_wire.) */
static const struct {
	const char *what;
	struct str script;
	unsigned code, subject, detail;
	bool is_over; /* not an octet follows STARTTLS */
} openings[] = {
	/* clang-format off */
	{ "as it should be", STR(MUST HELLO "220 go\r\n\1t250 x\r\n" TAKES_IT),
		250, 0, 0 },
	{ "plaintext behind the answer",
		STR(MUST HELLO "220 go\r\n250 x\r\n\1t250 x\r\n" TAKES_IT),
		451, 7, 5, true },
	{ "a part of a line behind it",
		STR(MUST HELLO "220 go\r\n2\1t250 x\r\n" TAKES_IT),
		451, 7, 5, true },
	{ "the answer to the next EHLO ahead of it",
		STR(MUST "220 x\r\n\1w250-x\r\n250 STARTTLS\r\n220 go\r\n"
			"250 x\r\n\1w\1t250 x\r\n" TAKES_IT),
		451, 7, 5, true },
	{ "not offered", STR(MUST "220 x\r\n\1w250 x\r\n" TAKES_IT),
		451, 7, 4 },
	{ "refused", STR(MUST HELLO "454 4.7.0 no\r\n" TAKES_IT),
		451, 7, 5 },
	{ "no handshake", STR(MUST HELLO "220 go\r\n\1w250 x\r\n" TAKES_IT),
		451, 7, 5 },
	{ "the end instead", STR(MUST HELLO "220 go\r\n\1w\1c"),
		451, 7, 5 },
	{ "TLS ends, and plaintext goes on", STR(MUST HELLO
		"220 go\r\n\1t250 x\r\n\1w\1s\1p250 s\r\n\1w\1p250 r\r\n\1w"
		"\1p354 go\r\n\1w\1p250 done\r\n\1w"),
		400, 0, 0 },
	{ "challenges without end", STR(ACCOUNT "220 x\r\n\1w250-x\r\n"
		"250 AUTH CRAM-MD5\r\n\1w334 YQ==\r\n\1w334 YQ==\r\n"
		"\1w334 YQ==\r\n\1w235 at last\r\n" TAKES_IT),
		454, 7, 8 },
	{ "plaintext behind it, no must",
		STR(MAY HELLO "220 go\r\n250 x\r\n\1t250 x\r\n" TAKES_IT),
		400, 0, 0 },
	/* clang-format on */
};

static void nothing_goes_in_the_clear(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(openings); i++) {
		struct str script = openings[i].script;
		unsigned code = openings[i].code;

		LLVMFuzzerTestOneInput((const uint8_t *)script.p, script.len);
		if (code % 100 == 0 ? world.code / 100 != code / 100 :
				      world.code != code ||
				world.subject != openings[i].subject ||
				world.detail != openings[i].detail)
			fail_msg("%s: %u %u.%u", openings[i].what, world.code,
				world.subject, world.detail);
		if (world.behind > 0 && openings[i].is_over)
			fail_msg("%s: %zu octets behind STARTTLS",
				openings[i].what, world.behind);
	}
}

#define MORE_TESTS cmocka_unit_test(nothing_goes_in_the_clear),
#include "service/session_test.h"
