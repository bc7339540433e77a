/*
 * rewrite - says where mail goes: Postfix's trivial-rewrite.
 *
 * Room       user posthorn-map, empty root; opens nothing once it serves:
 *            tables are opened before the sandbox closes
 * Gets       `resolve` calls: a sender and many recipients
 * Calls      proxymap, for proxy: tables
 * RFC        5321 3.6 and 5 (what a route is), 4.5.1 (postmaster)
 */
#include "ipc/messages.h"
#include "rewrite/resolve.h"
#include "service/service.h"

enum { IDLE_S = 1000 }; /* of a call that asks nothing more */

static const enum param params[] = {
	address_verify_default_transport, address_verify_local_transport,
	address_verify_relay_transport, address_verify_relayhost,
	address_verify_sender_dependent_default_transport_maps,
	address_verify_sender_dependent_relayhost_maps,
	address_verify_transport_maps, address_verify_virtual_transport,
	allow_min_user, allow_percent_hack,
	append_at_myorigin,
	default_transport, helpful_warnings,
	empty_address_default_transport_maps_lookup_key,
	empty_address_recipient, empty_address_relayhost_maps_lookup_key,
	inet_interfaces, inet_protocols, local_transport, mydestination,
	myhostname, myorigin, owner_request_special,
	parent_domain_matches_subdomains, proxy_interfaces,
	recipient_delimiter, relay_domains, relay_transport, relayhost,
	relocated_maps, relocated_prefix_enable, resolve_dequoted_address,
	resolve_null_domain, sender_dependent_default_transport_maps,
	sender_dependent_relayhost_maps, show_user_unknown_table_name,
	swap_bangpath, transport_maps, virtual_alias_domains,
	virtual_mailbox_domains, virtual_transport, PARAMS_END
};

/* The process's one state: its tables, opened in prepare. */
static struct router *router, *router_of_probes;

static void prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0); /* of the process */

	router = router_open_routes(arena, conf);
	router_of_probes = router_for_probes(arena, router);
}

static void start(const struct conf *conf)
{
	(void)conf;
	maps_watch();
}

static bool answer(struct call *call, struct arena *arena,
	const struct msg_resolve *question, struct str address)
{
	struct resolved resolved;
	struct msg_resolved m;

	resolve(question->probe ? router_of_probes : router, arena,
		question->sender, address, &resolved);
	m = (struct msg_resolved){
		.transport = resolved.transport,
		.nexthop = resolved.nexthop,
		.recipient = resolved.recipient,
		.flags = resolved.flags,
	};
	return msg_resolved_send(call, &m);
}

static void serve(const struct conf *conf, struct call *call)
{
	struct msg_resolve m;
	struct arena *arena = arena_child(call_arena(call));

	(void)conf;
	while (msg_resolve_recv(call, &m, span_s(IDLE_S))) {
		struct str address;

		while (msg_list_take(&m.addresses, &address))
			if (!answer(call, arena, &m, address))
				return;
		arena_reset(arena);
	}
}

static const struct service service = {
	.name = "rewrite",
	.fibers = 200,
	.profile = PROFILE_MAP,
	.calls = "proxymap querymap",
	.params = params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
