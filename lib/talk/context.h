/*
 * talk/context - what a client's TLS needs, from parameters: keys, trust,
 * ciphers.
 *
 * Memory   the arena given; the context belongs to the caller
 * Waits    for the disk: before the sandbox closes
 */
#ifndef TALK_CONTEXT_H
#define TALK_CONTEXT_H

#include "config/config.h"
#include "tls/tls.h"

/* As smtp_tls_... of these names; "none" and empty: not set. */
struct talk_tls_settings {
	struct str chain_files, cert_file, key_file, eccert_file, eckey_file;
	struct str CAfile, CApath;
	struct str protocols, exclude;
	struct str grade;     /* of ciphers: high, medium, low, null */
	const char *digest;   /* of fingerprints; NULL: sha256 */
	unsigned verify_depth;
	bool is_opportunistic;
	struct span session_timeout;
};

/* tls_<grade>_cipherlist; medium for what is none. */
struct str talk_ciphers(const struct conf *conf, struct str grade);
/* Filled from smtp_tls_..., for mandatory TLS or the other. */
struct talk_tls_settings talk_tls_settings_of(struct arena *arena,
	const struct conf *conf, bool mandatory);

enum { TALK_CHAINS_MOST = 8 };

/* What tls_context_new takes; `chains` has room for TALK_CHAINS_MOST. */
struct tls_options talk_tls_options(struct arena *arena,
	const struct conf *conf, const struct talk_tls_settings *settings,
	struct tls_chain *chains);

#endif
