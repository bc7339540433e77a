#include "commands/finger_sites.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/network.h"
#include "dns/packet.h"
#include "dns/record.h"

enum {
	MX_MOST = 50,
	SMTP_PORT = 25,
};

/* ---- addresses ---- */

static void add_site(struct arena *arena, struct str host, uint16_t port,
	const struct addrinfo *found, struct finger_sites *sites)
{
	struct finger_site *site;
	struct network network;
	struct buf where = BUF_IN(arena);

	if (sites->count == FINGER_SITES_MOST ||
		found->ai_addrlen > sizeof(site->endpoint.address))
		return;
	site = &sites->all[sites->count++];
	*site = (struct finger_site){ .host = host,
		.endpoint.len = found->ai_addrlen };
	memcpy(&site->endpoint.address, found->ai_addr, found->ai_addrlen);
	buf_fmt(&where, "%.*s[", STR_ARG(host));
	if (network_from(found->ai_addr, &network))
		network_format_address(&where, &network);
	buf_fmt(&where, "]:%u", port);
	site->where = buf_str(&where);
}

static void add_host(struct arena *arena, struct str host, uint16_t port,
	int family, struct finger_sites *sites)
{
	const struct addrinfo hints = { .ai_family = family,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *list, *one;
	int failure = getaddrinfo(arena_cstr(arena, host),
		arena_fmt(arena, "%u", port).p, &hints, &list);

	if (failure) {
		sites->trouble = arena_fmt(arena, "%.*s: %s", STR_ARG(host),
			gai_strerror(failure));
		return;
	}
	for (one = list; one; one = one->ai_next)
		add_site(arena, host, port, one, sites);
	freeaddrinfo(list);
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
	*site = (struct finger_site){ .host = path,
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

/* False: nobody could be asked. */
static bool ask_mx(struct arena *arena, struct str domain,
	struct dns_answer *answer)
{
	unsigned char *packet = arena_alloc(arena, DNS_PACKET_MOST);
	struct __res_state state = { 0 };
	uint16_t id;
	int len;

	if (res_ninit(&state) != 0)
		return false;
	len = res_nquery(&state, arena_cstr(arena, domain), ns_c_in, DNS_MX,
		packet, DNS_PACKET_MOST);
	res_nclose(&state);
	if (len < 0) { /* no data, no name, no answer: h_errno says which */
		*answer = (struct dns_answer){ .status =
			h_errno == NO_DATA ? DNS_NO_DATA :
			h_errno == HOST_NOT_FOUND ? DNS_NO_NAME :
			DNS_TEMPORARY };
		return true;
	}
	if (len < 12 || len > DNS_PACKET_MOST)
		return false;
	id = (uint16_t)(packet[0] << 8 | packet[1]);
	return dns_packet_answer(arena, str_of(packet, (size_t)len), id,
		domain, DNS_MX, answer);
}

static void add_exchangers(struct arena *arena, const struct dns_answer *answer,
	uint16_t port, int family, struct finger_sites *sites)
{
	struct dns_mx all[MX_MOST];
	size_t count = 0;

	for (size_t i = 0; i < answer->count && count < MX_MOST; i++)
		if (dns_record_mx(arena, answer->records[i], &all[count]) &&
			all[count].host.len > 0)
			count++;
	qsort(all, count, sizeof(all[0]), by_preference);
	for (size_t i = 0; i < count; i++)
		add_host(arena, all[i].host, port, family, sites);
	if (count == 0)
		sites->trouble = STR("the domain accepts no mail (null MX)");
}

void finger_sites_find(struct arena *arena,
	const struct talk_destination *d, int family,
	struct finger_sites *sites)
{
	uint16_t port = d->port ? d->port : SMTP_PORT;
	struct dns_answer answer = { .status = DNS_NO_DATA };

	sites->count = 0;
	sites->trouble = STR("no address");
	if (d->is_unix) {
		add_path(arena, d->host, sites);
		return;
	}
	if (d->use_mx && !ask_mx(arena, d->host, &answer))
		answer.status = DNS_TEMPORARY;
	switch (answer.status) {
	case DNS_FOUND:
		add_exchangers(arena, &answer, port, family, sites);
		break;
	case DNS_NO_DATA: /* RFC 5321 5.1: the implicit MX */
		add_host(arena, d->host, port, family, sites);
		break;
	default:
		sites->trouble = arena_fmt(arena, "%.*s: %s", STR_ARG(d->host),
			dns_status_text(answer.status));
	}
}
