/*
 * auth/password - crypt(3) hashes.
 *
 * Waits    no, but both compute for a tenth of a second and more: only in
 *          workers and commands
 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include "base/arena.h"

/* A new hash: yescrypt, or SHA-512 where the library does not have that. NONE
 * with errno: it has neither, or the password has a NUL. */
struct str password_hash(struct arena *arena, struct str password);
/* A setting of the same kind, to hash with where there is no user. */
struct str password_setting(struct arena *arena);
/* False also for a hash that is none. */
bool password_fits(struct str hash, struct str password);

#endif
