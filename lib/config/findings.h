/*
 * config/findings - what is wrong or without effect in main.cf, for
 * `posthorn check` and at start.
 *
 * Memory   in the arena given
 * Waits    no
 */
#ifndef CONFIG_FINDINGS_H
#define CONFIG_FINDINGS_H

#include "config/config.h"

struct finding {
	enum finding_kind {
		FINDING_VALUE,   /* malformed, out of range, not expandable */
		FINDING_GUARD,   /* restricts, filters or encrypts, and is not
				  * honoured yet: refused where it applies */
		FINDING_UNKNOWN, /* no parameter has this name */
		FINDING_LATER,   /* not honoured yet, and harmless */
	} kind;
	bool is_error;   /* `posthorn check` fails */
	struct str name; /* of the parameter */
	struct str text; /* "FILE, line 7: ...", one line */
};

struct findings {
	struct finding *all; /* in the order of the file */
	size_t count;
};

/* `more`: settings of master.cf (count of them), which may use names too. */
void conf_findings(struct arena *arena, const struct conf *conf,
	const struct str *more, size_t count, struct findings *findings);

/* The parameter whose name is most like this one; NONE: none is near. */
struct str conf_nearest(const struct conf *conf, struct str name);

/* A user-defined name that main.cf itself uses: in $name, as a restriction
 * class, or in one of `more` (settings of master.cf; count of them). */
bool conf_is_used(const struct conf *conf, struct str name,
	const struct str *more, size_t count);

#endif
