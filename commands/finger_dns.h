/*
 * commands/finger_dns - questions to the name servers of the system, and
 * whether their answers are validated by DNSSEC.
 *
 * A server's word for that is taken as resolver(8) takes it: if all of them are
 * on loopback, if resolv.conf says trust-ad, or if resolver_trust_ad does.
 *
 * Memory   the arena given
 * Waits    for the network, without fibers
 */
#ifndef COMMANDS_FINGER_DNS_H
#define COMMANDS_FINGER_DNS_H

#include "dns/dns.h"

struct finger_dns {
	bool trust; /* resolver_trust_ad */
};

/* `context` is a struct finger_dns; as talk_dane_dns.lookup. */
void finger_dns_lookup(void *context, struct arena *arena, struct str name,
	enum dns_type type, struct dns_answer *answer);
/* Addresses of a host; `families` as dns_addresses. */
void finger_dns_addresses(struct finger_dns *dns, struct arena *arena,
	struct str host, unsigned families, struct dns_hosts *hosts);

#endif
