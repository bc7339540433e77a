/*
 * smtp/route - from a destination to the addresses to try, in order.
 *
 * Source   RFC 5321 5 (MX, preference, shuffle, loops), RFC 7505 (null MX)
 * Memory   in the arena given
 * Waits    route_find (for the resolver)
 */
#ifndef SMTP_ROUTE_H
#define SMTP_ROUTE_H

#include "dns/dns.h"
#include "talk/destination.h"
#include "smtp/outcome.h"
#include "smtp/settings.h"

struct site {
	struct str host;   /* the server's name; path of a UNIX socket */
	struct str relay;  /* "host[address]:port", as logged */
	struct str where;  /* "host[address]" */
	struct dns_address address;
	uint16_t port;
	unsigned preference;
	bool is_unix;
	/* What DNSSEC says: how this host was found (or there was nothing to
	 * be found), and its addresses; where these stand after aliases, and
	 * where the MX records do. */
	bool is_mx_secure, is_secure;
	struct str canonical, domain;
	bool detect_loop;  /* our own name in its greeting is a loop */
};

struct route {
	struct site *sites;
	size_t count;          /* 0: trouble says why */
	struct outcome trouble;
	bool is_own;           /* trouble: we are the best MX */
};

/* Waits for the resolver. */
void route_find(struct arena *arena, const struct settings *set,
	const struct talk_destination *destination, struct route *route);

#endif
