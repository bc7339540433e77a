/*
 * agent/alias - the destinations that an alias, a .forward file or an
 * :include: file names.
 *
 *	joe, "joe blow"@example.org, Joe <joe@example.org>, group: a, b;
 *	|command, "|command with, commas", |"command", /file/name,
 *	:include:/file/name, \joe
 *
 * Source   aliases(5) and local(8) of Postfix, RFC 5322 3.4
 * Memory   values in the arena, or slices of the text
 * Waits    no
 */
#ifndef AGENT_ALIAS_H
#define AGENT_ALIAS_H

#include "base/arena.h"

enum alias_kind {
	ALIAS_ADDRESS = 'a', /* internal form, perhaps without a domain */
	ALIAS_USER = 'u',    /* "\joe": that user's mailbox, as it is */
	ALIAS_COMMAND = 'c', /* without | and quotes */
	ALIAS_FILE = 'f',    /* absolute path */
	ALIAS_INCLUDE = 'i', /* path behind :include: */
	ALIAS_JUNK = 'j',    /* no destination; the text as it stands */
};

enum {
	ALIAS_ITEMS_MOST = 100000, /* of one list */
	ALIAS_FILE_MOST = 4 * 1024 * 1024, /* octets of a file */
};

struct alias_item {
	enum alias_kind kind;
	struct str value;
};

struct alias_list {
	struct alias_item *items;
	size_t count;
};

/* The value of an alias: elements are separated by commas. False: more than
 * ALIAS_ITEMS_MOST. */
must_check bool alias_parse(struct arena *arena, struct str text,
	struct alias_list *list);
/* The text of a file: any number of such lists, one to a line; lines that
 * begin with # are comments. */
must_check bool alias_parse_file(struct arena *arena, struct str text,
	struct alias_list *list);

#endif
