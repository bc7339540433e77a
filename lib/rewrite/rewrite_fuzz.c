/* Each line is an address: rewritten, expanded and resolved. */
#include "base/log.h"
#include "rewrite/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static const char *const settings[] = { "mydestination=example.org",
	"virtual_alias_maps=inline:{a=b, @c.example=@d.example, e=e}",
	"canonical_maps=inline:{f=g}", "relay_domains=relay.example",
	"recipient_delimiter=+-", "inet_interfaces=127.0.0.1", NULL };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena *whole;
	static struct rewriter *rewriter;
	static struct router *router;
	struct str in = str_of(data, size), line;
	struct arena *arena = arena_new(0);

	if (!whole) {
		const struct conf *conf;

		log_sink(be_silent);
		whole = arena_new(0);
		conf = conf_for_test(whole, settings);
		router = router_open(whole, conf);
		rewriter = rewriter_open(whole, conf, router);
	}
	while (str_take_line(&in, &line)) {
		struct rewrite_aliases aliases;
		struct resolved resolved;

		(void)rewrite_all(rewriter, arena, REWRITE_LOCAL,
			ENVELOPE_RECIPIENT, &line);
		if (!status_is_ok(rewrite_aliases(rewriter, arena, line,
			    &aliases)))
			continue;
		resolve(router, arena, STR(""), line, &resolved);
		if (status_is_ok(resolve_listed(router, arena, line, false)))
			continue;
	}
	arena_free(arena);
	return 0;
}
