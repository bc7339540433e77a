/*
 * tls/tls - TLS on a stream, both sides (OpenSSL), as a stream_layer.
 *
 * A context (keys, trust, ciphers) is made before the sandbox closes: it opens
 * all files then and none later. A handshake reads and writes the stream's raw
 * octets, then sets the layer; the stream is used as before. The library is
 * given memory to read and write, and never waits itself.
 *
 * Verification never ends a handshake: what was found is in the tls_session,
 * and the caller (whose policy says none, may, encrypt, verify, secure,
 * fingerprint, dane) decides. "TLS library problem:" warnings are logged here.
 *
 * RFC      5246, 8446, 6066 (SNI), 6125 (names), 5929, 9266 (channel binding),
 *          6698, 7671 (DANE)
 * Waits    tls_accept, tls_connect
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"
#include "io/stream.h"

struct tls_context;

enum {
	TLS_TICKET_KEY = 80, /* octets: name, AES-256 key, HMAC key */
	TLS_TICKET_KEYS_MOST = 4,
};

/* A key and its certificates, leaf first. Files, or their PEM text. */
struct tls_chain {
	const char *cert_file, *key_file; /* key_file NULL: in cert_file */
	struct str cert_pem, key_pem;     /* used when the file is NULL */
	/* A file (or cert_pem) that holds one or more of: a key, then its
	 * certificates (smtpd_tls_chain_files). */
	bool is_chain_file;
};

/* Zeroed is a sensible client: any protocol from TLSv1, no verification. */
struct tls_options {
	bool is_server;
	const struct tls_chain *chains; /* one per type of key */
	size_t chain_count;

	const char *ca_file, *ca_path; /* NULL: none; all files of ca_path */
	struct str ca_pem;
	bool default_ca;          /* where one of these is set, also the
				     system's (tls_append_default_CA) */
	bool ask_peer;            /* server: request a client certificate */
	bool require_peer;        /* server: no handshake without one */
	unsigned verify_depth;    /* 0: 9 */
	const char *digest;       /* of fingerprints; NULL: sha256 */

	/* Postfix's syntax; see tls_protocols_parse. Empty: >=TLSv1. */
	struct str protocols;
	struct str ciphers;       /* OpenSSL's list (tls_medium_cipherlist) */
	struct str exclude;       /* names, separated by blanks or commas */
	/* Curves, then DH groups; those unknown here are left out; empty:
	 * the library's (tls_eecdh_auto_curves, tls_ffdhe_auto_groups). */
	struct str groups;
	/* Security level 0: old peers are better served than refused. */
	bool is_opportunistic;
	bool prefer_server;       /* tls_preempt_cipherlist */
	bool no_tickets;
	struct span session_timeout; /* 0: one hour */
	/* Sessions of another service are not resumed; empty: of any. */
	struct str service;
	/* Client: digests of TLSA records that count, the best first:
	 * "sha512 sha256", or with their numbers "sha512=2 sha256=1". One that
	 * is wrong or unknown: a warning, and no DANE. Empty: no DANE. */
	struct str dane_digests;

	/* SNI: the context for this name (lower case), NULL: this one. Must
	 * not wait. */
	struct tls_context *(*by_name)(void *state, struct str name);
	void *by_name_state;
};

/* NULL: *error (in the arena) says why, with the file name. */
struct tls_context *tls_context_new(struct arena *arena,
	const struct tls_options *options, struct str *error) must_check;
void tls_context_free(struct tls_context *context);
/*
 * Keys for session tickets that several processes share: one or more of
 * TLS_TICKET_KEY octets; the first makes new tickets, all are accepted. False:
 * wrong length. Without it each context has its own, random ones.
 */
must_check bool tls_context_ticket_keys(struct tls_context *context,
	struct str keys);

/* One TLSA record, RFC 6698 2.1. */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	struct str data;
};

/* What the DNS says of a server's certificate. The caller has seen to it that
 * the records are validated. */
struct tls_dane {
	struct str base; /* TLSA base domain, RFC 7671 7: sent as SNI; empty:
			    anchors of a file, with names and SNI as usual */
	const struct tls_tlsa *records; /* usable ones: tls_dane_sift */
	size_t count;
};

/* This context has been made for DANE. */
bool tls_has_dane(const struct tls_context *context);
/*
 * The records that a client with this context can use come to the front; how
 * many these are. Usages 0 and 1 are none of them (RFC 7672 3.1.3), nor are
 * digests that are not among dane_digests, digests of a wrong length, and
 * what is no certificate or key.
 */
size_t tls_dane_sift(struct tls_context *context, struct tls_tlsa *records,
	size_t count);
/*
 * Certificates and public keys of a PEM file as records of usage 2: whom a
 * chain must lead to, whoever else is trusted. More than TLS_ANCHORS_MOST in
 * all, or no file: false, and *error says why. Waits for the disk.
 */
enum { TLS_ANCHORS_MOST = 100 };
must_check bool tls_anchors_read(struct arena *arena, const char *path,
	struct tls_tlsa anchors[TLS_ANCHORS_MOST], size_t *count,
	struct str *error);
/* dane_digests, as the context reads it. */
struct tls_digest {
	struct str name;
	uint8_t matching; /* the number of RFC 6698 7.4 */
};
enum { TLS_DIGESTS_MOST = 16 };
/* False: too many, a bad number, the number of another digest, or none for a
 * name that we do not know; *wrong is the item. */
must_check bool tls_digests_parse(struct str text,
	struct tls_digest digests[TLS_DIGESTS_MOST], size_t *count,
	struct str *wrong);

/* What a client wants of one connection. */
struct tls_client {
	struct str servername; /* SNI; STR_NONE: not sent */
	/* Names one of which the certificate must have: "a.example", or
	 * ".example" for all names below it. */
	const struct str *match;
	size_t match_count;
	/* A wildcard stands for one label only. */
	bool single_label;
	/* When not empty, instead of the context's. */
	struct str protocols, ciphers, exclude;
	struct str resume; /* what tls_resumption gave; STR_NONE: nothing */
	/*
	 * Not NULL: the certificate must agree with one of these records, and
	 * authorities do not count. With a trust anchor (usage 2) it must have
	 * the base domain or one of `match` as its name; with usage 3 neither
	 * names nor times are looked at (RFC 7672 3.1.1). `servername` is not
	 * sent. The context must have DANE. What is resumed was judged by the
	 * records of then: resume with the same ones only.
	 */
	const struct tls_dane *dane;
};

/* All slices in the arena of the connection; empty where there is nothing. */
struct tls_session {
	struct str protocol; /* "TLSv1.3" */
	struct str cipher;   /* OpenSSL's name */
	int bits_used, bits;
	struct str key_exchange;     /* "X25519", "ECDHE (P-256)" */
	struct str server_signature; /* "RSA-PSS (2048 bits)" */
	struct str server_digest;    /* "SHA256" */
	struct str client_signature, client_digest;
	bool is_resumed;

	bool has_peer;   /* the peer has shown a certificate */
	bool is_trusted; /* its chain leads to a CA that we know */
	bool is_matched; /* and it has one of the names that were wanted */
	struct str peer_subject, peer_issuer; /* common names */
	struct str peer_fingerprint, peer_key_fingerprint; /* "AB:CD:..." */
	/* Why not trusted: "untrusted issuer <x>", "self-signed certificate",
	 * "certificate has expired"; or not matched. */
	struct str distrust;
	/* With DANE both are set or none; and the record that was found true,
	 * and of which certificate of the chain (0: the server's). data is
	 * STR_NONE when a session was resumed. */
	struct tls_tlsa tlsa;
	int tlsa_depth;

	struct str sni;        /* the name asked for, except by DANE */
	bool is_sni_unknown;   /* by_name knew no context for it */

	/* Channel bindings, raw octets; empty where not defined. */
	struct str end_point; /* tls-server-end-point, RFC 5929 4 */
	struct str exporter;  /* tls-exporter, RFC 9266 */

	/* After false: "lost connection", "Connection timed out", "-1" (for
	 * "SSL_accept error from <client>: ..."). */
	struct str failure;

	struct tls_layer *layer;
};

/*
 * The handshake, at most `timeout` in all. Buffered plaintext input must have
 * been discarded. Everything lives in the arena of the connection (the one of
 * the stream). False: session->failure, and the stream is of no use.
 */
must_check bool tls_accept(struct arena *arena, struct stream *stream,
	struct tls_context *context, struct span timeout,
	struct tls_session *session);
must_check bool tls_connect(struct arena *arena, struct stream *stream,
	struct tls_context *context, const struct tls_client *client,
	struct span timeout, struct tls_session *session);

/*
 * Opaque octets with which a later tls_connect to the same server resumes;
 * best called at the end of the conversation. Empty if the server gave none.
 */
struct str tls_resumption(struct arena *arena,
	const struct tls_session *session);

/* What the peer's certificate says of itself. */
struct tls_certificate {
	struct str not_before, not_after; /* "Jan  1 00:00:00 2026 GMT" */
	struct str *names;                /* DNS names it is for */
	size_t name_count;
	struct str chain_pem; /* as it came, leaf first */
};

/* False: it has shown none (a resumed session may not have it). */
must_check bool tls_certificate_find(struct arena *arena,
	const struct tls_session *session, struct tls_certificate *certificate);

/* "Anonymous", "Untrusted", "Trusted" or "Verified". */
const char *tls_trust(const struct tls_session *session);
/* "TLSv1.3 with cipher X (256/256 bits) key-exchange X25519 server-...". */
void tls_summary_format(struct buf *out, const struct tls_session *session);
/*
 * Log "Anonymous TLS connection established from <peer>: <summary>";
 * direction is "from" or "to"; " to <sni>" is added where there is one.
 */
void tls_log(const struct tls_session *session, const char *direction,
	struct str peer);

/* A set of protocol versions. */
struct tls_protocols {
	int lowest, highest; /* TLS1_VERSION ..., 0: no limit */
	uint64_t without;    /* SSL_OP_NO_* bits */
};

/* ">=TLSv1.2", "<=TLSv1.3 !TLSv1.1", "!SSLv2, !SSLv3", "TLSv1.2", "0303". */
must_check bool tls_protocols_parse(struct str text,
	struct tls_protocols *protocols);

#endif
