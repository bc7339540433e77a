/*
 * The limits of parsers, posthorn-limits(7): what is just within passes, one
 * more is refused or left out. tests/man-limits looks for their names here.
 */
#include "base/test.h"

#include "agent/alias.h"
#include "base/buf.h"
#include "config/expand.h"
#include "dns/packet.h"
#include "imap/fetch.h"
#include "imap/search.h"
#include "imap/set.h"
#include "imap/sort.h"
#include "imap/take.h"
#include "ipc/messages.h"
#include "mail/list.h"
#include "mail/mime.h"
#include "mail/param.h"
#include "sasl/scram.h"
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

/* The units are the boundary. */
static bool takes_boundary(struct arena *arena, struct str in)
{
	return mime_parse(arena, arena_fmt(arena,
		"Content-Type: multipart/mixed; boundary=\"%.*s\"\n\n"
		"--%.*s\n\nx\n", STR_ARG(in), STR_ARG(in)))->children;
}

static bool takes_list(struct arena *arena, struct str in)
{
	struct mail_list list = mail_list_of(in);
	struct mail_mailbox mailbox;

	return mail_list_next(arena, &list, &mailbox) == MAIL_LIST_ADDRESS;
}

/* The units open comments. */
static bool takes_comments(struct arena *arena, struct str in)
{
	struct buf out = BUF_IN(arena);

	buf_add(&out, in);
	for (size_t i = 0; i < in.len; i++)
		buf_char(&out, ')');
	buf_text(&out, " a@b");
	return takes_list(arena, buf_str(&out));
}

static bool takes_scram(struct arena *arena, struct str in)
{
	struct scram_server s = { .arena = arena };

	return scram_server_first(&s, in) == SCRAM_OK;
}

/* "$aaa" is "$aa" is "$a" is what "x" is. */
static struct str find_shorter(void *context, struct str name)
{
	return str_is(name, "x") ? *(struct str *)context :
		name.len == 1    ? STR("") :
		str_of("$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			name.len);
}

static bool expands(struct arena *arena, struct str text, struct str x)
{
	struct expand expand = { .find = find_shorter, .context = &x };
	struct buf out = BUF_IN(arena);

	return expand_text(arena, &expand, &out, text);
}

static bool takes_depth(struct arena *arena, struct str in)
{
	return expands(arena, in, STR(""));
}

static bool takes_value(struct arena *arena, struct str in)
{
	return expands(arena, STR("$x"), in);
}

/* The units are empty strings on the wire. */
static bool takes_strings(struct arena *arena, struct str in)
{
	uint32_t count = (uint32_t)(in.len / sizeof(count));
	struct msg_auth_offer m;
	struct str head = str_of(&count, sizeof(count));

	return msg_auth_offer_parse(arena_join(arena, head, in), &m) &&
		m.mechanisms.count == count;
}

#define QUESTION "\1a\7example\0\0\1\0\1"
#define EXAMPLE "\300\16" /* where it stands in the question */
#define A_RECORD "\0\1\0\1\0\0\0\1\0\4\300\0\2\1"

static bool parses_packet(struct arena *arena, struct str answers,
	size_t count, struct dns_answer *answer)
{
	struct buf out = BUF_IN(arena);

	buf_add(&out, STR("ID\201\200\0\1"));
	buf_char(&out, (char)(count >> 8));
	buf_char(&out, (char)count);
	buf_add(&out, STR("\0\0\0\0" QUESTION));
	buf_add(&out, answers);
	return dns_packet_answer(arena, buf_str(&out), 0x4944,
		STR("a.example"), DNS_A, answer);
}

static void put_name(struct buf *out, char name)
{
	buf_char(out, 1);
	buf_char(out, name);
	buf_add(out, STR(EXAMPLE));
}

/* The units are aliases: a.example, b.example... */
static bool takes_chain(struct arena *arena, struct str in)
{
	struct buf out = BUF_IN(arena);
	struct dns_answer answer;
	char name = 'a';

	put_name(&out, name);
	for (size_t i = 0; i < in.len; i++) {
		buf_add(&out, STR("\0\5\0\1\0\0\0\1\0\4"));
		put_name(&out, ++name);
		put_name(&out, name);
	}
	buf_add(&out, STR(A_RECORD));
	return parses_packet(arena, buf_str(&out), in.len + 1, &answer) &&
		answer.count == 1;
}

/* The units are records. */
static bool takes_records(struct arena *arena, struct str in)
{
	size_t count = in.len / (sizeof("\300\14" A_RECORD) - 1);
	struct dns_answer answer;

	return parses_packet(arena, in, count, &answer) &&
		answer.count == count;
}

#define S(literal) { literal, sizeof(literal) - 1 }

/* head, units, tail: `most` units pass, one more does not. */
static const struct {
	const char *name;
	bool (*takes)(struct arena *arena, struct str in);
	struct str head, unit, tail;
	size_t most;
} limits[] = {
	{ "IMAP_RANGES_MOST", takes_set, S("1"), S(",3"), S(""), IMAP_RANGES_MOST - 1 },
	{ "IMAP_SECTIONS_MOST", takes_fetch, S("(FLAGS"), S(" BODY[1]"), S(")"),
		IMAP_SECTIONS_MOST },
	{ "IMAP_FIELDS_MOST", takes_fetch, S("BODY[HEADER.FIELDS (a"), S(" b"), S(")]"),
		IMAP_FIELDS_MOST - 1 },
	{ "IMAP_KEYWORD_MOST", takes_flags, S("("), S("k"), S(")"), IMAP_KEYWORD_MOST },
	{ "IMAP_SORT_KEYS_MOST", takes_sort, S("(SIZE"), S(" DATE"), S(") UTF-8"),
		IMAP_SORT_KEYS_MOST - 1 },
	{ "IMAP_SEARCH_DEPTH", takes_search, S(""), S("NOT "), S("SEEN"),
		IMAP_SEARCH_DEPTH - 1 },
	{ "SMTP_ADDRESS_MOST", takes_path, S("<"), S("a"), S("@b>"),
		SMTP_ADDRESS_MOST - 2 },
	{ "ALIAS_ITEMS_MOST", takes_aliases, S("a"), S(",b"), S(""),
		ALIAS_ITEMS_MOST - 1 },
	{ "SMTP_REPLY_LINES_MOST", takes_reply, S(""), S("250-x\n"), S(""),
		SMTP_REPLY_LINES_MOST },
	{ "SMTP_REPLY_OCTETS_MOST", takes_reply, S("250 "), S("x"), S("\n"),
		SMTP_REPLY_OCTETS_MOST - 4 },
	{ "MIME_BOUNDARY_MOST", takes_boundary, S(""), S("b"), S(""),
		MIME_BOUNDARY_MOST },
	{ "MAIL_DEPTH_MOST", takes_comments, S(""), S("("), S(""),
		MAIL_DEPTH_MOST },
	{ "MAIL_WORDS_MOST", takes_list, S(""), S("a "), S("<a@b>"),
		MAIL_WORDS_MOST },
	{ "IMAP_SEARCH_NODES", takes_search, S("SEEN"), S(" SEEN"), S(""),
		IMAP_SEARCH_NODES - 2 },
	{ "SCRAM_MESSAGE_MOST", takes_scram, S("n,,n=u,r=x,e="), S("x"),
		S(""), SCRAM_MESSAGE_MOST - 13 },
	{ "EXPAND_DEPTH_MOST", takes_depth, S("$"), S("a"), S(""),
		EXPAND_DEPTH_MOST - 1 },
	{ "EXPAND_OCTETS_MOST", takes_value, S(""), S("v"), S(""),
		EXPAND_OCTETS_MOST },
	{ "MSG_LIST_MOST", takes_strings, S(""), S("\0\0\0\0"), S(""),
		MSG_LIST_MOST },
	{ "DNS_CHAIN_MOST", takes_chain, S(""), S("x"), S(""),
		DNS_CHAIN_MOST - 1 },
	{ "DNS_RECORDS_MOST", takes_records, S(""), S("\300\14" A_RECORD),
		S(""), DNS_RECORDS_MOST },
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

/* limit: IMAP_FLAGS_MOST. The same keyword twice counts once. */
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

static size_t parts_of(struct arena *arena, int given)
{
	struct buf in = BUF_IN(arena);

	buf_text(&in, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < given; i++)
		buf_text(&in, "--b\n\nx\n");
	return count_parts(mime_parse(arena, buf_str(&in)));
}

/* limit: MIME_PARTS_MOST, the whole is one of them. */
static void counts_parts(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	assert_int_equal(parts_of(arena, MIME_PARTS_MOST - 1), MIME_PARTS_MOST);
	assert_int_equal(parts_of(arena, MIME_PARTS_MOST), MIME_PARTS_MOST);
}

/* limit: MIME_DEPTH_MOST, the outermost message is the first. */
static void counts_depth(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t most = MIME_DEPTH_MOST, i = most - 1; i <= most; i++) {
		struct buf in = BUF_IN(arena);
		const struct mime_part *part;
		size_t depth = 0;

		for (size_t k = 0; k < i; k++)
			buf_text(&in, "Content-Type: message/rfc822\n\n");
		for (part = mime_parse(arena, buf_str(&in)); part;
			part = part->children)
			depth++;
		assert_int_equal(depth, most);
	}
}

/* limit: MAIL_PARAMS_MOST */
static void counts_params(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct buf in = BUF_IN(arena);
	struct mail_params params;

	(void)state;
	for (int i = 0; i <= MAIL_PARAMS_MOST; i++) {
		buf_fmt(&in, "; a%d=b", i);
		mail_params_parse(arena, buf_str(&in), &params);
		assert_int_equal(params.count,
			i < MAIL_PARAMS_MOST ? i + 1 : MAIL_PARAMS_MOST);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_where_it_says),
		cmocka_unit_test(counts_keywords),
		cmocka_unit_test(counts_parts),
		cmocka_unit_test(counts_depth),
		cmocka_unit_test(counts_params),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
