/*
 * endpoint - where test programs connect or listen: "[inet:]host[:port]",
 * "[inet:][host]:port", "unix:path".
 *
 * Waits    for the system's resolver, before any fiber runs
 */
#ifndef COMMANDS_ENDPOINT_H
#define COMMANDS_ENDPOINT_H

#include "base/buf.h"
#include "base/span.h"

#include <sys/socket.h>

struct endpoint {
	struct sockaddr_storage address;
	socklen_t len;
};

enum {
	ENDPOINTS_MOST = 16,
};

/*
 * All addresses of `text` (at most ENDPOINTS_MOST), in `family` (AF_UNSPEC:
 * any). A missing host is the local host, or when listening all addresses; a
 * missing port is `port`, but text without ":" is the port when listening.
 * What cannot be resolved ends the process.
 */
size_t endpoint_find(const char *text, const char *port, int family,
	bool listening, struct endpoint *found);
/* A socket for it: non-blocking, CLOEXEC. Fails as socket(2). */
int endpoint_socket(const struct endpoint *endpoint);
/* A connected one, non-blocking, or -1. In a fiber. */
int endpoint_connect(const struct endpoint *endpoint, struct span timeout);
/* "192.0.2.1", "ipv6:2001:db8::1", "unix"; without the port. */
void endpoint_format(struct buf *out, const struct sockaddr *address);

#endif
