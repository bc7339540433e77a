#include "posthorn/certificate.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/encode.h"

enum {
	BITS_LEAST = 1024,
	BITS_MOST = 16384,
	DAY_S = 24 * 3600,
};

EVP_PKEY *key_new(enum key_kind kind, const char *size)
{
	EVP_PKEY *key = NULL;
	uint64_t bits;

	if (kind == KEY_ECDSA)
		key = EVP_EC_gen(size);
	else if (str_parse_u64(str_from(size), BITS_MOST, &bits) &&
		bits >= BITS_LEAST)
		key = EVP_RSA_gen((unsigned)bits);
	ERR_clear_error();
	return key;
}

static int no_passphrase(char *into, int room, int is_writing, void *context)
{
	(void)into;
	(void)room;
	(void)is_writing;
	(void)context;
	return -1;
}

EVP_PKEY *key_take(FILE *file)
{
	EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);

	ERR_clear_error();
	return key;
}

EVP_PKEY *key_read(const char *path)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key = file ? key_take(file) : NULL;

	if (file)
		fclose(file);
	return key;
}

enum key_kind key_kind(const EVP_PKEY *key)
{
	int id = EVP_PKEY_get_base_id(key);

	return id == EVP_PKEY_RSA ? KEY_RSA :
		id == EVP_PKEY_EC ? KEY_ECDSA : KEY_OTHER;
}

bool key_write(FILE *to, EVP_PKEY *key)
{
	bool is_fine = PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL,
		NULL) == 1;

	ERR_clear_error();
	return is_fine;
}

bool host_name_is_fine(const char *name)
{
	for (const char *at = name; *at; at++)
		if (!ascii_is_alnum((unsigned char)*at) &&
			!strchr(".-_*", *at))
			return false;
	return name[0] != '\0';
}

/* RFC 5280 4.2.1.6: the names, in an extension. */
static X509_EXTENSION *names_extension(const struct host_names *names)
{
	GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
	X509_EXTENSION *extension = NULL;

	for (size_t i = 0; list && i < names->count; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();

		if (!name || !text || !ASN1_STRING_set(text, names->all[i],
				-1) || !sk_GENERAL_NAME_push(list, name)) {
			GENERAL_NAME_free(name);
			ASN1_IA5STRING_free(text);
			continue;
		}
		GENERAL_NAME_set0_value(name, GEN_DNS, text);
	}
	if (list && (size_t)sk_GENERAL_NAME_num(list) == names->count)
		extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, list);
	sk_GENERAL_NAME_pop_free(list, GENERAL_NAME_free);
	return extension;
}

/* A common name has at most 64 characters (RFC 5280 appendix A.1); a longer
 * one stands among the names only. */
static bool set_name(X509_NAME *subject, const struct host_names *names)
{
	return strlen(names->all[0]) > ub_common_name ||
		X509_NAME_add_entry_by_NID(subject, NID_commonName,
			MBSTRING_UTF8, (const unsigned char *)names->all[0],
			-1, -1, 0) == 1;
}

static bool set_serial(X509 *x)
{
	unsigned char octets[16];
	BIGNUM *number;
	bool is_fine;

	if (RAND_bytes(octets, sizeof(octets)) != 1)
		return false;
	octets[0] = (octets[0] & 0x7f) | 0x40; /* positive, all its octets */
	number = BN_bin2bn(octets, sizeof(octets), NULL);
	is_fine = number && BN_to_ASN1_INTEGER(number,
		X509_get_serialNumber(x));
	BN_free(number);
	return is_fine;
}

static bool add_extension(X509 *x, X509_EXTENSION *extension)
{
	bool is_fine = extension && X509_add_ext(x, extension, -1) == 1;

	X509_EXTENSION_free(extension);
	return is_fine;
}

static bool add_extensions(X509 *x, const struct host_names *names)
{
	X509V3_CTX context;

	X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
	return add_extension(x, X509V3_EXT_conf_nid(NULL, &context,
			NID_basic_constraints, "CA:FALSE")) &&
		add_extension(x, X509V3_EXT_conf_nid(NULL, &context,
			NID_subject_key_identifier, "hash")) &&
		add_extension(x, X509V3_EXT_conf_nid(NULL, &context,
			NID_ext_key_usage, "serverAuth,clientAuth")) &&
		add_extension(x, names_extension(names));
}

bool certificate_write(FILE *to, EVP_PKEY *key,
	const struct host_names *names, unsigned days)
{
	X509 *x = X509_new();
	bool is_fine = x && X509_set_version(x, X509_VERSION_3) == 1 &&
		set_serial(x) && set_name(X509_get_subject_name(x), names) &&
		X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(x), 0) &&
		X509_time_adj_ex(X509_getm_notAfter(x), (int)days, 0, NULL) &&
		X509_set_pubkey(x, key) == 1 && add_extensions(x, names) &&
		X509_sign(x, key, EVP_sha256()) > 0 &&
		PEM_write_X509(to, x) == 1;

	X509_free(x);
	ERR_clear_error();
	return is_fine;
}

static bool add_names(X509_REQ *request, const struct host_names *names)
{
	X509_EXTENSION *extension = names_extension(names);
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
	bool is_fine = false;

	if (extension && list && sk_X509_EXTENSION_push(list, extension)) {
		is_fine = X509_REQ_add_extensions(request, list) == 1;
		extension = NULL; /* the list's */
	}
	X509_EXTENSION_free(extension);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return is_fine;
}

bool request_write(FILE *to, EVP_PKEY *key, const struct host_names *names)
{
	X509_REQ *request = X509_REQ_new();
	bool is_fine = request &&
		set_name(X509_REQ_get_subject_name(request), names) &&
		X509_REQ_set_pubkey(request, key) == 1 &&
		add_names(request, names) &&
		X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
		PEM_write_X509_REQ(to, request) == 1;

	X509_REQ_free(request);
	ERR_clear_error();
	return is_fine;
}

X509 *certificate_take(FILE *file)
{
	X509 *x = PEM_read_X509(file, NULL, no_passphrase, NULL);

	ERR_clear_error();
	return x;
}

bool certificate_has_key(const char *path, EVP_PKEY *key)
{
	FILE *file = fopen(path, "re");
	X509 *x = file ? certificate_take(file) : NULL;
	bool has = x && X509_check_private_key(x, key) == 1;

	if (file)
		fclose(file);
	X509_free(x);
	ERR_clear_error();
	return has;
}

bool key_digest(struct buf *out, EVP_PKEY *key)
{
	unsigned char *octets = NULL, digest[EVP_MAX_MD_SIZE];
	int len = i2d_PUBKEY(key, &octets);
	unsigned digest_len = 0;
	bool is_fine = len > 0 && EVP_Digest(octets, (size_t)len, digest,
		&digest_len, EVP_sha256(), NULL) == 1;

	OPENSSL_free(octets);
	ERR_clear_error();
	if (is_fine)
		hex_format(out, str_of(digest, digest_len));
	return is_fine;
}
