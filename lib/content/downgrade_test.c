#include "content/downgrade.h"

#include "base/test.h"

static const struct {
	const char *in, *out;
} cases[] = {
	{ "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain\n"
	  "Content-Transfer-Encoding: 8bit\n\ncaf\303\251\na=b\n",
		"Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain\n"
		"Content-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9\n"
		"a=3Db\n" },
	/* no MIME at all */
	{ "Subject: x\n\n\303\251\n",
		"Subject: x\nMIME-Version: 1.0\nContent-Transfer-Encoding: "
		"quoted-printable\n\n=C3=A9\n" },
	/* only the part that is 8bit; preamble and epilogue stay */
	{ "Content-Type: multipart/mixed;\n boundary=\"b\"\n"
	  "Content-Transfer-Encoding: 8bit\n\npre=amble\n--b\n"
	  "Content-Type: text/plain\nContent-Transfer-Encoding: 8bit\n\n"
	  "\303\251\n--b\nContent-Transfer-Encoding: base64\n\nAAA=\n--b--\n"
	  "epi=logue\n",
		"Content-Type: multipart/mixed;\n boundary=\"b\"\n"
		"Content-Transfer-Encoding: 7bit\n\npre=amble\n--b\n"
		"Content-Type: text/plain\nContent-Transfer-Encoding: "
		"quoted-printable\n\n=C3=A9\n--b\nContent-Transfer-Encoding: "
		"base64\n\nAAA=\n--b--\nepi=logue\n" },
	/* a message in a part */
	{ "Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
	  "Subject: inner\nContent-Type: text/plain\n"
	  "Content-Transfer-Encoding: 8bit\n\n\303\251\n",
		"Content-Type: message/rfc822\nContent-Transfer-Encoding: "
		"7bit\n\nSubject: inner\nContent-Type: text/plain\n"
		"Content-Transfer-Encoding: quoted-printable\n\n=C3=A9\n" },
	/* nothing to do */
	{ "Content-Type: text/plain\nContent-Transfer-Encoding: 7bit\n\na=b\n",
		"Content-Type: text/plain\nContent-Transfer-Encoding: 7bit\n\n"
		"a=b\n" },
	{ "Subject: only a header\n", "Subject: only a header\n" },
	{ "", "" },
};

/* The result does not depend on how the content is cut. */
static void converts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 1; step < 40; step += 13) {
			auto_arena struct arena *arena = arena_new(0);
			struct buf out = BUF_IN(arena);
			struct str in = str_from(cases[i].in);
			struct downgrade d;

			downgrade_init(&d, arena);
			while (in.len > 0) {
				downgrade(&d, str_first(in, step), &out);
				in = str_skip(in, step);
			}
			downgrade_end(&d, &out);
			if (!str_is(buf_str(&out), cases[i].out))
				fail_msg("%zu: %.*s", i,
					STR_ARG(buf_str(&out)));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
