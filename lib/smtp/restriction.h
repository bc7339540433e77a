/*
 * smtp/restriction - the restriction lists of the server, parsed once.
 *
 *	smtpd_recipient_restrictions = permit_mynetworks, warn_if_reject
 *		reject_rbl_client bl.example, check_sender_access hash:/x, class
 *
 * Each name is one row of smtp/restrictions.def. A name that is not there, or
 * that is not honoured, becomes an element with a problem: whoever evaluates
 * it answers 451 4.3.5, so that nothing is let in by a mistake.
 *
 * Memory   the arena given; table arguments are opened by the caller
 * Waits    no
 */
#ifndef SMTP_RESTRICTION_H
#define SMTP_RESTRICTION_H

#include "config/config.h"

/* One for each function column. */
enum restriction_subject {
	ABOUT_NOBODY,
	ABOUT_CLIENT,
	ABOUT_REVERSE,
	ABOUT_HELO,
	ABOUT_SENDER,
	ABOUT_RECIPIENT,
	ABOUT_ETRN,
	ABOUT_SASL,
	ABOUT_CCERT,
};

enum restriction_argument {
	TAKES_NONE,
	TAKES_MAP,
	TAKES_DOMAIN,
	TAKES_NUMBER,
	TAKES_SERVICE,
};

enum restriction_id {
#define RESTRICTION(name, function, subject, argument, support) \
	RESTRICTION_##name,
#include "smtp/restrictions.def"
#undef RESTRICTION
	RESTRICTION_COUNT,
	RESTRICTION_CLASS, /* smtpd_restriction_classes: see list */
	RESTRICTION_BAD,   /* see problem */
};

struct restriction_row {
	const char *name;
	enum restriction_subject subject;
	enum restriction_argument argument;
	bool is_done;
};

struct restriction {
	enum restriction_id id;
	const struct restriction_row *row; /* NULL: a class, or bad */
	struct str name, argument;
	bool warn;                     /* warn_if_reject stood before it */
	struct restriction_list *list; /* of a class */
	struct str problem;            /* of a bad one, for the log */
	void *opened;                  /* the caller's: table of argument */
};

struct restriction_list {
	struct str name; /* of the parameter or class */
	size_t count;
	struct restriction *items;
};

enum {
	RESTRICTION_DEPTH_MOST = 20, /* classes in classes */
};

/*
 * Parse a list. `about`: what a table without a name before it looks at.
 * Classes (conf->smtpd_restriction_classes) are parsed as well. Never fails.
 */
struct restriction_list *restrictions_parse(struct arena *arena,
	const struct conf *conf, struct str name, struct str text,
	enum restriction_subject about);
/* The same for the right side of an access table: no tables allowed. */
struct restriction_list *restrictions_parse_action(struct arena *arena,
	const struct conf *conf, struct str name, struct str text);

/* True if one of the elements can refuse relaying (5.3 of the reference): one
 * of reject_unauth_destination, defer_unauth_destination, reject, defer,
 * defer_if_permit, not under warn_if_reject. Classes count. */
bool restrictions_protect(const struct restriction_list *list);

/* The parameters that are such lists; NULL behind the last. For `posthorn
 * check`, which tells the problem of each RESTRICTION_BAD in them. */
struct restriction_parameter {
	const char *name;
	enum restriction_subject about;
};

extern const struct restriction_parameter restriction_parameters[];

#endif
