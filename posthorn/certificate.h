/*
 * posthorn/certificate - keys, self-signed certificates and requests for
 * them.
 *
 * Source   RFC 5280 (certificates), RFC 2986 (requests), RFC 7671 (TLSA 3 1 1)
 * Memory   keys are the caller's: EVP_PKEY_free
 * Waits    for the disk
 * Errors   NULL or false; OpenSSL's queue of errors is empty afterwards
 */
#ifndef POSTHORN_CERTIFICATE_H
#define POSTHORN_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "base/buf.h"

enum key_kind { KEY_RSA, KEY_ECDSA, KEY_OTHER };

/* `size`: bits (RSA), name of a curve (ECDSA). */
must_check EVP_PKEY *key_new(enum key_kind kind, const char *size);
/* The first one of a PEM file. One with a passphrase cannot be used by a
 * daemon, and is none: nobody is asked. */
must_check EVP_PKEY *key_take(FILE *file);
must_check EVP_PKEY *key_read(const char *path);
enum key_kind key_kind(const EVP_PKEY *key);
must_check bool key_write(FILE *to, EVP_PKEY *key);

/* Names of a host: the first is the common name, all are DNS names. */
struct host_names {
	char **all;
	size_t count; /* at least 1 */
};

/* True: letters, digits, '.', '-', '_', '*'. */
bool host_name_is_fine(const char *name);

must_check bool certificate_write(FILE *to, EVP_PKEY *key,
	const struct host_names *names, unsigned days);
must_check bool request_write(FILE *to, EVP_PKEY *key,
	const struct host_names *names);
/* The first one of a PEM file; X509_free. */
must_check X509 *certificate_take(FILE *file);
/* Whether the first certificate of the file belongs to the key. */
must_check bool certificate_has_key(const char *path, EVP_PKEY *key);
/* SHA-256 of the public key as TLSA 3 1 1 has it, in hexadecimal. */
must_check bool key_digest(struct buf *out, EVP_PKEY *key);

#endif
