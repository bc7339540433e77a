/*
 * commands/finger_sites - the servers of a destination, in the order in which
 * they are tried: MX or SRV records, then addresses.
 *
 * Source   RFC 5321 5 (MX), RFC 2782 (SRV), RFC 7505 (null MX)
 * Memory   the arena given
 * Waits    for the network, before any fiber runs
 */
#ifndef COMMANDS_FINGER_SITES_H
#define COMMANDS_FINGER_SITES_H

#include "base/arena.h"
#include "commands/endpoint.h"
#include "commands/finger_dns.h"
#include "talk/dane.h"
#include "talk/destination.h"

enum { FINGER_SITES_MOST = 50 };

struct finger_site {
	struct talk_dane_host host; /* its name (path of a UNIX socket), and
				       what DNSSEC says of its addresses */
	bool is_mx_secure; /* and of the records that led to it */
	struct str domain; /* where these stand, after aliases */
	struct str where;  /* "host[address]:port" */
	struct endpoint endpoint;
};

struct finger_sites {
	struct finger_site all[FINGER_SITES_MOST];
	size_t count;
	struct str trouble; /* why there is none */
};

/* How they are looked for. */
struct finger_search {
	struct finger_dns dns;
	int family;             /* AF_UNSPEC, AF_INET, AF_INET6 */
	struct str host_lookup; /* of addresses: "dns", "native", "dns, native" */
	bool by_srv;            /* SRV records instead of MX */
};

void finger_sites_find(struct arena *arena, const struct finger_search *search,
	const struct talk_destination *destination,
	struct finger_sites *sites);

#endif
