#include "tls/layer.h"

#include "base/log.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

enum {
	USAGE_TRUST_ANCHOR = 2, /* DANE-TA, RFC 7218 2.1 */
	USAGE_END_ENTITY = 3,   /* DANE-EE */
	MATCHING_MOST = 255,
};

/* RFC 6698 7.4; others have to be given with their number. */
static const struct {
	const char *name;
	uint8_t matching;
} registered[] = { { "sha256", 1 }, { "sha512", 2 } };

/* ---- tls_dane_digests ---- */

/* 0: we do not know this name. */
static uint8_t matching_of(struct str name)
{
	for (size_t i = 0; i < COUNT(registered); i++)
		if (str_is_nocase(name, registered[i].name))
			return registered[i].matching;
	return 0;
}

/* A registered number means its digest and no other. */
static bool is_taken(uint64_t matching)
{
	for (size_t i = 0; i < COUNT(registered); i++)
		if (registered[i].matching == matching)
			return true;
	return false;
}

static bool parse_digest(struct str item, struct tls_digest *digest)
{
	bool has_number = str_find_char(item, '=') != SIZE_MAX;
	struct str name = str_take_until(&item, '=');
	uint8_t known = matching_of(name);
	uint64_t number = known;

	*digest = (struct tls_digest){ .name = name };
	if (name.len == 0)
		return false;
	if (has_number && (!str_parse_u64(item, MATCHING_MOST, &number) ||
				  number == 0))
		return false;
	if (known ? number != known : number == 0 || is_taken(number))
		return false;
	digest->matching = (uint8_t)number;
	return true;
}

bool tls_digests_parse(struct str text,
	struct tls_digest digests[TLS_DIGESTS_MOST], size_t *count,
	struct str *wrong)
{
	struct str item;

	*count = 0;
	while (str_take_item(&text, ", \t\r\n", &item)) {
		*wrong = item;
		if (*count == TLS_DIGESTS_MOST ||
			!parse_digest(item, &digests[*count]))
			return false;
		++*count;
	}
	return true;
}

/* ---- the context ---- */

static const EVP_MD *find_digest(struct str name)
{
	char text[32];

	if (name.len >= sizeof(text))
		return NULL;
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	return EVP_get_digestbyname(text);
}

/* Without a digest its matching type is not known any more. */
static void forget_registered(SSL_CTX *ssl)
{
	for (size_t i = 0; i < COUNT(registered); i++)
		(void)SSL_CTX_dane_mtype_set(ssl, NULL, registered[i].matching,
			0);
}

void tls_dane_prepare(struct tls_context *context, struct str text)
{
	struct tls_digest digests[TLS_DIGESTS_MOST];
	struct str wrong = STR_NONE;
	size_t count;
	bool ok = tls_digests_parse(text, digests, &count, &wrong) &&
		count > 0 && SSL_CTX_dane_enable(context->ssl) == 1;

	if (ok)
		forget_registered(context->ssl);
	for (size_t i = 0; ok && i < count; i++) {
		const EVP_MD *digest = find_digest(digests[i].name);

		wrong = digests[i].name;
		/* the higher the last number, the better */
		ok = digest && SSL_CTX_dane_mtype_set(context->ssl, digest,
				       digests[i].matching,
				       (uint8_t)(count - i)) == 1;
	}
	if (!ok)
		log_warning("DANE is not available: digest \"%.*s\" in "
			"tls_dane_digests", STR_ARG(wrong));
	context->has_dane = ok;
	ERR_clear_error();
}

bool tls_has_dane(const struct tls_context *context)
{
	return context->has_dane;
}

/* ---- records ---- */

static bool add(SSL *ssl, const struct tls_tlsa *record)
{
	if (record->usage != USAGE_TRUST_ANCHOR &&
		record->usage != USAGE_END_ENTITY)
		return false;
	return SSL_dane_tlsa_add(ssl, record->usage, record->selector,
		       record->matching,
		       (const unsigned char *)record->data.p,
		       record->data.len) == 1;
}

size_t tls_dane_sift(struct tls_context *context, struct tls_tlsa *records,
	size_t count)
{
	SSL *ssl = context->has_dane ? SSL_new(context->ssl) : NULL;
	size_t kept = 0;

	if (!ssl)
		return 0;
	/* The library knows best what it can read. */
	if (SSL_dane_enable(ssl, NULL) == 1)
		for (size_t i = 0; i < count; i++)
			if (add(ssl, &records[i])) {
				struct tls_tlsa usable = records[i];

				records[i] = records[kept];
				records[kept++] = usable;
			}
	SSL_free(ssl);
	ERR_clear_error();
	return kept;
}

bool tls_dane_want(struct arena *arena, SSL *ssl,
	const struct tls_client *client)
{
	const struct tls_dane *dane = client->dane;
	size_t added = 0, names = dane->base.len > 0;

	if (SSL_dane_enable(ssl, names ? arena_cstr(arena, dane->base) :
					 NULL) != 1)
		return false;
	SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	SSL_set_hostflags(ssl, tls_name_flags(client));
	for (size_t i = 0; i < client->match_count; i++) {
		if (client->match[i].len == 0)
			continue;
		if (SSL_add1_host(ssl, arena_cstr(arena, client->match[i])) !=
			1)
			return false;
		names++;
	}
	if (names == 0) /* the library would take any name for the right one */
		return false;
	for (size_t i = 0; i < dane->count; i++)
		added += add(ssl, &dane->records[i]);
	return added > 0;
}

/* ---- files of anchors ---- */

static bool add_anchor(struct arena *arena, const char *label,
	struct str der, struct tls_tlsa *anchors, size_t *count)
{
	bool is_key = strcmp(label, "PUBLIC KEY") == 0;

	if (!is_key && strcmp(label, "CERTIFICATE") != 0 &&
		strcmp(label, "X509 CERTIFICATE") != 0)
		return true;
	if (*count == TLS_ANCHORS_MOST)
		return false;
	anchors[(*count)++] = (struct tls_tlsa){ USAGE_TRUST_ANCHOR, is_key, 0,
		arena_copy(arena, der) };
	return true;
}

bool tls_anchors_read(struct arena *arena, const char *path,
	struct tls_tlsa anchors[TLS_ANCHORS_MOST], size_t *count,
	struct str *error)
{
	FILE *file = fopen(path, "re");
	char *label, *header;
	unsigned char *der;
	size_t before = *count;
	bool ok = true;
	long len;

	if (!file) {
		*error = arena_fmt(arena, "%s: %s", path, strerror(errno));
		return false;
	}
	while (ok && PEM_read(file, &label, &header, &der, &len) == 1) {
		ok = add_anchor(arena, label, str_of(der, (size_t)len),
			anchors, count);
		OPENSSL_free(label);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	fclose(file);
	ERR_clear_error(); /* "no start line" is the usual end */
	if (ok && *count > before)
		return true;
	*error = arena_fmt(arena, "%s: %s", path, ok ?
		"no certificate and no public key" : "too many");
	return false;
}
