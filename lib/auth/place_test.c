#include "auth/place.h"

#include "base/test.h"

static const char *const settings[] = {
	"mydestination=mail.example.org, localhost",
	"virtual_mailbox_domains=example.com, example.net",
	"virtual_mailbox_base=/srv/mail",
	"virtual_mailbox_maps=inline:{ {a@example.com=example.com/a/} "
	"{b@example.com=example.com/b} {c@example.com=../c/} "
	"{@example.net=all/} }",
	"virtual_uid_maps=inline:{ {a@example.com=5000} {b@example.com=5000} "
	"{c@example.com=5000} {@example.net=99} }",
	"virtual_gid_maps=static:5001",
	"virtual_minimum_uid=100",
	NULL,
};

static const struct {
	const char *user;
	enum place_class class;
	const char *account, *mail; /* no mail: refused */
} users[] = {
	{ "a@example.com", PLACE_VIRTUAL, "a", "maildir:/srv/mail/example.com/a" },
	{ "b@example.com", PLACE_VIRTUAL, "b", "mbox:/srv/mail/example.com/b" },
	{ "c@example.com", PLACE_VIRTUAL, "c", NULL },
	{ "d@example.com", PLACE_VIRTUAL, "d", NULL },
	{ "e@example.net", PLACE_VIRTUAL, "e", NULL }, /* uid 99 */
	{ "f@example.edu", PLACE_NOWHERE, "f", NULL },
	{ "g@localhost", PLACE_LOCAL, "g", "mbox:/var/mail/g" },
	{ "h", PLACE_LOCAL, "h", "mbox:/var/mail/h" },
	{ "../h", PLACE_LOCAL, "../h", NULL },
};

static void finds_places(void **state)
{
	struct arena *arena auto_arena = arena_new(0);

	(void)state;
	place_open(arena, conf_for_test(arena, settings));
	for (size_t i = 0; i < COUNT(users); i++) {
		struct place place = { .home = STR("/home/x"),
			.sys_uid = 1000, .sys_gid = 1000 };
		struct str user = str_from(users[i].user), account, why;
		enum place_class class = place_class(arena, user, &account);
		bool good = class == PLACE_VIRTUAL ?
			place_find_virtual(arena, user, &place, &why) :
			class == PLACE_LOCAL && place_find_local(arena, account,
				&place, &why);

		assert_int_equal(class, users[i].class);
		assert_str(account, users[i].account);
		assert_int_equal(good, users[i].mail != NULL);
		if (good)
			assert_str(place.mail, users[i].mail);
	}
}

static void finds_homes(void **state)
{
	static const char *const homes[] = { "home_mailbox=Maildir/", NULL };
	struct arena *arena auto_arena = arena_new(0);
	struct place place = { .home = STR("/home/x"), .sys_uid = 1000,
		.sys_gid = 1000 };
	struct str why;

	(void)state;
	place_open(arena, conf_for_test(arena, homes));
	assert_true(place_find_local(arena, STR("x"), &place, &why));
	assert_str(place.mail, "maildir:/home/x/Maildir");
	place.sys_uid = 0;
	assert_false(place_find_local(arena, STR("root"), &place, &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_places),
		cmocka_unit_test(finds_homes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
