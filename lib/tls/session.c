#include "tls/layer.h"

#include "base/log.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* Filling one session: everything is copied to the arena. */
struct filling {
	struct arena *arena;
	SSL *ssl;
	struct tls_session *session;
};

static struct str copy_text(struct filling *filling, const char *text)
{
	return text ? arena_copy(filling->arena, str_from(text)) : STR_NONE;
}

/* ---- Keys and digests, in the words of the log ---- */

static struct str curve_of(struct filling *filling, EVP_PKEY *key)
{
	char name[80];
	size_t len;
	const char *nist;

	if (EVP_PKEY_get_group_name(key, name, sizeof(name), &len) != 1)
		return STR("unknown curve");
	nist = EC_curve_nid2nist(OBJ_sn2nid(name));
	return copy_text(filling, nist ? nist : name);
}

static struct str exchange_of(struct filling *filling, EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_DH:
		return arena_fmt(filling->arena, "DHE (%d bits)",
			EVP_PKEY_get_bits(key));
	case EVP_PKEY_EC:
		return arena_fmt(filling->arena, "ECDHE (%.*s)",
			STR_ARG(curve_of(filling, key)));
	default:
		return copy_text(filling, EVP_PKEY_get0_type_name(key));
	}
}

/* In a resumed TLSv1.2 session there is none. */
static struct str key_exchange(struct filling *filling)
{
	EVP_PKEY *key = NULL;
	struct str name = STR_NONE;

	if (SSL_get_peer_tmp_key(filling->ssl, &key) == 1 ||
		SSL_get_tmp_key(filling->ssl, &key) == 1)
		name = exchange_of(filling, key);
	EVP_PKEY_free(key);
	return name;
}

static struct str signature_of(struct filling *filling, EVP_PKEY *key,
	int type)
{
	switch (type) {
	case EVP_PKEY_RSA_PSS:
		return arena_fmt(filling->arena, "RSA-PSS (%d bits)",
			EVP_PKEY_get_bits(key));
	case EVP_PKEY_RSA:
		return arena_fmt(filling->arena, "RSA (%d bits)",
			EVP_PKEY_get_bits(key));
	case EVP_PKEY_EC:
		return arena_fmt(filling->arena, "ECDSA (%.*s)",
			STR_ARG(curve_of(filling, key)));
	default:
		return copy_text(filling, OBJ_nid2ln(type));
	}
}

/* Of the side that has this certificate; nothing is signed on resumption. */
static void signature(struct filling *filling, const X509 *certificate,
	bool is_peer, struct str *name, struct str *digest)
{
	EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
	int type, hash;

	if (!key || filling->session->is_resumed)
		return;
	if (is_peer ? SSL_get_peer_signature_type_nid(filling->ssl, &type) :
		      SSL_get_signature_type_nid(filling->ssl, &type))
		*name = signature_of(filling, key, type);
	if (name->len > 0 &&
		(is_peer ? SSL_get_peer_signature_nid(filling->ssl, &hash) :
			   SSL_get_signature_nid(filling->ssl, &hash)) &&
		hash != NID_undef)
		*digest = copy_text(filling, OBJ_nid2sn(hash));
}

static void signatures(struct filling *filling, bool is_server,
	const X509 *own, const X509 *peer)
{
	struct tls_session *session = filling->session;
	const X509 *server = is_server ? own : peer;
	const X509 *client = is_server ? peer : own;

	signature(filling, server, !is_server, &session->server_signature,
		&session->server_digest);
	/* Without a certificate of its own a client has signed nothing. */
	if (is_server ? peer != NULL : own != NULL)
		signature(filling, client, is_server,
			&session->client_signature, &session->client_digest);
}

/* ---- The peer's certificate ---- */

/* The last of a name's common names, as UTF-8, made fit for a log line. */
static struct str common_name(struct filling *filling, const X509_NAME *name)
{
	int at = -1, last = -1, len;
	unsigned char *text;
	struct str copy;

	while ((at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0)
		last = at;
	if (last < 0)
		return STR("");
	len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(
						 X509_NAME_get_entry(name,
							 last)));
	if (len < 0)
		return STR("");
	copy = arena_copy(filling->arena, str_of(text, (size_t)len));
	OPENSSL_free(text);
	/* Octets of control and NUL would deceive who reads or compares. */
	for (size_t i = 0; i < copy.len; i++)
		if ((unsigned char)copy.p[i] < 0x20 || copy.p[i] == 0x7f)
			return STR("");
	return copy;
}

static struct str fingerprint_format(struct filling *filling,
	const unsigned char *digest, unsigned len)
{
	static const char hex[] = "0123456789ABCDEF";
	struct buf out = BUF_IN(filling->arena);

	for (unsigned i = 0; i < len; i++) {
		if (i > 0)
			buf_char(&out, ':');
		buf_char(&out, hex[digest[i] >> 4]);
		buf_char(&out, hex[digest[i] & 15]);
	}
	return buf_str(&out);
}

static void fingerprints(struct filling *filling, const X509 *peer,
	const EVP_MD *digest)
{
	unsigned char octets[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned len;
	int der_len;

	if (X509_digest(peer, digest, octets, &len) == 1)
		filling->session->peer_fingerprint =
			fingerprint_format(filling, octets, len);
	der_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(peer), &der);
	if (der_len > 0 && EVP_Digest(der, (size_t)der_len, octets, &len,
				   digest, NULL) == 1)
		filling->session->peer_key_fingerprint =
			fingerprint_format(filling, octets, len);
	OPENSSL_free(der);
}

static struct str distrust(struct filling *filling, long result)
{
	struct tls_session *session = filling->session;

	switch (result) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return arena_fmt(filling->arena, "untrusted issuer %.*s",
			STR_ARG(session->peer_issuer));
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return STR("self-signed certificate");
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return STR("certificate not yet valid");
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return STR("certificate has expired");
	default:
		return arena_fmt(filling->arena, "num=%ld:%s", result,
			X509_verify_cert_error_string(result));
	}
}

unsigned tls_name_flags(const struct tls_client *client)
{
	return client->single_label ? X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS :
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
			X509_CHECK_FLAG_MULTI_LABEL_WILDCARDS;
}

static bool has_name(X509 *peer, const struct tls_client *client)
{
	unsigned flags = tls_name_flags(client);

	for (size_t i = 0; i < client->match_count; i++) {
		struct str name = client->match[i];

		/* length 0 would mean strlen() to the library */
		if (name.len > 0 && X509_check_host(peer, name.p, name.len,
					    flags, NULL) == 1)
			return true;
	}
	return false;
}

/*
 * RFC 7671: the library has compared records and names. A full handshake must
 * also tell which record it was; a resumed one has the verdict of the first.
 */
static void judge_by_dane(struct filling *filling)
{
	struct tls_session *session = filling->session;
	const unsigned char *data;
	size_t len;
	int depth = SSL_get0_dane_authority(filling->ssl, NULL, NULL);

	session->tlsa_depth = depth;
	session->is_trusted = session->is_trusted &&
		(depth >= 0 || session->is_resumed);
	session->is_matched = session->is_trusted;
	if (depth >= 0 && SSL_get0_dane_tlsa(filling->ssl,
				  &session->tlsa.usage, &session->tlsa.selector,
				  &session->tlsa.matching, &data, &len) >= 0)
		session->tlsa.data =
			arena_copy(filling->arena, str_of(data, len));
}

static void look_at_peer(struct filling *filling, X509 *peer,
	const EVP_MD *digest, const struct tls_client *client)
{
	struct tls_session *session = filling->session;
	long result = SSL_get_verify_result(filling->ssl);

	session->has_peer = true;
	session->peer_subject =
		common_name(filling, X509_get_subject_name(peer));
	session->peer_issuer =
		common_name(filling, X509_get_issuer_name(peer));
	fingerprints(filling, peer, digest);
	session->is_trusted = result == X509_V_OK;
	if (client && client->dane)
		judge_by_dane(filling);
	if (!session->is_trusted)
		session->distrust = distrust(filling, result);
	else if (client && !client->dane && client->match_count > 0) {
		session->is_matched = has_name(peer, client);
		if (!session->is_matched)
			session->distrust = STR("certificate name mismatch");
	}
}

/* ---- Channel bindings ---- */

/* RFC 5929 4.1: the digest of the signature, SHA-256 for MD5 and SHA-1. */
static struct str end_point(struct filling *filling, const X509 *server)
{
	unsigned char octets[EVP_MAX_MD_SIZE];
	unsigned len;
	int hash;
	const EVP_MD *digest;

	if (!server || X509_get_signature_info((X509 *)(uintptr_t)server, &hash,
			       NULL, NULL, NULL) != 1 ||
		hash == NID_undef)
		return STR_NONE;
	digest = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() :
						       EVP_get_digestbynid(hash);
	if (!digest || X509_digest(server, digest, octets, &len) != 1)
		return STR_NONE;
	return arena_copy(filling->arena, str_of(octets, len));
}

/* RFC 9266 4.1: TLS 1.3, or earlier with the extended master secret. */
static struct str exporter(struct filling *filling)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned char octets[32];

	if (SSL_version(filling->ssl) < TLS1_3_VERSION &&
		SSL_get_extms_support(filling->ssl) != 1)
		return STR_NONE;
	if (SSL_export_keying_material(filling->ssl, octets, sizeof(octets),
		    label, sizeof(label) - 1, (const unsigned char *)"", 0,
		    1) != 1)
		return STR_NONE;
	return arena_copy(filling->arena, str_of(octets, sizeof(octets)));
}

void tls_session_fill(struct arena *arena, struct tls_layer *layer,
	const struct tls_client *client, struct tls_session *session)
{
	struct filling filling = { arena, layer->ssl, session };
	const SSL_CIPHER *cipher = SSL_get_current_cipher(layer->ssl);
	X509 *peer = SSL_get0_peer_certificate(layer->ssl);
	X509 *own = SSL_get_certificate(layer->ssl);

	session->protocol = copy_text(&filling, SSL_get_version(layer->ssl));
	session->cipher = copy_text(&filling, SSL_CIPHER_get_name(cipher));
	session->bits_used = SSL_CIPHER_get_bits(cipher, &session->bits);
	session->is_resumed = SSL_session_reused(layer->ssl);
	session->key_exchange = key_exchange(&filling);
	signatures(&filling, layer->is_server, own, peer);
	if (peer)
		look_at_peer(&filling, peer, layer->context->digest, client);
	if (layer->is_server)
		session->sni = copy_text(&filling,
			SSL_get_servername(layer->ssl,
				TLSEXT_NAMETYPE_host_name));
	else if (client && !(client->dane && client->dane->base.len > 0))
		/* there it says nothing new */
		session->sni = arena_copy(arena, client->servername);
	session->is_sni_unknown = layer->is_sni_unknown;
	session->end_point = end_point(&filling,
		layer->is_server ? own : peer);
	session->exporter = exporter(&filling);
	ERR_clear_error();
}

struct str tls_resumption(struct arena *arena,
	const struct tls_session *session)
{
	SSL_SESSION *library = SSL_get1_session(session->layer->ssl);
	struct str octets = STR_NONE;
	int len = library && SSL_SESSION_is_resumable(library) ?
		i2d_SSL_SESSION(library, NULL) :
		0;

	if (len > 0) {
		unsigned char *at = arena_alloc(arena, (size_t)len);

		octets = str_of(at, (size_t)len);
		i2d_SSL_SESSION(library, &at);
	}
	SSL_SESSION_free(library);
	ERR_clear_error();
	return octets;
}

/* ---- The certificate itself ---- */

static struct str bio_text(struct arena *arena, BIO *bio)
{
	char *text;
	long len = BIO_get_mem_data(bio, &text);

	return len > 0 ? arena_copy(arena, str_of(text, (size_t)len)) :
			 STR("");
}

static struct str time_text(struct arena *arena, const ASN1_TIME *time)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str text = STR("");

	if (bio && ASN1_TIME_print(bio, time) == 1)
		text = bio_text(arena, bio);
	BIO_free(bio);
	return text;
}

static void find_names(struct arena *arena, X509 *peer,
	struct tls_certificate *certificate)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(peer, NID_subject_alt_name,
		NULL, NULL);
	int count = sk_GENERAL_NAME_num(all);

	certificate->names = arena_array(arena, (size_t)(count > 0 ? count : 0)
		+ 1, sizeof(struct str));
	for (int i = 0; i < count; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
		const ASN1_IA5STRING *text = name->type == GEN_DNS ?
			name->d.dNSName : NULL;

		if (text)
			certificate->names[certificate->name_count++] =
				arena_copy(arena, str_of(
					ASN1_STRING_get0_data(text),
					(size_t)ASN1_STRING_length(text)));
	}
	GENERAL_NAMES_free(all);
}

static struct str chain_pem(struct arena *arena, SSL *ssl, X509 *peer)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	BIO *bio = BIO_new(BIO_s_mem());
	struct str text = STR("");

	if (bio && sk_X509_num(chain) <= 0)
		PEM_write_bio_X509(bio, peer);
	for (int i = 0; bio && i < sk_X509_num(chain); i++)
		PEM_write_bio_X509(bio, sk_X509_value(chain, i));
	if (bio)
		text = bio_text(arena, bio);
	BIO_free(bio);
	return text;
}

bool tls_certificate_find(struct arena *arena,
	const struct tls_session *session, struct tls_certificate *certificate)
{
	SSL *ssl = session->layer->ssl;
	X509 *peer = SSL_get0_peer_certificate(ssl);

	*certificate = (struct tls_certificate){ 0 };
	if (!peer)
		return false;
	certificate->not_before = time_text(arena, X509_get0_notBefore(peer));
	certificate->not_after = time_text(arena, X509_get0_notAfter(peer));
	find_names(arena, peer, certificate);
	certificate->chain_pem = chain_pem(arena, ssl, peer);
	ERR_clear_error();
	return true;
}

/* ---- In words ---- */

const char *tls_trust(const struct tls_session *session)
{
	if (!session->has_peer)
		return "Anonymous";
	if (!session->is_trusted)
		return "Untrusted";
	return session->is_matched ? "Verified" : "Trusted";
}

static void part(struct buf *out, const char *name, struct str value)
{
	if (value.len > 0)
		buf_fmt(out, " %s %.*s", name, STR_ARG(value));
}

void tls_summary_format(struct buf *out, const struct tls_session *session)
{
	buf_fmt(out, "%.*s with cipher %.*s (%d/%d bits)",
		STR_ARG(session->protocol), STR_ARG(session->cipher),
		session->bits_used, session->bits);
	part(out, "key-exchange", session->key_exchange);
	part(out, "server-signature", session->server_signature);
	part(out, "server-digest", session->server_digest);
	part(out, "client-signature", session->client_signature);
	part(out, "client-digest", session->client_digest);
}

void tls_log(const struct tls_session *session, const char *direction,
	struct str peer)
{
	auto_buf struct buf summary = { 0 };

	tls_summary_format(&summary, session);
	log_info("%s TLS connection %s %s %.*s%s%.*s: %.*s",
		tls_trust(session),
		session->is_resumed ? "reused" : "established", direction,
		STR_ARG(peer), session->sni.len ? " to " : "",
		STR_ARG(session->sni), STR_ARG(buf_str(&summary)));
}
