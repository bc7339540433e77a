/*
 * dns/filter - answers without the records that an administrator does not
 * want: smtpd_dns_reply_filter and its like.
 *
 *	mx.example.org. 3600 IN A 192.0.2.1
 *	example.org. 3600 IN MX 10 mx.example.org.
 *
 * Source   smtp_dns_reply_filter in postconf(5) of Postfix
 * Memory   in the arena given
 * Waits    dns_filter_apply, where the judge does
 */
#ifndef DNS_FILTER_H
#define DNS_FILTER_H

#include "dns/dns.h"

enum dns_verdict {
	DNS_KEEP,
	DNS_IGNORE,
	DNS_NO_VERDICT, /* it cannot be asked now */
};

typedef enum dns_verdict dns_judge(void *context, struct arena *arena,
	struct str record);

/* Who judges each record of this process's answers; before the sandbox closes,
 * once. Without one, nothing is filtered. */
void dns_filter_open(dns_judge *judge, void *context);

/*
 * The answer of a question to the DNS. Nothing left, or no verdict:
 * DNS_TEMPORARY. Questions with DNS_NATIVE are not filtered: what the hosts
 * file says is none of the DNS.
 */
void dns_filter_apply(struct arena *arena, const struct dns_question *question,
	struct dns_answer *answer);

/* The record as above; data that is malformed, or of a type whose form is not
 * known here, in hexadecimal digits. */
struct str dns_record_text(struct arena *arena, struct str owner, uint32_t ttl,
	enum dns_type type, struct str record);

#endif
