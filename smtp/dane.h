/*
 * smtp/dane - how much TLS one server needs, where the DNS says it: the levels
 * dane and dane-only at this server.
 *
 * Source   RFC 7672 2.2; smtp_tls_dane_insecure_mx_policy,
 *          smtp_tls_force_insecure_host_tlsa_lookup, dnssec_probe
 * Memory   in the arena given
 * Waits    dane_policy (for the resolver)
 */
#ifndef SMTP_DANE_H
#define SMTP_DANE_H

#include "smtp/tls_policy.h"

/*
 * The policy for this site; `wanted` is that of the destination, and comes
 * back as it is if its level is neither dane nor dane-only. The level is then
 * may (no validated TLSA records), encrypt (none that is usable), half-dane
 * (usable, but how the host was found was not validated) or the one wanted; or
 * `refused` says why no mail may go there now.
 */
struct tls_policy dane_policy(struct arena *arena, const struct settings *set,
	const struct tls_policy *wanted,
	const struct talk_destination *destination, const struct site *site);

#endif
