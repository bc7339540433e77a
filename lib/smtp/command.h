/*
 * smtp/command - a command line: its verb, and small arguments.
 *
 * Source   RFC 5321 4.1.1, RFC 3030 2 (BDAT), RFC 4954 4 (AUTH)
 * Memory   slices of the line
 * Waits    no
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "base/str.h"

struct smtp_command {
	struct str verb;      /* as sent; compare without case */
	struct str arguments; /* without blanks at both ends */
};

/* False: there is no verb (an empty line, or blanks only). */
must_check bool smtp_command_parse(struct str line,
	struct smtp_command *command);

/* "FROM:" or "TO:", without case, blanks around the colon allowed; then what
 * stands behind it. False: it is not there, `in` has not moved. */
must_check bool smtp_keyword_take(struct str *in, const char *keyword);

/* "86 LAST". False: malformed. */
struct smtp_bdat {
	uint64_t octets;
	bool is_last;
};

must_check bool smtp_bdat_parse(struct str arguments, struct smtp_bdat *bdat);

/* A name that a client may greet with: one word, in UTF-8, at most 512 octets.
 * Others would break log lines and header fields. */
bool smtp_is_hello(struct str name);

/* A SASL mechanism name (RFC 4422 3.1): 1 to 20 of A-Z 0-9 - _. */
bool smtp_is_mechanism(struct str name);

#endif
