#include "posthorn/check_outside.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/list.h"
#include "posthorn/certificate.h"

enum {
	SOON_S = 30 * 24 * 3600, /* a certificate ends */
	ITEMS_MOST = 1000,       /* of a file with chains */
};

/* ---- a certificate and its key ---- */

static const struct pair {
	const char *certificate, *key;
} pairs[] = {
	{ "smtpd_tls_cert_file", "smtpd_tls_key_file" },
	{ "smtpd_tls_eccert_file", "smtpd_tls_eckey_file" },
	{ "smtp_tls_cert_file", "smtp_tls_key_file" },
	{ "smtp_tls_eccert_file", "smtp_tls_eckey_file" },
	{ "lmtp_tls_cert_file", "lmtp_tls_key_file" },
	{ "lmtp_tls_eccert_file", "lmtp_tls_eckey_file" },
	{ "login_tls_cert_file", "login_tls_key_file" },
};

static void check_dates(struct outside *o, const char *path, const X509 *x)
{
	time_t soon = time(NULL) + SOON_S;
	struct tm tm = { 0 };
	char date[32] = "?";

	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
		strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	if (X509_cmp_time(X509_get0_notBefore(x), NULL) > 0)
		SAY(o, error, "certificate %s is not valid yet: look at the "
			"clock, or get another", path);
	else if (X509_cmp_time(X509_get0_notAfter(x), NULL) < 0)
		SAY(o, error, "certificate %s expired on %s: renew it", path,
			date);
	else if (X509_cmp_time(X509_get0_notAfter(x), &soon) < 0)
		SAY(o, warning, "certificate %s expires on %s: renew it",
			path, date);
}

static FILE *open_pem(struct outside *o, const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		SAY(o, error, "%s: %s: correct the path, or create the file",
			path, strerror(errno));
	return file;
}

static void check_key(struct outside *o, const char *path, X509 *certificate,
	const char *certificate_path)
{
	FILE *file = open_pem(o, path);
	EVP_PKEY *key;

	if (!file)
		return;
	key = key_take(file);
	fclose(file);
	if (!key)
		SAY(o, error, "%s holds no key that can be read (PEM, no "
			"passphrase)", path);
	else if (X509_check_private_key(certificate, key) != 1)
		SAY(o, error, "certificate %s does not match the key %s: name "
			"the key that it was made for", certificate_path,
			path);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static const char *path_of(struct outside *o, const char *name)
{
	struct str text = outside_text(o, str_from(name));

	return text.len && !str_is(text, "none") ?
		arena_cstr(o->line->arena, text) : NULL;
}

static void check_pair(struct outside *o, const struct pair *pair)
{
	const char *path = path_of(o, pair->certificate);
	const char *key = path_of(o, pair->key);
	FILE *file = path ? open_pem(o, path) : NULL;
	X509 *x;

	if (!file)
		return;
	x = certificate_take(file);
	fclose(file);
	if (!x) {
		SAY(o, error, "%s holds no certificate (PEM)", path);
		return;
	}
	check_dates(o, path, x);
	check_key(o, key ? key : path, x, path);
	X509_free(x);
}

/* What only repeats another's default is said once. */
static bool is_pair_set(struct outside *o, const struct pair *pair)
{
	if (o->row && outside_is_set(o, str_from(pair->key)))
		return true;
	return outside_is_set(o, str_from(pair->certificate));
}

/* ---- keys with their chains, in one or more files ---- */

static const char *const chains[] = {
	"smtpd_tls_chain_files", "smtp_tls_chain_files",
	"lmtp_tls_chain_files",
};

struct chain {
	struct outside *o;
	EVP_PKEY *key;     /* the last one */
	const char *path;  /* where it is */
	bool has_leaf;     /* its certificate was there */
};

static void end_chain(struct chain *chain)
{
	if (chain->key && !chain->has_leaf)
		SAY(chain->o, error, "%s: no certificate follows the key: "
			"write it and its chain behind it", chain->path);
	EVP_PKEY_free(chain->key);
	chain->key = NULL;
	chain->has_leaf = false;
}

static void take_certificate(struct chain *chain, const char *path,
	const X509 *x)
{
	if (!chain->key) {
		SAY(chain->o, error, "%s: a certificate without a key: write "
			"the key in front of it", path);
		return;
	}
	check_dates(chain->o, path, x);
	if (!chain->has_leaf && X509_check_private_key(x, chain->key) != 1)
		SAY(chain->o, error, "certificate %s does not match the key "
			"%s: write the key's own certificate first", path,
			chain->path);
	chain->has_leaf = true;
}

static void take_item(struct chain *chain, const char *path,
	const OSSL_STORE_INFO *item)
{
	switch (OSSL_STORE_INFO_get_type(item)) {
	case OSSL_STORE_INFO_PKEY:
		end_chain(chain);
		chain->key = OSSL_STORE_INFO_get1_PKEY(item);
		chain->path = path;
		break;
	case OSSL_STORE_INFO_CERT:
		take_certificate(chain, path, OSSL_STORE_INFO_get0_CERT(item));
		break;
	default:
		break;
	}
}

static void take_file(struct chain *chain, const char *path)
{
	FILE *file = open_pem(chain->o, path);
	OSSL_STORE_CTX *store;
	OSSL_STORE_INFO *item;
	size_t count = 0, tries = 0;

	if (!file)
		return;
	fclose(file);
	store = OSSL_STORE_open(path, UI_null(), NULL, NULL, NULL);
	while (store && !OSSL_STORE_eof(store) && tries++ < ITEMS_MOST) {
		item = OSSL_STORE_load(store);
		if (!item)
			continue;
		take_item(chain, path, item);
		OSSL_STORE_INFO_free(item);
		count++;
	}
	OSSL_STORE_close(store);
	ERR_clear_error();
	if (count == 0)
		SAY(chain->o, error, "%s holds neither a key nor a "
			"certificate that can be read (PEM, no passphrase)",
			path);
}

static void check_chain(struct outside *o, struct str name)
{
	struct chain chain = { .o = o };
	struct str list = outside_text(o, name), path;

	while (list_take(&list, &path))
		take_file(&chain, arena_cstr(o->line->arena, path));
	end_chain(&chain);
}

void check_certificates(struct outside *o)
{
	for (size_t i = 0; i < COUNT(pairs); i++)
		if (is_pair_set(o, &pairs[i]))
			check_pair(o, &pairs[i]);
	for (size_t i = 0; i < COUNT(chains); i++)
		if (outside_is_set(o, str_from(chains[i])))
			check_chain(o, str_from(chains[i]));
}
