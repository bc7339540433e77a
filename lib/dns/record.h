/*
 * dns/record - record data taken apart.
 *
 * Source   RFC 1035 3.3 and 3.4, 3596, 2782, 6698, 7505 (null MX)
 * Memory   names in the arena given; octets are slices of the record
 * Waits    no
 * Errors   false: malformed
 *
 * Names come without trailing dot, as they were spelled; the root is empty;
 * octets that are not printable, '.' and '\' within a label become \DDD.
 */
#ifndef DNS_RECORD_H
#define DNS_RECORD_H

#include "dns/dns.h"

/* A or AAAA, by length. */
must_check bool dns_record_address(struct str record,
	struct dns_address *address);

/* PTR, NS, CNAME. */
must_check bool dns_record_name(struct arena *arena, struct str record,
	struct str *name);

struct dns_mx {
	uint16_t preference;
	struct str host; /* empty: null MX, no mail is accepted, RFC 7505 */
};

must_check bool dns_record_mx(struct arena *arena, struct str record,
	struct dns_mx *mx);

/* The character strings joined (RFC 7208 3.3). */
must_check bool dns_record_txt(struct arena *arena, struct str record,
	struct str *text);

struct dns_srv {
	uint16_t priority, weight, port;
	struct str host; /* empty: the service is not offered here */
};

must_check bool dns_record_srv(struct arena *arena, struct str record,
	struct dns_srv *srv);

struct dns_tlsa {
	uint8_t usage, selector, matching;
	struct str data;
};

must_check bool dns_record_tlsa(struct str record, struct dns_tlsa *tlsa);

struct dns_soa {
	struct str primary, mailbox;
	uint32_t serial, refresh, retry, expire, minimum;
};

must_check bool dns_record_soa(struct arena *arena, struct str record,
	struct dns_soa *soa);

/* A name in uncompressed wire form at the front of `in`, which advances. */
must_check bool dns_name_take(struct arena *arena, struct str *in,
	struct str *name);

#endif
