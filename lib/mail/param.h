/*
 * mail/param - the parameters of MIME fields: ; name=value; name*0*=...
 *
 * Source   RFC 2045 5.1, RFC 2231 (continuations, charset and language)
 * Memory   the arena given
 * Waits    no
 * Errors   junk between parameters is skipped to the next ";"
 */
#ifndef MAIL_PARAM_H
#define MAIL_PARAM_H

#include "base/buf.h"

enum {
	MAIL_PARAMS_MOST = 100, /* of one field; more are ignored */
};

struct mail_param {
	struct str name;    /* as sent, without "*" parts */
	struct str value;   /* joined, unquoted; UTF-8 if charset was known */
	struct str charset; /* of RFC 2231, NONE if none */
};

struct mail_params {
	size_t count;
	struct mail_param *items;
};

/* What stands behind the value of the field, from the first ";" on. */
void mail_params_parse(struct arena *arena, struct str text,
	struct mail_params *params);
/* NONE: there is none of that name (without case). */
struct str mail_params_find(const struct mail_params *params,
	const char *name);
/* Take one token (RFC 2045 5.1); comments and blanks around it skipped.
 * False: there is none. */
must_check bool mail_token_take(struct str *in, struct str *token);
/* Skip blanks, line ends and comments. */
void mail_blanks_take(struct str *in);

#endif
