/*
 * content/checks - the tables that say what happens to lines of a message.
 *
 * Source   header_checks(5) of Postfix
 * Memory   struct checks in the arena of checks_open; words in the lookup's
 * Waits    checks_find: for proxy: tables only; checks_open: for the disk
 */
#ifndef CONTENT_CHECKS_H
#define CONTENT_CHECKS_H

#include "maps/maps.h"

/* Which line of the message. */
enum check_kind {
	CHECK_HEADER,        /* a field of the message's own header */
	CHECK_MIME_HEADER,   /* of a part; in any header, one about MIME */
	CHECK_NESTED_HEADER, /* of an attached message */
	CHECK_BODY,          /* a line of a body */
	CHECK_KINDS
};

struct check_table {
	const char *parameter; /* whose value `list` is; must stay */
	struct str list;
};

struct checks;

/* In .prepare. */
struct checks *checks_open(struct arena *arena, const struct conf *conf,
	const struct check_table tables[CHECK_KINDS]);
bool checks_has(const struct checks *checks, enum check_kind kind);
const char *checks_parameter(const struct checks *checks,
	enum check_kind kind);
/* "header" or "body", as logged. */
const char *check_kind_name(enum check_kind kind);

/* What a table says: "REJECT too odd". */
struct check_word {
	struct str action, argument; /* argument: may be empty */
};

enum check_result {
	CHECK_KEEP,
	CHECK_DROP,    /* IGNORE, STRIP */
	CHECK_REPLACE, /* *text is what stands there now */
	CHECK_PREPEND, /* *text goes before it */
	CHECK_PASS,    /* it stays, and no line behind it is looked at */
	CHECK_STOP,    /* nothing else matters: the walk ends */
};

/* An action that concerns its line alone. */
struct line_action {
	const char *name;
	enum check_result result; /* with the argument as its text */
	const char *logged;       /* "warning"; NULL: not logged */
	bool needs_argument;
};

/* DUNNO IGNORE INFO OK PREPEND REPLACE STRIP WARN, without case; NULL:
 * none of them, or its argument is missing. */
const struct line_action *line_action_find(const struct check_word *word);

enum maps_result checks_find(struct checks *checks, struct arena *arena,
	enum check_kind kind, struct str line, struct check_word *word);

#endif
