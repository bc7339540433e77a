/*
 * The limits of parsers, posthorn-limits(7): what is just within passes, one
 * more is refused or left out.
 */
#include "base/test.h"

#include "agent/alias.h"
#include "base/buf.h"
#include "imap/fetch.h"
#include "imap/search.h"
#include "imap/set.h"
#include "imap/sort.h"
#include "imap/take.h"
#include "mail/mime.h"
#include "smtp/path.h"
#include "smtp/reply.h"

static bool takes_set(struct arena *arena, struct str in)
{
	struct imap_set set;

	return imap_set_take(arena, &in, &set);
}

static bool takes_fetch(struct arena *arena, struct str in)
{
	struct imap_fetch fetch;

	return imap_fetch_parse(arena, in, &fetch);
}

static bool takes_flags(struct arena *arena, struct str in)
{
	struct imap_flags flags;

	(void)arena;
	return imap_take_flags(&in, false, &flags);
}

static bool takes_sort(struct arena *arena, struct str in)
{
	struct imap_sort sort;

	(void)arena;
	return imap_sort_take(&in, &sort);
}

static bool takes_search(struct arena *arena, struct str in)
{
	struct imap_search *program;

	return imap_search_parse(arena, in, &program);
}

static bool takes_path(struct arena *arena, struct str in)
{
	struct str address;
	bool has_route;

	return smtp_path_take(arena, &in, false, &address, &has_route);
}

static bool takes_aliases(struct arena *arena, struct str in)
{
	struct alias_list list;

	return alias_parse(arena, in, &list);
}

static bool takes_reply(struct arena *arena, struct str in)
{
	struct smtp_reply reply = { 0 };
	struct str line;

	while (str_take_line(&in, &line))
		if (smtp_reply_add(arena, &reply, line) == SMTP_REPLY_BAD)
			return false;
	return true;
}

#define S(literal) { literal, sizeof(literal) - 1 }

/* head, units, tail: `most` units pass, one more does not. */
static const struct {
	const char *name;
	bool (*takes)(struct arena *arena, struct str in);
	struct str head, unit, tail;
	size_t most;
} limits[] = {
	{ "ranges", takes_set, S("1"), S(",3"), S(""), IMAP_RANGES_MOST - 1 },
	{ "sections", takes_fetch, S("(FLAGS"), S(" BODY[1]"), S(")"),
		IMAP_SECTIONS_MOST },
	{ "fields", takes_fetch, S("BODY[HEADER.FIELDS (a"), S(" b"), S(")]"),
		IMAP_FIELDS_MOST - 1 },
	{ "keyword", takes_flags, S("("), S("k"), S(")"), IMAP_KEYWORD_MOST },
	{ "sort keys", takes_sort, S("(SIZE"), S(" DATE"), S(") UTF-8"),
		IMAP_SORT_KEYS_MOST - 1 },
	{ "search depth", takes_search, S(""), S("NOT "), S("SEEN"),
		IMAP_SEARCH_DEPTH - 1 },
	{ "address", takes_path, S("<"), S("a"), S("@b>"),
		SMTP_ADDRESS_MOST - 2 },
	{ "aliases", takes_aliases, S("a"), S(",b"), S(""),
		ALIAS_ITEMS_MOST - 1 },
	{ "reply lines", takes_reply, S(""), S("250-x\n"), S(""),
		SMTP_REPLY_LINES_MOST },
};

static bool passes(size_t row, size_t count)
{
	auto_arena struct arena *arena = arena_new(0);
	auto_buf struct buf in = { 0 };

	buf_add(&in, limits[row].head);
	for (size_t i = 0; i < count; i++)
		buf_add(&in, limits[row].unit);
	buf_add(&in, limits[row].tail);
	return limits[row].takes(arena, buf_str(&in));
}

static void ends_where_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++) {
		if (!passes(i, limits[i].most))
			fail_msg("%s: %zu are refused", limits[i].name,
				limits[i].most);
		if (passes(i, limits[i].most + 1))
			fail_msg("%s: %zu pass", limits[i].name,
				limits[i].most + 1);
	}
}

/* The same keyword twice counts once. */
static bool takes_keywords(unsigned count)
{
	auto_buf struct buf in = { 0 };

	buf_text(&in, "(k");
	for (unsigned i = 1; i < count; i++)
		buf_fmt(&in, " k%u", i);
	buf_char(&in, ')');
	return takes_flags(NULL, buf_str(&in));
}

static void counts_keywords(void **state)
{
	(void)state;
	assert_true(takes_keywords(IMAP_FLAGS_MOST));
	assert_false(takes_keywords(IMAP_FLAGS_MOST + 1));
}

static size_t count_parts(const struct mime_part *part)
{
	size_t count = 1;

	for (part = part->children; part; part = part->next)
		count += count_parts(part);
	return count;
}

static void counts_parts(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	auto_buf struct buf in = { 0 };

	(void)state;
	buf_text(&in, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < MIME_PARTS_MOST + 100; i++)
		buf_text(&in, "--b\n\nx\n");
	assert_true(count_parts(mime_parse(arena, buf_str(&in))) <=
		MIME_PARTS_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_where_it_says),
		cmocka_unit_test(counts_keywords),
		cmocka_unit_test(counts_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
