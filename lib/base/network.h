/*
 * base/network - IP addresses and networks: 192.0.2.0/24, [2001:db8::]/32.
 *
 * Source   RFC 4632 3.1, RFC 4291 2.3
 * Waits    no
 */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include "base/buf.h"

#include <sys/socket.h>

/* An address is a network with all of its bits. */
struct network {
	uint8_t octets[16]; /* 4 of them if not v6 */
	bool v6;
	unsigned prefix; /* significant bits */
};

/*
 * "192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "[2001:db8::]/32",
 * "[2001:db8::1]". Bits behind the prefix are kept (network_has_host_bits).
 */
must_check bool network_parse(struct str text, struct network *network);
/* Without "/...": an address only, with or without brackets. */
must_check bool network_parse_address(struct str text, struct network *address);
/* False: neither AF_INET nor AF_INET6. IPv4-mapped addresses become IPv4. */
must_check bool network_from(const struct sockaddr *from,
	struct network *address);

/* Address part, then "/prefix"; IPv6 in brackets if `brackets`. */
void network_format(struct buf *out, const struct network *network,
	bool brackets);
void network_format_address(struct buf *out, const struct network *network);

/* True if bits behind the prefix are set; network_mask clears them. */
bool network_has_host_bits(const struct network *network);
struct network network_mask(struct network network, unsigned prefix);
unsigned network_bits(const struct network *network); /* 32 or 128 */
/* True if `address` lies in it: the same family and the same prefix. */
bool network_has(const struct network *network, const struct network *address);

#endif
