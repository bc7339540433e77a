/*
 * dns/srv - SRV records in the order in which servers are tried.
 *
 * Source   RFC 2782 (priority; weight by chance)
 * Waits    no
 */
#ifndef DNS_SRV_H
#define DNS_SRV_H

#include "dns/record.h"

/* `below(n)` is random_below, or a test's own: 0 .. n - 1. */
void dns_srv_sort(struct dns_srv *all, size_t count,
	uint64_t (*below)(uint64_t n));

#endif
