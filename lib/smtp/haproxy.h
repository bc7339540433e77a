/*
 * smtp/haproxy - the header of the PROXY protocol: a load balancer says whose
 * connection it passes on.
 *
 *	PROXY TCP4 192.0.2.1 198.51.100.1 56324 25 CRLF
 *
 * or the same in octets (version 2), with further fields that nobody needs.
 * The header comes at once, so that no octet behind it may be taken: version 1
 * is a line, version 2 says its length in its first HAPROXY_FIXED octets; which
 * of them comes, the first octet tells.
 *
 * Source   "The PROXY protocol, versions 1 and 2" of HAProxy, sections 2.1, 2.2
 * Memory   a value
 * Waits    no
 */
#ifndef SMTP_HAPROXY_H
#define SMTP_HAPROXY_H

#include "dns/address.h"

enum {
	HAPROXY_LINE_MOST = 512, /* a longest one has 107 octets */
	HAPROXY_FIXED = 16,      /* of version 2 */
	HAPROXY_REST_MOST = 2048,
};

struct haproxy {
	/* LOCAL: the proxy speaks for itself (it looks whether we live); the
	 * addresses are those of the connection. */
	bool is_local;
	struct dns_address client, server;
	uint16_t client_port, server_port;
	const char *problem; /* when it is refused: why */
};

/* The first octet: is it version 2? */
bool haproxy_is_binary(char first);
/* A whole line, with its LF. False: refused, also UNKNOWN: whose connection it
 * is, nobody says then. */
must_check bool haproxy_parse_line(struct str line, struct haproxy *header);
/* The first HAPROXY_FIXED octets: how many follow. */
must_check bool haproxy_parse_fixed(struct str fixed, size_t *rest,
	struct haproxy *header);
/* Both parts. */
must_check bool haproxy_parse_binary(struct str fixed, struct str rest,
	struct haproxy *header);

#endif
