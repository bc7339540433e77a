/*
 * dns/dns - questions to the resolver daemon, and what the answers say.
 *
 * The resolver asks the name servers, follows aliases, checks every length of
 * their packets and keeps a cache; here arrives a list of record data in
 * uncompressed wire form (dns/record.h takes it apart).
 *
 * Memory   answers live in the arena given
 * Waits    dns_lookup, dns_lookup_all, dns_addresses, dns_client_name
 * Errors   there is always an answer: a resolver that cannot be reached, or a
 *          fiber that was cancelled, is DNS_TEMPORARY with its reason
 */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "base/arena.h"
#include "dns/address.h"

enum dns_type { /* RFC 1035 3.2.2, 3596, 2782, 6698 */
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52,
};

enum dns_status {
	DNS_FOUND,     /* count >= 1 records */
	DNS_NO_DATA,   /* the name exists without such records */
	DNS_NO_NAME,   /* NXDOMAIN */
	DNS_TEMPORARY, /* no answer, SERVFAIL, timeout: try again later */
	DNS_MALFORMED, /* the name cannot be asked for, or nonsense came back */
};

struct dns_answer {
	enum dns_status status;
	uint32_t ttl;          /* seconds, of the shortest record on the way */
	bool secure;           /* validated by a resolver that is trusted */
	struct str canonical;  /* owner of the records after CNAMEs */
	size_t count;
	struct str *records;   /* record data, uncompressed */
	struct str text;       /* why, if not found: "Host not found" */
	bool is_filtered;      /* DNS_TEMPORARY, because of a filter ... */
	bool is_dropped;       /* ... that has left nothing */
};

struct dns_question {
	struct str name; /* without case; a trailing dot is dropped; ".": root */
	enum dns_type type;
	unsigned flags;  /* DNS_NATIVE, DNS_NO_DNS: for A, AAAA, PTR */
};

/* One question; `answer` is always filled. */
void dns_lookup(struct arena *arena, struct str name, enum dns_type type,
	struct dns_answer *answer);
/* Several at once; answers in the order of the questions. */
void dns_lookup_all(struct arena *arena, const struct dns_question *questions,
	size_t count, struct dns_answer *answers);

/* The type with this name, without case; false: none that we know. */
must_check bool dns_type_parse(struct str name, enum dns_type *type);
/* "A", "MX", "TYPE99": for log lines. */
struct str dns_type_name(struct arena *arena, enum dns_type type);
/* "Host not found" and the like, as Postfix logs it. */
const char *dns_status_text(enum dns_status status);

/*
 * A and AAAA records of a host, both at once if both families are wanted.
 * status: found if there is at least one address; temporary if one of the two
 * questions failed and the other found nothing. Order: AAAA before A, each as
 * it came. A host that is an address literal answers itself.
 */
struct dns_hosts {
	enum dns_status status;
	size_t count;
	struct dns_address *addresses;
	bool secure;          /* all answers with addresses were */
	struct str canonical;
	enum dns_type type;   /* of the question that failed, for the log */
	struct str text;
	bool is_filtered, is_dropped; /* as of its answer */
};

enum {
	DNS_IPV4 = 1,
	DNS_IPV6 = 2,
	DNS_NATIVE = 4, /* the hosts file counts */
	DNS_NO_DNS = 8, /* nothing but the hosts file */
};

void dns_addresses(struct arena *arena, struct str host, unsigned families,
	struct dns_hosts *hosts);

/*
 * The name of a client: address -> name (PTR) -> addresses must contain the
 * address again. As smtpd's client_name and reverse_client_name: `name` is
 * "unknown" unless confirmed, `reverse` "unknown" unless there is a PTR.
 * status codes: 2 fine, 4 temporary failure, 5 does not exist or differs.
 */
struct dns_client {
	struct str name, reverse;
	int name_code, reverse_code;
	struct str problem; /* "hostname x does not resolve to address y", NONE
	                       if there is nothing to warn of */
};

void dns_client_name(struct arena *arena, const struct dns_address *address,
	struct dns_client *client);

/* "4.2.0.192.in-addr.arpa", or the ip6.arpa form (RFC 3596 2.5). */
struct str dns_reverse_name(struct arena *arena,
	const struct dns_address *address);
/* "4.2.0.192.<zone>" for DNS block lists, RFC 5782 2.1 and 2.4. */
struct str dns_list_name(struct arena *arena,
	const struct dns_address *address, struct str zone);

/*
 * True for a name of labels of letters, digits, '-' and '_', each 1 to 63
 * octets without '-' at its ends, 253 octets in all, the last label not only
 * digits (RFC 1123 2.1).
 */
bool dns_is_hostname(struct str name);

#endif
