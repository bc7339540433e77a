/*
 * smtp/sasl - the client's side of AUTH: SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5,
 * PLAIN, LOGIN.
 *
 * Source   RFC 4954, 4616 (PLAIN), 2195 (CRAM-MD5), 5802 and 7677 (SCRAM)
 * Waits    sasl_account (tables), sasl_login
 *
 * Which mechanisms may be used: smtp_sasl_mechanism_filter and
 * smtp_sasl_security_options (with TLS: smtp_sasl_tls_security_options;
 * verified: smtp_sasl_tls_verified_security_options).
 */
#ifndef SMTP_SASL_H
#define SMTP_SASL_H

#include "smtp/session.h"

/*
 * The account for a server or destination (by sender first, if sender_dependent_
 * authentication). False: the table cannot be asked; mail waits.
 */
must_check bool sasl_account(struct arena *arena, const struct settings *set,
	struct str sender, struct str host, struct str destination,
	struct account *account);

/* AUTH, if there is an account and the server offers it. False: trouble. */
must_check bool sasl_login(struct session *session,
	const struct opening *opening, struct outcome *trouble);

/* What smtp/sasl.c is made of, for tests. */
struct str sasl_cram_md5(struct arena *arena, const struct account *account,
	struct str challenge);

struct scram {
	const char *digest;     /* "SHA256" */
	struct str bare;        /* client-first-message-bare */
	struct str server_signature; /* what the server must prove */
};

struct str scram_first(struct arena *arena, struct scram *scram,
	const struct account *account, struct str nonce);
/* NONE: the server's message is wrong. */
struct str scram_final(struct arena *arena, struct scram *scram,
	const struct account *account, struct str server_first);
bool scram_is_proven(struct arena *arena, const struct scram *scram,
	struct str server_final);

#endif
