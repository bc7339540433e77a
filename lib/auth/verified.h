/*
 * auth/verified - which passwords were found right a short time ago, so that
 * their hash, which is slow by intent, need not be computed for each login.
 *
 * Nothing is kept but HMAC-SHA256 (RFC 2104) of the user's name, the stored
 * hash and the password together, by a random key of this process. So it says
 * yes for exactly what a computation said yes to; where the stored hash has
 * changed, it says no, and the new one is computed. Neither key nor entries
 * are in a forked child, in a core, or written anywhere. No failure is kept.
 *
 * Memory   its own: as much as it was given, and no more
 * Waits    no
 */
#ifndef AUTH_VERIFIED_H
#define AUTH_VERIFIED_H

#include "base/span.h"
#include "base/str.h"

struct verified;

enum {
	VERIFIED_OCTETS_MOST = 1 << 30,
};

/* What a password was held against. */
struct verified_claim {
	struct str name;     /* of the user, as the store has it */
	struct str hash;     /* of crypt(3), as the store has it */
	struct str password;
};

/* In so many octets; an entry counts for `life` from its computation on, and
 * not longer because it was of use. NULL: too few octets, or no life. */
struct verified *verified_new(size_t octets, struct span life);
void verified_free(struct verified *verified);

/* True if that was put less than a life ago. NULL has nothing. */
bool verified_has(struct verified *verified, struct moment now,
	const struct verified_claim *claim);
/* A computation has just found it right. The oldest makes room. */
void verified_put(struct verified *verified, struct moment now,
	const struct verified_claim *claim);
/* Wipe what does not count any more. */
void verified_sweep(struct verified *verified, struct moment now);
/* So many entries, old ones with them. */
size_t verified_count(const struct verified *verified);

#endif
