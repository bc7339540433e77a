/*
 * resolver/ask - one question to the name servers, by c-ares.
 *
 * c-ares sends, repeats, goes to the next server and to TCP when an answer was
 * cut; what came back is read by dns/packet. A question has sockets, and so
 * source ports, of its own; what is around them is used again.
 *
 * Waits    ask
 * Errors   always an answer; DNS_TEMPORARY if nothing useful came
 */
#ifndef RESOLVER_ASK_H
#define RESOLVER_ASK_H

#include "config/config.h"
#include "dns/dns.h"
#include "resolver/servers.h"

struct asker;

/* Once, before the sandbox closes; `servers` stay as they are. */
struct asker *asker_new(const struct servers *servers,
	const struct conf *conf);

void ask(struct asker *asker, struct arena *arena, struct str name,
	enum dns_type type, struct dns_answer *answer);

#endif
