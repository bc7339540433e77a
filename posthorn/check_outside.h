/*
 * posthorn/check_outside - what `posthorn check` looks at outside main.cf and
 * master.cf: shared by its files.
 */
#ifndef POSTHORN_CHECK_OUTSIDE_H
#define POSTHORN_CHECK_OUTSIDE_H

#include "posthorn/posthorn.h"

struct outside {
	struct command_line *line;
	struct config *config;
	const struct master_cf *cf;
	const struct master_cf_row *row; /* whose -o are looked at, or NULL */
	struct str place; /* "FILE, line 7: NAME", of what is looked at */
	unsigned errors;
};

/* A line of what is wrong at o->place. */
void outside_error(struct outside *o, struct str text);
void outside_warning(struct outside *o, struct str text);

#define SAY(o, how, ...) \
	outside_##how(o, arena_fmt((o)->line->arena, __VA_ARGS__))

/* True: main.cf has it, or with o->row set this row; o->place is there. */
bool outside_is_set(struct outside *o, struct str name);
/* The value, expanded, with the row's -o. */
struct str outside_text(struct outside *o, struct str name);

/* check_socket.c: a path below the queue directory, or an absolute one. */
void check_socket(struct outside *o, struct str path);

/* check_lists.c: what a value that is a list of restrictions, of tables or of
 * networks names. The value is that of o->place. */
void check_lists(struct outside *o, struct str name, struct str text);
/* The name that local addresses are completed with. */
void check_origin(struct outside *o);
/* Whether anything refuses to relay for strangers. */
void check_protection(struct outside *o);

/* check_tls.c: certificates and keys, of main.cf or of o->row. */
void check_certificates(struct outside *o);

#endif
