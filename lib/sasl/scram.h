/*
 * sasl/scram - SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side, and
 * the verifiers that a server keeps instead of passwords.
 *
 * Nothing here looks a user up: scram_server_first says whose verifier is
 * needed, and the caller gives one to scram_server_challenge, for an unknown
 * user a made-up one (scram_verifier_fake), so that the exchange does not tell
 * who exists.
 *
 * Source   RFC 5802, RFC 7677, RFC 5803 (stored form), RFC 5929, RFC 9266
 * Memory   messages in the arena of the exchange
 * Waits    no
 */
#ifndef SASL_SCRAM_H
#define SASL_SCRAM_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	SCRAM_KEY = 32,           /* octets of SHA-256 */
	SCRAM_SALT_MOST = 64,     /* octets */
	SCRAM_SALT = 16,          /* of new verifiers */
	SCRAM_ITERATIONS = 32768, /* of new verifiers */
	SCRAM_ITERATIONS_LEAST = 4096, /* RFC 7677 4 */
	SCRAM_ITERATIONS_MOST = 10000000,
	SCRAM_MESSAGE_MOST = 4096, /* octets of a message of the client */
};

struct scram_verifier {
	unsigned iterations;
	size_t salt_len;
	uint8_t salt[SCRAM_SALT_MOST];
	uint8_t stored_key[SCRAM_KEY], server_key[SCRAM_KEY];
};

/* From a password; computes for some milliseconds. */
void scram_verifier_derive(struct str password, struct str salt,
	unsigned iterations, struct scram_verifier *verifier);
/* The same for the same secret and user, and no password fits it. */
void scram_verifier_fake(struct str secret, struct str user,
	struct scram_verifier *verifier);
/* "SCRAM-SHA-256$4096:salt$StoredKey:ServerKey", RFC 5803 3. */
void scram_verifier_format(struct buf *out,
	const struct scram_verifier *verifier);
must_check bool scram_verifier_parse(struct str text,
	struct scram_verifier *verifier);

enum scram_result {
	SCRAM_OK,        /* go on, or at the end: it is who it says */
	SCRAM_WRONG,     /* wrong password, or a channel that is not ours */
	SCRAM_MALFORMED, /* not what the RFC says */
};

/* One exchange; zeroed, with the first fields filled in. */
struct scram_server {
	struct arena *arena;
	bool plus;            /* the mechanism's name ended in -PLUS */
	bool plus_offered;    /* to this client */
	struct str binding_type; /* "tls-exporter"; empty: no channel */
	struct str binding;      /* its data */
	struct str nonce;     /* ours; empty: random; given by tests only */

	/* filled in by scram_server_first */
	struct str user;      /* authcid, decoded */
	struct str authzid;   /* decoded; empty: none */

	/* inside */
	struct str gs2, first_bare, first, full_nonce;
	struct scram_verifier verifier;
};

/* client-first-message: user and authzid are known afterwards. */
must_check enum scram_result scram_server_first(struct scram_server *s,
	struct str message);
/* server-first-message. */
struct str scram_server_challenge(struct scram_server *s,
	const struct scram_verifier *verifier);
/* client-final-message; `final`: server-final-message, after OK only. */
must_check enum scram_result scram_server_final(struct scram_server *s,
	struct str message, struct str *final);

#endif
