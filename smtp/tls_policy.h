/*
 * smtp/tls_policy - how much TLS a destination needs.
 *
 * Source   smtp_tls_security_level, smtp_tls_policy_maps and the parameters
 *          that these refine; smtp_use_tls, smtp_enforce_tls when no level is
 *          set. DANE and fingerprints are not there yet: mail for such a
 *          destination waits with 4.7.5, it is never sent with less.
 * Memory   in the arena given
 * Waits    tls_policy_find (tables)
 */
#ifndef SMTP_TLS_POLICY_H
#define SMTP_TLS_POLICY_H

#include "talk/destination.h"
#include "smtp/route.h"
#include "tls/tls.h"

enum tls_level { /* each includes those before */
	TLS_LEVEL_NONE,
	TLS_LEVEL_MAY,
	TLS_LEVEL_ENCRYPT,
	TLS_LEVEL_VERIFY,
	TLS_LEVEL_SECURE,
};

struct tls_policy {
	enum tls_level level;
	struct str match;      /* list: nexthop, dot-nexthop, hostname, names */
	struct str protocols, ciphers, exclude;
	struct str servername; /* empty: none; "hostname", "nexthop", a name */
	struct outcome refused; /* code set: mail has to wait */
};

/* The contexts; before the sandbox closes. */
void tls_policy_prepare(const struct settings *set);

struct tls_policy tls_policy_find(struct arena *arena,
	const struct settings *set, const struct talk_destination *destination,
	unsigned deliver_flags);
/* One line of the table: "secure match=.example.org:example.org". */
void tls_policy_parse(struct arena *arena, struct str text,
	struct tls_policy *policy);
/* What the handshake needs for this server. */
struct tls_client tls_policy_client(struct arena *arena,
	const struct settings *set, const struct tls_policy *policy,
	const struct talk_destination *destination, struct str host);
/* "none", "may", ... */
struct str tls_level_name(enum tls_level level);
/* NULL: TLS cannot be used at all (certificates or CAs cannot be read). */
struct tls_context *tls_policy_context(const struct tls_policy *policy);

#endif
