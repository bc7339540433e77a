/*
 * sasl/dovecot - the lines of Dovecot's authentication protocol, as a client of
 * it sends and gets them (version 1).
 *
 *	server  VERSION <major> <minor>
 *	        MECH <name> <property>...
 *	        ... DONE
 *	client  VERSION, CPID <pid>
 *	        AUTH <id> <mechanism> service=<name> <parameter>... resp=<base64>
 *	server  CONT <id> <base64>, OK <id> <parameter>..., FAIL <id> ...
 *	client  CONT <id> <base64>, CANCEL <id>
 *
 * Words are separated by tabs; in a value, \001 and a letter stand for octets
 * that a line cannot have.
 *
 * Memory   results are in the arena, or slices of the line
 * Waits    no
 */
#ifndef SASL_DOVECOT_H
#define SASL_DOVECOT_H

#include "base/buf.h"

enum {
	DOVECOT_LINE_MOST = 16 * 1024, /* octets of a line */
	DOVECOT_LINES_MOST = 200,      /* until DONE */
	DOVECOT_NAMES_MOST = 32,       /* mechanisms */
};

struct dovecot_greeting {
	bool has_version, is_done;
	struct str names[DOVECOT_NAMES_MOST]; /* of mechanisms, as they came */
	size_t count;
};

/* The next line of it. False: this is not such a server, or another version.
 * Lines of other kinds are passed over. */
must_check bool dovecot_greet(struct arena *arena,
	struct dovecot_greeting *greeting, struct str line);

struct dovecot_request {
	struct str mechanism, service;
	struct str client_address, server_address; /* empty: not known */
	bool secured;       /* the client's connection is encrypted */
	struct str initial; /* response; NONE: none */
};

/* VERSION and CPID; then AUTH, CONT, CANCEL for exchange 1. */
void dovecot_hello(struct buf *out, uint64_t number);
void dovecot_auth(struct buf *out, const struct dovecot_request *request);
void dovecot_continue(struct buf *out, struct str response);
void dovecot_cancel(struct buf *out);

struct dovecot_reply {
	enum { DOVECOT_OK, DOVECOT_FAIL, DOVECOT_CONT, DOVECOT_OTHER } kind;
	struct str user;    /* empty: not told */
	struct str data;    /* CONT, and OK where there is some; else NONE */
	struct str reason;  /* of FAIL; empty: not told */
	bool is_temporary;  /* FAIL */
};

/* OTHER: a line that is about something else. False: nonsense. */
must_check bool dovecot_reply_parse(struct arena *arena, struct str line,
	struct dovecot_reply *reply);

#endif
