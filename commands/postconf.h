/*
 * commands/postconf - what the files of postconf(1) share.
 *
 * Waits    for the disk
 */
#ifndef COMMANDS_POSTCONF_H
#define COMMANDS_POSTCONF_H

#include "base/buf.h"
#include "config/config.h"
#include "config/master_cf.h"

#include <sys/stat.h>

enum { POSTCONF_MOST = 4096 }; /* overrides */

enum postconf_edit {
	EDIT_NONE,
	EDIT_SET,     /* -e */
	EDIT_REMOVE,  /* -X */
	EDIT_COMMENT, /* -# */
};

struct postconf {
	struct arena *arena;
	const char *directory; /* of -c */
	const struct conf *conf;
	const char *overrides[POSTCONF_MOST];
	size_t override_count;
	enum postconf_edit edit;
	bool defaults, only_set, no_name, no_value, fold, expand, json, quiet,
		no_builtin, no_service, no_user;
	int master; /* 'M', 'F', 'P' or 0 */
	bool all_params; /* -PP */
	int bounces; /* 'b', 't' or 0 */
	bool not_honoured; /* --not-honoured */
};

/* postconf_show.c: names, or all of them. */
void show_parameters(struct postconf *p, char **names);
/* One "name = value" as the options have it. */
void show_one(struct postconf *p, struct str name, struct str value);
/* The -o settings of master.cf's rows: their values. */
struct str *postconf_row_values(struct postconf *p, size_t *count);
/* Names that the transports and services of master.cf give parameters. */
void postconf_service_names(struct postconf *p, struct str **names,
	size_t *count);

/* postconf_readers.c: the programs that read these, or all. */
void show_readers(struct postconf *p, char **names);

/* postconf_marks.c: what is set and not honoured yet; with -d all of it. */
void show_not_honoured(struct postconf *p);

/* postconf_names.c: names that are set and nobody reads, or read and nobody
 * sets, as warnings. */
void warn_of_names(struct postconf *p);

/* postconf_bounce.c: -b, -t. */
void show_bounces(struct postconf *p, char **arguments);

/* postconf_edit.c: -e, -X, -#. */
void edit_parameters(struct postconf *p, char **arguments);
/* The text of a file of the configuration directory, and replacing it: with
 * its owner and mode, all at once. */
struct str read_file_of(struct postconf *p, const char *name);
void write_file_of(struct postconf *p, const char *name, struct str text);

/* postconf_master.c: -M, -F, -P. */
void show_master(struct postconf *p, char **patterns);
void edit_master(struct postconf *p, char **arguments);
void read_master(struct postconf *p, struct master_cf *cf);

#endif
