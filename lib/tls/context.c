#include "tls/layer.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	FILE_MOST = 4 << 20, /* octets of a file of certificates */
	DEPTH_USUAL = 9,
	TICKET_NAME = 16, /* of the TLS_TICKET_KEY octets; then keys of 32 */
	SESSION_USUAL_S = 3600,
};

/* What making a context needs at hand. */
struct making {
	struct arena *arena; /* for files and the error text */
	struct tls_context *context;
	struct str *error;
	bool is_server;
};

void tls_problems(void)
{
	unsigned long code;
	const char *file, *function, *data;
	int line, flags;

	while ((code = ERR_get_error_all(&file, &line, &function, &data,
			&flags)) != 0) {
		char text[256];

		ERR_error_string_n(code, text, sizeof(text));
		log_warning("TLS library problem: %s:%s:%d:%s", text, file,
			line, flags & ERR_TXT_STRING ? data : "");
	}
}

static bool refuse(struct making *making, const char *what, const char *why)
{
	const char *reason = why ? why : ERR_reason_error_string(
						 ERR_peek_last_error());

	*making->error = arena_fmt(making->arena, "%s: %s", what,
		reason ? reason : "cannot be used");
	ERR_clear_error();
	return false;
}

static bool read_file(struct making *making, const char *path,
	struct str *octets)
{
	struct buf buf = { .arena = making->arena, .limit = FILE_MOST };
	FILE *file = fopen(path, "re");
	size_t got = 1;

	if (!file)
		return refuse(making, path, strerror(errno));
	while (got > 0 && buf_room(&buf, 16384)) {
		got = fread(buf.p + buf.len, 1, 16384, file);
		buf.len += got;
	}
	fclose(file);
	*octets = buf_str(&buf);
	return !buf.failed || refuse(making, path, "too large");
}

/* ---- Keys and certificates ---- */

enum {
	PEM_KEYS = 1,
	PEM_CERTIFICATES = 2,
};

/* A key with its certificates, as far as they have been read. */
struct identity {
	EVP_PKEY *key;
	X509 *leaf;
	STACK_OF(X509) *others;
};

static void identity_clear(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->leaf);
	sk_X509_pop_free(identity->others, X509_free);
	*identity = (struct identity){ 0 };
}

static bool identity_use(struct making *making, struct identity *identity,
	const char *name)
{
	bool ok;

	if (!identity->key && !identity->leaf)
		return true;
	if (!identity->key || !identity->leaf) {
		const char *lacks = identity->key ?
			"no certificate for a private key" :
			"no private key";

		identity_clear(identity);
		return refuse(making, name, lacks);
	}
	ok = SSL_CTX_use_cert_and_key(making->context->ssl, identity->leaf,
		     identity->key, identity->others, 1) == 1;
	identity_clear(identity);
	return ok || refuse(making, name, NULL);
}

static void identity_add(struct identity *identity, X509 *certificate)
{
	if (!identity->leaf) {
		identity->leaf = certificate;
		return;
	}
	if (!identity->others)
		identity->others = sk_X509_new_null();
	if (!identity->others || !sk_X509_push(identity->others, certificate))
		starved("out of memory: certificates");
}

static bool is_key(const char *label)
{
	return strstr(label, "PRIVATE KEY") != NULL;
}

static bool is_certificate(const char *label)
{
	return strcmp(label, "CERTIFICATE") == 0 ||
		strcmp(label, "X509 CERTIFICATE") == 0 ||
		strcmp(label, "TRUSTED CERTIFICATE") == 0;
}

/* One PEM block into the identity; a further key starts the next one. */
static bool take_block(struct making *making, struct identity *identity,
	const char *label, const unsigned char *der, long len,
	unsigned wanted, const char *name)
{
	if (wanted & PEM_KEYS && is_key(label)) {
		if (identity->key && !identity_use(making, identity, name))
			return false;
		identity->key = d2i_AutoPrivateKey(NULL, &der, len);
		return identity->key || refuse(making, name, NULL);
	}
	if (wanted & PEM_CERTIFICATES && is_certificate(label)) {
		X509 *certificate = d2i_X509(NULL, &der, len);

		if (!certificate)
			return refuse(making, name, NULL);
		identity_add(identity, certificate);
	}
	return true;
}

static bool read_blocks(struct making *making, struct identity *identity,
	struct str pem, unsigned wanted, const char *name)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	char *label, *header;
	unsigned char *der;
	long len;
	bool ok = bio != NULL;

	while (ok && PEM_read_bio(bio, &label, &header, &der, &len)) {
		if (is_key(label) && header[0] != '\0')
			ok = refuse(making, name, "the key is encrypted");
		else
			ok = take_block(making, identity, label, der, len,
				wanted, name);
		OPENSSL_free(label);
		OPENSSL_free(header);
		OPENSSL_secure_clear_free(der, (size_t)len);
	}
	BIO_free(bio);
	if (ok)
		ERR_clear_error(); /* "no start line" is the usual end */
	return ok;
}

static bool use_chain(struct making *making, const struct tls_chain *chain)
{
	const char *key_file = chain->key_file;
	const char *name = chain->cert_file ? chain->cert_file : "certificate";
	const char *key_name = key_file ? key_file : name;
	struct str certs = chain->cert_pem, keys = chain->key_pem;
	struct identity identity = { 0 };
	bool ok;

	if (chain->cert_file && !read_file(making, chain->cert_file, &certs))
		return false;
	if (key_file && !read_file(making, key_file, &keys))
		return false;
	if (str_is_none(keys))
		keys = certs;
	if (chain->is_chain_file)
		ok = read_blocks(making, &identity, certs,
			PEM_KEYS | PEM_CERTIFICATES, name);
	else
		ok = read_blocks(making, &identity, keys, PEM_KEYS,
			     key_name) &&
			read_blocks(making, &identity, certs,
				PEM_CERTIFICATES, name);
	if (ok && !identity.key && !identity.leaf)
		ok = refuse(making, name, "no key and no certificate");
	ok = ok && identity_use(making, &identity, name);
	identity_clear(&identity);
	return ok;
}

/* ---- Whom we trust ---- */

static size_t trust_pem(struct making *making, struct str pem)
{
	X509_STORE *store = SSL_CTX_get_cert_store(making->context->ssl);
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *certificate;
	size_t count = 0;

	while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
		count += X509_STORE_add_cert(store, certificate) == 1;
		if (making->is_server)
			SSL_CTX_add_client_CA(making->context->ssl,
				certificate);
		X509_free(certificate);
	}
	BIO_free(bio);
	ERR_clear_error();
	return count;
}

static bool trust_file(struct making *making, const char *path)
{
	struct str pem;

	if (!read_file(making, path, &pem))
		return false;
	return trust_pem(making, pem) > 0 ||
		refuse(making, path, "no certificate in it");
}

/* All of it now: inside the sandbox nothing can be looked up. */
static bool trust_directory(struct making *making, const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	if (!directory)
		return refuse(making, path, strerror(errno));
	while ((entry = readdir(directory))) {
		struct str name = arena_fmt(making->arena, "%s/%s", path,
			entry->d_name);
		struct str pem;

		if (entry->d_name[0] != '.' &&
			read_file(making, name.p, &pem))
			trust_pem(making, pem);
	}
	closedir(directory);
	*making->error = STR_NONE;
	return true;
}

static int go_on(int ok, X509_STORE_CTX *store)
{
	(void)ok, (void)store;
	return 1; /* the result is looked at after the handshake */
}

static bool trust(struct making *making, const struct tls_options *options)
{
	SSL_CTX *ssl = making->context->ssl;
	int mode = SSL_VERIFY_PEER;

	if (options->ca_file && !trust_file(making, options->ca_file))
		return false;
	if (options->ca_path && !trust_directory(making, options->ca_path))
		return false;
	if (!str_is_none(options->ca_pem) &&
		trust_pem(making, options->ca_pem) == 0)
		return refuse(making, "CA certificates", "none found");
	/* The system's directory is looked up by name when it is needed, so
	 * it is loaded in full here. */
	making->is_server = false; /* too many to be named to clients */
	if (options->default_ca && (options->ca_file || options->ca_path)) {
		SSL_CTX_set_default_verify_file(ssl);
		(void)trust_directory(making, X509_get_default_cert_dir());
		ERR_clear_error();
	}
	if (options->is_server) {
		mode |= SSL_VERIFY_CLIENT_ONCE;
		if (options->require_peer)
			mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
		else if (!options->ask_peer)
			mode = SSL_VERIFY_NONE;
	}
	SSL_CTX_set_verify(ssl, mode, go_on);
	SSL_CTX_set_verify_depth(ssl, options->verify_depth ?
			(int)options->verify_depth : DEPTH_USUAL);
	return true;
}

/* ---- Protocols, ciphers, sessions ---- */

void tls_exclude_format(struct buf *out, struct str exclude)
{
	struct str item;

	while (str_take_item(&exclude, " \t\r\n,:", &item)) {
		buf_text(out, ":!");
		buf_add(out, item);
	}
}

bool tls_ciphers_set(SSL_CTX *context, SSL *ssl, struct str ciphers,
	const char *exclude)
{
	auto_buf struct buf list = { 0 };

	buf_add(&list, ciphers.len ? ciphers : STR("DEFAULT"));
	buf_text(&list, exclude);
	buf_add(&list, str_of("", 1));
	return ssl ? SSL_set_cipher_list(ssl, list.p) == 1 :
		     SSL_CTX_set_cipher_list(context, list.p) == 1;
}

/* Those of the list that this library knows; libraries differ. */
static bool choose_groups(struct making *making, struct str groups)
{
	struct buf list = BUF_IN(making->arena);
	struct str item;

	if (str_trim(groups).len == 0)
		return true;
	while (str_take_item(&groups, " \t\r\n,:", &item)) {
		char *name = arena_cstr(making->arena, item);

		if (SSL_CTX_set1_groups_list(making->context->ssl, name) != 1)
			continue;
		if (list.len > 0)
			buf_char(&list, ':');
		buf_add(&list, item);
	}
	ERR_clear_error();
	buf_char(&list, '\0');
	return SSL_CTX_set1_groups_list(making->context->ssl, list.p) == 1 ||
		refuse(making, "groups", "none is known");
}

static bool choose(struct making *making, const struct tls_options *options)
{
	SSL_CTX *ssl = making->context->ssl;
	struct tls_protocols protocols;
	struct str text = options->protocols;
	auto_buf struct buf exclude = { 0 };

	if (!tls_protocols_parse(text.len ? text : STR(">=TLSv1"), &protocols))
		return refuse(making, "protocols", "not understood");
	if (options->is_opportunistic)
		SSL_CTX_set_security_level(ssl, 0);
	SSL_CTX_set_min_proto_version(ssl, protocols.lowest);
	SSL_CTX_set_max_proto_version(ssl, protocols.highest);
	SSL_CTX_set_options(ssl, protocols.without);
	tls_exclude_format(&exclude, options->exclude);
	buf_add(&exclude, str_of("", 1));
	making->context->exclude = exclude.p;
	exclude.p = NULL; /* the context's now */
	if (!tls_ciphers_set(ssl, NULL, options->ciphers,
		    making->context->exclude))
		return refuse(making, "ciphers", NULL);
	if (!choose_groups(making, options->groups))
		return false;
	SSL_CTX_set_dh_auto(ssl, 1);
	if (options->prefer_server)
		SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
	return true;
}

/* RFC 5077: made with the first key, opened with any. */
static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_new)
{
	struct tls_context *context = SSL_CTX_get_app_data(
		SSL_get_SSL_CTX(ssl));
	size_t at = 0;
	OSSL_PARAM parameters[3];

	if (context->ticket_count == 0)
		return 0; /* of a name that has none: no ticket */
	if (is_new) {
		memcpy(name, context->tickets[0], TICKET_NAME);
		if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
			return -1;
	}
	while (at < context->ticket_count &&
		memcmp(name, context->tickets[at], TICKET_NAME) != 0)
		at++;
	if (at == context->ticket_count)
		return 0; /* unknown: a full handshake */
	parameters[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
		context->tickets[at] + TICKET_NAME + 32, 32);
	parameters[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		(char *)(uintptr_t) "SHA256", 0);
	parameters[2] = OSSL_PARAM_construct_end();
	if (EVP_MAC_CTX_set_params(mac, parameters) != 1 ||
		EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL,
			context->tickets[at] + TICKET_NAME, iv, is_new) != 1)
		return -1;
	/* 2: and give a new one. TLSv1.3: each is used once, RFC 8446 C.4; and
	 * a client that waits for the answer to its Finished (Nagle) has it. */
	return at == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

bool tls_context_ticket_keys(struct tls_context *context, struct str keys)
{
	size_t count = keys.len / TLS_TICKET_KEY;

	if (count == 0 || count > TLS_TICKET_KEYS_MOST ||
		keys.len % TLS_TICKET_KEY != 0)
		return false;
	memcpy(context->tickets, keys.p, keys.len);
	context->ticket_count = count;
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ssl, ticket_key);
	return true;
}

static int server_name(SSL *ssl, int *alert, void *state)
{
	struct tls_context *context = state, *other;
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char name[256];
	size_t len = asked ? strlen(asked) : 0;

	(void)alert;
	if (len == 0 || len > sizeof(name) || !context->by_name)
		return SSL_TLSEXT_ERR_OK;
	for (size_t i = 0; i < len; i++)
		name[i] = (char)ascii_lower((unsigned char)asked[i]);
	other = context->by_name(context->by_name_state, str_of(name, len));
	if (other)
		SSL_set_SSL_CTX(ssl, other->ssl);
	else
		tls_layer_of(ssl)->is_sni_unknown = true;
	return SSL_TLSEXT_ERR_OK;
}

static void sessions(struct tls_context *context,
	const struct tls_options *options)
{
	unsigned char id[SSL_MAX_SID_CTX_LENGTH];
	SSL_CTX *ssl = context->ssl;
	int64_t seconds = span_to_s(options->session_timeout);

	SSL_CTX_set_timeout(ssl, seconds ? (long)seconds : SESSION_USUAL_S);
	_Static_assert(sizeof(id) == 32, "a SHA-256");
	if (EVP_Q_digest(NULL, "SHA256", NULL, options->service.p,
		    options->service.len, id, NULL) == 1)
		SSL_CTX_set_session_id_context(ssl, id, sizeof(id));
	SSL_CTX_set_session_cache_mode(ssl, options->is_server ?
			SSL_SESS_CACHE_OFF :
			SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	if (options->no_tickets) {
		SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ssl, 0);
	} else if (options->is_server) {
		SSL_CTX_set_num_tickets(ssl, 1);
	}
}

static bool fill(struct making *making, const struct tls_options *options)
{
	struct tls_context *context = making->context;
	SSL_CTX *ssl = context->ssl;
	const char *digest = options->digest ? options->digest : "sha256";

	context->by_name = options->by_name;
	context->by_name_state = options->by_name_state;
	context->digest = EVP_get_digestbyname(digest);
	if (!context->digest)
		return refuse(making, digest, "unknown digest");
	SSL_CTX_set_app_data(ssl, context);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION |
			SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_tlsext_servername_callback(ssl, server_name);
	SSL_CTX_set_tlsext_servername_arg(ssl, context);
	sessions(context, options);
	if (!options->is_server && options->dane_digests.len > 0)
		tls_dane_prepare(context, options->dane_digests);
	if (!choose(making, options))
		return false;
	for (size_t i = 0; i < options->chain_count; i++)
		if (!use_chain(making, &options->chains[i]))
			return false;
	return trust(making, options);
}

struct tls_context *tls_context_new(struct arena *arena,
	const struct tls_options *options, struct str *error)
{
	struct making making = { .arena = arena,
		.error = error,
		.is_server = options->is_server };

	ERR_clear_error();
	*error = STR_NONE;
	making.context = mem_new(1, sizeof(*making.context));
	making.context->ssl = SSL_CTX_new(
		options->is_server ? TLS_server_method() : TLS_client_method());
	if (!making.context->ssl)
		(void)refuse(&making, "OpenSSL", NULL);
	else if (fill(&making, options))
		return making.context;
	tls_context_free(making.context);
	return NULL;
}

void tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	SSL_CTX_free(context->ssl);
	free(context->exclude);
	OPENSSL_cleanse(context->tickets, sizeof(context->tickets));
	free(context);
}
