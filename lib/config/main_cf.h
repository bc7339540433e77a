/*
 * config/main_cf - the lines of main.cf: "name = value".
 *
 * A logical line begins in column 0; lines that begin with a blank continue
 * it, also past empty and comment lines. No quoting, no includes.
 *
 * Source   postconf(5) of Postfix
 * Memory   names are slices of the text; values too, unless they were
 *          continued: then they are in the arena
 * Waits    no
 */
#ifndef CONFIG_MAIN_CF_H
#define CONFIG_MAIN_CF_H

#include "base/arena.h"

struct main_cf_entry {
	struct str name, value;
	unsigned line; /* of the file, where the logical line begins */
	enum main_cf_fault {
		MAIN_CF_FINE,
		MAIN_CF_NO_EQUALS, /* no "=", or a blank inside the name */
		MAIN_CF_INDENTED,  /* nothing that it could continue */
	} fault;
	struct str text; /* the logical line, joined */
};

struct main_cf {
	struct str rest;
	unsigned line; /* that rest begins with; starts as 1 */
	bool keep_blanks; /* in front of continuations: lookup tables */
};

static inline struct main_cf main_cf_of(struct str text)
{
	return (struct main_cf){ text, 1, false };
}

/*
 * The next logical line, without comments: `line` is where it began. False at
 * the end. master.cf and lookup tables have the same lines.
 */
must_check bool main_cf_take_line(struct arena *arena, struct main_cf *in,
	struct str *text, unsigned *line);

/* The next entry; false at the end. */
must_check bool main_cf_take(struct arena *arena, struct main_cf *in,
	struct main_cf_entry *entry);

/* "name = value" of a logical line or of -o; blanks around both go. */
enum main_cf_fault main_cf_parse(struct str text, struct str *name,
	struct str *value);

#endif
