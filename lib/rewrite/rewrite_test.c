#include "base/test.h"

#include "base/buf.h"
#include "base/log.h"
#include "rewrite/header.h"
#include "rewrite/rewrite.h"

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static const char *const modern[] = { "compatibility_level=3.11",
	"mydestination=example.org", "myorigin=example.org", NULL };
static const char *const old[] = { "compatibility_level=0",
	"mydestination=example.org", "myorigin=example.org",
	"remote_header_rewrite_domain=domain.invalid", NULL };

static const struct {
	const char *const *conf;
	enum rewrite_context context;
	const char *in, *out;
} trivial[] = {
	{ modern, REWRITE_LOCAL, "joe", "joe@example.org" },
	{ modern, REWRITE_LOCAL, "joe@host", "joe@host" },
	{ modern, REWRITE_LOCAL, "joe@example.com", "joe@example.com" },
	{ modern, REWRITE_LOCAL, "joe@example.com.", "joe@example.com" },
	{ modern, REWRITE_LOCAL, "@a.example,@b.example:joe@example.com",
		"joe@example.com" },
	{ modern, REWRITE_LOCAL, "host.example!joe", "joe@host.example" },
	{ modern, REWRITE_LOCAL, "a!b!joe", "b!joe@a" },
	{ modern, REWRITE_LOCAL, "joe%host.example", "joe@host.example" },
	{ modern, REWRITE_LOCAL, "joe%a%b", "joe%a@b" },
	{ modern, REWRITE_LOCAL, "joe%a@b.example", "joe%a@b.example" },
	{ modern, REWRITE_LOCAL, "joe@", "joe@example.org" },
	{ modern, REWRITE_LOCAL, "", "" },
	{ modern, REWRITE_LOCAL, "joe@[192.0.2.1]", "joe@[192.0.2.1]" },
	{ modern, REWRITE_REMOTE, "joe", "joe" },
	{ modern, REWRITE_REMOTE, "joe@host.", "joe@host." },
	{ old, REWRITE_LOCAL, "joe@host", "joe@host.example.org" },
	{ old, REWRITE_LOCAL, "a!joe", "joe@a.example.org" },
	{ old, REWRITE_REMOTE, "joe", "joe@domain.invalid" },
	{ old, REWRITE_REMOTE, "joe@host", "joe@host.domain.invalid" },
};

static struct rewriter *open_with(struct arena *arena,
	const char *const *overrides)
{
	const struct conf *conf = conf_for_test(arena, overrides);

	return rewriter_open(arena, conf, router_open(arena, conf));
}

static void rewrites(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(trivial); i++)
		assert_str(rewrite_address(open_with(arena, trivial[i].conf),
				   arena, trivial[i].context,
				   str_from(trivial[i].in)),
			trivial[i].out);
	arena_free(arena);
}

static const char *const tables[] = { "compatibility_level=3.11",
	"mydestination=example.org", "myorigin=example.org",
	"recipient_delimiter=+",
	"canonical_maps=inline:{joe=Joe.Doe, a@example.com=b@example.com, "
	"b@example.com=c@example.com, @old.example=@new.example, "
	"loop1@x.example=loop2@x.example, loop2@x.example=loop1@x.example, "
	"self@x.example=self@x.example}",
	"sender_canonical_maps=inline:{s@example.org=t@example.org}",
	"masquerade_domains=!keep.example.net, example.net",
	"masquerade_exceptions=root",
	"virtual_alias_maps=inline:{{one@v.example=x@example.com},"
	"{two@v.example = y, z@example.com}, "
	"{blank@v.example = x@example.com  y@example.org joe}, "
	"{many@v.example = one@v.example, two@v.example, many@v.example,"
	" one@v.example}, @w.example=@example.com, c1@v.example=c2@v.example,"
	"c2@v.example=c1@v.example, user=target@example.com, "
	"{long@v.example = 123456789012345678901234567890@example.com}}",
	"virtual_alias_address_length_limit=40", NULL };

static const struct {
	enum rewrite_where where;
	const char *in, *out;
} all[] = {
	{ HEADER_SENDER, "joe", "Joe.Doe@example.org" },
	{ HEADER_SENDER, "joe+x@example.org", "Joe.Doe+x@example.org" },
	{ HEADER_SENDER, "a@example.com", "c@example.com" },
	{ HEADER_RECIPIENT, "u@old.example", "u@new.example" },
	{ HEADER_RECIPIENT, "u+x@old.example", "u+x@new.example" },
	{ HEADER_RECIPIENT, "self@x.example", "self@x.example" },
	{ ENVELOPE_SENDER, "s@example.org", "t@example.org" },
	{ ENVELOPE_RECIPIENT, "s@example.org", "s@example.org" },
	{ ENVELOPE_SENDER, "u@host.example.net", "u@example.net" },
	{ ENVELOPE_RECIPIENT, "u@host.example.net", "u@host.example.net" },
	{ ENVELOPE_SENDER, "u@keep.example.net", "u@keep.example.net" },
	{ ENVELOPE_SENDER, "u@a.keep.example.net", "u@a.keep.example.net" },
	{ ENVELOPE_SENDER, "root@host.example.net", "root@host.example.net" },
	{ ENVELOPE_SENDER, "", "" },
};

static void rewrites_all(void **state)
{
	struct arena *arena = arena_new(0);
	struct rewriter *rewriter = open_with(arena, tables);

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++) {
		struct str address = str_from(all[i].in);
		enum maps_result result = rewrite_all(rewriter, arena,
			REWRITE_LOCAL, all[i].where, &address);

		assert_str(address, all[i].out);
		assert_int_equal(result, strcmp(all[i].in, all[i].out) ?
			MAPS_FOUND : MAPS_ABSENT);
	}
	arena_free(arena);
}

static const struct {
	const char *in, *out; /* results joined by blanks */
	int code;
} aliases[] = {
	{ "joe@example.com", "joe@example.com", 250 },
	{ "one@v.example", "x@example.com", 250 },
	{ "ONE@V.example", "x@example.com", 250 },
	{ "one+e@v.example", "x+e@example.com", 250 },
	{ "two@v.example", "y@example.org z@example.com", 250 },
	{ "many@v.example", "x@example.com y@example.org z@example.com "
		"many@v.example", 250 },
	{ "blank@v.example", "x@example.com y@example.org joe@example.org",
		250 },
	{ "u+e@w.example", "u+e@example.com", 250 },
	{ "user@example.org", "target@example.com", 250 },
	{ "user@example.net", "user@example.net", 250 },
	{ "c1@v.example", NULL, 451 },
	{ "long@v.example", NULL, 451 },
};

static void expands(void **state)
{
	struct arena *arena = arena_new(0);
	struct rewriter *rewriter = open_with(arena, tables);

	(void)state;
	for (size_t i = 0; i < COUNT(aliases); i++) {
		struct buf joined = BUF_IN(arena);
		struct rewrite_aliases got;
		struct status status = rewrite_aliases(rewriter, arena,
			str_from(aliases[i].in), &got);

		assert_int_equal(status.code, aliases[i].code);
		if (!aliases[i].out)
			continue;
		for (size_t k = 0; k < got.count; k++) {
			buf_text(&joined, k ? " " : "");
			buf_add(&joined, got.addresses[k]);
		}
		assert_str(buf_str(&joined), aliases[i].out);
		assert_int_equal(got.expanded,
			strcmp(aliases[i].in, aliases[i].out) != 0);
	}
	arena_free(arena);
}

static void limits(void **state)
{
	static const char *const small[] = { "virtual_alias_maps=regexp:{"
		"{/^n([a-z]*)@/ na$$1@example.com}, "
		"{/^m(a*)@/ m$${1}a@example.com, m$${1}b@example.com}}",
		"virtual_alias_expansion_limit=20",
		"virtual_alias_recursion_limit=10", NULL };
	static const char *const unavailable[] = { "virtual_alias_maps=fail:x",
		NULL };
	struct arena *arena = arena_new(0);
	struct rewrite_aliases got;

	(void)state;
	assert_int_equal(rewrite_aliases(open_with(arena, small), arena,
				 STR("n@example.com"), &got).code, 451);
	assert_int_equal(rewrite_aliases(open_with(arena, small), arena,
				 STR("m@example.com"), &got).code, 451);
	assert_int_equal(rewrite_aliases(open_with(arena, unavailable), arena,
				 STR("n@example.com"), &got).code, 451);
	arena_free(arena);
}

static const struct {
	size_t tokens;
	const char *in, *out;
} token_limits[] = {
	{ 100, "a@b, c@d", "a@b, c@d" },
	{ 7, "a@b, c@d", "a@b, c@d" },
	{ 6, "a@b, c@d", "a@b" },
	{ 3, "a@b, c@d", "a@b" },
	{ 2, "a@b, c@d", "a@" },
	{ 8, "\"x, y\" <a@b> (z, (w)), c@d", "\"x, y\" <a@b> (z, (w))" },
	{ 9, "\"x, y\" <a@b> (z, (w)), c@[192.0.2.1]",
		"\"x, y\" <a@b> (z, (w))" },
	{ 11, "\"x, y\" <a@b> (z, (w)), c@[192.0.2.1]",
		"\"x, y\" <a@b> (z, (w)), c@[192.0.2.1]" },
	{ 1, "\"no end \\\"", "\"no end \\\"" },
	{ 1, "(no (end)", "(no (end)" },
};

static void tokens_are_limited(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(token_limits); i++)
		assert_str(header_within(str_from(token_limits[i].in),
				   token_limits[i].tokens),
			token_limits[i].out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rewrites),
		cmocka_unit_test(rewrites_all),
		cmocka_unit_test(expands),
		cmocka_unit_test(limits),
		cmocka_unit_test(tokens_are_limited),
	};

	log_sink(be_silent);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
