/*
 * dialer/policy - which connections may be opened, and for whom.
 *
 * smtp and lmtp: any usable address and any port, but this host (loopback and
 * its own addresses) only at an address and port, and a UNIX socket only at a
 * path, that the configuration names literally: in a value of main.cf, in
 * master.cf after the first column, or in a table file that these name
 * (dialer_local_destinations). Everybody else: exactly an endpoint that stands
 * in the parameter given as purpose (of smtpd_milter_maps: also in the source
 * of one of its tables).
 *
 * Memory   in the arena given to policy_read
 * Waits    no; files are read before the sandbox closes
 */
#ifndef DIALER_POLICY_H
#define DIALER_POLICY_H

#include "config/config.h"
#include "dns/address.h"

struct policy;

struct policy *policy_read(struct arena *arena, const struct conf *conf);

/* What policy_read is made of, for tests: an empty one; text of values. */
struct policy *policy_new(struct arena *arena);
void policy_scan(struct policy *policy, struct str text);
/* Addresses of this host beside loopback. */
void policy_own(struct policy *policy, const struct dns_address *address);

/* NULL: yes; else why not. */
const char *policy_refuses_inet(const struct policy *policy,
	const struct dns_address *address, uint16_t port);
const char *policy_refuses_unix(const struct policy *policy, struct str path);
bool policy_is_own(const struct policy *policy,
	const struct dns_address *address);
/* `endpoint` is that of a tcp:, socketmap: or memcache: table. */
bool policy_names_table(const struct policy *policy, struct str endpoint);
/* `endpoint` stands in parameter `name`, or in an override of it. */
bool policy_names(const struct policy *policy, const struct conf *conf,
	struct str name, struct str endpoint);

#endif
