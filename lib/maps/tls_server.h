/*
 * maps/tls_server - TLS of a server, as the parameters smtpd_tls_* have it.
 *
 * The keys are opened before the sandbox closes, and watched as tables are: a
 * process whose keys were replaced has a successor.
 *
 * Memory   in the arena given, that of the process
 * Waits    for the disk
 */
#ifndef MAPS_TLS_SERVER_H
#define MAPS_TLS_SERVER_H

#include "config/config.h"
#include "tls/tls.h"

struct tls_server {
	struct tls_context *context; /* NULL: no TLS */
	bool is_required, is_wrapped;
	struct str problem; /* why a wanted context could not be made; it has
			       been logged. NONE: none, or none was wanted */
};

void tls_server_open(struct arena *arena, const struct conf *conf,
	struct tls_server *tls);
/* From master, for a daemon's .ticket_keys: see service/service.h. */
void tls_server_ticket_keys(struct tls_server *tls, struct str keys);

#endif
