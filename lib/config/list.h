/*
 * config/list - the elements of a list: "a, b {c d} inline:{x=y, z}".
 *
 * Elements are separated by commas and blanks. Braces hold an element
 * together wherever they stand in it.
 *
 * Memory   slices of the list
 * Waits    no
 */
#ifndef CONFIG_LIST_H
#define CONFIG_LIST_H

#include "base/str.h"

/*
 * The next element, braces and all; false at the end. A brace that is not
 * closed takes the rest.
 */
must_check bool list_take(struct str *in, struct str *element);
/* The same with other separators (list_take: ", \t\r\n"). */
must_check bool list_take_by(struct str *in, const char *separators,
	struct str *element);

/* "{ text }" -> "text", trimmed; false and unchanged: not all in braces. */
bool list_unbrace(struct str *element);

/* "type:name": both parts; type is letters, digits, '_' and '-'. False: an
 * address, a path or a plain word. */
must_check bool list_split_table(struct str element, struct str *type,
	struct str *name);

/* "name = value" inside braces or of an inline table; both trimmed. */
must_check bool list_split_pair(struct str text, struct str *name,
	struct str *value);

/* True if the list has that word (without case). */
bool list_has_word(struct str list, const char *word);

#endif
