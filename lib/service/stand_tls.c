#include "service/stand.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

enum {
	DAYS = 10,
};

static X509 *certify(EVP_PKEY *key)
{
	X509 *made = X509_new();
	X509_NAME *name = X509_get_subject_name(made);

	X509_set_version(made, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
	X509_gmtime_adj(X509_getm_notBefore(made), -86400);
	X509_gmtime_adj(X509_getm_notAfter(made), DAYS * 86400);
	X509_set_pubkey(made, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		(const unsigned char *)"mail.example.org", -1, -1, 0);
	X509_set_issuer_name(made, name);
	X509_sign(made, key, EVP_sha256());
	return made;
}

struct str stand_pem(struct arena *arena)
{
	static struct arena *kept; /* one key is enough */
	static struct str made;
	EVP_PKEY *key = made.p ? NULL : EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *certificate;
	char *text;
	long len;

	if (key) {
		certificate = certify(key);
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
		PEM_write_bio_X509(bio, certificate);
		len = BIO_get_mem_data(bio, &text);
		kept = arena_new(0);
		made = arena_copy(kept, str_of(text, (size_t)len));
		X509_free(certificate);
		EVP_PKEY_free(key);
	}
	BIO_free(bio);
	return arena_copy(arena, made);
}

static char file[64];

static void remove_file(void)
{
	unlink(file);
}

const char *stand_pem_file(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str pem = stand_pem(arena);
	auto_close int fd = -1;

	if (file[0])
		return file;
	snprintf(file, sizeof(file), "/tmp/posthorn-stand-XXXXXX");
	fd = mkostemp(file, O_CLOEXEC);
	if (fd < 0 || write(fd, pem.p, pem.len) != (ssize_t)pem.len)
		panic("%s: %m", file);
	atexit(remove_file);
	return file;
}

struct tls_context *stand_tls(bool is_server)
{
	static struct tls_context *made[2];
	auto_arena struct arena *arena = arena_new(0);
	struct str pem = stand_pem(arena), error = STR("");
	struct tls_chain chain = { .cert_pem = pem, .key_pem = pem };
	struct tls_options options = { .is_server = is_server,
		.chains = &chain, .chain_count = is_server ? 1 : 0 };

	if (!made[is_server])
		made[is_server] = tls_context_new(arena, &options, &error);
	if (!made[is_server])
		panic("TLS: %.*s", STR_ARG(error));
	return made[is_server];
}
