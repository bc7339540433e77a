#include "smtp/sasl.h"

#include "base/test.h"

#include <stdio.h>

#include "smtp/tables.h"

bool tables_has(enum table_use use)
{
	return use == TABLE_PASSWORDS;
}

enum table_result tables_find(struct arena *arena, enum table_use use,
	struct str key, struct str *value)
{
	(void)arena, (void)use;
	if (!str_is(key, "mx.example") && !str_is(key, "a@example.org"))
		return str_is(key, "sick.example") ? TABLE_TROUBLE :
						     TABLE_NOTHING;
	*value = str_is(key, "mx.example") ? STR("user:pass:word") :
					     STR("other:x");
	return TABLE_FOUND;
}

/* The first line that was sent; nobody answers. */
static char sent[100];

/* smtp/session is not part of this test. */
bool session_command(struct session *session, struct arena *arena,
	struct str line, struct span timeout, const char *phase,
	struct smtp_reply *reply, struct outcome *trouble)
{
	(void)session, (void)arena, (void)timeout, (void)phase;
	(void)reply, (void)trouble;
	snprintf(sent, sizeof(sent), "%.*s", STR_ARG(line));
	return false;
}

struct str talk_text(struct arena *arena, const struct smtp_reply *reply)
{
	(void)arena;
	return reply->whole;
}

static void finds_accounts(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct settings set = { .sasl_auth_enable = true,
		.sasl_password_result_delimiter = STR(":") };
	struct account account;

	(void)state;
	assert_true(sasl_account(arena, &set, STR("a@example.org"),
		STR("mx.example"), STR("example"), &account));
	assert_str(account.user, "user");
	assert_str(account.password, "pass:word");
	set.sender_dependent_authentication = true;
	assert_true(sasl_account(arena, &set, STR("a@example.org"),
		STR("mx.example"), STR("example"), &account));
	assert_str(account.user, "other");
	assert_true(sasl_account(arena, &set, STR("b@example.org"),
		STR("nobody.example"), STR("mx.example"), &account));
	assert_str(account.user, "user");
	assert_true(sasl_account(arena, &set, STR("b@example.org"),
		STR("nobody.example"), STR("none"), &account));
	assert_int_equal(account.user.len, 0);
	assert_false(sasl_account(arena, &set, STR("b@example.org"),
		STR("sick.example"), STR("none"), &account));
}

/* RFC 2195 2. */
static void cram_md5(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct account account = { STR("tim"), STR("tanstaaftanstaaf") };

	(void)state;
	assert_str(sasl_cram_md5(arena, &account,
			   STR("<1896.697170952@postoffice.reston.mci.net>")),
		"tim b913a602c7eda7a495b4e6e7334d3890");
}

/* RFC 7677 3. */
static void scram_sha256(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct account account = { STR("user"), STR("pencil") };
	struct scram scram = { .digest = "SHA256" };
	struct str first = STR("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)"
			       "hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");

	(void)state;
	assert_str(scram_first(arena, &scram, &account,
			   STR("rOprNGfwEbeRWgbNEkqO")),
		"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
	assert_str(scram_final(arena, &scram, &account, first),
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	assert_true(scram_is_proven(arena, &scram,
		STR("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	assert_false(scram_is_proven(arena, &scram,
		STR("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	assert_false(scram_is_proven(arena, &scram, STR("e=other-error")));
}

/* RFC 5802 5. */
static void scram_sha1(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct account account = { STR("user"), STR("pencil") };
	struct scram scram = { .digest = "SHA1" };

	(void)state;
	(void)scram_first(arena, &scram, &account,
		STR("fyko+d2lbbFgONRv9qkxdawL"));
	assert_str(scram_final(arena, &scram, &account,
			   STR("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
			       "s=QSXCR+Q6sek8bf92,i=4096")),
		"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
		"p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
	assert_true(scram_is_proven(arena, &scram,
		STR("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")));
}

static const char *const bad_firsts[] = {
	"", "r=", "r=other,s=QSXCR+Q6sek8bf92,i=4096",
	"r=abc,s=QSXCR+Q6sek8bf92,i=4096", /* no nonce of the server's */
	"r=abcd,s=!,i=4096", "r=abcd,s=QSXCR+Q6sek8bf92,i=0",
	"r=abcd,s=QSXCR+Q6sek8bf92,i=999999999", "r=abcd,i=4096",
};

static void refuses_bad_challenges(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct account account = { STR("user"), STR("pencil") };
	struct scram scram = { .digest = "SHA256" };

	(void)state;
	(void)scram_first(arena, &scram, &account, STR("abc"));
	for (size_t i = 0; i < COUNT(bad_firsts); i++)
		assert_true(str_is_none(scram_final(arena, &scram, &account,
			str_from(bad_firsts[i]))));
}

#define ALL "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256"

static const struct {
	const char *offered, *options, *tls_options;
	bool is_tls;
	const char *sent; /* NULL: nothing, no mechanism is good enough */
} choices[] = {
	{ ALL, "noplaintext", "noplaintext", false, "AUTH SCRAM-SHA-256 " },
	{ "PLAIN LOGIN", "noplaintext, noanonymous", "", false, NULL },
	{ "PLAIN LOGIN", "noplaintext", "noanonymous", true, "AUTH PLAIN " },
	{ "PLAIN LOGIN", "noanonymous", "noplaintext", true, NULL },
	{ "LOGIN", "noanonymous", "", false, "AUTH LOGIN" },
	{ "PLAIN CRAM-MD5", "noplaintext", "", false, "AUTH CRAM-MD5" },
	{ "PLAIN CRAM-MD5", "noplaintext, nodictionary", "", false, NULL },
	{ "PLAIN CRAM-MD5", "noactive", "", false, NULL },
	{ "CRAM-MD5 SCRAM-SHA-1", "mutual_auth", "", false,
		"AUTH SCRAM-SHA-1 " },
	{ "CRAM-MD5 PLAIN", "mutual_auth", "", false, NULL },
	{ "GSSAPI", "", "", false, NULL },
};

/* No password goes where the options forbid it. */
static void sends_no_password_in_the_clear(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(choices); i++) {
		static const struct conf conf;
		struct settings set = { .conf = &conf,
			.sasl_security_options = str_from(choices[i].options),
			.sasl_tls_security_options =
				str_from(choices[i].tls_options),
		};
		struct session session = { .set = &set };
		struct opening o = { .arena = arena, .set = &set,
			.account = { STR("user"), STR("secret") } };
		struct outcome trouble = { 0 };

		session.talk.features.set = FEATURE_AUTH;
		session.talk.features.mechanisms =
			str_from(choices[i].offered);
		session.talk.is_tls = choices[i].is_tls;
		session.site.where = STR("mx.example[192.0.2.1]");
		sent[0] = '\0';
		assert_false(sasl_login(&session, &o, &trouble));
		if (choices[i].sent)
			assert_memory_equal(sent, choices[i].sent,
				strlen(choices[i].sent));
		else
			assert_string_equal(sent, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_no_password_in_the_clear),
		cmocka_unit_test(finds_accounts),
		cmocka_unit_test(cram_md5),
		cmocka_unit_test(scram_sha256),
		cmocka_unit_test(scram_sha1),
		cmocka_unit_test(refuses_bad_challenges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
