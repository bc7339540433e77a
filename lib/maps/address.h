/*
 * maps/address - the keys under which tables know addresses and hosts.
 *
 * Each form of the key is asked of every table of the list before the next
 * form. Addresses are given in internal form and looked up in external form
 * (quoted if need be), then, if that differs, in internal form.
 *
 * Source   canonical(5), virtual(5), access(5), transport(5) of Postfix
 * Memory   value and extension in the arena
 * Waits    for proxy: tables only
 */
#ifndef MAPS_ADDRESS_H
#define MAPS_ADDRESS_H

#include "maps/maps.h"

/* Which forms, in this order; a set. */
enum {
	ADDRESS_FULL = 1,      /* user+ext@domain */
	ADDRESS_PLAIN = 2,     /* user@domain (if it has an extension) */
	ADDRESS_LOCAL = 4,     /* user+ext, user: only if `domain_is_ours` */
	ADDRESS_DOMAIN = 8,    /* domain, without @ */
	ADDRESS_PARENTS = 16,  /* .parent or parent, see parents_plain */
	ADDRESS_USER_AT = 32,  /* user+ext@, user@ */
	ADDRESS_AT_DOMAIN = 64, /* @domain */
};

#define ADDRESS_ACCESS                                                         \
	(ADDRESS_FULL | ADDRESS_PLAIN | ADDRESS_DOMAIN | ADDRESS_PARENTS |     \
		ADDRESS_USER_AT)
#define ADDRESS_CANONICAL                                                      \
	(ADDRESS_FULL | ADDRESS_PLAIN | ADDRESS_LOCAL | ADDRESS_AT_DOMAIN)
#define ADDRESS_MAILBOX (ADDRESS_FULL | ADDRESS_PLAIN | ADDRESS_AT_DOMAIN)

struct address_how {
	const struct conf *conf; /* recipient_delimiter, owner_request_special */
	unsigned forms;
	bool domain_is_ours;  /* myorigin, mydestination, [own address] */
	bool parents_plain;   /* parents as "example.org", else ".example.org":
			       * maps_parents_plain(conf, "smtpd_access_maps") */
};

/*
 * found_at: which form it was (one bit); extension: what the key did not have
 * (without delimiter; NONE: nothing); both may be NULL.
 */
enum maps_result maps_find_address(struct maps *maps, struct arena *arena,
	struct str address, const struct address_how *how, struct str *value,
	unsigned *found_at, struct str *extension);

/* A host or domain name, then its parents. */
enum maps_result maps_find_host(struct maps *maps, struct arena *arena,
	struct str name, bool parents_plain, struct str *value);
/* An IP address in text form, then networks: a.b.c.d, a.b.c, a.b, a; IPv6 by
 * groups. */
enum maps_result maps_find_network(struct maps *maps, struct arena *arena,
	struct str address, struct str *value);

/* True if `parameter` is in parent_domain_matches_subdomains. */
bool maps_parents_plain(const struct conf *conf, const char *parameter);

#endif
