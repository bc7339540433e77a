/*
 * config/source - what struct conf was read from; for lib/config's own files
 * and for postconf(1).
 */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include "base/table.h"
#include "config/params.h"

struct conf_entry {
	struct str name, value; /* not expanded */
	unsigned line;          /* 0: an override (-o) */
	struct conf_entry *next;
};

struct config {
	struct arena *arena;
	struct table *rows;    /* name -> const struct param_row */
	struct table *entries; /* name -> struct conf_entry */
	struct conf_entry *first, **last; /* in the order of the file */
	struct str file;       /* its path; NONE: there is none (tests) */
	const struct conf_wanted *wanted;
	struct str texts[PARAMS_END]; /* expanded; NONE: not yet */
	struct str hostname, domain, networks; /* computed, when needed */
};

/* NULL: not a row's name. */
const struct param_row *config_row(const struct config *config,
	struct str name);
struct conf_entry *config_entry(const struct config *config, struct str name);
/* Not expanded: entry, default, computed; NONE: undefined. */
struct str config_raw(struct config *config, struct str name);
/* False and `error`: cannot be expanded. */
must_check bool config_text(struct config *config, const struct param_row *row,
	struct str *text, struct str *error);

/* The default of a row, for postconf -d: computed where it is computed. */
struct str config_default(struct config *config, const struct param_row *row);

/* Convert a row's value into its field of `conf`; false with what is wrong. */
must_check bool config_store(struct config *config, struct conf *conf,
	const struct param_row *row, struct str text, struct str *wrong);

/* "file, line 7: " or "-o: ", where this name was set; may be empty. */
struct str config_place(struct arena *arena, const struct config *config,
	struct str name);

/* computed.c: defaults that depend on this host; NONE: none of them. */
struct str config_computed(struct config *config, const struct param_row *row);

#endif
