#include "base/test.h"

#include "mail/mime.h"

static const char nested[] =
	"Subject: x\r\n"
	"Content-Type: multipart/mixed; boundary=\"b 1\"\r\n"
	"\r\n"
	"preamble\r\n"
	"--b 1\r\n"
	"\r\n"
	"first\r\n"
	"part\r\n"
	"--b 1  \r\n"
	"Content-Type: message/rfc822\r\n"
	"\r\n"
	"Content-Type: multipart/alternative; boundary=b2\r\n"
	"\r\n"
	"--b2\r\n"
	"Content-Type: text/html; charset=utf-8\r\n"
	"Content-Transfer-Encoding: base64\r\n"
	"Content-Disposition: attachment; filename=x\r\n"
	"\r\n"
	"aGk=\r\n"
	"--b2--\r\n"
	"--b 1--\r\n"
	"epilogue\r\n";

static struct str body(const struct mime_part *part, const char *message)
{
	return str_of(message + part->body_at, part->body_len);
}

static void finds_parts(void **state)
{
	struct arena *arena = arena_new(0);
	const struct mime_part *m = mime_parse(arena, str_from(nested));
	const struct mime_part *part;

	(void)state;
	assert_int_equal(m->kind, MIME_MULTIPART);
	assert_int_equal(m->body_lines, 19);
	assert_int_equal(m->body_bare, 0);
	part = mime_part_find(m, (unsigned[]){ 1 }, 1);
	assert_str(body(part, nested), "first\r\npart");
	assert_str(part->type, "text");
	assert_int_equal(part->body_lines, 1);
	assert_int_equal(part->header_len, 2);
	part = mime_part_find(m, (unsigned[]){ 2 }, 1);
	assert_int_equal(part->kind, MIME_MESSAGE);
	part = mime_part_find(m, (unsigned[]){ 2, 1 }, 2);
	assert_str(part->subtype, "html");
	assert_str(part->encoding, "base64");
	assert_str(part->disposition, "attachment");
	assert_str(mail_params_find(&part->disposition_params, "filename"),
		"x");
	assert_str(body(part, nested), "aGk=");
	assert_null(mime_part_find(m, (unsigned[]){ 3 }, 1));
	assert_null(mime_part_find(m, (unsigned[]){ 1, 1 }, 2));
	assert_null(mime_part_find(m, (unsigned[]){ 2, 2 }, 2));
	arena_free(arena);
}

static const struct {
	const char *message;
	enum mime_kind kind;
	const char *type;
	size_t children;
} odd[] = {
	{ "", MIME_SINGLE, "text", 0 },
	{ "Content-Type: multipart/mixed\n\nx", MIME_SINGLE, "multipart", 0 },
	{ "Content-Type: multipart/mixed; boundary=b\n\nx", MIME_SINGLE,
		"multipart", 0 },
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b", MIME_MULTIPART,
		"multipart", 1 },
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nA: b\n--b\n",
		MIME_MULTIPART, "multipart", 2 },
	{ "Content-Type: junk\n\nx", MIME_SINGLE, "text", 0 },
	{ "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nc\n"
		"--b--", MIME_MULTIPART, "multipart", 1 },
};

static void survives_odd_ones(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(odd); i++) {
		const struct mime_part *m = mime_parse(arena,
			str_from(odd[i].message));
		size_t children = 0;

		for (const struct mime_part *c = m->children; c; c = c->next)
			children++;
		assert_int_equal(m->kind, odd[i].kind);
		assert_str(m->type, odd[i].type);
		assert_int_equal(children, odd[i].children);
	}
	arena_free(arena);
}

static void depth_is_bounded(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf in = BUF_IN(arena);
	const struct mime_part *m;
	unsigned depth = 0;

	(void)state;
	for (int i = 0; i < 2000; i++)
		buf_text(&in, "Content-Type: message/rfc822\n\n");
	for (m = mime_parse(arena, buf_str(&in)); m; m = m->children)
		depth++;
	assert_int_equal(depth, MIME_DEPTH_MOST);
	arena_free(arena);
}

/* By the limits given: how deep the tree is, and what was left as it is. */
static const struct {
	struct mime_limits limits;
	const char *message;
	unsigned depth;
	size_t children;
	bool is_deeper;
} limited[] = {
#define OUTER "Content-Type: multipart/mixed; boundary=outer\n\n--outer\n"
#define INNER "Content-Type: multipart/mixed; boundary=outside\n\n" \
	"--outside\n\nx\n--outside--\n--outer--\n"
	{ { 2, 100 }, OUTER INNER, 3, 1, false },
	{ { 1, 100 }, OUTER INNER, 2, 1, true },
	{ { 0, 100 }, OUTER INNER, 1, 0, true },
	{ { 0, 100 }, "Subject: x\n\nx\n", 1, 0, false },
	/* "outer" and "outside" are the same: another part begins */
	{ { 3, 3 }, OUTER INNER, 3, 1, false },
	{ { 3, 3 }, OUTER "\nx\n--outside\n\ny\n--out\n\nz\n--outwards--\n"
		"--outer\n", 2, 3, false },
};

static void limits_can_be_lower(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(limited); i++) {
		bool is_deeper = !limited[i].is_deeper;
		const struct mime_part *m = mime_parse_within(arena,
			str_from(limited[i].message), &limited[i].limits,
			&is_deeper);
		size_t children = 0;
		unsigned depth = 0;

		for (const struct mime_part *c = m->children; c; c = c->next)
			children++;
		for (; m; m = m->children)
			depth++;
		assert_int_equal(depth, limited[i].depth);
		assert_int_equal(children, limited[i].children);
		assert_int_equal(is_deeper, limited[i].is_deeper);
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_parts),
		cmocka_unit_test(survives_odd_ones),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(limits_can_be_lower),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
