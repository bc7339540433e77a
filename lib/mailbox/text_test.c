/*
 * The search index against a look at each message: always the same answer.
 */
#include "base/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imap/match.h"
#include "mail/header.h"
#include "mailbox/stand.h"
#include "mailbox/text.h"
#include "mailbox/words.h"

enum {
	MESSAGES = 300,
	NEEDLES = 1500,
};

static uint32_t seed = 7;

static uint32_t below(uint32_t most)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % most;
}

static const char *const pieces[] = {
	"alpha", "Alphabet", "b", "beta-max", "caf\xc3\xa9", "CAFE\xcc\x81",
	"na\xc3\xafve", "\xef\xac\x81sh", "stra\xc3\x9f" "e", "x_y",
	"a@example.net", "1234567890", "\xd0\x9c\xd0\xb8\xd1\x80", ".", ", ",
	"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\xff\xfe", "ing", "the",
	"thethethethethethethethethethethethethethethethethethethethethe"
	"thethethethethethethethethethethetail",
};

static void add_words(struct buf *out, size_t most)
{
	for (size_t i = 0, count = 1 + below((uint32_t)most); i < count; i++) {
		buf_text(out, pieces[below(COUNT(pieces))]);
		if (below(3))
			buf_char(out, ' ');
	}
}

static void make_message(struct buf *out, uint32_t n)
{
	buf_text(out, "Subject: ");
	add_words(out, 6);
	if (n % 7 == 0)
		buf_text(out, "\nSubject: =?utf-8?q?second_caf=C3=A9?=");
	buf_text(out, "\nTo: Some <a@example.org>,\n\t");
	add_words(out, n % 50 == 0 ? 2000 : 3);
	buf_text(out, "\nX-Other: ");
	add_words(out, 3);
	if (n % 3 == 0)
		buf_text(out, "\nContent-Type: multipart/mixed; boundary=q\n\n"
			"--q\nContent-Type: message/rfc822\n\n"
			"Subject: inner words\n\nalpha inside\n--q\n"
			"Content-Type: text/plain; charset=iso-8859-1\n"
			"Content-Transfer-Encoding: quoted-printable\n\n"
			"caf=E9 one\n--q\nContent-Type: image/png\n\n"
			"hiddenword\n--q--\n");
	else
		buf_text(out, "\n\n");
	add_words(out, 40);
	buf_char(out, '\n');
}

static void drop_message(struct mailbox_store *store, uint32_t n)
{
	struct buf text = { 0 };
	char path[300];
	FILE *file;

	make_message(&text, n);
	snprintf(path, sizeof(path), "%s/cur/%u.t:2,", store->path,
		2000000000u + n);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(text.p, 1, text.len, file), text.len);
	fclose(file);
	buf_free(&text);
}

/* By reading it. */
static bool has(struct arena *arena, struct str message,
	enum mailbox_text_field field, struct str needle)
{
	static const char *const names[] = { "subject", "from", "to", "cc",
		"bcc", "x-other" };
	bool is_complete;

	if (field > MAILBOX_TEXT_HEADER)
		return imap_match_body(arena, message,
			mime_parse(arena, message), needle,
			field == MAILBOX_TEXT_ALL);
	return imap_match_header(arena, str_first(message,
		mail_header_length(message, &is_complete)),
		str_from(names[field]), needle);
}

static void compare(struct mailbox *m, enum mailbox_text_field field,
	struct str needle)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_hits hits;

	if (!mailbox_text_find(m, arena, field, needle, &hits)) {
		struct str rest = needle, word;
		enum words_match match;

		/* Nothing but what is between words. */
		assert_true(field >= MAILBOX_TEXT_HEADER &&
			!words_needle_take(&rest, needle, &word, &match));
		return;
	}
	assert_int_equal(hits.up_to, m->messages[m->count - 1].is.uid);
	for (size_t i = 0; i < m->count; i++) {
		uint32_t uid = m->messages[i].is.uid;
		bool is_hit = mailbox_hits_have(&hits, uid), is_there;
		struct str message;

		assert_int_equal(mailbox_read(m, uid, arena, 0, &message),
			MAILBOX_OK);
		is_there = has(arena, message, field, needle);
		if (is_there != is_hit && (is_there || hits.is_sure))
			fail_msg("field %d, uid %u, \"%.*s\": %d, not %d",
				field, uid, STR_ARG(needle), is_hit, is_there);
	}
}

static void take_text(struct arena *arena, struct mailbox *m, struct buf *out)
{
	struct str message;

	assert_int_equal(mailbox_read(m, m->messages[below(
		(uint32_t)m->count)].is.uid, arena, 0, &message), MAILBOX_OK);
	buf_add(out, message);
}

static void compare_some(struct mailbox *m, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct buf text = BUF_IN(arena);
		struct str piece, needle;

		if (i % 3)
			take_text(arena, m, &text);
		else
			add_words(&text, 3);
		piece = str_skip(buf_str(&text), below((uint32_t)text.len));
		piece = str_first(piece, 1 + below(i % 10 ? 12 : 60));
		needle = imap_needle(arena, STR("UTF-8"), piece);
		if (str_is_none(needle) || needle.len == 0)
			continue;
		compare(m, (enum mailbox_text_field)below(
			MAILBOX_TEXT_ALL + 1), needle);
	}
}

static void finds_what_a_look_finds(void **state)
{
	struct mailbox_store *store = stand_store_open("maildir++");
	struct mailbox *m;
	uint32_t n = 0;

	(void)state;
	assert_int_equal(mailbox_open(store, STR("INBOX"), &m), MAILBOX_OK);
	while (n < MESSAGES) {
		uint32_t uids[2];

		for (uint32_t more = 1 + below(60); more > 0; more--)
			drop_message(store, n++);
		mailbox_stamp_forget(m); /* the clock is too coarse */
		assert_int_equal(mailbox_refresh(m, false), MAILBOX_OK);
		mailbox_text_follow(m, NULL, NULL);
		uids[0] = m->messages[below((uint32_t)m->count)].is.uid;
		assert_int_equal(mailbox_expunge(m, uids, 1, true),
			MAILBOX_OK);
		compare_some(m, NEEDLES / 20);
	}
	mailbox_close(m);
	stand_store_close(store);
}

static void is_small(void **state)
{
	struct words_builder *b = words_new();

	(void)state;
	words_begin(b);
	words_add(b, WORDS_BODY, STR("one two, one"));
	words_begin(b);
	words_add(b, WORDS_BODY, STR("two"));
	assert_true(words_octets(b) > 0);
	words_free(b);
}

static const struct {
	const char *needle, *words; /* with what each must match */
	bool is_sure;
} needles[] = {
	{ "abc",       "0abc", true },
	{ "a b",       "1a2b", false },
	{ " a b c",    "3a3b2c", false },
	{ "a.b.c ",    "1a3b3c", false },
	{ "--",        "", false },
	{ "12345678901234567890123456789012", "012345678901234567890123456789012",
		true },
	{ "123456789012345678901234567890123",
		"012345678901234567890123456789012", false },
};

static void takes_needles(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(needles); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct buf out = BUF_IN(arena);
		struct str whole = str_from(needles[i].needle), rest = whole;
		struct str word;
		enum words_match match;

		while (words_needle_take(&rest, whole, &word, &match)) {
			buf_u64(&out, match);
			buf_add(&out, word);
		}
		assert_str(buf_str(&out), needles[i].words);
		assert_int_equal(words_needle_is_sure(whole),
			needles[i].is_sure);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_needles),
		cmocka_unit_test(is_small),
		cmocka_unit_test(finds_what_a_look_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
