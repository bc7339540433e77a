#include "sasl/scram.h"

#include "base/encode.h"
#include "base/test.h"

/* RFC 7677 3: user "user", password "pencil". */
static const char client_first[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char server_nonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
static const char server_first[] =
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char client_final[] =
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char final_of_server[] =
	"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static struct scram_verifier pencil(struct arena *arena)
{
	struct scram_verifier verifier;

	scram_verifier_derive(STR("pencil"),
		base64_parse(arena, STR("W22ZaJ0SNY7soEsUEjb6gQ==")), 4096,
		&verifier);
	return verifier;
}

static void follows_the_example(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct scram_server s = { .arena = arena,
		.nonce = str_from(server_nonce) };
	struct scram_verifier verifier = pencil(arena);
	struct str final;

	(void)state;
	assert_int_equal(scram_server_first(&s, str_from(client_first)),
		SCRAM_OK);
	assert_str(s.user, "user");
	assert_int_equal(s.authzid.len, 0);
	assert_str(scram_server_challenge(&s, &verifier), server_first);
	assert_int_equal(
		scram_server_final(&s, str_from(client_final), &final),
		SCRAM_OK);
	assert_str(final, final_of_server);
}

static void refuses_another_password(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct scram_server s = { .arena = arena,
		.nonce = str_from(server_nonce) };
	struct scram_verifier verifier;
	struct str final;

	(void)state;
	scram_verifier_derive(STR("pencils"),
		base64_parse(arena, STR("W22ZaJ0SNY7soEsUEjb6gQ==")), 4096,
		&verifier);
	assert_int_equal(scram_server_first(&s, str_from(client_first)),
		SCRAM_OK);
	scram_server_challenge(&s, &verifier);
	assert_int_equal(
		scram_server_final(&s, str_from(client_final), &final),
		SCRAM_WRONG);
}

static const struct {
	const char *message;
	bool plus, offered;
	enum scram_result result;
	const char *user, *authzid;
} firsts[] = {
	{ "n,,n=u,r=abc", false, false, SCRAM_OK, "u", "" },
	{ "n,a=other,n=u,r=abc", false, false, SCRAM_OK, "u", "other" },
	{ "n,,n=a=2Cb=3Dc,r=abc", false, false, SCRAM_OK, "a,b=c", "" },
	{ "y,,n=u,r=abc", false, false, SCRAM_OK, "u", "" },
	{ "n,,n=u,r=abc,x=1", false, false, SCRAM_OK, "u", "" },
	{ "p=tls-exporter,,n=u,r=abc", true, true, SCRAM_OK, "u", "" },
	/* downgrade, another channel, plus without the mechanism */
	{ "y,,n=u,r=abc", false, true, SCRAM_WRONG },
	{ "p=tls-unique,,n=u,r=abc", true, true, SCRAM_WRONG },
	{ "p=tls-exporter,,n=u,r=abc", false, true, SCRAM_MALFORMED },
	{ "n,,n=u,r=abc", true, true, SCRAM_MALFORMED },
	{ "", false, false, SCRAM_MALFORMED },
	{ "n,,", false, false, SCRAM_MALFORMED },
	{ "n,n=u,r=abc", false, false, SCRAM_MALFORMED },
	{ "n,,n=,r=abc", false, false, SCRAM_MALFORMED },
	{ "n,,n=a=2Db,r=abc", false, false, SCRAM_MALFORMED },
	{ "n,,n=u", false, false, SCRAM_MALFORMED },
	{ "n,,n=u,r=", false, false, SCRAM_MALFORMED },
	{ "n,,n=u,r=a b", false, false, SCRAM_MALFORMED },
	{ "n,,m=x,n=u,r=abc", false, false, SCRAM_MALFORMED },
	{ "n,a=,n=u,r=abc", false, false, SCRAM_MALFORMED },
	{ "q,,n=u,r=abc", false, false, SCRAM_MALFORMED },
};

static void reads_first_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(firsts); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct scram_server s = { .arena = arena,
			.plus = firsts[i].plus,
			.plus_offered = firsts[i].offered,
			.binding_type = STR("tls-exporter"),
			.binding = STR("0123456789") };

		assert_int_equal(
			scram_server_first(&s, str_from(firsts[i].message)),
			firsts[i].result);
		if (firsts[i].result != SCRAM_OK)
			continue;
		assert_str(s.user, firsts[i].user);
		assert_str(s.authzid, firsts[i].authzid);
	}
}

static const char *const finals[] = {
	"", "c=biws", "p=AAAA",
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA",
	"c=biws,r=rOprNGfwEbeRWgbNEkqO,"
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	"c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,c=biws,"
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
};

static void refuses_other_finals(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(finals); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct scram_server s = { .arena = arena,
			.nonce = str_from(server_nonce) };
		struct scram_verifier verifier = pencil(arena);
		struct str final;

		assert_int_equal(
			scram_server_first(&s, str_from(client_first)),
			SCRAM_OK);
		scram_server_challenge(&s, &verifier);
		assert_int_equal(
			scram_server_final(&s, str_from(finals[i]), &final),
			SCRAM_MALFORMED);
	}
}

static void keeps_verifiers(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct scram_verifier verifier = pencil(arena), again;
	struct buf out = BUF_IN(arena);

	(void)state;
	scram_verifier_format(&out, &verifier);
	assert_true(str_starts(buf_str(&out),
		STR("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")));
	assert_true(scram_verifier_parse(buf_str(&out), &again));
	assert_memory_equal(&again, &verifier, sizeof(again));
	assert_false(scram_verifier_parse(STR("SCRAM-SHA-256$0:AAAA$A:B"),
		&again));
	assert_false(scram_verifier_parse(STR("SCRAM-SHA-1$4096:AAAA$A:B"),
		&again));
	assert_false(scram_verifier_parse(
		str_first(buf_str(&out), out.len - 1), &again));
}

static void makes_up_the_same(void **state)
{
	struct scram_verifier a, b, c;

	(void)state;
	scram_verifier_fake(STR("secret"), STR("u"), &a);
	scram_verifier_fake(STR("secret"), STR("u"), &b);
	scram_verifier_fake(STR("secret"), STR("v"), &c);
	assert_memory_equal(a.salt, b.salt, SCRAM_SALT);
	assert_memory_not_equal(a.salt, c.salt, SCRAM_SALT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_the_example),
		cmocka_unit_test(refuses_another_password),
		cmocka_unit_test(reads_first_messages),
		cmocka_unit_test(refuses_other_finals),
		cmocka_unit_test(keeps_verifiers),
		cmocka_unit_test(makes_up_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
