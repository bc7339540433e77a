/*
 * tls/layer - what the files of lib/tls tell each other.
 */
#ifndef TLS_LAYER_H
#define TLS_LAYER_H

#include "tls/tls.h"

#include <openssl/ssl.h>

struct tls_context {
	SSL_CTX *ssl;
	const EVP_MD *digest;
	struct tls_context *(*by_name)(void *state, struct str name);
	void *by_name_state;
	char *exclude; /* heap; added to every cipher list */
	unsigned char tickets[TLS_TICKET_KEYS_MOST][TLS_TICKET_KEY];
	size_t ticket_count;
	bool has_dane;
};

/* One connection's state; its BIO reads `in` and appends to `wire`. */
struct tls_layer {
	SSL *ssl;
	const struct tls_context *context;
	struct str in;
	struct buf *wire;
	bool is_server, is_sni_unknown, is_over;
};

/* Log and forget what the library says about its last failure. */
void tls_problems(void);
/* Ciphers of an SSL: the list, less what is excluded. */
must_check bool tls_ciphers_set(SSL_CTX *context, SSL *ssl, struct str ciphers,
	const char *exclude);
/* The exclude list in OpenSSL's form: ":!A:!B". */
void tls_exclude_format(struct buf *out, struct str exclude);
/* Prepare a client's context for TLSA records; trouble is logged. */
void tls_dane_prepare(struct tls_context *context, struct str digests);
/* Let the records decide; false: the library refuses them. */
must_check bool tls_dane_want(struct arena *arena, SSL *ssl,
	const struct tls_client *client);
/* How names of certificates are compared. */
unsigned tls_name_flags(const struct tls_client *client);
/* The tls_layer that an SSL belongs to. */
struct tls_layer *tls_layer_of(const SSL *ssl);
/* After the handshake: fill the session. */
void tls_session_fill(struct arena *arena, struct tls_layer *layer,
	const struct tls_client *client, struct tls_session *session);

#endif
