/*
 * commands/finger - posttls-finger's parts: what the command line says, and a
 * conversation with one server.
 *
 * Memory   arenas of the finger and of each conversation
 * Waits    finger_probe
 */
#ifndef COMMANDS_FINGER_H
#define COMMANDS_FINGER_H

#include "commands/finger_sites.h"
#include "config/config.h"
#include "talk/context.h"

enum {
	FINGER_MATCHES_MOST = 64,
	FINGER_OVERRIDES_MOST = 32,
};

/* What the server must satisfy, as smtp_tls_security_level. */
enum level {
	LEVEL_NONE,
	LEVEL_MAY,
	LEVEL_ENCRYPT,
	LEVEL_FINGERPRINT,
	LEVEL_HALF_DANE,
	LEVEL_DANE,
	LEVEL_DANE_ONLY,
	LEVEL_VERIFY,
	LEVEL_SECURE,
};

/* Words of -L. */
enum {
	SHOW_SUMMARY = 1,  /* the TLS connection */
	SHOW_MATCHES = 2,  /* names in the certificate */
	SHOW_PEER = 4,     /* the certificate */
	SHOW_DANE = 8,     /* TLSA records */
};

struct finger {
	struct arena *arena;
	const struct conf *conf;
	const char *overrides[FINGER_OVERRIDES_MOST];
	size_t override_count;

	/* What the command line says. */
	struct finger_search search;
	bool is_silent, shows_chain, is_lmtp, is_wrapped;
	bool asks_insecure_hosts; /* for TLSA records */
	struct str insecure_mx;   /* what to make of TLSA records then */
	enum level level;
	unsigned shows;
	struct str trust_file, servername, protocols;
	struct talk_tls_settings tls;
	uint64_t tries, connect_s, step_s;
	int64_t again_s; /* -1: once */
	struct str matches[FINGER_MATCHES_MOST];
	size_t match_count;

	struct talk_destination destination;
	struct finger_sites sites;
	struct tls_context *context;
	struct str resume; /* what the last connection has left */
	bool is_satisfied;
};

/* "none", "may", ... */
const char *finger_level_name(enum level level);
/* False: no level has this name. */
must_check bool finger_level_find(const char *name, enum level *level);

/* One line of what is seen. */
void finger_say(const char *format, ...) printf_like(1, 2);

/*
 * Talk with this server, if its TLSA records do not forbid it; sets
 * is_satisfied and resume. False: the next one may be tried.
 */
must_check bool finger_probe(struct finger *finger,
	const struct finger_site *site);

#endif
