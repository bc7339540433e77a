/*
 * commands/finger_sites - the servers of a destination, in the order in which
 * they are tried: MX records asked of the system's name servers, addresses of
 * the system's resolver.
 *
 * Memory   the arena given
 * Waits    for the network, before any fiber runs
 */
#ifndef COMMANDS_FINGER_SITES_H
#define COMMANDS_FINGER_SITES_H

#include "base/arena.h"
#include "commands/endpoint.h"
#include "talk/destination.h"

enum { FINGER_SITES_MOST = 50 };

struct finger_site {
	struct str host;  /* its name; path of a UNIX socket */
	struct str where; /* "host[address]:port" */
	struct endpoint endpoint;
};

struct finger_sites {
	struct finger_site all[FINGER_SITES_MOST];
	size_t count;
	struct str trouble; /* why there is none */
};

/* family: AF_UNSPEC, AF_INET, AF_INET6. */
void finger_sites_find(struct arena *arena,
	const struct talk_destination *destination, int family,
	struct finger_sites *sites);

#endif
