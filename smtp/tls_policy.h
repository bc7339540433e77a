/*
 * smtp/tls_policy - how much TLS a destination needs.
 *
 * Source   smtp_tls_security_level, smtp_tls_policy_maps and the parameters
 *          that these refine; smtp_use_tls, smtp_enforce_tls when no level is
 *          set; smtp_tls_per_site. An unknown attribute makes mail wait with 4.7.5, it is never
 *          sent with less. What dane and dane-only mean for a server,
 *          smtp/dane says.
 * Memory   in the arena given
 * Waits    tls_policy_find, tls_policy_at (tables)
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
	TLS_LEVEL_FINGERPRINT,
	TLS_LEVEL_HALF_DANE, /* of a server only: it is who the DNS says, but
				who it is was not validated */
	TLS_LEVEL_DANE,      /* of a destination: or less, if the DNS says so */
	TLS_LEVEL_DANE_ONLY,
	TLS_LEVEL_VERIFY,
	TLS_LEVEL_SECURE,
};

struct tls_policy {
	enum tls_level level;
	struct str match;      /* list: nexthop, dot-nexthop, hostname, names;
				  or fingerprints, separated by '|' or blanks */
	struct str protocols, ciphers, exclude;
	struct str servername; /* empty: none; "hostname", "nexthop", a name */
	bool is_required;      /* by the message: REQUIRETLS */
	bool is_per_site;      /* *_tls_per_site decides: see tls_policy_at */
	/* Connections are kept; 0: as *_tls_connection_reuse says. */
	enum { REUSE_USUAL, REUSE_YES, REUSE_NO } reuse;
	bool is_sts;            /* policy_type=sts */
	struct str mx_patterns; /* of the STS policy, RFC 8461 4.1 */
	const struct tls_dane *dane; /* what the certificate must agree with */
	struct outcome refused; /* code set: mail has to wait */
};

/* dane and dane-only. */
bool tls_level_is_dane(enum tls_level level);

/* The contexts; before the sandbox closes. */
void tls_policy_prepare(const struct settings *set);

struct tls_policy tls_policy_find(struct arena *arena,
	const struct settings *set, const struct talk_destination *destination,
	unsigned deliver_flags);
/* *_tls_per_site, of the destination and the server, where it has a say. */
struct tls_policy tls_policy_at(struct arena *arena,
	const struct settings *set, const struct talk_destination *destination,
	const struct site *site, unsigned deliver_flags);
/* The parameters where the table has said nothing, by the level; done already,
 * except for dane and dane-only: their level depends on the server. */
void tls_policy_complete(struct arena *arena, const struct settings *set,
	struct tls_policy *policy);
/* One line of the table: "secure match=.example.org:example.org". */
void tls_policy_parse(struct arena *arena, struct str text,
	struct tls_policy *policy);
/* What the handshake needs for this server. */
struct tls_client tls_policy_client(struct arena *arena,
	const struct settings *set, const struct tls_policy *policy,
	const struct talk_destination *destination, const struct site *site);
/* False: the policy's MTA-STS patterns do not allow this host. */
bool tls_policy_allows(const struct settings *set,
	const struct tls_policy *policy, struct str host);
/*
 * What the handshake found satisfies the level. Sets is_trusted, is_matched
 * and distrust to what the log shall say where the level is about neither
 * authorities nor names.
 */
bool tls_policy_judge(const struct tls_policy *policy,
	struct tls_session *tls);
/* "none", "may", ... */
struct str tls_level_name(enum tls_level level);
/* NULL: TLS cannot be used at all (certificates or CAs cannot be read). */
struct tls_context *tls_policy_context(const struct tls_policy *policy);

#endif
