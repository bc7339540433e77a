#include "base/test.h"

#include "base/arena.h"
#include "base/punycode.h"

/* Names of RFC 3492 7.1 and of common use. */
static const struct {
	const char *in, *out; /* no out: refused */
} domains[] = {
	{ "example.org", "example.org" },
	{ "b\303\274cher.example", "xn--bcher-kva.example" },
	{ "B\303\274cher.Example", "xn--bcher-kva.Example" },
	{ "mail.m\303\274nchen.example.", "mail.xn--mnchen-3ya.example." },
	{ "\344\273\226\344\273\254\344\270\272\344\273\200\344\271\210"
	  "\344\270\215\350\257\264\344\270\255\346\226\207",
		"xn--ihqwcrb4cv8a8dqg056pqjye" },
	{ "\355\225\234\352\265\255", "xn--3e0b707e" },
	{ "\377.example", NULL },
	{ "", "" },
};

static void makes_a_labels(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(domains); i++) {
		struct str got = domain_to_ascii(arena,
			str_from(domains[i].in));

		if (domains[i].out)
			assert_str(got, domains[i].out);
		else
			assert_true(str_is_none(got));
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_a_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
