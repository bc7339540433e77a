/*
 * milter/fields - the header of a message as the list that filters see and
 * change.
 *
 * The first Received: is our own: filters do not see it, and it is not counted
 * where a field is named by its number; but it has its place where one is
 * inserted (0: above it, 1: below it).
 *
 * Memory   slices of the header, and of the arena given
 * Waits    no
 */
#ifndef MILTER_FIELDS_H
#define MILTER_FIELDS_H

#include "base/buf.h"

struct milter_field {
	struct str raw;  /* all of it, with its last LF */
	struct str name; /* as it stands */
	bool is_ours;    /* not shown */
};

struct milter_fields {
	struct arena *arena;
	struct milter_field *all;
	size_t count, capacity;
};

void milter_fields_parse(struct arena *arena, struct str header,
	struct milter_fields *fields);
void milter_fields_format(const struct milter_fields *fields, struct buf *out);

/* What a filter is shown of the value: lines end in LF, the last has no end.
 * with_space: with the blanks behind the colon. */
struct str milter_field_value(const struct milter_field *field,
	bool with_space);
/* A field as it will stand in the header, with its LF: line ends become LF, and
 * no line but the first begins like a field of its own. with_space: the value
 * brings its blank. */
struct str milter_field_make(struct arena *arena, struct str name,
	struct str value, bool with_space);

/* Behind all others. */
void milter_fields_add(struct milter_fields *fields, struct str raw,
	struct str name);
void milter_fields_insert(struct milter_fields *fields, size_t at,
	struct str raw, struct str name);
/* The number-th (from 1; 0 counts as 1) field of that name, without case;
 * SIZE_MAX: there are not so many. */
size_t milter_fields_find(const struct milter_fields *fields, struct str name,
	size_t number);
void milter_fields_replace(struct milter_fields *fields, size_t at,
	struct str raw, struct str name);
void milter_fields_remove(struct milter_fields *fields, size_t at);

#endif
