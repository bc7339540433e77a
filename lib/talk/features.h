/*
 * talk/features - what a server offers in its answer to EHLO or LHLO.
 *
 * Source   RFC 5321 4.1.1.1, 1870 (SIZE), 6152 (8BITMIME), 2920 (PIPELINING),
 *          3461 (DSN), 6531 (SMTPUTF8), 3207 (STARTTLS), 4954 (AUTH), 8689
 * Memory   slices of the reply
 * Waits    no
 */
#ifndef TALK_FEATURES_H
#define TALK_FEATURES_H

#include "base/str.h"

enum feature {
	FEATURE_8BITMIME = 1 << 0,
	FEATURE_PIPELINING = 1 << 1,
	FEATURE_SIZE = 1 << 2,
	FEATURE_DSN = 1 << 3,
	FEATURE_SMTPUTF8 = 1 << 4,
	FEATURE_STARTTLS = 1 << 5,
	FEATURE_AUTH = 1 << 6,
	FEATURE_XFORWARD = 1 << 7,
	FEATURE_REQUIRETLS = 1 << 8,
	FEATURE_ENHANCED = 1 << 9,
	FEATURE_CHUNKING = 1 << 10,
	FEATURE_ETRN = 1 << 11,
	FEATURE_XCLIENT = 1 << 12,
	FEATURE_VRFY = 1 << 13,
	FEATURE_XVERP = 1 << 14,
};

enum xforward {
	OFFERS_NAME = 1 << 0,
	OFFERS_ADDR = 1 << 1,
	OFFERS_PROTO = 1 << 2,
	OFFERS_HELO = 1 << 3,
	OFFERS_SOURCE = 1 << 4,
	OFFERS_PORT = 1 << 5,
	OFFERS_IDENT = 1 << 6,
};

struct talk_features {
	struct str name;       /* first word of the first line: who it is */
	unsigned set;          /* enum feature */
	unsigned xforward;     /* enum xforward */
	uint64_t size_limit;   /* 0: none given */
	struct str mechanisms; /* of AUTH, separated by blanks */
};

/*
 * `whole`: the lines of the reply as in struct smtp_reply. `without`: names to
 * be overlooked (smtp_discard_ehlo_keywords).
 */
void talk_features_parse(struct str whole, struct str without,
	struct talk_features *features);

#endif
