/*
 * config/interfaces - the addresses that this host has, and mynetworks.
 *
 * Waits    for the kernel only; a host name in inet_interfaces is looked up
 *          (getaddrinfo), so: at start only
 */
#ifndef CONFIG_INTERFACES_H
#define CONFIG_INTERFACES_H

#include "base/arena.h"
#include "base/network.h"

struct interface {
	struct network address; /* prefix: of its subnet */
	bool is_loopback;
};

struct interfaces {
	struct interface *all;
	size_t count;
};

enum protocols {
	PROTOCOL_V4 = 1,
	PROTOCOL_V6 = 2,
};

/* inet_protocols: "all", "ipv4, ipv6"; 0: malformed. */
unsigned protocols_parse(struct str text);

/*
 * inet_interfaces: "all", "loopback-only", or addresses and host names; of
 * the families in `protocols` (a set). False: `bad` is an element that names
 * no address.
 */
must_check bool interfaces_find(struct arena *arena, struct str text,
	unsigned protocols, struct interfaces *found, struct str *bad);

/* mynetworks by mynetworks_style: "host", "subnet" or "class". */
struct str interfaces_networks(struct arena *arena,
	const struct interfaces *interfaces, struct str style);

#endif
