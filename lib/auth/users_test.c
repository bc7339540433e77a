#include "auth/users.h"

#include "auth/password.h"
#include "base/test.h"

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define VERIFIER "SCRAM-SHA-256$4096:AAAA$" KEY ":" KEY

static const struct {
	const char *line, *name, *hash; /* no name: refused */
	bool has_scram;
} lines[] = {
	{ "alice@example.org:$6$a$b:" VERIFIER, "alice@example.org", "$6$a$b",
		true },
	{ "bob:$6$a$b:", "bob", "$6$a$b", false },
	{ "carol::" VERIFIER, "carol", "", true },
	{ "dave::", "dave", "", false },
	{ "" }, { "eve" }, { "eve:x" }, { ":x:" }, { "e ve:x:" },
	{ "eve:x y:" }, { "eve:x:y" }, { "#eve:x:" },
	{ "eve:x:" VERIFIER ":" }, { "e\x01ve:x:" }, { "e\xffve:x:" },
};

static void parses_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct user user;
		auto_buf struct buf out = { 0 };

		if (!user_parse(str_from(lines[i].line), &user)) {
			assert_null(lines[i].name);
			continue;
		}
		assert_non_null(lines[i].name);
		assert_str(user.name, lines[i].name);
		assert_str(user.hash, lines[i].hash);
		assert_int_equal(user.has_scram, lines[i].has_scram);
		user_format(&out, &user);
		assert_str(str_trim(buf_str(&out)), lines[i].line);
	}
}

static void refuses_long_lines(void **state)
{
	auto_buf struct buf line = { 0 };
	struct user user;

	(void)state;
	for (size_t i = 0; i < USERS_NAME_MOST; i++)
		buf_char(&line, 'a');
	buf_text(&line, "::");
	assert_true(user_parse(buf_str(&line), &user));
	line.p[0] = 'b';
	buf_clear(&line);
	for (size_t i = 0; i <= USERS_NAME_MOST; i++)
		buf_char(&line, 'a');
	buf_text(&line, "::");
	assert_false(user_parse(buf_str(&line), &user));
}

static void finds_users(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	size_t bad;
	struct users *users = users_parse(arena,
		STR("# who\n\nAlice@example.org:x:\nbob:y:" VERIFIER "\n"
		    "ALICE@example.org:z:\nnobody\n"), &bad);

	(void)state;
	assert_int_equal(bad, 5);
	assert_int_equal(users_count(users), 2);
	assert_true(users_have_scram(users));
	assert_str(users_find(users, STR("alice@EXAMPLE.org"))->hash, "x");
	assert_str(users_find(users, STR("bob"))->name, "bob");
	assert_null(users_find(users, STR("carol")));
	assert_null(users_find(users, STR_NONE));
	assert_str(users_at(users, 1)->name, "bob");
}

static void judges_passwords(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str hash = password_hash(arena, STR("se cret"));

	(void)state;
	assert_false(user_password_is_good(STR("")));
	assert_false(user_password_is_good(STR("a\nb")));
	assert_true(user_password_is_good(STR("p\xc3\xa4sswort \x22:")));
	assert_true(hash.len > 10);
	assert_true(password_fits(hash, STR("se cret")));
	assert_false(password_fits(hash, STR("se cre")));
	assert_false(password_fits(hash, str_of("se cret\0x", 9)));
	assert_false(password_fits(hash, STR("")));
	assert_false(password_fits(STR(""), STR("se cret")));
	assert_false(password_fits(STR("*"), STR("se cret")));
	assert_false(password_fits(STR("se cret"), STR("se cret")));
	/* of openssl passwd -6 */
	assert_true(password_fits(STR("$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaN"
		"GStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG."), STR("secret")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_lines),
		cmocka_unit_test(refuses_long_lines),
		cmocka_unit_test(finds_users),
		cmocka_unit_test(judges_passwords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
