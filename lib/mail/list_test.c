#include "base/test.h"

#include "mail/list.h"

/* Items as text: "name|route|local|domain|spec" per address. */
static const struct {
	const char *in, *out;
} lists[] = {
	{ "joe@example.org", "||joe|example.org|joe@example.org;" },
	{ "Joe Blow <joe@example.org>, ann@example.com",
		"Joe Blow||joe|example.org|joe@example.org;"
		"||ann|example.com|ann@example.com;" },
	{ "\"Blow, Joe\" <joe@example.org>",
		"Blow, Joe||joe|example.org|joe@example.org;" },
	{ "joe@example.org (Joe (the) Blow)",
		"Joe (the) Blow||joe|example.org|joe@example.org;" },
	{ "friends: joe@example.org, ann;, bob",
		"G friends;||joe|example.org|joe@example.org;||ann|-|ann;E;"
		"||bob|-|bob;" },
	{ "undisclosed-recipients:;", "G undisclosed-recipients;E;" },
	{ "<@a.example,@b.example:joe@example.org>",
		"|@a.example,@b.example|joe|example.org|"
		"@a.example,@b.example:joe@example.org;" },
	{ "\"joe blow\"@example.org",
		"||joe blow|example.org|\"joe blow\"@example.org;" },
	{ "joe @ example . org", "||joe|example.org|joe @ example . org;" },
	{ "joe.(x)blow@example.org",
		"x||joe.blow|example.org|joe.(x)blow@example.org;" },
	{ "joe@[192.0.2.1]", "||joe|[192.0.2.1]|joe@[192.0.2.1];" },
	{ "<>", "||||;" },
	{ "a, , b", "||a|-|a;||b|-|b;" },
	{ "J. R. Hacker <jrh@example.org>",
		"J. R. Hacker||jrh|example.org|jrh@example.org;" },
	{ "joe blow, ann", "J joe blow;||ann|-|ann;" },
	{ "<joe@example.org, ann", "J <joe@example.org;||ann|-|ann;" },
	{ "joe@example.org bob, ann", "J joe@example.org bob;||ann|-|ann;" },
	{ "(never ends", "J (never ends;" },
	{ "joe@, ann", "J joe@;||ann|-|ann;" },
	{ "]x, ann", "J ]x;||ann|-|ann;" },
	{ "a: b: c;, d", "G a;J b: c;E;||d|-|d;" },
	{ "a: b", "G a;||b|-|b;E;" },
	{ "J\xc3\xbcrgen <j\xc3\xbc@example.org>",
		"J\xc3\xbcrgen||j\xc3\xbc|example.org|j\xc3\xbc@example.org;" },
	{ "", "" },
};

static void format_item(struct buf *out, enum mail_list_item item,
	const struct mail_mailbox *m, struct str text)
{
	struct str spec = str_first(str_skip(text, m->at), m->len);

	if (item == MAIL_LIST_GROUP)
		buf_fmt(out, "G %.*s;", STR_ARG(m->name));
	else if (item == MAIL_LIST_GROUP_END)
		buf_text(out, "E;");
	else if (item == MAIL_LIST_JUNK)
		buf_fmt(out, "J %.*s;", STR_ARG(spec));
	else
		buf_fmt(out, "%.*s|%.*s|%.*s|%.*s|%.*s;", STR_ARG(m->name),
			STR_ARG(m->route), STR_ARG(m->local), STR_ARG(
			str_is_none(m->domain) && m->len > 0 ? STR("-") :
			m->domain), STR_ARG(spec));
}

static void walks_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct arena *arena = arena_new(0);
		struct buf out = BUF_IN(arena);
		struct mail_list list = mail_list_of(str_from(lists[i].in));
		struct mail_mailbox m;
		enum mail_list_item item;

		while ((item = mail_list_next(arena, &list, &m)) !=
			MAIL_LIST_END)
			format_item(&out, item, &m, list.text);
assert_str(buf_str(&out), lists[i].out);
		arena_free(arena);
	}
}

static void tells_where_things_stand(void **state)
{
	struct arena *arena = arena_new(0);
	struct str text = STR("x, Joe <joe@b> (c), z");
	struct mail_list list = mail_list_of(text);
	struct mail_mailbox m;

	(void)state;
	assert_int_equal(mail_list_next(arena, &list, &m), MAIL_LIST_ADDRESS);
	assert_int_equal(mail_list_next(arena, &list, &m), MAIL_LIST_ADDRESS);
	assert_str(str_first(str_skip(text, m.at), m.len), "joe@b");
	assert_str(str_first(str_skip(text, m.item_at), m.item_len),
		"Joe <joe@b> (c)");
	arena_free(arena);
}

static void formats(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	(void)state;
	mail_mailbox_format(&out, STR("Joe Blow"), STR("joe@example.org"));
	buf_char(&out, ' ');
	mail_mailbox_format(&out, STR("Blow, \"Joe\""), STR("j b@example.org"));
	buf_char(&out, ' ');
	mail_comment_format(&out, STR("a(b)c"));
	assert_str(buf_str(&out), "Joe Blow <joe@example.org> "
		"\"Blow, \\\"Joe\\\"\" <\"j b\"@example.org> (a\\(b\\)c)");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks_lists),
		cmocka_unit_test(tells_where_things_stand),
		cmocka_unit_test(formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
