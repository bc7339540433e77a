#include "commands/finger_sites.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/network.h"
#include "base/random.h"
#include "dns/record.h"
#include "dns/srv.h"

enum {
	HOSTS_MOST = 50,
	SMTP_PORT = 25,
};

/* What is at hand while a destination is looked up. */
struct lookup {
	struct arena *arena;
	struct finger_search search;
	struct finger_sites *sites;
	bool is_secure;    /* the answer that leads to the hosts */
	struct str domain; /* where it stands */
};

/* ---- addresses ---- */

static void add_site(struct lookup *l, const struct talk_dane_host *host,
	const struct sockaddr_storage *address, socklen_t len)
{
	struct finger_site *site;
	struct network network;
	struct buf where = BUF_IN(l->arena);

	if (l->sites->count == FINGER_SITES_MOST || len == 0 ||
		len > sizeof(site->endpoint.address))
		return;
	site = &l->sites->all[l->sites->count++];
	*site = (struct finger_site){ .host = *host, .endpoint.len = len,
		.is_mx_secure = l->is_secure, .domain = l->domain };
	memcpy(&site->endpoint.address, address, len);
	buf_fmt(&where, "%.*s[", STR_ARG(host->name));
	if (network_from((const struct sockaddr *)(const void *)address,
		    &network))
		network_format_address(&where, &network);
	buf_fmt(&where, "]:%u", host->port);
	site->where = buf_str(&where);
}

/* As the system finds them: nothing is known of DNSSEC then. */
static bool add_native(struct lookup *l, struct talk_dane_host host)
{
	const struct addrinfo hints = { .ai_family = l->search.family,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *list, *one;
	int failure = getaddrinfo(arena_cstr(l->arena, host.name),
		arena_fmt(l->arena, "%u", host.port).p, &hints, &list);

	if (failure) {
		l->sites->trouble = arena_fmt(l->arena, "%.*s: %s",
			STR_ARG(host.name), gai_strerror(failure));
		return false;
	}
	for (one = list; one; one = one->ai_next) {
		struct sockaddr_storage address = { 0 };

		if (one->ai_addrlen > sizeof(address))
			continue;
		memcpy(&address, one->ai_addr, one->ai_addrlen);
		add_site(l, &host, &address, one->ai_addrlen);
	}
	freeaddrinfo(list);
	return true;
}

static unsigned families(const struct lookup *l)
{
	return l->search.family == AF_INET ? DNS_IPV4 :
		l->search.family == AF_INET6 ? DNS_IPV6 :
		(unsigned)DNS_IPV4 | DNS_IPV6;
}

static bool add_by_dns(struct lookup *l, struct talk_dane_host host)
{
	struct dns_hosts found;

	finger_dns_addresses(&l->search.dns, l->arena, host.name, families(l),
		&found);
	if (found.status != DNS_FOUND) {
		l->sites->trouble = arena_fmt(l->arena, "Host or domain name "
			"not found. Name service error for name=%.*s "
			"type=%.*s: %s", STR_ARG(host.name),
			STR_ARG(dns_type_name(l->arena, found.type)),
			dns_status_text(found.status));
		return false;
	}
	host.canonical = found.canonical;
	host.is_secure = found.secure;
	for (size_t i = 0; i < found.count; i++) {
		struct sockaddr_storage address;
		socklen_t len = dns_address_to(&found.addresses[i], host.port,
			&address);

		add_site(l, &host, &address, len);
	}
	return true;
}

static void add_host(struct lookup *l, struct str name, uint16_t port)
{
	struct talk_dane_host host = { .name = name, .canonical = name,
		.port = port };
	struct str ways = l->search.host_lookup, way;
	struct dns_address literal;
	bool is_found = false;

	if (dns_address_parse(name, &literal))
		is_found = add_native(l, host);
	while (!is_found && str_take_item(&ways, ", \t", &way))
		is_found = str_is_nocase(way, "native") ? add_native(l, host) :
							  add_by_dns(l, host);
}

static void add_path(struct arena *arena, struct str path,
	struct finger_sites *sites)
{
	struct finger_site *site = &sites->all[0];
	struct sockaddr_un *address =
		(struct sockaddr_un *)(void *)&site->endpoint.address;

	if (path.len >= sizeof(address->sun_path)) {
		sites->trouble = STR("the path of the socket is too long");
		return;
	}
	*site = (struct finger_site){ .host.name = path,
		.where = arena_fmt(arena, "unix:%.*s", STR_ARG(path)),
		.endpoint.len = sizeof(*address) };
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path.p, path.len);
	sites->count = 1;
}

/* ---- MX ---- */

static int by_preference(const void *a, const void *b)
{
	const struct dns_mx *x = a, *y = b;

	return x->preference < y->preference ? -1 :
		x->preference > y->preference;
}

static void add_exchangers(struct lookup *l, const struct dns_answer *answer,
	uint16_t port)
{
	struct dns_mx all[HOSTS_MOST];
	size_t count = 0;

	for (size_t i = 0; i < answer->count && count < HOSTS_MOST; i++)
		if (dns_record_mx(l->arena, answer->records[i], &all[count]) &&
			all[count].host.len > 0)
			count++;
	qsort(all, count, sizeof(all[0]), by_preference);
	for (size_t i = 0; i < count; i++)
		add_host(l, all[i].host, port);
	if (count == 0)
		l->sites->trouble =
			STR("the domain accepts no mail (null MX)");
}

/* ---- SRV ---- */

static void add_servers(struct lookup *l, const struct dns_answer *answer)
{
	struct dns_srv all[HOSTS_MOST];
	size_t count = 0;

	for (size_t i = 0; i < answer->count && count < HOSTS_MOST; i++)
		if (dns_record_srv(l->arena, answer->records[i],
			    &all[count]) && all[count].host.len > 0)
			count++;
	dns_srv_sort(all, count, random_below);
	for (size_t i = 0; i < count; i++)
		add_host(l, all[i].host, all[i].port);
	if (count == 0)
		l->sites->trouble = STR("the service is not offered");
}

/* "_submission._tcp.example.org": what stands behind the ':', or smtp. */
static struct str service_name(struct arena *arena,
	const struct talk_destination *d)
{
	struct str text = d->text, service = STR("smtp");
	size_t colon = str_rfind_char(text, ':');

	if (colon != SIZE_MAX && colon + 1 < text.len)
		service = str_skip(text, colon + 1);
	return arena_fmt(arena, "_%.*s._tcp.%.*s", STR_ARG(service),
		STR_ARG(d->host));
}

/* ---- all of it ---- */

static void find_by_records(struct lookup *l,
	const struct talk_destination *d, uint16_t port)
{
	enum dns_type type = l->search.by_srv ? DNS_SRV : DNS_MX;
	struct str name = l->search.by_srv ? service_name(l->arena, d) :
					     d->host;
	struct dns_answer answer;

	finger_dns_lookup(&l->search.dns, l->arena, name, type, &answer);
	if (answer.status == DNS_NO_DATA && type == DNS_MX) {
		add_host(l, d->host, port); /* RFC 5321 5.1 */
		return;
	}
	if (answer.status != DNS_FOUND) {
		l->sites->trouble = arena_fmt(l->arena, "Host or domain name "
			"not found. Name service error for name=%.*s "
			"type=%.*s: %s", STR_ARG(name),
			STR_ARG(dns_type_name(l->arena, type)),
			dns_status_text(answer.status));
		return;
	}
	l->is_secure = answer.secure;
	l->domain = answer.canonical;
	if (type == DNS_SRV)
		add_servers(l, &answer);
	else
		add_exchangers(l, &answer, port);
}

void finger_sites_find(struct arena *arena, const struct finger_search *search,
	const struct talk_destination *d, struct finger_sites *sites)
{
	struct lookup l = { arena, *search, sites, true, d->host };
	uint16_t port = d->port ? d->port : SMTP_PORT;

	sites->count = 0;
	sites->trouble = STR("no address");
	if (d->is_unix)
		add_path(arena, d->host, sites);
	else if (d->use_mx)
		find_by_records(&l, d, port);
	else
		add_host(&l, d->host, port);
}
