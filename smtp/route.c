#include "smtp/route.h"

#include "base/log.h"
#include "base/random.h"
#include "dns/record.h"
#include "dns/srv.h"
#include "smtp/self.h"

#include <limits.h>

enum {
	MX_MOST = 100, /* records of one domain that are looked at */
	SMTP_PORT = 25,
};

struct search {
	struct arena *arena;
	const struct settings *set;
	struct route *route;
	size_t capacity;
	uint16_t port;
	unsigned flags; /* DNS_IPV4 ... for dns_addresses */
	bool is_secure; /* the answer that led to the hosts */
	struct str domain;
	bool detect_loop;
	unsigned best_lost; /* lowest preference of a host without address */
};

/* ---- what went wrong ---- */

static struct outcome name_trouble(struct search *s, struct str name,
	enum dns_type type, enum dns_status status)
{
	struct str type_name = dns_type_name(s->arena, type);
	bool temporary = status == DNS_TEMPORARY || status == DNS_MALFORMED;
	struct outcome trouble = outcome_f(s->arena, temporary ? 450 : 550, 4,
		temporary ? 3 : 4,
		"Host or domain name not found. Name service error for "
		"name=%.*s type=%.*s: %s",
		STR_ARG(name), STR_ARG(type_name), dns_status_text(status));

	trouble.is_site = true;
	return trouble;
}

/* What a filter has left nothing of is not known not to be there. */
static struct outcome filter_trouble(struct search *s, struct str name,
	enum dns_type type, struct str why)
{
	struct str type_name = dns_type_name(s->arena, type);
	struct outcome trouble = outcome_f(s->arena, 450, 7, 0,
		"Error looking up name=%.*s type=%.*s: %.*s", STR_ARG(name),
		STR_ARG(type_name), STR_ARG(why));

	trouble.is_site = true;
	return trouble;
}

static void fail(struct search *s, struct outcome trouble)
{
	/* a temporary failure of one host is more than "not found" of others */
	if (s->route->trouble.status.code / 100 != 4)
		s->route->trouble = trouble;
}

/* ---- addresses ---- */

static void add_site(struct search *s, struct str host,
	const struct dns_hosts *hosts, const struct dns_address *address,
	unsigned preference)
{
	struct route *route = s->route;
	struct site site = { .host = host, .address = *address,
		.port = s->port, .preference = preference,
		.is_mx_secure = s->is_secure, .is_secure = hosts->secure,
		.canonical = hosts->canonical, .domain = s->domain,
		.detect_loop = s->detect_loop };
	struct str text = dns_address_text(s->arena, address);

	site.where = arena_fmt(s->arena, "%.*s[%.*s]", STR_ARG(host),
		STR_ARG(text));
	site.relay = arena_fmt(s->arena, "%.*s:%u", STR_ARG(site.where),
		s->port);
	arena_grow(s->arena, &route->sites, &s->capacity, route->count + 1,
		sizeof(struct site));
	route->sites[route->count++] = site;
}

static void add_host(struct search *s, struct str host, unsigned preference)
{
	size_t before = s->route->count;
	struct dns_hosts hosts;

	dns_addresses(s->arena, host, s->flags, &hosts);
	if (hosts.status != DNS_FOUND)
		fail(s, hosts.is_filtered ?
			filter_trouble(s, host, hosts.type, hosts.text) :
			name_trouble(s, host, hosts.type, hosts.status));
	for (size_t i = 0; i < hosts.count; i++)
		if (s->flags & (hosts.addresses[i].v6 ? (unsigned)DNS_IPV6 :
							(unsigned)DNS_IPV4))
			add_site(s, host, &hosts, &hosts.addresses[i],
				preference);
	if (s->route->count == before && preference < s->best_lost)
		s->best_lost = preference;
}

/* ---- order ---- */

static bool goes_before(const struct site *a, const struct site *b,
	const struct settings *set)
{
	if (a->preference != b->preference)
		return a->preference < b->preference;
	if (a->address.v6 == b->address.v6)
		return false;
	if (str_is_nocase(set->address_preference, "ipv6"))
		return a->address.v6;
	if (str_is_nocase(set->address_preference, "ipv4"))
		return b->address.v6;
	return false;
}

static void swap(struct site *a, struct site *b)
{
	struct site kept = *a;

	*a = *b;
	*b = kept;
}

static void insertion_sort(struct site *sites, size_t count,
	const struct settings *set)
{
	for (size_t i = 1; i < count; i++)
		for (size_t k = i; k > 0 &&
			goes_before(&sites[k], &sites[k - 1], set);
			k--)
			swap(&sites[k], &sites[k - 1]);
}

/*
 * Among those that would be tried, each family shall have a chance: one site
 * of the family that is missing takes the last place.
 */
static void balance(struct site *sites, size_t count,
	const struct settings *set)
{
	size_t most = (size_t)set->mx_address_limit;

	if (set->mx_address_limit <= 1 || count <= most)
		return;
	for (size_t i = 1; i < most; i++)
		if (sites[i].address.v6 != sites[0].address.v6)
			return;
	for (size_t i = most; i < count; i++)
		if (sites[i].address.v6 != sites[0].address.v6) {
			swap(&sites[most - 1], &sites[i]);
			return;
		}
}

/* Put equal preferences in random order, the lowest first; families as
 * smtp_address_preference and smtp_balance_inet_protocols say. */
static void sort(struct site *sites, size_t count, const struct settings *set)
{
	if (set->randomize_addresses)
		for (size_t i = count; i > 1; i--)
			swap(&sites[i - 1], &sites[random_below(i)]);
	insertion_sort(sites, count, set);
	if (set->balance_inet_protocols &&
		str_is_nocase(set->address_preference, "any"))
		balance(sites, count, set);
}

/* ---- loops ---- */

static bool is_self(const struct search *s, const struct site *site)
{
	return self_is_address(&site->address) ||
		str_eq_nocase(site->host, s->set->conf->myhostname);
}

static void say_loop(struct search *s, struct str domain)
{
	struct route *route = s->route;

	route->is_own = true;
	route->trouble = outcome_f(s->arena, 550, 4, 6,
		"mail for %.*s loops back to myself", STR_ARG(domain));
	if (s->set->conf->best_mx_transport.len == 0)
		log_warning("%.*s", STR_ARG(route->trouble.status.text));
}

/* We are not the best one, but a better one has no address just now. */
static void say_lost(struct search *s, struct str domain)
{
	if (s->route->trouble.status.code / 100 == 4)
		return; /* it says why */
	s->route->trouble = outcome_f(s->arena, 450, 4, 4,
		"unable to find primary relay for %.*s", STR_ARG(domain));
}

/* RFC 5321 5.1: ourselves, and what is not better, is not tried. */
static void cut_loop(struct search *s, struct str domain)
{
	struct route *route = s->route;
	unsigned best = UINT_MAX;
	size_t kept = 0;

	if (!s->detect_loop)
		return;
	for (size_t i = 0; i < route->count; i++)
		if (is_self(s, &route->sites[i]) &&
			route->sites[i].preference < best)
			best = route->sites[i].preference;
	for (size_t i = 0; i < route->count; i++)
		if (route->sites[i].preference < best)
			route->sites[kept++] = route->sites[i];
	if (route->count > 0 && kept == 0)
		(s->best_lost < best ? say_lost : say_loop)(s, domain);
	route->count = kept;
}

/* ---- MX ---- */

static bool is_null_mx(const struct dns_answer *answer, struct arena *arena)
{
	struct dns_mx mx;

	return answer->count == 1 &&
		dns_record_mx(arena, answer->records[0], &mx) &&
		mx.host.len == 0;
}

static void add_exchanges(struct search *s, const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count && i < MX_MOST; i++) {
		struct dns_mx mx;

		if (dns_record_mx(s->arena, answer->records[i], &mx) &&
			mx.host.len > 0)
			add_host(s, mx.host, mx.preference);
	}
	if (s->route->count == 0 &&
		s->set->defer_if_no_mx_address_found &&
		s->route->trouble.status.code / 100 == 5) {
		s->route->trouble.status.code = 450;
		s->route->trouble.status.detail = 3;
	}
}

static void find_by_mx(struct search *s, struct str domain)
{
	struct dns_answer answer;

	dns_lookup(s->arena, domain, DNS_MX, &answer);
	if (answer.status == DNS_TEMPORARY && !answer.is_filtered &&
		s->set->conf->ignore_mx_lookup_error) {
		answer.status = DNS_NO_DATA;
		s->is_secure = false;
	}
	switch (answer.status) {
	case DNS_FOUND:
		s->is_secure = s->is_secure && answer.secure;
		s->domain = answer.canonical;
		if (is_null_mx(&answer, s->arena))
			fail(s, outcome_f(s->arena, 556, 1, 0,
				"Domain %.*s does not accept mail (nullMX)",
				STR_ARG(domain)));
		else
			add_exchanges(s, &answer);
		break;
	case DNS_NO_DATA: /* RFC 5321 5.1: the implicit MX */
		add_host(s, domain, 0);
		break;
	default:
		fail(s, answer.is_filtered ?
			filter_trouble(s, domain, DNS_MX, answer.text) :
			name_trouble(s, domain, DNS_MX, answer.status));
	}
}

/* ---- SRV ---- */

/* The service of "example.org:submission", if use_srv_lookup has it. */
static struct str service_of(const struct search *s,
	const struct talk_destination *destination)
{
	struct str text = destination->text;
	size_t colon = str_rfind_char(text, ':');

	if (!destination->use_mx || colon == SIZE_MAX)
		return STR_NONE;
	text = str_skip(text, colon + 1);
	return settings_has(s->set->conf->use_srv_lookup, text) ? text :
								  STR_NONE;
}

static void add_servers(struct search *s, const struct dns_answer *answer)
{
	struct dns_srv *all = arena_array(s->arena, MX_MOST, sizeof(*all));
	size_t count = 0;

	for (size_t i = 0; i < answer->count && count < MX_MOST; i++)
		if (dns_record_srv(s->arena, answer->records[i], &all[count]) &&
			all[count].host.len > 0)
			count++;
	dns_srv_sort(all, count, random_below);
	s->detect_loop = false;
	for (size_t i = 0; i < count; i++) {
		s->port = all[i].port;
		add_host(s, all[i].host, (unsigned)i); /* in this order */
	}
	if (count == 0) /* "." as its host: RFC 2782 */
		fail(s, outcome_f(s->arena, 550, 4, 4,
			"the service is not offered: SRV record of %.*s",
			STR_ARG(answer->canonical)));
}

/* False: look for MX records as if there were no SRV records. */
static bool find_by_srv(struct search *s, struct str domain,
	struct str service)
{
	const struct conf *conf = s->set->conf;
	struct str name = arena_fmt(s->arena, "_%.*s._tcp.%.*s",
		STR_ARG(service), STR_ARG(domain));
	struct dns_answer answer;
	bool is_known;

	dns_lookup(s->arena, name, DNS_SRV, &answer);
	is_known = answer.status == DNS_NO_DATA || answer.status == DNS_NO_NAME;
	if (answer.status == DNS_FOUND) {
		s->is_secure = answer.secure;
		s->domain = answer.canonical;
		add_servers(s, &answer);
		return true;
	}
	if (conf->allow_srv_lookup_fallback ||
		(!is_known && conf->ignore_srv_lookup_error)) {
		s->is_secure = is_known && answer.secure;
		return false;
	}
	fail(s, name_trouble(s, name, DNS_SRV, answer.status));
	return true;
}

/* ---- all of it ---- */

static bool without_dns(const struct settings *set)
{
	return set->dns_support_level.len > 0 ?
		str_is_nocase(set->dns_support_level, "disabled") :
		set->conf->disable_dns_lookups;
}

static unsigned lookup_flags(const struct settings *set)
{
	struct str list = set->conf->inet_protocols;
	unsigned flags = 0;

	if (settings_lists(list, "ipv4") || settings_lists(list, "all"))
		flags |= DNS_IPV4;
	if (settings_lists(list, "ipv6") || settings_lists(list, "all"))
		flags |= DNS_IPV6;
	if (flags == 0)
		flags = DNS_IPV4 | DNS_IPV6;
	if (settings_lists(set->host_lookup, "native") ||
		without_dns(set))
		flags |= DNS_NATIVE; /* as the system: files, then DNS */
	return flags;
}

static void add_unix(struct arena *arena, struct str path, struct str host,
	struct route *route)
{
	struct site site = { .host = path, .is_unix = true };

	site.where = arena_fmt(arena, "%.*s[%.*s]", STR_ARG(host),
		STR_ARG(path));
	site.relay = site.where;
	route->sites = arena_new_of(arena, struct site);
	route->sites[0] = site;
	route->count = 1;
}

void route_find(struct arena *arena, const struct settings *set,
	const struct talk_destination *destination, struct route *route)
{
	struct search s = { .arena = arena, .set = set, .route = route,
		.flags = lookup_flags(set), .is_secure = true,
		.domain = destination->host, .best_lost = UINT_MAX };
	struct str service;

	*route = (struct route){ 0 };
	if (destination->is_unix) {
		add_unix(arena, destination->host, set->conf->myhostname,
			route);
		return;
	}
	s.port = destination->port ? destination->port :
				     dns_port_parse(set->tcp_port);
	s.detect_loop = s.port == SMTP_PORT && !set->is_lmtp;
	service = service_of(&s, destination);
	if (service.len > 0 && !without_dns(set) &&
		find_by_srv(&s, destination->host, service))
		; /* found, or there is trouble */
	else if (destination->use_mx && !without_dns(set))
		find_by_mx(&s, destination->host);
	else
		add_host(&s, destination->host, 0);
	cut_loop(&s, destination->host);
	sort(route->sites, route->count, set);
	if (route->count == 0 && route->trouble.status.code == 0)
		fail(&s, name_trouble(&s, destination->host, DNS_A,
			DNS_NO_DATA));
}
