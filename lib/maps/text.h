/*
 * maps/text - text files of keys and values: "key value", "name: value".
 *
 * Logical lines as in main.cf. In a table a key may hold quoted strings, in
 * which blanks do not end it; it is kept as written. In an alias file the name
 * may be quoted as a whole or in part; quotes go.
 *
 * Source   postmap(1), postalias(1), aliases(5) of Postfix
 * Memory   slices of the text, or in the arena
 * Waits    no
 */
#ifndef MAPS_TEXT_H
#define MAPS_TEXT_H

#include "config/main_cf.h"

enum text_fault {
	TEXT_FINE,
	TEXT_NO_VALUE,
	TEXT_UNBALANCED, /* quotes */
	TEXT_IS_ALIAS,   /* "key:" in a table: taken, but strange */
	TEXT_NO_COLON,   /* in an alias file */
	TEXT_INDENTED,   /* a first line that continues nothing */
};

struct text_entry {
	struct str key, value, text; /* text: the whole logical line */
	unsigned line;
	enum text_fault fault;
};

struct main_cf text_open(struct str text);
must_check bool text_take_table(struct arena *arena, struct main_cf *in,
	struct text_entry *entry);
must_check bool text_take_alias(struct arena *arena, struct main_cf *in,
	struct text_entry *entry);
/* One line of postmap -i. */
enum text_fault text_parse_table(struct str line, struct str *key,
	struct str *value);
enum text_fault text_parse_alias(struct arena *arena, struct str line,
	struct str *key, struct str *value);

#endif
