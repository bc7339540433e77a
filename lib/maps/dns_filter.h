/*
 * maps/dns_filter - tables that say which records of the DNS do not count:
 * smtp_dns_reply_filter, lmtp_dns_reply_filter, smtpd_dns_reply_filter.
 *
 * A record as dns/filter writes it is the key, IGNORE (in any case) the one
 * result. Another one, or a table that cannot be asked, is a warning, and the
 * whole answer a temporary failure: what was to be left out is not let in.
 *
 * Waits    no; lookups in the tables later do
 */
#ifndef MAPS_DNS_FILTER_H
#define MAPS_DNS_FILTER_H

#include "config/config.h"

/* Before the sandbox closes; `tables`: the parameter's value. */
void maps_dns_filter_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str tables);

#endif
