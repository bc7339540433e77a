/*
 * dns/packet - DNS packets: questions made, answers taken apart.
 *
 * Source   RFC 1035 4 (format, compression), 6891 (EDNS), 2308 (negative
 *          answers), 6840 5.7 (AD in questions)
 * Memory   what is found lives in the arena given
 * Waits    no
 * Errors   false: malformed, or not an answer to this question
 *
 * An answer is read with hard limits: compression pointers only point
 * backwards, names are at most 255 octets, a chain of aliases at most
 * DNS_CHAIN_MOST long, at most DNS_RECORDS_MOST records are kept. Records that
 * neither answer the question nor are part of the chain are ignored: nothing
 * in them is believed.
 */
#ifndef DNS_PACKET_H
#define DNS_PACKET_H

#include "base/buf.h"
#include "dns/dns.h"

enum {
	DNS_CHAIN_MOST = 16,
	DNS_RECORDS_MOST = 256,
	DNS_PACKET_MOST = 65535,
	DNS_OPT_OCTETS = 11, /* of the EDNS record at the question's end */
};

/*
 * Append a question: recursion desired, AD set, one EDNS record last (edns: the
 * UDP size offered; 0: none). False: the name cannot be put in a packet.
 */
must_check bool dns_packet_question(struct buf *out, uint16_t id,
	struct str name, enum dns_type type, uint16_t edns);

/*
 * What a packet says to the question. rcode and truncation are in the answer's
 * status: SERVFAIL and the like are DNS_TEMPORARY. answer->secure is the AD
 * bit as it came. The ttl of a negative answer is that of RFC 2308 5, or 0
 * without a SOA.
 */
must_check bool dns_packet_answer(struct arena *arena, struct str packet,
	uint16_t id, struct str name, enum dns_type type,
	struct dns_answer *answer);

/* A name in text form (\DDD understood) to wire form. */
must_check bool dns_name_format(struct buf *out, struct str name);

#endif
