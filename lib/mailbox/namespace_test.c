#include "base/test.h"
#include "mailbox/namespace.h"

static const struct {
	const char *prefix, *separator;
	const char *shown, *inner; /* inner "*": no name */
	const char *again; /* as it is told; NULL: as `shown` */
} names[] = {
	{ "",       ".", "Sent.2024",       "Sent.2024",  NULL },
	{ "",       ".", "inbox",           "inbox",      NULL },
	{ "",       ".", "a/b",             "a/b",        NULL },
	{ "",       "/", "Sent/2024",       "Sent.2024",  NULL },
	{ "",       "/", "a.b/c",           "a/b.c",      NULL },
	{ "",       "/", "&AOk-/x",         "&AOk-.x",    NULL },
	{ "INBOX.", ".", "INBOX",           "INBOX",      NULL },
	{ "INBOX.", ".", "INBOX.Sent.2024", "Sent.2024",  NULL },
	{ "INBOX.", ".", "inbox.Sent",      "Sent",       "INBOX.Sent" },
	{ "INBOX.", ".", "INBOX.INBOX.x",   "INBOX.x",    NULL },
	{ "INBOX.", ".", "INBOX.inbox",     "*" },
	{ "INBOX.", ".", "INBOX.",          "*" },
	{ "INBOX.", ".", "Sent",            "*" },
	{ "INBOX.", ".", "",                "",           NULL },
	{ "INBOX/", "/", "INBOX/a.b",       "a/b",        NULL },
	{ "Mail/",  "/", "Mail/a/b",        "a.b",        NULL },
	{ "Mail/",  "/", "mail/a",          "*" },
	{ "Mail/",  "/", "Mail",            "*" },
	{ "Mail/",  "/", "INBOX",           "INBOX",      NULL },
};

static void maps_names_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct mailbox_namespace ns;
		const char *why;
		struct str inner;

		assert_true(mailbox_namespace_make(str_from(names[i].prefix),
			str_from(names[i].separator), &ns, &why));
		inner = mailbox_namespace_inner(arena, &ns,
			str_from(names[i].shown));
		assert_str(inner, names[i].inner);
		if (str_is(inner, "*"))
			continue;
		assert_str(mailbox_namespace_shown(arena, &ns, inner),
			names[i].again ? names[i].again : names[i].shown);
	}
}

static const struct {
	const char *prefix, *separator;
} refused[] = {
	{ "", "" }, { "", "^" }, { "", "./" }, { "INBOX", "." },
	{ "INBOX/", "." }, { ".", "." }, { "a..", "." }, { "a*.", "." },
	{ "caf\xc3\xa9.", "." }, { "a\"/", "/" },
};

static void refuses_what_cannot_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct mailbox_namespace ns;
		const char *why = NULL;

		assert_false(mailbox_namespace_make(
			str_from(refused[i].prefix),
			str_from(refused[i].separator), &ns, &why));
		assert_non_null(why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_names_both_ways),
		cmocka_unit_test(refuses_what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
