/*
 * maps/key_digest - the digest of a memcache: table's key.
 *
 * Nearly no table has one, and libcrypto takes 1.5 MB of each process that is
 * linked with it. So it is loaded when a table wants it, before the sandbox
 * closes.
 *
 * Waits    no
 */
#ifndef MAPS_KEY_DIGEST_H
#define MAPS_KEY_DIGEST_H

#include "base/buf.h"

struct key_digest;

/* By OpenSSL's name for it; in the arena. NULL, with a reason that stays: there
 * is none of that name, or no libcrypto. */
const struct key_digest *key_digest_open(struct arena *arena, struct str name,
	const char **why);
/* Append it in hexadecimal. */
must_check bool key_digest_format(const struct key_digest *digest,
	struct str key, struct buf *out);

#endif
