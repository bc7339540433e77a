#include "auth/verified.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/test.h"

enum {
	LIFE_S = 60,
	SMALL = 4096, /* some dozens of entries */
};

static const struct moment begin = { 1000000 };

static struct moment after(int64_t s)
{
	return (struct moment){ begin.us + span_s(s).us };
}

static struct verified_claim claim_of(const char *name, const char *hash,
	const char *password)
{
	return (struct verified_claim){ str_from(name), str_from(hash),
		str_from(password) };
}

static void says_yes_to_the_same_only(void **state)
{
	static const char *const others[][3] = {
		{ "joe", "$1$hash", "wrong" }, { "joe", "$1$hash", "" },
		{ "joe", "$1$hash", "right " }, { "joe", "$1$hash", "righ" },
		{ "joe", "$1$other", "right" }, { "joe", "", "right" },
		{ "jo", "$1$hash", "right" }, { "jim", "$1$hash", "right" },
		/* The same letters, parted elsewhere. */
		{ "jo", "e$1$hash", "right" }, { "joe", "$1$hashr", "ight" },
	};
	struct verified *v = verified_new(SMALL, span_s(LIFE_S));
	struct verified_claim right = claim_of("joe", "$1$hash", "right");

	(void)state;
	assert_false(verified_has(v, begin, &right));
	verified_put(v, begin, &right);
	assert_true(verified_has(v, begin, &right));
	for (size_t i = 0; i < COUNT(others); i++) {
		struct verified_claim other = claim_of(others[i][0],
			others[i][1], others[i][2]);

		assert_false(verified_has(v, begin, &other));
	}
	assert_true(verified_has(v, begin, &right));
	verified_free(v);
}

static void a_life_is_not_longer_for_use(void **state)
{
	struct verified *v = verified_new(SMALL, span_s(LIFE_S));
	struct verified_claim right = claim_of("joe", "$1$hash", "right");

	(void)state;
	verified_put(v, begin, &right);
	for (int64_t s = 0; s < LIFE_S; s++)
		assert_true(verified_has(v, after(s), &right));
	assert_false(verified_has(v, after(LIFE_S), &right));
	/* Computed again, it counts again, and is there once. */
	verified_put(v, after(LIFE_S), &right);
	verified_put(v, after(LIFE_S + 1), &right);
	assert_int_equal(verified_count(v), 1);
	assert_true(verified_has(v, after(2 * LIFE_S), &right));
	assert_false(verified_has(v, after(2 * LIFE_S + 1), &right));
	verified_free(v);
}

static void what_is_over_is_wiped(void **state)
{
	struct verified *v = verified_new(SMALL, span_s(LIFE_S));
	struct verified_claim old = claim_of("joe", "$1$hash", "right");
	struct verified_claim new = claim_of("jim", "$1$hash", "right");

	(void)state;
	verified_put(v, begin, &old);
	verified_put(v, after(1), &new);
	verified_sweep(v, after(LIFE_S));
	assert_int_equal(verified_count(v), 1);
	assert_true(verified_has(v, after(LIFE_S), &new));
	verified_sweep(v, after(LIFE_S + 1));
	assert_int_equal(verified_count(v), 0);
	verified_free(v);
}

static struct verified_claim numbered(struct arena *arena, int n)
{
	return (struct verified_claim){ arena_fmt(arena, "user%d", n),
		STR("$1$hash"), STR("right") };
}

static void has_a_bound(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct verified *v = verified_new(SMALL, span_s(LIFE_S));
	struct verified_claim claim;
	size_t kept = 0;

	(void)state;
	for (int n = 0; n < 5000; n++) {
		claim = numbered(arena, n);
		verified_put(v, begin, &claim);
		assert_true(verified_has(v, begin, &claim));
	}
	for (int n = 0; n < 5000; n++) {
		claim = numbered(arena, n);
		kept += verified_has(v, begin, &claim);
	}
	assert_int_equal(kept, verified_count(v));
	assert_true(kept > 0 && kept * 40 <= SMALL);
	verified_free(v);
}

static void may_be_none(void **state)
{
	struct verified_claim claim = claim_of("joe", "$1$hash", "right");

	(void)state;
	assert_null(verified_new(0, span_s(LIFE_S)));
	assert_null(verified_new(100, span_s(LIFE_S)));
	assert_null(verified_new(SMALL, span_s(0)));
	verified_put(NULL, begin, &claim);
	assert_false(verified_has(NULL, begin, &claim));
	verified_sweep(NULL, begin);
	assert_int_equal(verified_count(NULL), 0);
	verified_free(NULL);
}

/* A worker has neither key nor entries. */
static void is_not_in_a_child(void **state)
{
	struct verified *v = verified_new(SMALL, span_s(LIFE_S));
	struct verified_claim claim = claim_of("joe", "$1$hash", "right");
	int status;
	pid_t pid;

	(void)state;
	verified_put(v, begin, &claim);
	pid = fork();
	if (pid == 0) {
		const unsigned char *octets = (const unsigned char *)v;
		unsigned any = 0;

		for (size_t i = 0; i < SMALL; i++)
			any |= octets[i];
		_exit(any != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(verified_has(v, begin, &claim));
	verified_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_yes_to_the_same_only),
		cmocka_unit_test(a_life_is_not_longer_for_use),
		cmocka_unit_test(what_is_over_is_wiped),
		cmocka_unit_test(has_a_bound),
		cmocka_unit_test(may_be_none),
		cmocka_unit_test(is_not_in_a_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
