#include "base/test.h"

#include "io/fiber.h"
#include "tls/tls.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Certificates for the tests, made here ---- */

static struct arena *process;

static struct str bio_text(BIO *bio)
{
	char *p;
	long len = BIO_get_mem_data(bio, &p);
	struct str text = arena_copy(process, str_of(p, (size_t)len));

	BIO_free(bio);
	return text;
}

static struct str key_pem(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	return bio_text(bio);
}

static struct str cert_pem(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(bio, certificate);
	return bio_text(bio);
}

static void extend(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension =
		X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *certify(EVP_PKEY *key, const char *name, const char *names,
	long days, X509 *issuer, EVP_PKEY *issuer_key)
{
	static long serial = 1;
	X509 *made = X509_new();
	X509_NAME *subject = X509_get_subject_name(made);

	X509_set_version(made, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made), -7200);
	X509_gmtime_adj(X509_getm_notAfter(made), days * 86400 - 3600);
	X509_set_pubkey(made, key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(made,
		issuer ? X509_get_subject_name(issuer) : subject);
	extend(made, NID_basic_constraints,
		issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (names)
		extend(made, NID_subject_alt_name, names);
	X509_sign(made, issuer_key, EVP_sha256());
	return made;
}

struct identity {
	struct tls_chain chain;
	struct str fingerprint;
};

static struct str ca_pem;
static struct identity mx, wild, expired, rsa, person, stranger;

static void identity_new(struct identity *identity, EVP_PKEY *key,
	const char *name, const char *names, long days, X509 *ca,
	EVP_PKEY *ca_key)
{
	X509 *made = certify(key, name, names, days, ca, ca_key);

	identity->chain.cert_pem = cert_pem(made);
	identity->chain.key_pem = key_pem(key);
	X509_free(made);
	EVP_PKEY_free(key);
}

static int make_identities(void **state)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *alone = EVP_EC_gen("P-256");
	X509 *ca = certify(ca_key, "Test CA", NULL, 10, NULL, ca_key);

	(void)state;
	process = arena_new(0);
	ca_pem = cert_pem(ca);
	identity_new(&mx, EVP_EC_gen("P-256"), "mx.example.org",
		"DNS:mx.example.org", 10, ca, ca_key);
	identity_new(&wild, EVP_EC_gen("P-256"), "wild",
		"DNS:*.example.net,DNS:m*.example.com", 10, ca, ca_key);
	identity_new(&expired, EVP_EC_gen("P-256"), "old.example.org",
		"DNS:old.example.org", 0, ca, ca_key);
	identity_new(&rsa, EVP_RSA_gen(2048), "rsa.example.org",
		"DNS:rsa.example.org", 10, ca, ca_key);
	identity_new(&person, EVP_EC_gen("P-256"), "A Person", NULL, 10, ca,
		ca_key);
	identity_new(&stranger, alone, "stranger.example.com",
		"DNS:stranger.example.com", 10, NULL, alone);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	return 0;
}

static int forget_identities(void **state)
{
	(void)state;
	arena_free(process);
	return 0;
}

/* ---- Two ends of one connection ---- */

struct end {
	struct arena *arena;
	struct stream *stream;
	struct tls_context *context;
	struct tls_session session;
	bool ok;
};

static struct end server, client;
static struct tls_client wants;
static void (*server_talk)(void), (*client_talk)(void);

static void serve(void *context)
{
	(void)context;
	server.ok = tls_accept(server.arena, server.stream, server.context,
		span_s(20), &server.session);
	if (server.ok && server_talk)
		server_talk();
}

static void connect_fiber(void *context)
{
	(void)context;
	client.ok = tls_connect(client.arena, client.stream, client.context,
		&wants, span_s(20), &client.session);
	if (!client.ok)
		(void)!io_shutdown(client.stream, span_s(1)); /* it goes */
	else if (client_talk)
		client_talk();
}

static void both(void *context)
{
	(void)context;
	io_spawn("server", serve, NULL);
	io_spawn("client", connect_fiber, NULL);
}

static void open_ends(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	server.arena = arena_new(0);
	client.arena = arena_new(0);
	server.stream = stream_open(server.arena, pair[0]);
	client.stream = stream_open(client.arena, pair[1]);
}

static void close_ends(void)
{
	arena_free(server.arena);
	arena_free(client.arena);
}

static struct tls_context *context_of(struct tls_options options)
{
	struct str error;
	struct tls_context *context;

	context = tls_context_new(process, &options, &error);
	if (!context)
		fail_msg("%.*s", STR_ARG(error));
	return context;
}

static struct tls_context *server_context(const struct identity *identity)
{
	return context_of((struct tls_options){ .is_server = true,
		.chains = &identity->chain, .chain_count = 1 });
}

static void meet(struct tls_context *at_server, struct tls_context *at_client)
{
	server.context = at_server;
	client.context = at_client;
	open_ends();
	io_run(both, NULL);
}

static void part(void)
{
	close_ends();
	tls_context_free(server.context);
	tls_context_free(client.context);
	server_talk = client_talk = NULL;
	wants = (struct tls_client){ 0 };
}

static struct tls_context *trusting(void)
{
	return context_of((struct tls_options){ .ca_pem = ca_pem });
}

/* ---- Tests ---- */

static void talk_server(void)
{
	struct str line;

	assert_true(io_text(server.stream, "220 hello\r\n"));
	assert_true(io_line(server.stream, &line, span_s(10)));
	assert_str(line, "QUIT");
	assert_true(io_text(server.stream, "221 bye\r\n"));
	assert_true(io_shutdown(server.stream, span_s(10)));
}

static void talk_client(void)
{
	struct str line;

	assert_true(io_line(client.stream, &line, span_s(10)));
	assert_str(line, "220 hello");
	assert_true(io_text(client.stream, "QUIT\r\n"));
	assert_true(io_line(client.stream, &line, span_s(10)));
	assert_str(line, "221 bye");
	/* close_notify is the orderly end */
	assert_false(io_line(client.stream, &line, span_s(10)));
	assert_int_equal(errno, 0);
	assert_int_equal(io_failure(client.stream), 0);
}

static void a_conversation(void **state)
{
	struct str names[] = { STR("other.example"), STR("mx.example.org") };
	auto_buf struct buf out = { 0 };

	(void)state;
	wants.servername = STR("mx.example.org");
	wants.match = names;
	wants.match_count = 2;
	server_talk = talk_server;
	client_talk = talk_client;
	meet(server_context(&mx), trusting());
	assert_true(server.ok);
	assert_true(client.ok);
	assert_str(server.session.protocol, "TLSv1.3");
	assert_str(server.session.sni, "mx.example.org");
	assert_string_equal(tls_trust(&server.session), "Anonymous");
	assert_string_equal(tls_trust(&client.session), "Verified");
	assert_str(client.session.peer_subject, "mx.example.org");
	assert_str(client.session.peer_issuer, "Test CA");
	assert_int_equal(client.session.peer_fingerprint.len, 95);
	assert_int_equal(client.session.end_point.len, 32);
	assert_true(str_eq(client.session.end_point,
		server.session.end_point));
	assert_int_equal(client.session.exporter.len, 32);
	assert_true(str_eq(client.session.exporter, server.session.exporter));
	tls_summary_format(&out, &server.session);
	assert_str(buf_str(&out), "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384"
		" (256/256 bits) key-exchange X25519 server-signature"
		" ECDSA (P-256) server-digest SHA256");
	buf_clear(&out);
	tls_summary_format(&out, &client.session);
	assert_true(str_ends(buf_str(&out), STR("server-digest SHA256")));
	part();
}

static const struct {
	struct identity *identity;
	const char *name;
	bool single_label;
	const char *trust, *distrust;
} trusts[] = {
	{ &mx, "MX.example.org", false, "Verified", "" },
	{ &mx, "mx.example.com", false, "Trusted",
		"certificate name mismatch" },
	{ &mx, ".example.org", false, "Verified", "" },
	{ &mx, "example.org", false, "Trusted", "certificate name mismatch" },
	{ &wild, "a.example.net", false, "Verified", "" },
	{ &wild, "a.b.example.net", false, "Verified", "" },
	{ &wild, "a.b.example.net", true, "Trusted",
		"certificate name mismatch" },
	{ &wild, "example.net", false, "Trusted",
		"certificate name mismatch" },
	/* RFC 6125 6.4.3: only a whole label is a wildcard to us */
	{ &wild, "mx.example.com", false, "Trusted",
		"certificate name mismatch" },
	{ &wild, "mx.example.com", true, "Trusted",
		"certificate name mismatch" },
	{ &expired, "old.example.org", false, "Untrusted",
		"certificate has expired" },
	{ &stranger, "stranger.example.com", false, "Untrusted",
		"self-signed certificate" },
	{ &rsa, "rsa.example.org", false, "Verified", "" },
};

static void verification(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(trusts); i++) {
		struct str name = str_from(trusts[i].name);

		wants.match = &name;
		wants.match_count = 1;
		wants.single_label = trusts[i].single_label;
		meet(server_context(trusts[i].identity), trusting());
		assert_true(client.ok);
		assert_string_equal(tls_trust(&client.session),
			trusts[i].trust);
		assert_str(client.session.distrust, trusts[i].distrust);
		part();
	}
	meet(server_context(&mx), context_of((struct tls_options){ 0 }));
	assert_true(client.ok);
	assert_str(client.session.distrust, "untrusted issuer Test CA");
	part();
}

static void client_certificates(void **state)
{
	struct tls_options asks = { .is_server = true, .chains = &mx.chain,
		.chain_count = 1, .ca_pem = ca_pem, .ask_peer = true };
	struct tls_options shows = { .chains = &person.chain,
		.chain_count = 1 };

	(void)state;
	meet(context_of(asks), context_of(shows));
	assert_true(server.ok);
	assert_string_equal(tls_trust(&server.session), "Trusted");
	assert_str(server.session.peer_subject, "A Person");
	assert_str(server.session.client_signature, "ECDSA (P-256)");
	part();
	meet(context_of(asks), context_of((struct tls_options){ 0 }));
	assert_true(server.ok);
	assert_false(server.session.has_peer);
	assert_int_equal(server.session.client_signature.len, 0);
	part();
	asks.require_peer = true;
	meet(context_of(asks), context_of((struct tls_options){ 0 }));
	assert_false(server.ok);
	assert_str(server.session.failure, "-1");
	part();
}

enum {
	BULK = 5 << 20,
};

static void bulk_server(void)
{
	static char piece[50000];

	for (size_t at = 0; at < BULK; at += sizeof(piece)) {
		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = (char)((at + i) * 2654435761u >> 13);
		assert_true(io_write(server.stream,
			str_of(piece, sizeof(piece))));
	}
	assert_true(io_shutdown(server.stream, span_s(10)));
}

static void bulk_client(void)
{
	struct str got;
	size_t at = 0;

	while (io_peek(client.stream, &got, span_s(20))) {
		for (size_t i = 0; i < got.len; i++, at++)
			if (got.p[i] != (char)(at * 2654435761u >> 13))
				fail_msg("wrong octet at %zu", at);
		stream_consume(client.stream, got.len);
	}
	assert_int_equal(errno, 0);
	assert_true(at >= BULK);
}

static void carries_bulk(void **state)
{
	(void)state;
	server_talk = bulk_server;
	client_talk = bulk_client;
	meet(server_context(&rsa), trusting());
	assert_true(server.ok && client.ok);
	part();
}

static void resumes(const char *protocol, bool shared_keys)
{
	struct tls_context *at_server = server_context(&mx), *second;
	struct tls_context *at_client = trusting();
	char keys[2 * TLS_TICKET_KEY];
	struct str kept, name = STR("mx.example.org");

	memset(keys, 'k', TLS_TICKET_KEY);
	memset(keys + TLS_TICKET_KEY, 'm', TLS_TICKET_KEY);
	if (shared_keys)
		assert_true(tls_context_ticket_keys(at_server,
			str_of(keys + TLS_TICKET_KEY, TLS_TICKET_KEY)));
	wants.protocols = str_from(protocol);
	wants.match = &name;
	wants.match_count = 1;
	server_talk = talk_server;
	client_talk = talk_client;
	meet(at_server, at_client);
	assert_true(client.ok);
	assert_str(client.session.protocol, protocol);
	assert_false(client.session.is_resumed);
	kept = tls_resumption(process, &client.session);
	assert_true(kept.len > 0);
	close_ends();
	/* another process, after the keys were rotated */
	second = shared_keys ? server_context(&mx) : at_server;
	if (shared_keys)
		assert_true(tls_context_ticket_keys(second,
			str_of(keys, sizeof(keys))));
	wants.resume = kept;
	meet(second, at_client);
	assert_true(client.ok);
	assert_true(client.session.is_resumed);
	assert_true(server.session.is_resumed);
	assert_string_equal(tls_trust(&client.session), "Verified");
	if (second != at_server)
		tls_context_free(at_server);
	part();
}

static void resumption(void **state)
{
	(void)state;
	resumes("TLSv1.3", false);
	resumes("TLSv1.2", false);
	resumes("TLSv1.3", true);
	resumes("TLSv1.2", true);
	wants.resume = STR("rubbish");
	meet(server_context(&mx), trusting());
	assert_true(client.ok);
	assert_false(client.session.is_resumed);
	assert_false(tls_context_ticket_keys(server.context, STR("short")));
	part();
}

static struct tls_context *by_name(void *state, struct str name)
{
	return str_is(name, "a.example.net") ? state : NULL;
}

static void server_names(void **state)
{
	struct tls_context *other = server_context(&wild);
	struct tls_options options = { .is_server = true, .chains = &mx.chain,
		.chain_count = 1, .by_name = by_name, .by_name_state = other };

	(void)state;
	wants.servername = STR("A.example.net");
	meet(context_of(options), trusting());
	assert_true(server.ok && client.ok);
	assert_str(client.session.peer_subject, "wild");
	assert_false(server.session.is_sni_unknown);
	part();
	wants.servername = STR("b.example.net");
	meet(context_of(options), trusting());
	assert_true(server.ok && client.ok);
	assert_str(client.session.peer_subject, "mx.example.org");
	assert_true(server.session.is_sni_unknown);
	part();
	tls_context_free(other);
}

static void no_common_ground(void **state)
{
	(void)state;
	wants.protocols = STR("TLSv1.2");
	meet(context_of((struct tls_options){ .is_server = true,
		.chains = &mx.chain, .chain_count = 1,
		.protocols = STR(">=TLSv1.3") }), trusting());
	assert_false(server.ok);
	assert_false(client.ok);
	assert_str(server.session.failure, "-1");
	assert_str(client.session.failure, "-1");
	part();
	wants.protocols = STR("TLSv9");
	open_ends();
	client.context = trusting();
	io_run(connect_fiber, NULL);
	assert_false(client.ok);
	server.context = NULL;
	part();
}

static void rubbish(void *context)
{
	(void)context;
	assert_true(io_text(client.stream, "EHLO this is not TLS\r\n"));
	assert_true(io_flush(client.stream, span_s(10)));
	server.ok = tls_accept(server.arena, server.stream, server.context,
		span_s(10), &server.session);
}

static void gone(void *context)
{
	(void)context;
	stream_close(client.stream);
	server.ok = tls_accept(server.arena, server.stream, server.context,
		span_s(10), &server.session);
}

static void silent(void *context)
{
	(void)context;
	server.ok = tls_accept(server.arena, server.stream, server.context,
		span_ms(5), &server.session);
}

static void bad_clients(void **state)
{
	static const struct {
		void (*run)(void *context);
		const char *failure;
	} cases[] = {
		{ rubbish, "-1" },
		{ gone, "lost connection" },
		{ silent, "Connection timed out" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		open_ends();
		server.context = server_context(&mx);
		client.context = NULL;
		io_run(cases[i].run, NULL);
		assert_false(server.ok);
		assert_str(server.session.failure, cases[i].failure);
		part();
	}
}

/* RFC 3207 4.2: what was sent in the clear after STARTTLS does not count. */
static void starttls_server(void *context)
{
	struct str line;

	(void)context;
	assert_true(io_line(server.stream, &line, span_s(10)));
	assert_str(line, "STARTTLS");
	assert_int_equal(stream_discard_input(server.stream), 6);
	assert_true(io_text(server.stream, "220 go\r\n"));
	serve(NULL);
}

static void starttls_client(void *context)
{
	struct str line;

	(void)context;
	assert_true(io_text(client.stream, "STARTTLS\r\nRSET\r\n"));
	assert_true(io_line(client.stream, &line, span_s(10)));
	connect_fiber(NULL);
}

static void starttls_both(void *context)
{
	(void)context;
	io_spawn("client", starttls_client, NULL);
	io_spawn("server", starttls_server, NULL);
}

static void injection(void **state)
{
	(void)state;
	server_talk = talk_server;
	client_talk = talk_client;
	open_ends();
	server.context = server_context(&mx);
	client.context = trusting();
	io_run(starttls_both, NULL);
	assert_true(server.ok && client.ok);
	part();
}

static void chain_files(void **state)
{
	struct buf pem = BUF_IN(process);
	struct tls_chain chain = { .is_chain_file = true };
	struct tls_options options = { .is_server = true, .chains = &chain,
		.chain_count = 1 };
	struct str error;

	(void)state;
	buf_add(&pem, rsa.chain.key_pem);
	buf_add(&pem, rsa.chain.cert_pem);
	buf_add(&pem, mx.chain.key_pem);
	buf_add(&pem, mx.chain.cert_pem);
	buf_add(&pem, ca_pem);
	chain.cert_pem = buf_str(&pem);
	wants.protocols = STR("TLSv1.2");
	wants.ciphers = STR("ECDHE-RSA-AES128-GCM-SHA256");
	meet(context_of(options), trusting());
	assert_true(client.ok);
	assert_str(client.session.peer_subject, "rsa.example.org");
	assert_str(client.session.cipher, "ECDHE-RSA-AES128-GCM-SHA256");
	assert_str(client.session.server_signature, "RSA-PSS (2048 bits)");
	part();
	options.groups = STR("no-such-group, secp384r1");
	meet(context_of(options), trusting());
	assert_str(client.session.key_exchange, "ECDHE (P-384)");
	part();
	options.groups = STR("no-such-group");
	assert_null(tls_context_new(process, &options, &error));
	assert_str(error, "groups: none is known");
	options.groups = STR_NONE;
	chain.is_chain_file = false;
	chain.cert_pem = mx.chain.cert_pem;
	assert_null(tls_context_new(process, &options, &error));
	assert_str(error, "certificate: no private key");
	chain.key_pem = rsa.chain.key_pem;
	assert_null(tls_context_new(process, &options, &error));
	assert_true(error.len > 0);
	chain = (struct tls_chain){ .cert_file = "/nonexistent/cert.pem" };
	assert_null(tls_context_new(process, &options, &error));
	assert_str(error, "/nonexistent/cert.pem: No such file or directory");
}

/* ---- DANE ---- */

/* What a TLSA record of this certificate or key says. */
static struct str association(const struct str pem, unsigned selector,
	unsigned matching)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;
	int len = selector ? i2d_X509_PUBKEY(
				     X509_get_X509_PUBKEY(certificate), &der) :
			     i2d_X509(certificate, &der);
	struct str whole = arena_copy(process, str_of(der, (size_t)len));

	OPENSSL_free(der);
	X509_free(certificate);
	BIO_free(bio);
	if (matching == 0)
		return whole;
	EVP_Digest(whole.p, whole.len, digest, &digest_len,
		matching == 1 ? EVP_sha256() : EVP_sha512(), NULL);
	return arena_copy(process, str_of(digest, digest_len));
}

/* A record: of which certificate, and its numbers. */
struct claim {
	const struct str *of; /* NULL: end */
	uint8_t usage, selector, matching;
};

static const struct dane_case {
	struct identity *shown; /* by the server, alone */
	bool with_ca;           /* the chain holds the authority, too */
	const char *base, *match;
	struct claim claims[3];
	const char *trust, *distrust;
} danes[] = {
	/* an end entity: neither name, nor time, nor authority counts */
	{ &mx, false, "mx.example.org", NULL,
		{ { &mx.chain.cert_pem, 3, 1, 1 } }, "Verified", "" },
	{ &mx, false, "other.example", NULL,
		{ { &mx.chain.cert_pem, 3, 0, 2 } }, "Verified", "" },
	{ &expired, false, "old.example.org", NULL,
		{ { &expired.chain.cert_pem, 3, 1, 0 } }, "Verified", "" },
	{ &stranger, false, "mx.example.org", NULL,
		{ { &stranger.chain.cert_pem, 3, 0, 0 } }, "Verified", "" },
	{ &mx, false, "mx.example.org", NULL,
		{ { &wild.chain.cert_pem, 3, 1, 1 } }, "Untrusted",
		"num=65:no matching DANE TLSA records" },
	{ &mx, false, "mx.example.org", NULL,
		{ { &wild.chain.cert_pem, 3, 1, 1 },
			{ &mx.chain.cert_pem, 3, 0, 1 } }, "Verified", "" },
	/* only the best digest of a kind counts, RFC 7671 9 */
	{ &mx, false, "mx.example.org", NULL,
		{ { &wild.chain.cert_pem, 3, 1, 2 },
			{ &mx.chain.cert_pem, 3, 1, 1 } }, "Untrusted",
		"num=65:no matching DANE TLSA records" },
	/* a trust anchor: the chain must lead there, and the name counts */
	{ &mx, true, "mx.example.org", NULL,
		{ { &ca_pem, 2, 0, 1 } }, "Verified", "" },
	{ &mx, true, "mx.example.org", NULL,
		{ { &ca_pem, 2, 1, 2 } }, "Verified", "" },
	{ &mx, false, "mx.example.org", NULL, /* it is not shown */
		{ { &ca_pem, 2, 0, 1 } }, "Untrusted",
		"untrusted issuer Test CA" },
	{ &mx, false, "mx.example.org", NULL, /* but in the DNS */
		{ { &ca_pem, 2, 0, 0 } }, "Verified", "" },
	{ &mx, true, "other.example", NULL,
		{ { &ca_pem, 2, 0, 1 } }, "Untrusted",
		"num=62:hostname mismatch" },
	{ &mx, true, "other.example", "mx.example.org",
		{ { &ca_pem, 2, 0, 1 } }, "Verified", "" },
	{ &wild, true, "a.example.net", NULL,
		{ { &ca_pem, 2, 0, 1 } }, "Verified", "" },
	{ &expired, true, "old.example.org", NULL,
		{ { &ca_pem, 2, 0, 1 } }, "Untrusted",
		"certificate has expired" },
	{ &stranger, false, "stranger.example.com", NULL,
		{ { &ca_pem, 2, 0, 1 } }, "Untrusted",
		"self-signed certificate" },
	/* the CA is trusted by configuration, which is of no interest */
	{ &mx, true, "mx.example.org", NULL,
		{ { &stranger.chain.cert_pem, 2, 0, 1 } }, "Untrusted",
		"self-signed certificate" },
};

static struct tls_context *with_dane(void)
{
	return context_of((struct tls_options){ .ca_pem = ca_pem,
		.dane_digests = STR("sha512 sha256") });
}

static size_t records_of(const struct dane_case *c, struct tls_tlsa *records)
{
	size_t count = 0;

	for (; count < 3 && c->claims[count].of; count++)
		records[count] = (struct tls_tlsa){ c->claims[count].usage,
			c->claims[count].selector, c->claims[count].matching,
			association(*c->claims[count].of,
				c->claims[count].selector,
				c->claims[count].matching) };
	return count;
}

static void dane(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(danes); i++) {
		const struct dane_case *c = &danes[i];
		struct identity shown = *c->shown;
		struct str match = c->match ? str_from(c->match) : STR_NONE;
		struct tls_tlsa records[3];
		struct tls_dane wanted = { .base = str_from(c->base),
			.records = records, .count = records_of(c, records) };

		if (c->with_ca)
			shown.chain.cert_pem = arena_fmt(process, "%.*s%.*s",
				STR_ARG(shown.chain.cert_pem),
				STR_ARG(ca_pem));
		wants.dane = &wanted;
		wants.match = &match;
		wants.match_count = c->match != NULL;
		wants.servername = STR("not.sent.example");
		meet(server_context(&shown), with_dane());
		assert_true(client.ok);
		if (strcmp(tls_trust(&client.session), c->trust) != 0)
			fail_msg("case %zu: %s", i,
				tls_trust(&client.session));
		if (!str_is(client.session.distrust, c->distrust))
			fail_msg("case %zu: %.*s", i,
				STR_ARG(client.session.distrust));
		assert_str(server.session.sni, c->base);
		if (client.session.is_matched)
			assert_int_equal(client.session.tlsa.usage,
				records[wanted.count - 1].usage);
		part();
	}
}

/* Anchors of a file: the names are those of the level, not a base domain. */
static void anchors(void **state)
{
	static const struct {
		const struct str *anchor;
		bool with_ca;
		const char *name, *trust;
	} cases[] = {
		{ &ca_pem, true, "mx.example.org", "Verified" },
		{ &ca_pem, false, "mx.example.org", "Verified" },
		{ &ca_pem, true, "other.example", "Untrusted" },
		{ &stranger.chain.cert_pem, true, "mx.example.org",
			"Untrusted" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct identity shown = mx;
		struct str name = str_from(cases[i].name);
		struct tls_tlsa record = { 2, 0, 0,
			association(*cases[i].anchor, 0, 0) };
		struct tls_dane wanted = { .base = STR_NONE,
			.records = &record, .count = 1 };

		if (cases[i].with_ca)
			shown.chain.cert_pem = arena_fmt(process, "%.*s%.*s",
				STR_ARG(mx.chain.cert_pem), STR_ARG(ca_pem));
		wants.dane = &wanted;
		wants.match = &name;
		wants.match_count = 1;
		wants.servername = STR("sni.example.org");
		meet(server_context(&shown), with_dane());
		if (strcmp(tls_trust(&client.session), cases[i].trust) != 0)
			fail_msg("case %zu: %s", i,
				tls_trust(&client.session));
		assert_str(server.session.sni, "sni.example.org");
		part();
	}
	/* without any name nothing is the right one */
	{
		struct tls_tlsa record = { 2, 0, 0,
			association(ca_pem, 0, 0) };
		struct tls_dane wanted = { .base = STR_NONE,
			.records = &record, .count = 1 };

		wants.dane = &wanted;
		client.context = with_dane();
		open_ends();
		assert_false(tls_connect(client.arena, client.stream,
			client.context, &wants, span_s(1), &client.session));
		server.context = with_dane();
		part();
	}
}

/* Records of which none counts are not the same as any certificate: nothing is
 * sent, although the authority is one that the context trusts. */
static void dane_of_nothing(void **state)
{
	static const struct {
		size_t count;
		uint8_t usage, selector, matching;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 1, 1, 1, 1 }, /* PKIX-EE, RFC 7672 3.1.3 */
		{ 1, 0, 1, 1 }, /* PKIX-TA */
		{ 1, 3, 1, 9 }, /* no such digest */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tls_tlsa record = { cases[i].usage, cases[i].selector,
			cases[i].matching,
			association(mx.chain.cert_pem, 1, 1) };
		struct tls_dane wanted = { .base = STR("mx.example.org"),
			.records = &record, .count = cases[i].count };

		wants.dane = &wanted;
		meet(server_context(&mx), with_dane());
		if (client.ok || client.session.is_matched)
			fail_msg("case %zu", i);
		part();
	}
}

/* A resumed session keeps what the first one was judged to be. */
static void dane_resumed(void **state)
{
	struct tls_tlsa good = { 3, 1, 1, STR_NONE }, bad = { 3, 1, 1,
		STR_NONE };
	const struct tls_tlsa *records[] = { &good, &bad };
	struct tls_context *at_server = server_context(&mx);
	struct tls_context *at_client = with_dane();

	(void)state;
	good.data = association(mx.chain.cert_pem, 1, 1);
	bad.data = association(wild.chain.cert_pem, 1, 1);
	for (size_t i = 0; i < COUNT(records); i++) {
		struct tls_dane wanted = { .base = STR("mx.example.org"),
			.records = records[i], .count = 1 };
		struct str kept;

		wants.dane = &wanted;
		server_talk = talk_server;
		client_talk = talk_client;
		meet(at_server, at_client);
		assert_int_equal(client.session.is_matched, i == 0);
		kept = tls_resumption(process, &client.session);
		assert_true(kept.len > 0);
		close_ends();
		wants.resume = kept;
		meet(at_server, at_client);
		assert_true(client.session.is_resumed);
		assert_int_equal(client.session.is_matched, i == 0);
		assert_int_equal(client.session.is_trusted, i == 0);
		close_ends();
		wants.resume = STR_NONE;
	}
	open_ends();
	part();
}

static const struct {
	const char *text;
	int lowest, highest;
	uint64_t without;
	bool refused;
} protocols[] = {
	{ .text = "" },
	{ .text = ">=TLSv1.2", .lowest = TLS1_2_VERSION },
	{ .text = ">=TLSv1, <=TLSv1.3", .lowest = TLS1_VERSION,
		.highest = TLS1_3_VERSION },
	{ .text = "!SSLv2, !SSLv3 !TLSv1.1",
		.without = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1_1 },
	{ .text = "tlsv1.2:TLSv1.3", .without = SSL_OP_NO_SSLv3 |
			SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 },
	{ .text = ">=0303", .lowest = TLS1_2_VERSION },
	{ .text = ">=0x0304", .lowest = TLS1_3_VERSION },
	{ .text = ">=TLSv2", .refused = true },
	{ .text = "!", .refused = true },
	{ .text = ">=!TLSv1", .refused = true },
};

static void protocol_syntax(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(protocols); i++) {
		struct tls_protocols got = { 0 };
		bool ok = tls_protocols_parse(str_from(protocols[i].text),
			&got);

		assert_int_equal(ok, !protocols[i].refused);
		assert_int_equal(got.lowest, protocols[i].lowest);
		assert_int_equal(got.highest, protocols[i].highest);
		assert_int_equal(got.without, protocols[i].without);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation),
		cmocka_unit_test(verification),
		cmocka_unit_test(client_certificates),
		cmocka_unit_test(carries_bulk),
		cmocka_unit_test(resumption),
		cmocka_unit_test(server_names),
		cmocka_unit_test(no_common_ground),
		cmocka_unit_test(bad_clients),
		cmocka_unit_test(injection),
		cmocka_unit_test(chain_files),
		cmocka_unit_test(protocol_syntax),
		cmocka_unit_test(dane),
		cmocka_unit_test(anchors),
		cmocka_unit_test(dane_of_nothing),
		cmocka_unit_test(dane_resumed),
	};

	return cmocka_run_group_tests(tests, make_identities,
		forget_identities);
}
