/*
 * resolver/ask - one question to the name servers, by c-ares.
 *
 * c-ares sends, repeats, goes to the next server and to TCP when an answer was
 * cut; what came back is read by dns/packet. A question has a channel, and so
 * sockets and source ports, of its own.
 *
 * Waits    ask
 * Errors   always an answer; DNS_TEMPORARY if nothing useful came
 */
#ifndef RESOLVER_ASK_H
#define RESOLVER_ASK_H

#include "config/config.h"
#include "dns/dns.h"
#include "resolver/servers.h"

/* Once, before the sandbox closes. */
void ask_prepare(void);

void ask(struct arena *arena, const struct servers *servers,
	const struct conf *conf, struct str name, enum dns_type type,
	struct dns_answer *answer);

#endif
