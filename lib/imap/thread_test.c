/*
 * Base subjects, digests, SORT and THREAD.
 */
#include "base/test.h"

#include "imap/returns.h"
#include "imap/sort.h"
#include "imap/subject.h"
#include "imap/thread.h"

static const struct {
	const char *subject, *base;
	bool is_reply;
} subjects[] = {
	{ "hello", "hello", false },
	{ "Re: hello", "hello", true },
	{ "RE :hello", "hello", true },
	{ "fw: Fwd: re: hello", "hello", true },
	{ "[list] hello", "hello", false },
	{ "Re: [list] hello", "hello", true },
	{ "[list] Re: hello", "hello", true },
	{ "Re[2]: hello", "hello", true },
	{ "[only]", "[only]", false },
	{ "hello (fwd) (FWD)", "hello", true },
	{ "[fwd: re: hello]", "hello", true },
	{ "[Fwd: a] b]", "b]", false },
	{ "  a \t b\r\n c  ", "a b c", false },
	{ "Re:", "", true },
	{ "[a][b] c", "c", false },
	{ "=?utf-8?q?Re:_caf=C3=A9?=", "caf\xc3\xa9", true },
	{ "", "", false },
};

static void base_subjects(void **state)
{
	struct arena *arena auto_arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(subjects); i++) {
		bool is_reply;

		assert_str(imap_subject_base(arena,
			str_from(subjects[i].subject), &is_reply),
			subjects[i].base);
		assert_int_equal(is_reply, subjects[i].is_reply);
	}
}

static void digest_of_a_header(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf row = BUF_IN(arena);
	struct imap_digest d, again;

	(void)state;
	imap_digest_make(arena, STR("Date: Thu, 1 Jan 1970 01:00:10 +0100\r\n"
		"From: \"Zo\xc3\x8b\" <Zoe@example.org>, b@example.net\r\n"
		"To: Group: x@example.org;\r\nCc: CC@example.org\r\n"
		"Subject: Re: \xc3\x89t\xc3\xa9\r\nMessage-ID: <1@a>\r\n"
		"References: <2@b>\r\n <\"3\"@c>\r\n\r\n"), &d);
	imap_digest_format(&row, &d);
	assert_true(imap_digest_parse(buf_str(&row), &again));
	assert_int_equal(again.sent_s, 10);
	assert_true(again.is_reply);
	assert_str(again.texts[IMAP_DIGEST_SUBJECT], "E\xcc\x81TE\xcc\x81");
	assert_str(again.texts[IMAP_DIGEST_FROM], "ZOE");
	assert_str(again.texts[IMAP_DIGEST_DISPLAY_FROM], "ZOE\xcc\x88");
	assert_str(again.texts[IMAP_DIGEST_TO], "GROUP");
	assert_str(again.texts[IMAP_DIGEST_CC], "CC");
	assert_str(again.texts[IMAP_DIGEST_ID], "1@a");
	assert_str(again.texts[IMAP_DIGEST_REFERENCES], "2@b\n3@c\n");
	assert_false(imap_digest_parse(str_first(buf_str(&row), row.len - 1),
		&again));
	imap_digest_make(arena, STR("In-Reply-To: <x@y> <z@y>\n\n"), &d);
	assert_str(d.texts[IMAP_DIGEST_REFERENCES], "x@y\n");
	assert_true(d.sent_s == IMAP_NOT_SENT);
}

/* Subject, Message-ID, References of messages, and what becomes of them. */
static const struct {
	enum imap_thread_kind kind;
	const char *const headers[8];
	const char *threads;
} forests[] = {
	{ IMAP_THREAD_REFERENCES, { "Message-ID: <1>", "Message-ID: <2>\n"
		"References: <1>", "Message-ID: <3>\nReferences: <1> <2>",
		"Message-ID: <4>\nReferences: <1>" }, "(1 (2 3)(4))" },
	/* The parent is not there. */
	{ IMAP_THREAD_REFERENCES, { "Message-ID: <1>\nReferences: <0>",
		"Message-ID: <2>\nReferences: <0>" }, "((1)(2))" },
	{ IMAP_THREAD_REFERENCES, { "Message-ID: <1>\nReferences: <0>" },
		"(1)" },
	{ IMAP_THREAD_REFERENCES, { "Message-ID: <1>\nReferences: <a> <b>",
		"Message-ID: <2>\nReferences: <a> <b>",
		"Message-ID: <3>\nReferences: <a>" }, "((1)(2)(3))" },
	/* A loop, and one id twice. */
	{ IMAP_THREAD_REFERENCES, { "Message-ID: <1>\nReferences: <2>",
		"Message-ID: <2>\nReferences: <1>" }, "(2 1)" },
	{ IMAP_THREAD_REFERENCES, { "Message-ID: <1>", "Message-ID: <1>" },
		"(1)(2)" },
	/* Joined by subject. */
	{ IMAP_THREAD_REFERENCES, { "Subject: a", "Subject: b",
		"Subject: Re: a" }, "(1 3)(2)" },
	{ IMAP_THREAD_REFERENCES, { "Subject: Re: a", "Subject: b",
		"Subject: a" }, "(2)(3 1)" },
	{ IMAP_THREAD_REFERENCES, { "Subject: a", "Subject: a" },
		"((1)(2))" },
	{ IMAP_THREAD_REFS, { "Subject: a", "Subject: Re: a" }, "(1)(2)" },
	{ IMAP_THREAD_REFS, { "Message-ID: <1>", "Message-ID: <2>",
		"Message-ID: <3>\nReferences: <1>" }, "(2)(1 3)" },
	{ IMAP_THREAD_ORDEREDSUBJECT, { "Subject: a", "Subject: b",
		"Subject: Re: a", "Subject: a" }, "(1 (3)(4))(2)" },
	{ IMAP_THREAD_ORDEREDSUBJECT, { "Subject: a", "Subject: Re: a" },
		"(1 2)" },
	{ IMAP_THREAD_REFERENCES, { NULL }, "" },
};

static const struct imap_thread_facts *facts_of(struct arena *arena,
	struct imap_thread_names *names, struct str header)
{
	struct imap_thread_facts *facts =
		arena_new_of(arena, struct imap_thread_facts);
	struct imap_digest digest;

	imap_digest_make(arena, header, &digest);
	imap_thread_facts_of(arena, names, &digest, facts);
	return facts;
}

static void threads(void **state)
{
	struct arena *arena auto_arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(forests); i++) {
		struct imap_thread_item items[8] = { 0 };
		struct imap_thread_names names = imap_thread_names_new();
		struct buf out = BUF_IN(arena);
		size_t count = 0;

		for (; count < 8 && forests[i].headers[count]; count++) {
			items[count].of = facts_of(arena, &names,
				str_from(forests[i].headers[count]));
			items[count].number = (uint32_t)count + 1;
			items[count].arrived_s = (int64_t)count;
		}
		imap_thread_format(arena, &out, forests[i].kind, items,
			count, &names);
		imap_thread_names_free(&names);
		assert_str(buf_str(&out), forests[i].threads);
	}
}

static void a_very_long_thread(void **state)
{
	enum { LENGTH = 20000 };
	struct arena *arena auto_arena = arena_new(0);
	struct imap_thread_item *items = arena_array(arena, LENGTH,
		sizeof(*items));
	struct imap_thread_names names = imap_thread_names_new();
	struct buf out = BUF_IN(arena);

	(void)state;
	for (uint32_t i = 0; i < LENGTH; i++) {
		items[i].of = facts_of(arena, &names, arena_fmt(arena,
			"Message-ID: <%u>\nReferences: <%u>", i, i - 1));
		items[i].number = i + 1;
	}
	imap_thread_format(arena, &out, IMAP_THREAD_REFERENCES, items, LENGTH,
		&names);
	imap_thread_names_free(&names);
	assert_true(str_starts(buf_str(&out), STR("(1 2 3 ")));
}

static void sorting(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	static const char *const headers[] = {
		"Subject: b\nFrom: z@a", "Subject: Re: a\nFrom: z@a",
		"Subject: a\nFrom: y@a",
	};
	static const struct {
		const char *keys, *order;
	} sorts[] = {
		{ "(SUBJECT)", "231" },
		{ "(REVERSE SUBJECT)", "123" },
		{ "(FROM REVERSE ARRIVAL)", "321" },
		{ "(SIZE)", "321" },
		{ "(DATE)", "123" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(sorts); i++) {
		struct imap_sort_item items[3] = { 0 };
		struct imap_sort_rank ranks[3];
		struct imap_sort sort;
		struct str in = str_from(sorts[i].keys);

		for (uint32_t n = 0; n < 3; n++) {
			imap_digest_make(arena, str_from(headers[n]),
				&items[n].digest);
			items[n].uid = n + 1;
			items[n].arrived_s = n;
			items[n].size = 3 - n;
		}
		assert_true(imap_sort_take(&in, &sort));
		for (size_t most = 0; most <= 3; most++) {
			imap_sort_run(&sort, items, 3, most, ranks);
			for (size_t n = 0; n < most; n++)
				assert_int_equal(ranks[n].item->uid,
					sorts[i].order[n] - '0');
		}
	}
}

/* The first of a part are the first of all, and none gets lost. */
static void sorting_a_part(void **state)
{
	enum { MOST = 500 };
	static struct imap_sort_item items[MOST];
	static struct imap_sort_rank all[MOST], part[MOST];
	struct str in = STR("(REVERSE SIZE FROM)");
	struct imap_sort sort;

	(void)state;
	assert_true(imap_sort_take(&in, &sort));
	for (uint32_t i = 0; i < MOST; i++)
		items[i] = (struct imap_sort_item){ .uid = i + 1,
			.size = i * 7919 % 83 };
	imap_sort_run(&sort, items, MOST, MOST, all);
	for (size_t most = 0; most <= MOST; most += 25) {
		uint64_t sum = 0;

		imap_sort_run(&sort, items, MOST, most, part);
		for (size_t i = 0; i < most; i++)
			assert_ptr_equal(part[i].item, all[i].item);
		for (size_t i = 0; i < MOST; i++)
			sum += part[i].item->uid;
		assert_int_equal(sum, MOST * (MOST + 1) / 2);
	}
}

static void returns_and_windows(void **state)
{
	static const char *const bad[] = { "RETURN (MIN", "RETURN (NONE) x",
		"RETURN (ALL PARTIAL 1:2) x", "RETURN (PARTIAL 0:2) x",
		"RETURN (PARTIAL -1:2) x", "RETURN (MIN)",
		"RETURN (PARTIAL 1:2 PARTIAL 3:4) x" };
	static const struct {
		const char *text;
		size_t count, from, to;
	} windows[] = {
		{ "1:3", 10, 0, 3 }, { "3:1", 10, 0, 3 }, { "9:12", 10, 8, 10 },
		{ "-1:-3", 10, 7, 10 }, { "11:12", 10, 0, 0 },
		{ "-9:-20", 10, 0, 2 }, { "1:1", 0, 0, 0 },
	};
	struct imap_returns r;
	struct str in = STR("RETURN (min SAVE partial 2:5) ALL");

	(void)state;
	assert_true(imap_returns_take(&in, &r));
	assert_int_equal(r.bits, IMAP_RETURN_MIN | IMAP_RETURN_SAVE |
		IMAP_RETURN_PARTIAL);
	assert_str(in, "ALL");
	in = STR("RETURN () ALL");
	assert_true(imap_returns_take(&in, &r));
	assert_int_equal(r.bits, IMAP_RETURN_ALL);
	for (size_t i = 0; i < COUNT(bad); i++) {
		in = str_from(bad[i]);
		assert_false(imap_returns_take(&in, &r));
	}
	for (size_t i = 0; i < COUNT(windows); i++) {
		struct imap_partial partial;
		size_t from, to;

		in = str_from(windows[i].text);
		assert_true(imap_partial_take(&in, &partial));
		imap_partial_window(&partial, windows[i].count, &from, &to);
		assert_int_equal(from, windows[i].from);
		assert_int_equal(to, windows[i].to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_subjects),
		cmocka_unit_test(digest_of_a_header),
		cmocka_unit_test(threads),
		cmocka_unit_test(a_very_long_thread),
		cmocka_unit_test(sorting),
		cmocka_unit_test(sorting_a_part),
		cmocka_unit_test(returns_and_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
