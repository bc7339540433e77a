#include "dns/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

bool dns_address_parse(struct str text, struct dns_address *address)
{
	char copy[INET6_ADDRSTRLEN + 1];
	bool v6 = str_take_prefix_nocase(&text, STR("IPv6:"));

	if (text.len == 0 || text.len >= sizeof(copy) ||
		memchr(text.p, 0, text.len))
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = 0;
	memset(address, 0, sizeof(*address));
	if (!v6 && inet_pton(AF_INET, copy, address->octets) == 1)
		return true;
	address->v6 = true;
	return inet_pton(AF_INET6, copy, address->octets) == 1;
}

struct str dns_address_text(struct arena *arena,
	const struct dns_address *address)
{
	const unsigned char *o = address->octets;
	char text[INET6_ADDRSTRLEN];

	if (!address->v6) /* the library prints these by its slow printf */
		return arena_fmt(arena, "%u.%u.%u.%u", o[0], o[1], o[2], o[3]);
	if (!inet_ntop(AF_INET6, o, text, sizeof(text)))
		panic("dns_address_text: %m");
	return arena_copy(arena, str_from(text));
}

bool dns_address_eq(const struct dns_address *a, const struct dns_address *b)
{
	return a->v6 == b->v6 &&
		memcmp(a->octets, b->octets, a->v6 ? 16 : 4) == 0;
}

bool dns_address_from(const struct sockaddr_storage *from,
	struct dns_address *address, uint16_t *port)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(address, 0, sizeof(*address));
	if (from->ss_family == AF_INET) {
		memcpy(&v4, from, sizeof(v4));
		memcpy(address->octets, &v4.sin_addr, 4);
		*port = ntohs(v4.sin_port);
		return true;
	}
	if (from->ss_family != AF_INET6)
		return false;
	memcpy(&v6, from, sizeof(v6));
	*port = ntohs(v6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
		memcpy(address->octets, v6.sin6_addr.s6_addr + 12, 4);
		return true;
	}
	address->v6 = true;
	memcpy(address->octets, &v6.sin6_addr, 16);
	return true;
}

socklen_t dns_address_to(const struct dns_address *address, uint16_t port,
	struct sockaddr_storage *to)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	memset(to, 0, sizeof(*to));
	if (address->v6) {
		v6.sin6_port = htons(port);
		memcpy(&v6.sin6_addr, address->octets, 16);
		memcpy(to, &v6, sizeof(v6));
		return sizeof(v6);
	}
	v4.sin_port = htons(port);
	memcpy(&v4.sin_addr, address->octets, 4);
	memcpy(to, &v4, sizeof(v4));
	return sizeof(v4);
}

/* The IPv4 address inside ::ffff:0:0/96, or the address itself. */
static struct dns_address plain(const struct dns_address *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct dns_address v4 = { .v6 = false };

	if (!address->v6 || memcmp(address->octets, mapped, 12) != 0)
		return *address;
	memcpy(v4.octets, address->octets + 12, 4);
	return v4;
}

bool dns_address_is_loopback(const struct dns_address *address)
{
	static const uint8_t zero[16];
	struct dns_address a = plain(address);

	if (!a.v6)
		return a.octets[0] == 127 || memcmp(a.octets, zero, 4) == 0;
	return memcmp(a.octets, zero, 15) == 0 && a.octets[15] <= 1;
}

bool dns_address_is_unusable(const struct dns_address *address)
{
	struct dns_address a = plain(address);

	if (a.v6)
		return a.octets[0] == 0xff;
	return a.octets[0] == 0 || a.octets[0] >= 224;
}

uint16_t dns_port_parse(struct str text)
{
	static const struct {
		const char *name;
		uint16_t port;
	} services[] = {
		{ "smtp", 25 }, { "submission", 587 }, { "submissions", 465 },
		{ "smtps", 465 }, { "urd", 465 }, { "lmtp", 24 },
		{ "mail", 25 }, { "domain", 53 }, { "ldap", 389 },
		{ "ldaps", 636 }, { "mysql", 3306 }, { "postgresql", 5432 },
	};
	uint64_t port;

	if (str_parse_u64(text, 65535, &port))
		return (uint16_t)port;
	for (size_t i = 0; i < COUNT(services); i++)
		if (str_is_nocase(text, services[i].name))
			return services[i].port;
	return 0;
}
