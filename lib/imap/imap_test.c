#include "base/test.h"

#include "imap/charset.h"
#include "imap/date.h"
#include "imap/envelope.h"
#include "imap/fetch.h"
#include "imap/format.h"
#include "imap/match.h"
#include "imap/mutf7.h"
#include "imap/notify.h"
#include "imap/preview.h"
#include "imap/search.h"
#include "imap/take.h"

static const struct {
	const char *utf8, *mutf7;
} names[] = {
	{ "INBOX", "INBOX" },
	{ "a&b", "a&-b" },
	{ "caf\xc3\xa9", "caf&AOk-" },
	{ "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8"
	  "\xaa\x9e", "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
	{ "\xf0\x9f\x93\xa7", "&2D3c5w-" },
};

static void names_in_mutf7(void **state)
{
	static const char *const bad[] = { "&", "&A", "&AOk", "&AGE-",
		"caf\xc3\xa9", "&2D0-", "&AOkB-", "a\nb",
		"&U,BTFw-&ZeVnLIqe-" };
	struct arena *arena auto_arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_str(imap_mutf7_of_utf8(arena, str_from(names[i].utf8)),
			names[i].mutf7);
		assert_str(imap_mutf7_to_utf8(arena,
			str_from(names[i].mutf7)), names[i].utf8);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_true(str_is_none(imap_mutf7_to_utf8(arena,
			str_from(bad[i]))));
	assert_true(str_is_none(imap_mutf7_of_utf8(arena, STR("\xff"))));
}

static const struct {
	const char *in, *string, *rest; /* no string: refused */
} strings[] = {
	{ "abc def", "abc", " def" },
	{ "\"a \\\"b\\\\\" x", "a \"b\\", " x" },
	{ "{3}\r\na\nb)", "a\nb", ")" },
	{ "{3+}\r\nabc", "abc", "" },
	{ "{4}\r\nabc", NULL, NULL },
	{ "\"abc", NULL, NULL },
	{ "\"a\\n\"", NULL, NULL },
	{ "\"a\r\n\"", NULL, NULL },
	{ "(", NULL, NULL },
	{ "", NULL, NULL },
};

static void strings_of_commands(void **state)
{
	struct arena *arena auto_arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(strings); i++) {
		struct str in = str_from(strings[i].in), got;

		if (imap_take_astring(arena, &in, &got)) {
			assert_non_null(strings[i].string);
			assert_str(got, strings[i].string);
			assert_str(in, strings[i].rest);
		} else {
			assert_null(strings[i].string);
			assert_ptr_equal(in.p, strings[i].in);
		}
	}
}

static void literals_at_line_ends(void **state)
{
	uint64_t octets;
	bool plus;

	(void)state;
	assert_true(imap_literal_follows(STR("a x {12}"), &octets, &plus));
	assert_int_equal(octets, 12);
	assert_false(plus);
	assert_true(imap_literal_follows(STR("{0+}"), &octets, &plus));
	assert_true(plus);
	assert_false(imap_literal_follows(STR("a {1x}"), &octets, &plus));
	assert_false(imap_literal_follows(STR("a {}"), &octets, &plus));
	assert_false(imap_literal_follows(STR("a \"{1}\""), &octets, &plus));
	assert_false(imap_literal_follows(
		STR("{99999999999999999999}"), &octets, &plus));
}

static void flags_of_lists(void **state)
{
	struct str in = STR("(\\seen \\FLAGGED $Work $work) x");
	struct imap_flags flags;

	(void)state;
	assert_true(imap_take_flags(&in, false, &flags));
	assert_str(in, " x");
	assert_int_equal(flags.system, IMAP_SEEN | IMAP_FLAGGED);
	assert_int_equal(flags.count, 1);
	in = STR("(\\Recent)");
	assert_false(imap_take_flags(&in, false, &flags));
	in = STR("\\Seen a");
	assert_true(imap_take_flags(&in, true, &flags));
	in = STR("()");
	assert_true(imap_take_flags(&in, false, &flags));
}

static void sets_are_joined(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str in = STR("9,5:3,4,7:*,2 x");
	struct buf out = BUF_IN(arena);
	struct imap_set set;

	(void)state;
	assert_true(imap_set_take(arena, &in, &set));
	assert_str(in, " x");
	imap_set_resolve(&set, 12);
	imap_set_format(&out, &set);
	assert_str(buf_str(&out), "2:5,7:12");
	assert_true(imap_set_has(&set, 12));
	assert_false(imap_set_has(&set, 6));
	in = STR("0");
	assert_false(imap_set_take(arena, &in, &set));
	in = STR("1,");
	assert_false(imap_set_take(arena, &in, &set));
	/* "100:*" has the last one, RFC 3501 6.4.8. */
	in = STR("100:*");
	assert_true(imap_set_take(arena, &in, &set));
	imap_set_resolve(&set, 12);
	assert_true(imap_set_has(&set, 12));
	in = STR("$ x");
	assert_true(imap_set_take(arena, &in, &set));
	assert_true(set.is_saved);
	assert_str(in, " x");
	set = (struct imap_set){ 0 };
	imap_set_add_range(arena, &set, 1, 3);
	imap_set_add_range(arena, &set, 4, 5);
	imap_set_add_range(arena, &set, 7, 6);
	imap_set_add(arena, &set, 9);
	buf_clear(&out);
	imap_set_format(&out, &set);
	assert_str(buf_str(&out), "1:5,9");
}

static void dates_there_and_back(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str in = STR("\"17-Jul-1996 02:44:25 -0700\"");
	struct buf out = BUF_IN(arena);
	int64_t unix_s, day;

	(void)state;
	assert_true(imap_date_time_take(&in, &unix_s));
	assert_int_equal(unix_s, 837596665);
	imap_date_time_format(&out, unix_s);
	assert_str(buf_str(&out), "\"17-Jul-1996 09:44:25 +0000\"");
	in = STR("\" 1-Jan-1970 00:00:00 +0000\"");
	assert_true(imap_date_time_take(&in, &unix_s));
	assert_int_equal(unix_s, 0);
	in = STR("1-Mar-2000");
	assert_true(imap_date_take(&in, &day));
	assert_int_equal(day, 11017);
	in = STR("32-Mar-2000");
	assert_false(imap_date_take(&in, &day));
	in = STR("\"1-Jan-1970 24:00:00 +0000\"");
	assert_false(imap_date_time_take(&in, &unix_s));
}

static void strings_of_responses(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	(void)state;
	imap_string_format(&out, STR("a\"b\\"));
	imap_string_format(&out, STR("\xc3\xa9"));
	imap_nstring_format(&out, STR_NONE);
	imap_astring_format(&out, STR("a b"));
	imap_astring_format(&out, STR("ab"));
	imap_astring_format(&out, STR(""));
	assert_str(buf_str(&out),
		"\"a\\\"b\\\\\"{2}\r\n\xc3\xa9NIL\"a b\"ab\"\"");
}

static const struct {
	const char *in;
	bool good;
} fetches[] = {
	{ "FLAGS", true },
	{ "ALL", true },
	{ "(UID BODY.PEEK[1.2.HEADER.FIELDS (a b)]<0.10>)", true },
	{ "BODY[]", true },
	{ "BODY[1.MIME]", true },
	{ "(FLAGS) (CHANGEDSINCE 12)", true },
	{ "BODY[MIME]", false },
	{ "BODY[1.]", false },
	{ "BODY[0]", false },
	{ "BODY[]<0.0>", false },
	{ "BODY[TEXT", false },
	{ "(ALL)", false },
	{ "FLAGS UID", false },
	{ "()", false },
	{ "", false },
};

static void fetch_items(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct imap_fetch fetch;

	(void)state;
	for (size_t i = 0; i < COUNT(fetches); i++)
		assert_int_equal(imap_fetch_parse(arena,
			str_from(fetches[i].in), &fetch), fetches[i].good);
	assert_true(imap_fetch_parse(arena,
		STR("(body.peek[2.header.fields (A \"b\")]<3.4> RFC822)"),
		&fetch));
	assert_int_equal(fetch.count, 2);
	assert_str(fetch.sections[0].label, "BODY[2.header.fields (A \"b\")]");
	assert_int_equal(fetch.sections[0].from, 3);
	assert_true(fetch.sections[0].peek);
	assert_false(fetch.sections[1].peek);
}

static const struct {
	const char *in;
	bool good;
} searches[] = {
	{ "ALL", true },
	{ "1:3 NOT SEEN OR FROM x (SUBJECT \"y z\" SINCE 1-Feb-2020)", true },
	{ "HEADER x \"\"", true },
	{ "MODSEQ \"/flags/\\\\draft\" all 62", true },
	{ "NEW", true },
	{ "OR ALL", false },
	{ "NOT", false },
	{ "(ALL", false },
	{ "BODY", false },
	{ "SINCE yesterday", false },
	{ "NONSENSE", false },
	{ "ALL ", false },
};

static void search_programs(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct imap_search *program;
	struct buf deep = BUF_IN(arena);

	(void)state;
	for (size_t i = 0; i < COUNT(searches); i++)
		assert_int_equal(imap_search_parse(arena,
			str_from(searches[i].in), &program),
			searches[i].good);
	for (int i = 0; i < 1000; i++)
		buf_text(&deep, "NOT ");
	buf_text(&deep, "ALL");
	assert_false(imap_search_parse(arena, buf_str(&deep), &program));
	assert_true(imap_search_parse(arena, STR("NOT BODY x"), &program));
	assert_int_equal(imap_search_needs(program), IMAP_SEARCH_NEEDS_BODY);
}

static void envelopes(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	(void)state;
	imap_envelope_format(arena, &out,
		STR("Subject: a\r\n\tb\r\nFrom: A <a@example.net>\r\n"
			"To: g: b@example.org, c@example.org;\r\n"
			"Reply-To:\r\nMessage-ID: <1@example.net>\r\n\r\n"));
	assert_str(buf_str(&out),
		"(NIL \"a\tb\" ((\"A\" NIL \"a\" \"example.net\")) "
		"((\"A\" NIL \"a\" \"example.net\")) "
		"((\"A\" NIL \"a\" \"example.net\")) "
		"((NIL NIL \"g\" NIL)(NIL NIL \"b\" \"example.org\")"
		"(NIL NIL \"c\" \"example.org\")(NIL NIL NIL NIL)) "
		"NIL NIL NIL \"<1@example.net>\")");
}

static void notify_groups(void **state)
{
	static const struct {
		const char *in;
		enum imap_notify_error error;
		size_t groups;
	} cases[] = {
		{ "NONE", IMAP_NOTIFY_OK, 0 },
		{ "set status (selected MessageNew)", IMAP_NOTIFY_SYNTAX, 0 },
		{ "set status (selected (MessageNew (uid "
			"body.peek[header.fields (from to subject)]) "
			"MessageExpunge)) (subtree Lists (MessageNew "
			"MessageExpunge))", IMAP_NOTIFY_OK, 2 },
		{ "SET (mailboxes (a \"b c\") (FlagChange MessageNew "
			"MessageExpunge))", IMAP_NOTIFY_OK, 1 },
		{ "SET (personal (MailboxName SubscriptionChange))",
			IMAP_NOTIFY_OK, 1 },
		{ "SET (subscribed (ServerMetadataChange "
			"MailboxMetadataChange)) (inboxes NONE)",
			IMAP_NOTIFY_OK, 2 },
		{ "SET (selected MessageNew (uid) MessageExpunge)",
			IMAP_NOTIFY_OK, 1 },
		{ "SET (selected NONE)", IMAP_NOTIFY_OK, 1 },
		{ "SET (selected (MessageNew))", IMAP_NOTIFY_SYNTAX, 0 },
		{ "SET (personal (FlagChange))", IMAP_NOTIFY_SYNTAX, 0 },
		{ "SET (selected (MailboxName))", IMAP_NOTIFY_SYNTAX, 0 },
		{ "SET (selected NONE) (selected-delayed NONE)",
			IMAP_NOTIFY_SYNTAX, 0 },
		{ "SET (personal (MessageNew (uid) MessageExpunge))",
			IMAP_NOTIFY_SYNTAX, 0 },
		{ "SET (personal (AnnotationChange))",
			IMAP_NOTIFY_BAD_EVENT, 0 },
		{ "SET (mailboxes NONE)", IMAP_NOTIFY_SYNTAX, 0 },
		{ "SET", IMAP_NOTIFY_SYNTAX, 0 },
		{ "SET (personal ()) x", IMAP_NOTIFY_SYNTAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct imap_notify notify;

		assert_int_equal(imap_notify_parse(arena,
			str_from(cases[i].in), &notify), cases[i].error);
		if (cases[i].error == IMAP_NOTIFY_OK)
			assert_int_equal(notify.count, cases[i].groups);
	}
}

static void progress(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	(void)state;
	imap_progress_format(&out, STR("tag"), 454, 1000);
	assert_str(buf_str(&out),
		"* OK [INPROGRESS (\"tag\" 454 1000)] Still searching\r\n");
	buf_clear(&out);
	imap_progress_format(&out, STR("a]1"), 0, 1000);
	assert_str(buf_str(&out),
		"* OK [INPROGRESS (NIL 0 1000)] Still searching\r\n");
}

/* What a charset makes of octets; NULL: it is not known, or not these. */
static const struct {
	const char *charset, *octets, *utf8;
} charset_cases[] = {
	{ "koi8-r", "\xc4\xc1", "\xd0\xb4\xd0\xb0" },
	{ "ISO-2022-JP", "\x1b$B@$3&\x1b(B", "\xe4\xb8\x96\xe7\x95\x8c" },
	{ "euc-kr", "\xb0", "\x1a" },
	{ "utf-7", "+AOk-", "\xc3\xa9" },
	{ "iso-8859-1", "\xe9", "\xc3\xa9" },
	{ "utf-8", "\xe9", NULL },
	{ "x-none", "a", NULL },
	{ "../koi8-r", "a", NULL },
	{ "koi8-r,swaplfnl", "a", NULL },
	{ "", "a", NULL },
};

static void text_of_charsets(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(charset_cases); i++) {
		struct str charset = str_from(charset_cases[i].charset);
		struct buf out = BUF_IN(arena);
		const char *utf8 = charset_cases[i].utf8;

		assert_int_equal(imap_charset_format(&out, charset,
			str_from(charset_cases[i].octets)), utf8 != NULL);
		assert_str(buf_str(&out), utf8 ? utf8 : "");
		assert_int_equal(imap_charset_is_known(charset),
			utf8 || str_is(charset, "utf-8"));
	}
	/* A character may be cut in two by the words. */
	assert_str(imap_words_decode(arena, STR("=?big5?b?wQ==?= =?big5?b?Yw==?="
		" =?koi8-r?q?=C4?= x")), "\xe7\xb9\x81\xd0\xb4 x");
	arena_free(arena);
}

static void folds_letters(void **state)
{
	struct arena *arena auto_arena = arena_new(0);

	(void)state;
	assert_str(imap_needle(arena, STR("utf-8"),
		STR("ABC \xc3\x89\xc3\x97\xc5\xa0 \xd0\x96\xce\xa9")),
		"abc e\xc3\x97s \xd0\xb6\xcf\x89");
	assert_str(imap_needle(arena, STR("utf-8"),
		STR("Stra\xc3\x9f" "e \xef\xac\x81sh e\xcc\x81")),
		"strasse fish e");
	assert_true(str_is_none(imap_needle(arena, STR("us-ascii"),
		STR("\xc3\x89"))));
	assert_true(str_is_none(imap_needle(arena, STR("utf-8"),
		STR("\xff"))));
}

/* A body of `before`, `count` times `filler`, and `behind`. */
static const struct {
	const char *header, *before, *filler;
	int count;
	const char *behind, *preview;
	int repeated; /* of the preview: 0 once */
} previews[] = {
	{ "text/plain\n", "  Hello,\n\n  world\t!", "", 0, "\n",
		"Hello, world !", 0 },
	{ "text/plain\n", "", " \n", 2000, "Late words.\n", "Late words.", 0 },
	{ "text/plain\n", "", " \n", 9000, "Too late.\n", "", 0 },
	{ "text/plain\n", "", "0123456789", 500, "", "0123456789", 20 },
	/* cut within a character by what is read first */
	{ "text/plain; charset=utf-8\n", "x", "\xc3\xa4", 1000, "",
		NULL, 0 },
	{ "text/plain; charset=utf-8\n", "", "\xe2\x82\xac", 1000, "",
		"\xe2\x82\xac", 200 },
	{ "text/plain; charset=iso-8859-1\n", "", "\xe4", 1000, "",
		"\xc3\xa4", 200 },
	{ "text/html\n", "<html><style>", "p { color: red }\n", 200,
		"</style><p>Words &amp; more", "Words & more", 0 },
	{ "text/html\n", "", "&lt;", 1000, "", "<", 200 },
	{ "text/html\n", "", "<br>&nbsp;<b>", 100, "Behind tags",
		"Behind tags", 0 },
	{ "text/plain\nContent-Transfer-Encoding: quoted-printable\n", "",
		"=C3=A4=\n", 1000, "", "\xc3\xa4", 200 },
	{ "text/plain\nContent-Transfer-Encoding: base64\n", "",
		"MDEyMzQ1Njc4OTAx\n", 400, "", "012345678901", 16 },
};

static const char *preview_expected(struct arena *arena, size_t i)
{
	struct buf out = BUF_IN(arena);
	int count = previews[i].repeated ? previews[i].repeated : 1;

	if (!previews[i].preview) { /* of the second filler above */
		buf_char(&out, 'x');
		for (int k = 0; k < IMAP_PREVIEW_CHARS - 1; k++)
			buf_text(&out, previews[i].filler);
		buf_char(&out, 0);
		return out.p;
	}
	for (int k = 0; k < count; k++)
		buf_text(&out, previews[i].preview);
	if (count == 16) /* of twelve octets each */
		buf_text(&out, "01234567");
	buf_char(&out, 0);
	return out.p;
}

static void first_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(previews); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct buf message = BUF_IN(arena);

		buf_fmt(&message, "Content-Type: %s\n%s", previews[i].header,
			previews[i].before);
		for (int k = 0; k < previews[i].count; k++)
			buf_text(&message, previews[i].filler);
		buf_text(&message, previews[i].behind);
		assert_str(imap_preview(arena, buf_str(&message),
			mime_parse(arena, buf_str(&message))),
			preview_expected(arena, i));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_mutf7),
		cmocka_unit_test(strings_of_commands),
		cmocka_unit_test(literals_at_line_ends),
		cmocka_unit_test(flags_of_lists),
		cmocka_unit_test(sets_are_joined),
		cmocka_unit_test(dates_there_and_back),
		cmocka_unit_test(strings_of_responses),
		cmocka_unit_test(fetch_items),
		cmocka_unit_test(search_programs),
		cmocka_unit_test(envelopes),
		cmocka_unit_test(text_of_charsets),
		cmocka_unit_test(folds_letters),
		cmocka_unit_test(first_words),
		cmocka_unit_test(notify_groups),
		cmocka_unit_test(progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
