/*
 * resolver/servers - which name servers are asked, and how.
 *
 * Source   resolver_servers, else /etc/resolv.conf (resolv.conf(5): nameserver,
 *          options timeout:, attempts:, trust-ad); neither: 127.0.0.1
 * Memory   in the arena given
 */
#ifndef RESOLVER_SERVERS_H
#define RESOLVER_SERVERS_H

#include "base/span.h"
#include "config/config.h"
#include "dns/address.h"

enum {
	SERVERS_MOST = 16,
};

struct server {
	struct dns_address address;
	uint16_t port;
};

struct servers {
	struct server list[SERVERS_MOST];
	size_t count;
	struct span timeout; /* of one attempt */
	int attempts;        /* per server */
	bool trusted;        /* their AD bit counts */
	const char *file;    /* it came from, NULL: from the parameter */
	int64_t file_changed_us, file_number;
};

struct servers servers_read(struct arena *arena, const struct conf *conf);
/* The text of resolv.conf. */
void servers_parse(struct str text, struct servers *servers);
/* "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:5353" */
must_check bool server_parse(struct str text, struct server *server);
/* The file it came from is not what it was. */
bool servers_changed(const struct servers *servers);

#endif
