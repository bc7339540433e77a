#include "base/test.h"

#include "base/log.h"
#include "rewrite/resolve.h"

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

/* Settings for a group of cases, beside compatibility_level=3.11. */
static const char *const plain[] = { "compatibility_level=3.11",
	"recipient_delimiter=+", "inet_interfaces=192.0.2.1",
	"proxy_interfaces=192.0.2.2", "mydestination=$myhostname, example.org",
	"relay_domains=relay.example", "virtual_mailbox_domains=box.example",
	"virtual_mailbox_maps=inline:{joe@box.example=x, @all.example=y}",
	"virtual_alias_domains=alias.example",
	"virtual_alias_maps=inline:{a@alias.example=b@example.com}",
	"relay_recipient_maps=inline:{r@relay.example=x}",
	"local_recipient_maps=inline:{joe=x, ann+list=x}",
	"relocated_maps=inline:{gone@example.org=there@example.net}",
	"canonical_maps=inline:{c@example.org=joe}", NULL };
static const char *const routed[] = { "compatibility_level=3.11",
	"mydestination=example.org", "recipient_delimiter=+",
	"relayhost=[hub.example]:26", "relay_domains=relay.example",
	"virtual_mailbox_domains=box.example",
	"virtual_transport=lmtp:unix:private/lmtp",
	"sender_dependent_relayhost_maps=inline:{s@example.org=[s.example],"
	"@t.example=t.example, {<> = null.example}, no@example.org=DUNNO}",
	"sender_dependent_default_transport_maps=inline:{"
	"u@example.org=slow:u.example}",
	"transport_maps=inline:{x@y.example=one:, y.example=two:[h], "
	"{.sub.example = :[n]:2525}, {box.example=error:5.2.1 closed}, "
	"{q.example = :}, z.example=three}",
	NULL };
static const char *const star[] = { "compatibility_level=3.11",
	"transport_maps=inline:{*=all:[hub]}", "mydestination=example.org",
	NULL };
static const char *const numeric[] = { "compatibility_level=3.11",
	"resolve_numeric_domain=yes", "mydestination=example.org", NULL };
static const char *const broken[] = { "compatibility_level=3.11",
	"relay_domains=fail:x", "mydestination=example.org",
	"transport_maps=fail:x", "local_recipient_maps=fail:x", NULL };

static const struct {
	const char *const *conf;
	const char *sender, *recipient;
	const char *transport, *nexthop, *result; /* result NULL: the same */
	unsigned flags;
} cases[] = {
	{ plain, "", "joe@example.org", "local", "mail.example.org", NULL,
		RESOLVE_LOCAL },
	{ plain, "", "joe@Mail.Example.Org", "local", "mail.example.org", NULL,
		RESOLVE_LOCAL },
	{ plain, "", "joe@[192.0.2.1]", "local", "mail.example.org", NULL,
		RESOLVE_LOCAL },
	{ plain, "", "joe@[192.0.2.2]", "local", "mail.example.org", NULL,
		RESOLVE_LOCAL },
	{ plain, "", "joe@[192.0.2.3]", "smtp", "[192.0.2.3]", NULL,
		RESOLVE_DEFAULT },
	{ plain, "", "joe@example.com", "smtp", "example.com", NULL,
		RESOLVE_DEFAULT },
	{ plain, "", "joe", "local", "mail.example.org",
		"joe@mail.example.org", RESOLVE_LOCAL },
	{ plain, "", "", "local", "mail.example.org",
		"MAILER-DAEMON@mail.example.org", RESOLVE_LOCAL },
	{ plain, "", "joe@box.example", "virtual", "box.example", NULL,
		RESOLVE_MAILBOX },
	{ plain, "", "joe@alias.example", "error",
		"5.1.1 User unknown in virtual alias table", NULL,
		RESOLVE_ALIAS },
	{ plain, "", "joe@relay.example", "relay", "relay.example", NULL,
		RESOLVE_RELAY },
	{ plain, "", "joe@a.relay.example", "relay", "a.relay.example",
		NULL, RESOLVE_RELAY },
	{ plain, "", "gone@example.org", "error",
		"5.1.6 User has moved to there@example.net", NULL,
		RESOLVE_LOCAL },
	/* routing local-parts: what counts is where it ends */
	{ plain, "", "joe%example.com@example.org", "smtp", "example.com",
		"joe@example.com", RESOLVE_DEFAULT },
	{ plain, "", "a%b.example%example.org@example.org", "smtp",
		"b.example", "a@b.example", RESOLVE_DEFAULT },
	{ plain, "", "example.com!joe@example.org", "smtp", "example.com",
		"joe@example.com", RESOLVE_DEFAULT },
	{ plain, "", "joe@example.com@example.org", "smtp", "example.com",
		"joe@example.com", RESOLVE_DEFAULT },
	{ plain, "", "joe%example.com@example.net", "smtp", "example.net",
		NULL, RESOLVE_DEFAULT | RESOLVE_ROUTED },
	{ plain, "", "joe@example.com@relay.example", "relay",
		"relay.example", NULL, RESOLVE_RELAY | RESOLVE_ROUTED },
	{ plain, "", "a!joe@relay.example", "relay", "relay.example", NULL,
		RESOLVE_RELAY | RESOLVE_ROUTED },
	{ plain, "", "@example.com", "error",
		"5.1.3 Bad recipient address syntax", NULL, RESOLVE_ERROR },
	{ plain, "", "joe@", "error", "5.1.3 Bad recipient address syntax",
		NULL, RESOLVE_ERROR },
	{ plain, "", "-oQ@example.com", "error",
		"5.1.3 Bad recipient address syntax", NULL, RESOLVE_ERROR },
	{ plain, "", "-oQ%example.com@example.org", "error",
		"5.1.3 Bad recipient address syntax", NULL, RESOLVE_ERROR },
	{ plain, "", "joe@192.0.2.3", "error",
		"5.1.3 Bad recipient address syntax", NULL, RESOLVE_ERROR },
	{ numeric, "", "joe@192.0.2.3", "smtp", "[192.0.2.3]",
		"joe@[192.0.2.3]", RESOLVE_DEFAULT },
	/* relayhost and tables */
	{ routed, "", "joe@example.com", "smtp", "null.example", NULL,
		RESOLVE_DEFAULT },
	{ routed, "x@example.org", "joe@example.com", "smtp",
		"[hub.example]:26", NULL, RESOLVE_DEFAULT },
	{ routed, "s+1@example.org", "joe@example.com", "smtp", "[s.example]",
		NULL, RESOLVE_DEFAULT },
	{ routed, "x@t.example", "joe@relay.example", "relay", "t.example",
		NULL, RESOLVE_RELAY },
	{ routed, "no@example.org", "joe@example.com", "smtp",
		"[hub.example]:26", NULL, RESOLVE_DEFAULT },
	{ routed, "u@example.org", "joe@example.com", "slow", "u.example",
		NULL, RESOLVE_DEFAULT },
	{ routed, "u@example.org", "joe@relay.example", "relay",
		"[hub.example]:26", NULL, RESOLVE_RELAY },
	{ routed, "s@example.org", "joe@example.org", "local",
		"mail.example.org", NULL, RESOLVE_LOCAL },
	{ routed, "a@b.example", "x+1@y.example", "one", "y.example", NULL,
		RESOLVE_DEFAULT },
	{ routed, "a@b.example", "z@y.example", "two", "[h]", NULL,
		RESOLVE_DEFAULT },
	{ routed, "a@b.example", "z@a.sub.example", "smtp", "[n]:2525", NULL,
		RESOLVE_DEFAULT },
	{ routed, "a@b.example", "z@sub.example", "smtp", "[hub.example]:26",
		NULL, RESOLVE_DEFAULT },
	{ routed, "a@b.example", "z@q.example", "smtp", "[hub.example]:26",
		NULL, RESOLVE_DEFAULT },
	{ routed, "a@b.example", "z@z.example", "three", "z.example", NULL,
		RESOLVE_DEFAULT },
	{ routed, "a@b.example", "z@box.example", "error", "5.2.1 closed",
		NULL, RESOLVE_MAILBOX },
	{ star, "", "z@box.example", "all", "[hub]", NULL, RESOLVE_DEFAULT },
	{ star, "", "z@example.org", "all", "[hub]", NULL, RESOLVE_LOCAL },
	/* tables that cannot be asked */
	{ broken, "", "z@box.example", "retry",
		"4.3.0 address resolver failure", NULL, RESOLVE_FAIL },
	{ broken, "", "z@example.org", "retry",
		"4.3.0 address resolver failure", NULL,
		RESOLVE_LOCAL | RESOLVE_FAIL },
};

static void resolves(void **state)
{
	struct arena *arena = arena_new(0);
	const char *const *before = NULL;
	struct router *router = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct resolved got;

		if (cases[i].conf != before)
			router = router_open(arena,
				conf_for_test(arena, cases[i].conf));
		before = cases[i].conf;
		resolve(router, arena, str_from(cases[i].sender),
			str_from(cases[i].recipient), &got);
		assert_str(got.transport, cases[i].transport);
		assert_str(got.nexthop, cases[i].nexthop);
		assert_str(got.recipient, cases[i].result ?
			cases[i].result : cases[i].recipient);
		assert_int_equal(got.flags, cases[i].flags);
	}
	arena_free(arena);
}

/* The same addresses as mail and as probes. */
static const char *const probed[] = { "compatibility_level=3.11",
	"mydestination=example.org", "relay_domains=relay.example",
	"relayhost=[hub.example]", "address_verify_relayhost=",
	"transport_maps=inline:{t.example=slow:}",
	"address_verify_transport_maps=inline:{p.example=fast:}",
	"address_verify_relay_transport=lmtp:[x.example]",
	"sender_dependent_relayhost_maps=inline:{s@example.org=[s.example]}",
	"address_verify_sender_dependent_relayhost_maps=", NULL };
static const char *const alike[] = { "compatibility_level=3.11",
	"relayhost=[hub.example]", "transport_maps=inline:{t.example=slow:}",
	"default_transport=other", NULL };

static const struct {
	const char *const *conf;
	const char *sender, *recipient, *mail, *probe;
} probes[] = {
	{ probed, "", "a@x.example", "smtp:[hub.example]", "smtp:x.example" },
	{ probed, "s@example.org", "a@x.example", "smtp:[s.example]",
		"smtp:x.example" },
	{ probed, "", "a@t.example", "slow:t.example", "smtp:t.example" },
	{ probed, "", "a@p.example", "smtp:[hub.example]", "fast:p.example" },
	{ probed, "", "a@relay.example", "relay:[hub.example]",
		"lmtp:[x.example]" },
	{ probed, "", "a@example.org", "local:mail.example.org",
		"local:mail.example.org" },
	{ alike, "", "a@t.example", "slow:t.example", "slow:t.example" },
	{ alike, "", "a@x.example", "other:[hub.example]",
		"other:[hub.example]" },
};

static void expect_route(struct router *router, struct arena *arena, size_t i,
	const char *wanted)
{
	struct resolved got;

	resolve(router, arena, str_from(probes[i].sender),
		str_from(probes[i].recipient), &got);
	assert_str(arena_fmt(arena, "%.*s:%.*s", STR_ARG(got.transport),
		STR_ARG(got.nexthop)), wanted);
}

static void resolves_probes(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(probes); i++) {
		struct router *router = router_open_routes(arena,
			conf_for_test(arena, probes[i].conf));

		expect_route(router_for_probes(arena, router), arena, i,
			probes[i].probe);
		expect_route(router, arena, i, probes[i].mail);
	}
	arena_free(arena);
}

static const struct {
	const char *const *conf;
	const char *address;
	bool is_sender;
	int code;
	const char *text; /* NULL: any */
} listings[] = {
	{ plain, "joe@example.org", false, 250, NULL },
	{ plain, "JOE+x@example.org", false, 250, NULL },
	{ plain, "ann+list@example.org", false, 250, NULL },
	{ plain, "ann@example.org", false, 550, "<ann@example.org>: Recipient "
		"address rejected: User unknown in local recipient table" },
	{ plain, "ann@example.org", true, 550, "<ann@example.org>: Sender "
		"address rejected: User unknown in local recipient table" },
	{ plain, "postmaster@example.org", false, 250, NULL },
	{ plain, "double-bounce@example.org", false, 250, NULL },
	{ plain, "c@example.org", false, 250, NULL },
	{ plain, "a@alias.example", false, 250, NULL },
	{ plain, "b@alias.example", false, 550, "<b@alias.example>: Recipient "
		"address rejected: User unknown in virtual alias table" },
	{ plain, "joe+1@box.example", false, 250, NULL },
	{ plain, "ann@box.example", false, 550, "<ann@box.example>: Recipient "
		"address rejected: User unknown in virtual mailbox table" },
	{ plain, "r@relay.example", false, 250, NULL },
	{ plain, "s@relay.example", false, 550, "<s@relay.example>: Recipient "
		"address rejected: User unknown in relay recipient table" },
	{ plain, "x@example.com", false, 250, NULL },
	{ plain, "", true, 250, NULL },
	{ plain, "gone@example.org", false, 550, "<gone@example.org>: "
		"Recipient address rejected: User has moved to "
		"there@example.net" },
	{ routed, "x@box.example", false, 550, "<x@box.example>: Recipient "
		"address rejected: closed" },
	{ routed, "x@relay.example", false, 250, NULL }, /* no table */
	{ broken, "x@example.org", false, 451, NULL },
	{ broken, "x@example.com", false, 451, NULL },
};

static void lists(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(listings); i++) {
		struct router *router = router_open(arena,
			conf_for_test(arena, listings[i].conf));
		struct status status = resolve_listed(router, arena,
			str_from(listings[i].address), listings[i].is_sender);

		assert_int_equal(status.code, listings[i].code);
		if (listings[i].text)
			assert_str(status.text, listings[i].text);
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolves),
		cmocka_unit_test(resolves_probes),
		cmocka_unit_test(lists),
	};

	log_sink(be_silent);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
