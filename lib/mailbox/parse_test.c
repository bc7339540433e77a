/*
 * Facts that helpers make before their turn: the same as those that are made
 * when a message is asked for, whatever other programs do meanwhile.
 */
#include "base/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fiber.h"
#include "io/helper.h"
#include "mailbox/parse.h"
#include "mailbox/store.h"
#include "mailbox/test_dir.h"

enum {
	MESSAGES = 1000, /* more than all batches */
	KEPT_EACH = 7,   /* which the index has already */
	FULL = 10,       /* as long as what is read at once */
	LONG = 20,       /* longer */
	LARGE = 30,      /* than what is read ahead at all */
	NESTED = 40,     /* deeper than is parsed */
	RENAMED = 51, REMOVED = 52, FIFO = 53, EMPTY = 54,
};

static struct mailbox *inbox;

static void fill(struct buf *out, size_t octets)
{
	while (out->len + 64 <= octets)
		buf_text(out, "a line of words, all of them as long as the one "
			"before it: 64.\n");
	while (out->len < octets)
		buf_char(out, '.');
}

static struct str text_of(struct arena *arena, uint32_t uid)
{
	struct buf out = BUF_IN(arena);

	if (uid == EMPTY)
		return STR("");
	for (int i = 0; uid == NESTED && i < 2000; i++)
		buf_text(&out, "Content-Type: message/rfc822\n\n");
	buf_fmt(&out, "From: \"Name %u\" <a%u@example.net>\n"
		"To: b@example.org\nSubject: Re: number %u \xc3\x9c\n"
		"Date: Sun, 29 Nov 2026 12:00:00 +0000\n"
		"Message-ID: <%u@example.net>\nContent-Type: text/plain\n\n"
		"The text of number %u.\n", uid, uid, uid, uid, uid);
	fill(&out, uid == FULL ? 64 * 1024 : uid == LONG ? 200 * 1000 :
		uid == LARGE ? 1024 * 1024 + 1 : 0);
	return buf_str(&out);
}

static const char *path_of(struct arena *arena, uint32_t uid)
{
	return arena_fmt(arena, "%s/cur/%u.parse.example:2,S", dir,
		1790000000 + uid).p;
}

static void deliver_all(void)
{
	struct arena *arena auto_arena = arena_new(0);

	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		struct str text = text_of(arena, uid);
		FILE *f = fopen(path_of(arena, uid), "w");

		assert_non_null(f);
		assert_int_equal(fwrite(text.p, 1, text.len, f), text.len);
		assert_int_equal(fclose(f), 0);
		arena_reset(arena);
	}
}

static void disturb(void)
{
	struct arena *arena auto_arena = arena_new(0);
	const char *path = path_of(arena, RENAMED);

	assert_int_equal(rename(path, arena_fmt(arena, "%sT", path).p), 0);
	assert_int_equal(unlink(path_of(arena, REMOVED)), 0);
	path = path_of(arena, FIFO);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
}

static bool is_had(uint32_t uid)
{
	return uid != LARGE && uid != RENAMED && uid != REMOVED &&
		uid != FIFO && uid != EMPTY;
}

static void are_same(struct mailbox_facts a, struct mailbox_facts b)
{
	assert_int_equal(a.size, b.size);
	assert_true(str_eq(a.envelope, b.envelope));
	assert_true(str_eq(a.body, b.body));
	assert_true(str_eq(a.structure, b.structure));
	assert_true(str_eq(a.preview, b.preview));
	assert_true(str_eq(a.email_id, b.email_id));
	assert_true(str_eq(a.thread_id, b.thread_id));
}

static void is_right(uint32_t uid, bool with_id,
	const struct mailbox_facts *facts)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_facts made;

	mailbox_facts_make(arena, text_of(arena, uid), with_id, &made);
	are_same(*facts, made);
	assert_true(str_eq(facts->digest, made.digest));
}

static void is_kept(uint32_t uid, bool with_id)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_facts facts, made;

	mailbox_facts_make(arena, text_of(arena, uid), with_id, &made);
	assert_int_equal(mailbox_facts(inbox, uid, arena, with_id, &facts),
		MAILBOX_OK);
	are_same(facts, made);
	assert_int_equal(mailbox_find(inbox, uid)->is.size, made.size);
}

static void keep_some(void)
{
	struct arena *arena auto_arena = arena_new(0);

	for (uint32_t uid = KEPT_EACH; uid <= MESSAGES; uid += KEPT_EACH)
		mailbox_facts_learn(inbox, uid, arena, text_of(arena, uid));
	mailbox_keep_learned(inbox);
}

/* Each `step`th that is not kept; how many came from there. */
static size_t ask_all(const uint32_t *uids, size_t step, bool with_id)
{
	struct mailbox_parse *parse = mailbox_parse_new(inbox, uids, MESSAGES,
		with_id);
	size_t found = 0;

	assert_non_null(parse);
	for (size_t at = 0; at < MESSAGES; at += step) {
		struct mailbox_facts facts;

		if (uids[at] % KEPT_EACH == 0)
			continue;
		while (mailbox_parse_is_behind(parse, at))
			mailbox_parse_wait(parse);
		if (!mailbox_parse_find(parse, at, &facts))
			continue;
		assert_true(is_had(uids[at]));
		is_right(uids[at], with_id, &facts);
		found++;
	}
	mailbox_parse_end(parse);
	return found;
}

static size_t count_of(size_t step)
{
	size_t count = 0;

	for (uint32_t uid = 1; uid <= MESSAGES; uid += (uint32_t)step)
		count += uid % KEPT_EACH != 0 && is_had(uid);
	return count;
}

static void parse_all(void *context)
{
	struct mailbox_store *store = mailbox_store_open(dir);
	struct mailbox_facts facts;
	struct mailbox_parse *parse;
	uint32_t uids[MESSAGES];

	(void)context;
	assert_non_null(store);
	deliver_all();
	assert_int_equal(mailbox_open(store, STR("INBOX"), &inbox),
		MAILBOX_OK);
	assert_int_equal(inbox->count, MESSAGES);
	for (uint32_t i = 0; i < MESSAGES; i++)
		uids[i] = i + 1;
	assert_null(mailbox_parse_new(inbox, uids, MESSAGES, true));
	assert_false(mailbox_parse_is_behind(NULL, 0));
	assert_false(mailbox_parse_find(NULL, 0, &facts));
	io_helpers_start(2);
	assert_null(mailbox_parse_new(inbox, uids, 1, true));
	keep_some();
	disturb();
	parse = mailbox_parse_new(inbox, uids, MESSAGES, true);
	assert_true(mailbox_parse_is_behind(parse, 0));
	mailbox_parse_end(parse); /* while they are parsed */
	assert_int_equal(ask_all(uids, 301, true), count_of(301));
	mailbox_keep_learned(inbox);
	assert_int_equal(ask_all(uids, 1, false), count_of(1) - count_of(301));
	mailbox_keep_learned(inbox);
	/* The ids are made when somebody wants them. */
	assert_int_equal(ask_all(uids, 1, true), count_of(1) - count_of(301));
	mailbox_keep_learned(inbox);
	assert_int_equal(ask_all(uids, 1, true), 0);
	for (uint32_t uid = 1; uid <= MESSAGES; uid++)
		if (is_had(uid))
			is_kept(uid, true);
	mailbox_close(inbox);
	mailbox_store_close(store);
	io_stop();
}

static void what_is_parsed_ahead_is_what_it_is(void **state)
{
	(void)state;
	io_run(parse_all, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_parsed_ahead_is_what_it_is, make_dir,
			remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
