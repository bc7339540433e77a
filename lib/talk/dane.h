/*
 * talk/dane - the TLSA records of a server: at which name they stand, whether
 * they may be believed, and whether a client can use them.
 *
 * Source   RFC 7672 2.2 (which names), 3.1 (which records), RFC 7671
 * Memory   in the arena given
 * Waits    talk_dane_find, as `lookup` does
 */
#ifndef TALK_DANE_H
#define TALK_DANE_H

#include "dns/dns.h"
#include "tls/tls.h"

/* How names are looked up; answer->secure is believed. */
struct talk_dane_dns {
	void (*lookup)(void *context, struct arena *arena, struct str name,
		enum dns_type type, struct dns_answer *answer);
	void *context;
};

struct talk_dane_host {
	struct str name;      /* as the MX record or the destination has it */
	struct str canonical; /* where its addresses stand, after aliases */
	bool is_secure;       /* all answers on the way there are validated */
	uint16_t port;
};

enum talk_dane_state {
	TALK_DANE_INSECURE, /* its addresses are not validated: not asked */
	TALK_DANE_NONE,     /* no validated records */
	TALK_DANE_UNUSABLE, /* there are some, but none that counts */
	TALK_DANE_USABLE,
	TALK_DANE_TROUBLE,  /* nobody knows: no mail to this host now */
};

struct talk_dane {
	enum talk_dane_state state;
	struct tls_dane tls;    /* of the usable ones */
	const struct tls_tlsa *unusable; /* the others, for the log */
	size_t unusable_count;
	struct str owner;       /* "_25._tcp.mx.example.org", asked for last */
	enum dns_type type;     /* TROUBLE: what could not be had */
	enum dns_status status; /* and why */
};

enum { TALK_DANE_RECORDS_MOST = 100 }; /* of a host that are looked at */

/*
 * `context` says what is usable. even_insecure: ask although the addresses are
 * not validated (smtp_tls_force_insecure_host_tlsa_lookup).
 */
void talk_dane_find(struct arena *arena, const struct talk_dane_dns *dns,
	const struct talk_dane_host *host, bool even_insecure,
	struct tls_context *context, struct talk_dane *dane);

/* "3 1 1 ABCD..." */
void talk_dane_format(struct buf *out, const struct tls_tlsa *record);

#endif
