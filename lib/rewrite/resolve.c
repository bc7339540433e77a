#include "rewrite/resolve.h"

#include "base/log.h"
#include "config/list.h"
#include "mail/address.h"
#include "rewrite/inside.h"

enum { ROUTES_MOST = 100 }; /* a%b%c@d: steps until it is an address */

struct route route_parse(struct str text)
{
	size_t colon = str_find_char(text, ':');

	if (colon == SIZE_MAX)
		return (struct route){ str_trim(text), STR("") };
	return (struct route){ str_trim(str_first(text, colon)),
		str_trim(str_skip(text, colon + 1)) };
}

static void find_own(struct arena *arena, const struct conf *conf,
	struct router *router)
{
	unsigned protocols = protocols_parse(conf->inet_protocols);
	struct str bad;

	if (!interfaces_find(arena, conf->inet_interfaces, protocols,
		    &router->own, &bad))
		log_warning("inet_interfaces: %.*s has no address",
			STR_ARG(bad));
	if (!interfaces_find(arena, conf->proxy_interfaces, protocols,
		    &router->proxies, &bad))
		log_warning("proxy_interfaces: %.*s has no address",
			STR_ARG(bad));
}

#define OPEN_MATCH(name) match_open(arena, conf, #name, conf->name)
#define OPEN_MAPS(name, flags) maps_open(arena, conf, #name, conf->name, flags)

struct router *router_open_own(struct arena *arena, const struct conf *conf)
{
	struct router *r = arena_new_of(arena, struct router);

	r->conf = conf;
	find_own(arena, conf, r);
	r->destinations = OPEN_MATCH(mydestination);
	return r;
}

struct router *router_open_routes(struct arena *arena,
	const struct conf *conf)
{
	struct router *r = router_open_own(arena, conf);

	r->alias_domains = OPEN_MATCH(virtual_alias_domains);
	r->mailbox_domains = OPEN_MATCH(virtual_mailbox_domains);
	r->relay_domains = OPEN_MATCH(relay_domains);
	r->transports = OPEN_MAPS(transport_maps, MAPS_NO_SUBSTITUTION);
	r->relayhosts = OPEN_MAPS(sender_dependent_relayhost_maps,
		MAPS_NO_SUBSTITUTION);
	r->default_transports = OPEN_MAPS(
		sender_dependent_default_transport_maps, MAPS_NO_SUBSTITUTION);
	r->relocated = OPEN_MAPS(relocated_maps, 0);
	r->aliases = OPEN_MAPS(virtual_alias_maps, 0);
	r->canonical = OPEN_MAPS(canonical_maps, 0);
	r->sender_canonical = OPEN_MAPS(sender_canonical_maps, 0);
	r->recipient_canonical = OPEN_MAPS(recipient_canonical_maps, 0);
	r->transport_parents_plain = maps_parents_plain(conf,
		"transport_maps");
	r->local = route_parse(conf->local_transport);
	r->mailbox = route_parse(conf->virtual_transport);
	r->relay = route_parse(conf->relay_transport);
	r->other = route_parse(conf->default_transport);
	r->relayhost = str_trim(conf->relayhost);
	return r;
}

struct router *router_open(struct arena *arena, const struct conf *conf)
{
	struct router *r = router_open_routes(arena, conf);

	r->local_recipients = OPEN_MAPS(local_recipient_maps, 0);
	r->mailboxes = OPEN_MAPS(virtual_mailbox_maps, 0);
	r->relay_recipients = OPEN_MAPS(relay_recipient_maps, 0);
	return r;
}

/* The table of ordinary mail, if probes have the same. */
static struct maps *maps_of_probes(struct arena *arena,
	const struct conf *conf, const char *name, struct str list,
	struct str usual_list, struct maps *usual)
{
	return str_eq(list, usual_list) ? usual :
		maps_open(arena, conf, name, list, MAPS_NO_SUBSTITUTION);
}

#define MAPS_OF_PROBES(name, usual)                                            \
	maps_of_probes(arena, conf, "address_verify_" #name,                   \
		conf->address_verify_##name, conf->name, usual)

struct router *router_for_probes(struct arena *arena, struct router *router)
{
	struct router *r = arena_new_of(arena, struct router);
	const struct conf *conf = router->conf;

	*r = *router;
	r->transports = MAPS_OF_PROBES(transport_maps, r->transports);
	r->relayhosts = MAPS_OF_PROBES(sender_dependent_relayhost_maps,
		r->relayhosts);
	r->default_transports = MAPS_OF_PROBES(
		sender_dependent_default_transport_maps,
		r->default_transports);
	r->local = route_parse(conf->address_verify_local_transport);
	r->mailbox = route_parse(conf->address_verify_virtual_transport);
	r->relay = route_parse(conf->address_verify_relay_transport);
	r->other = route_parse(conf->address_verify_default_transport);
	r->relayhost = str_trim(conf->address_verify_relayhost);
	return r;
}

#undef MAPS_OF_PROBES
#undef OPEN_MATCH
#undef OPEN_MAPS

/* ---- address classes ---- */

static bool is_own_address(const struct interfaces *own,
	const struct network *address)
{
	for (size_t i = 0; i < own->count; i++)
		if (own->all[i].address.v6 == address->v6 &&
			memcmp(own->all[i].address.octets, address->octets,
				sizeof(address->octets)) == 0)
			return true;
	return false;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
static bool is_own_literal(const struct router *router, struct str domain)
{
	struct network address;

	if (domain.len < 3 || domain.p[0] != '[' ||
		domain.p[domain.len - 1] != ']')
		return false;
	domain = str_of(domain.p + 1, domain.len - 2);
	str_take_prefix_nocase(&domain, STR("IPv6:"));
	return network_parse_address(domain, &address) &&
		(is_own_address(&router->own, &address) ||
			is_own_address(&router->proxies, &address));
}

static enum maps_result is_local(struct router *router, struct arena *arena,
	struct str domain)
{
	if (is_own_literal(router, domain))
		return MAPS_FOUND;
	return match_domain(router->destinations, arena, domain);
}

/* In the order in which they count. */
static const struct {
	unsigned class;
	const char *parameter;
} classes[] = {
	{ RESOLVE_LOCAL, "mydestination" },
	{ RESOLVE_ALIAS, "virtual_alias_domains" },
	{ RESOLVE_MAILBOX, "virtual_mailbox_domains" },
	{ RESOLVE_RELAY, "relay_domains" },
};

static enum maps_result is_in_class(struct router *router,
	struct arena *arena, unsigned class, struct str domain)
{
	switch (class) {
	case RESOLVE_LOCAL:
		return is_local(router, arena, domain);
	case RESOLVE_ALIAS:
		return match_domain(router->alias_domains, arena, domain);
	case RESOLVE_MAILBOX:
		return match_domain(router->mailbox_domains, arena, domain);
	default:
		return match_domain(router->relay_domains, arena, domain);
	}
}

/* relay_domains may hold mydestination: $mydestination is its old default. */
static void warn_of_two(struct router *router, struct arena *arena, size_t at,
	struct str domain)
{
	if (!router->conf->helpful_warnings)
		return;
	for (size_t i = at + 1; i < COUNT(classes); i++) {
		if (classes[i].class == RESOLVE_RELAY ||
			is_in_class(router, arena, classes[i].class, domain) !=
				MAPS_FOUND)
			continue;
		log_warning("do not list domain %.*s in BOTH %s and %s",
			STR_ARG(domain), classes[at].parameter,
			classes[i].parameter);
	}
}

unsigned resolve_class(struct router *router, struct arena *arena,
	struct str domain)
{
	for (size_t i = 0; i < COUNT(classes); i++) {
		switch (is_in_class(router, arena, classes[i].class, domain)) {
		case MAPS_ABSENT:
			continue;
		case MAPS_ERROR:
			return RESOLVE_FAIL;
		case MAPS_FOUND:
			warn_of_two(router, arena, i, domain);
			return classes[i].class;
		}
	}
	return RESOLVE_DEFAULT;
}

enum maps_result resolve_is_ours(struct router *router, struct arena *arena,
	struct str domain)
{
	if (str_eq_nocase(domain, router->conf->myorigin))
		return MAPS_FOUND;
	return is_local(router, arena, domain);
}

/* ---- local-parts that route on ---- */

struct str address_join(struct arena *arena, struct str local,
	struct str domain)
{
	return arena_fmt(arena, "%.*s@%.*s", STR_ARG(local), STR_ARG(domain));
}

bool address_unroute(const struct conf *conf, struct arena *arena,
	struct str local, struct str *address)
{
	size_t bang = str_find_char(local, '!');
	size_t percent = str_rfind_char(local, '%');

	if (conf->swap_bangpath && bang != SIZE_MAX && bang > 0 &&
		bang + 1 < local.len) {
		*address = address_join(arena, str_skip(local, bang + 1),
			str_first(local, bang));
		return true;
	}
	if (conf->allow_percent_hack && percent != SIZE_MAX && percent > 0 &&
		percent + 1 < local.len) {
		*address = address_join(arena, str_first(local, percent),
			str_skip(local, percent + 1));
		return true;
	}
	return false;
}

static bool routes_on(const struct conf *conf, struct arena *arena,
	struct str local)
{
	struct str unused;

	return str_find_char(local, '@') != SIZE_MAX ||
		address_unroute(conf, arena, local, &unused);
}

/* ---- one address ---- */

struct job {
	struct router *router;
	struct arena *arena;
	struct str sender;
	struct resolved *out;
	struct str domain; /* of the recipient */
};

static struct str without_dot(struct str domain)
{
	if (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	return domain;
}

/* user@192.0.2.1 without brackets: as if it had them, or no address. */
static bool is_numeric(struct job *j)
{
	struct network address;

	return j->domain.len > 0 && j->domain.p[0] != '[' &&
		network_parse_address(j->domain, &address);
}

/* Take local domains off until none is left or the local-part routes no
 * further; leaves out->recipient, domain and the class. */
static void find_class(struct job *j)
{
	struct resolved *out = j->out;
	const struct conf *conf = j->router->conf;

	for (int i = 0; i < ROUTES_MOST; i++) {
		struct str local = mail_address_local(out->recipient);
		struct str domain = mail_address_domain(out->recipient);

		if (str_is_none(domain)) {
			domain = conf->append_at_myorigin ? conf->myorigin :
							    conf->myhostname;
			out->recipient = address_join(j->arena, local, domain);
		} else if (domain.len == 0 && conf->resolve_null_domain) {
			domain = conf->myhostname;
		}
		j->domain = without_dot(domain);
		if (conf->resolve_numeric_domain && is_numeric(j)) {
			j->domain = arena_fmt(j->arena, "[%.*s]",
				STR_ARG(j->domain));
			out->recipient = address_join(j->arena, local,
				j->domain);
		}
		if (domain.len == 0 || local.len == 0 || is_numeric(j) ||
			(local.p[0] == '-' && !conf->allow_min_user)) {
			out->flags = RESOLVE_ERROR;
			return;
		}
		out->flags = resolve_class(j->router, j->arena, j->domain);
		if (!(out->flags & RESOLVE_LOCAL)) {
			if (routes_on(conf, j->arena, local))
				out->flags |= RESOLVE_ROUTED;
			return;
		}
		if (conf->resolve_dequoted_address &&
			str_find_char(local, '@') != SIZE_MAX)
			out->recipient = local;
		else if (!address_unroute(conf, j->arena, local,
				 &out->recipient))
			return;
	}
	out->flags = RESOLVE_ERROR;
}

static void fail(struct job *j, const struct maps *maps)
{
	if (maps)
		log_warning("%.*s lookup error", STR_ARG(maps_failed(maps)));
	j->out->flags |= RESOLVE_FAIL;
}

/* A table by sender: the full address, without extension, @domain. */
static enum maps_result find_by_sender(struct job *j, struct maps *maps,
	struct str null_key, struct str *value)
{
	struct address_how how = { .conf = j->router->conf,
		.forms = ADDRESS_MAILBOX };
	enum maps_result result;

	if (maps_is_empty(maps))
		return MAPS_ABSENT;
	if (j->sender.len == 0)
		result = maps_find(maps, j->arena, null_key, value);
	else
		result = maps_find_address(maps, j->arena, j->sender, &how,
			value, NULL, NULL);
	if (result == MAPS_FOUND && str_is_nocase(*value, "DUNNO"))
		return MAPS_ABSENT;
	if (result == MAPS_ERROR)
		fail(j, maps);
	return result;
}

/* relayhost and sender_dependent_relayhost_maps, for the classes that leave
 * this host; else the domain itself. */
static struct str usual_nexthop(struct job *j)
{
	const struct conf *conf = j->router->conf;
	struct str host = j->router->relayhost, value;

	if (!(j->out->flags & (RESOLVE_RELAY | RESOLVE_DEFAULT)))
		return j->domain;
	if (find_by_sender(j, j->router->relayhosts,
		    conf->empty_address_relayhost_maps_lookup_key,
		    &value) == MAPS_FOUND)
		host = value;
	return host.len > 0 ? host : j->domain;
}

static const struct route *class_route(struct job *j)
{
	unsigned flags = j->out->flags;

	return flags & RESOLVE_LOCAL  ? &j->router->local :
	       flags & RESOLVE_MAILBOX ? &j->router->mailbox :
	       flags & RESOLVE_RELAY   ? &j->router->relay :
					 &j->router->other;
}

/* A new route upon the present one. A transport without nexthop: to the
 * recipient's domain again. */
/* Where mail goes when a table names only the transport. */
static struct str nexthop_without(const struct job *j)
{
	return str_eq(j->out->transport, j->router->conf->error_service_name) ?
		STR("Address is undeliverable") : j->domain;
}

static void apply(struct job *j, struct route route, bool resets)
{
	struct resolved *out = j->out;

	if (route.transport.len > 0) {
		out->transport = route.transport;
		if (resets && route.nexthop.len == 0)
			out->nexthop = nexthop_without(j);
	}
	if (route.nexthop.len > 0)
		out->nexthop = route.nexthop;
}

static void route_by_class(struct job *j)
{
	const struct conf *conf = j->router->conf;
	struct str value;

	j->out->nexthop = usual_nexthop(j);
	apply(j, *class_route(j), false);
	if (j->out->flags & RESOLVE_DEFAULT &&
		find_by_sender(j, j->router->default_transports,
			conf->empty_address_default_transport_maps_lookup_key,
			&value) == MAPS_FOUND)
		apply(j, route_parse(value), false);
}

static void route_alias(struct job *j)
{
	j->out->transport = j->router->conf->error_service_name;
	j->out->nexthop = j->router->conf->show_user_unknown_table_name ?
		STR("5.1.1 User unknown in virtual alias table") :
		STR("5.1.1 User unknown");
}

/* True: has moved, and out says so. */
static bool route_relocated(struct job *j)
{
	struct router *r = j->router;
	struct address_how how = { .conf = r->conf,
		.forms = ADDRESS_CANONICAL };
	struct str value;
	enum maps_result result;

	if (maps_is_empty(r->relocated))
		return false;
	how.domain_is_ours = resolve_is_ours(r, j->arena, j->domain) ==
		MAPS_FOUND;
	result = maps_find_address(r->relocated, j->arena, j->out->recipient,
		&how, &value, NULL, NULL);
	if (result == MAPS_ERROR)
		fail(j, r->relocated);
	if (result != MAPS_FOUND)
		return false;
	j->out->transport = r->conf->error_service_name;
	j->out->nexthop = r->conf->relocated_prefix_enable ?
		arena_fmt(j->arena, "5.1.6 User has moved to %.*s",
			STR_ARG(value)) :
		value;
	return true;
}

static enum maps_result find_transport(struct job *j, struct str *value)
{
	struct router *r = j->router;
	struct address_how how = { .conf = r->conf,
		.forms = ADDRESS_FULL | ADDRESS_PLAIN };
	enum maps_result result = maps_find_address(r->transports, j->arena,
		j->out->recipient, &how, value, NULL, NULL);
	struct str domain = j->domain, parent = domain;
	size_t dot;

	if (result == MAPS_ABSENT)
		result = maps_find_part(r->transports, j->arena, domain,
			value);
	while (result == MAPS_ABSENT && domain.p[0] != '[' &&
		(dot = str_find_char(parent, '.')) != SIZE_MAX) {
		parent = str_skip(parent, dot + 1);
		result = maps_find_part(r->transports, j->arena,
			r->transport_parents_plain ?
				parent :
				str_of(parent.p - 1, parent.len + 1),
			value);
	}
	if (result == MAPS_ABSENT)
		result = maps_find_part(r->transports, j->arena, STR("*"),
			value);
	return result;
}

static void route_by_table(struct job *j)
{
	struct str value;

	if (maps_is_empty(j->router->transports))
		return;
	switch (find_transport(j, &value)) {
	case MAPS_FOUND:
		apply(j, route_parse(value), true);
		break;
	case MAPS_ERROR:
		fail(j, j->router->transports);
		break;
	case MAPS_ABSENT:
		break;
	}
}

static void route(struct job *j)
{
	if (j->out->flags & RESOLVE_FAIL)
		return;
	if (j->out->flags & RESOLVE_ALIAS) {
		route_alias(j);
		route_relocated(j);
		return;
	}
	route_by_class(j);
	if (!route_relocated(j))
		route_by_table(j);
	if (j->out->transport.len == 0)
		j->out->transport = STR("smtp");
}

void resolve(struct router *router, struct arena *arena, struct str sender,
	struct str recipient, struct resolved *resolved)
{
	struct job j = { router, arena, sender, resolved, STR("") };

	*resolved = (struct resolved){
		.transport = router->conf->error_service_name,
		.nexthop = STR("5.1.3 Bad recipient address syntax"),
		.recipient = recipient };
	if (recipient.len == 0)
		resolved->recipient = router->conf->empty_address_recipient;
	if (memchr(recipient.p ? recipient.p : "", 0, recipient.len)) {
		resolved->flags = RESOLVE_ERROR;
		return;
	}
	find_class(&j);
	if (!(resolved->flags & RESOLVE_ERROR))
		route(&j);
	if (resolved->flags & RESOLVE_FAIL) {
		resolved->transport = STR("retry");
		resolved->nexthop = STR("4.3.0 address resolver failure");
	}
}
