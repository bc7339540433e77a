#include "config/interfaces.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

static const char separators[] = ", \t\r\n";

enum { INTERFACES_MOST = 4096 };

unsigned protocols_parse(struct str text)
{
	unsigned protocols = 0;
	struct str item;

	while (str_take_item(&text, separators, &item)) {
		if (str_is_nocase(item, "all"))
			protocols |= PROTOCOL_V4 | PROTOCOL_V6;
		else if (str_is_nocase(item, "ipv4"))
			protocols |= PROTOCOL_V4;
		else if (str_is_nocase(item, "ipv6"))
			protocols |= PROTOCOL_V6;
		else
			return 0;
	}
	return protocols;
}

static bool is_wanted(const struct network *address, unsigned protocols)
{
	return protocols & (address->v6 ? PROTOCOL_V6 : PROTOCOL_V4);
}

static bool is_same(const struct network *a, const struct network *b)
{
	return a->v6 == b->v6 && memcmp(a->octets, b->octets, 16) == 0;
}

static void add(struct arena *arena, struct interfaces *list, size_t *room,
	struct interface interface)
{
	for (size_t i = 0; i < list->count; i++)
		if (is_same(&list->all[i].address, &interface.address))
			return;
	if (list->count >= INTERFACES_MOST)
		return;
	arena_grow(arena, &list->all, room, list->count + 1,
		sizeof(*list->all));
	list->all[list->count++] = interface;
}

static unsigned prefix_of(const struct sockaddr *mask, int family,
	unsigned otherwise)
{
	const uint8_t *octets;
	size_t len = family == AF_INET6 ? 16 : 4;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	unsigned bits = 0;

	if (!mask)
		return otherwise;
	if (family == AF_INET6) {
		memcpy(&in6, mask, sizeof(in6));
		octets = in6.sin6_addr.s6_addr;
	} else {
		memcpy(&in, mask, sizeof(in));
		octets = (const uint8_t *)&in.sin_addr;
	}
	for (size_t i = 0; i < len; i++)
		bits += (unsigned)__builtin_popcount(octets[i]);
	return bits;
}

static void find_all(struct arena *arena, struct interfaces *list)
{
	struct ifaddrs *first, *at;
	size_t room = 0;

	*list = (struct interfaces){ 0 };
	if (getifaddrs(&first) < 0)
		return;
	for (at = first; at; at = at->ifa_next) {
		struct interface one = {
			.is_loopback = at->ifa_flags & IFF_LOOPBACK,
		};

		if (!at->ifa_addr || !(at->ifa_flags & IFF_UP) ||
			!network_from(at->ifa_addr, &one.address))
			continue;
		one.address.prefix = prefix_of(at->ifa_netmask,
			at->ifa_addr->sa_family, one.address.prefix);
		add(arena, list, &room, one);
	}
	freeifaddrs(first);
}

static unsigned prefix_here(const struct interfaces *all,
	const struct network *address)
{
	for (size_t i = 0; i < all->count; i++)
		if (is_same(&all->all[i].address, address))
			return all->all[i].address.prefix;
	return address->prefix;
}

static bool is_loopback(const struct network *address)
{
	static const uint8_t one[16] = { [15] = 1 };

	return address->v6 ? memcmp(address->octets, one, 16) == 0
			   : address->octets[0] == 127;
}

static bool look_up(struct arena *arena, struct str name,
	const struct interfaces *all, struct interfaces *found, size_t *room,
	unsigned protocols)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *first, *at;
	size_t before = found->count;

	if (getaddrinfo(arena_cstr(arena, name), NULL, &hints, &first) != 0)
		return false;
	for (at = first; at; at = at->ai_next) {
		struct interface one = { 0 };

		if (!network_from(at->ai_addr, &one.address) ||
			!is_wanted(&one.address, protocols))
			continue;
		one.is_loopback = is_loopback(&one.address);
		one.address.prefix = prefix_here(all, &one.address);
		add(arena, found, room, one);
	}
	freeaddrinfo(first);
	return found->count > before;
}

static void add_group(struct arena *arena, const struct interfaces *all,
	bool loopback_only, unsigned protocols, struct interfaces *found,
	size_t *room)
{
	for (size_t i = 0; i < all->count; i++)
		if (is_wanted(&all->all[i].address, protocols) &&
			(!loopback_only || all->all[i].is_loopback))
			add(arena, found, room, all->all[i]);
}

bool interfaces_find(struct arena *arena, struct str text, unsigned protocols,
	struct interfaces *found, struct str *bad)
{
	struct interfaces all;
	size_t room = 0;

	*found = (struct interfaces){ 0 };
	find_all(arena, &all);
	while (str_take_item(&text, separators, bad)) {
		struct interface one = { 0 };
		bool loopback = str_is_nocase(*bad, "loopback-only");

		if (loopback || str_is_nocase(*bad, "all")) {
			add_group(arena, &all, loopback, protocols, found,
				&room);
			continue;
		}
		if (network_parse_address(*bad, &one.address)) {
			one.is_loopback = is_loopback(&one.address);
			one.address.prefix = prefix_here(&all, &one.address);
			if (is_wanted(&one.address, protocols))
				add(arena, found, &room, one);
			continue;
		}
		if (!look_up(arena, *bad, &all, found, &room, protocols))
			return false;
	}
	return true;
}

/* Of the old classes of IPv4 networks; loopback is one. */
static unsigned class_of(const struct network *address)
{
	uint8_t first = address->octets[0];

	if (address->v6)
		return address->prefix;
	return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}

static struct network network_of(const struct interface *one, struct str style)
{
	unsigned prefix = one->address.prefix;

	if (str_is(style, "class"))
		prefix = class_of(&one->address);
	else if (!str_is(style, "subnet"))
		prefix = network_bits(&one->address);
	else if (one->is_loopback)
		prefix = one->address.v6 ? 128 : 8;
	return network_mask(one->address, prefix);
}

struct str interfaces_networks(struct arena *arena,
	const struct interfaces *interfaces, struct str style)
{
	struct interfaces seen = { 0 };
	struct buf out = BUF_IN(arena);
	size_t room = 0;

	for (size_t i = 0; i < interfaces->count; i++) {
		struct interface one = interfaces->all[i];

		one.address = network_of(&one, style);
		add(arena, &seen, &room, one);
	}
	for (size_t i = 0; i < seen.count; i++) {
		if (i > 0)
			buf_char(&out, ' ');
		network_format(&out, &seen.all[i].address, true);
	}
	return buf_str(&out);
}
