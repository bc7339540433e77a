/*
 * dns/address - network addresses: sockets' form and text.
 *
 * Memory   values; text in the arena given
 * Waits    no
 */
#ifndef DNS_ADDRESS_H
#define DNS_ADDRESS_H

#include "base/arena.h"

#include <sys/socket.h>

struct dns_address {
	uint8_t octets[16]; /* 4 of them if not v6 */
	bool v6;
};

/* "192.0.2.1", "2001:db8::1", "IPv6:2001:db8::1"; without brackets. */
must_check bool dns_address_parse(struct str text, struct dns_address *address);
/* "192.0.2.1" or "2001:db8::1". */
struct str dns_address_text(struct arena *arena,
	const struct dns_address *address);
bool dns_address_eq(const struct dns_address *a, const struct dns_address *b);

/*
 * From and to a socket's form; ports in host order. An IPv4-mapped IPv6
 * address becomes IPv4. False: not AF_INET or AF_INET6.
 */
must_check bool dns_address_from(const struct sockaddr_storage *from,
	struct dns_address *address, uint16_t *port);
socklen_t dns_address_to(const struct dns_address *address, uint16_t port,
	struct sockaddr_storage *to);

/* 127.0.0.0/8, ::1, and the "any" addresses, which reach this host too. */
bool dns_address_is_loopback(const struct dns_address *address);
/* Multicast, broadcast, 0.0.0.0/8: nothing a mail server listens on. */
bool dns_address_is_unusable(const struct dns_address *address);

/* A decimal port, or a service name (smtp 25, submission 587, ...); else 0. */
uint16_t dns_port_parse(struct str text);

#endif
