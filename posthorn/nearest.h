/*
 * posthorn/nearest - the known name that somebody probably meant.
 *
 * Memory   slices of what was looked at
 * Waits    no
 */
#ifndef POSTHORN_NEAREST_H
#define POSTHORN_NEAREST_H

#include "base/str.h"

struct nearest {
	struct str wanted, name; /* name.len 0: nothing is near */
	unsigned distance;
};

struct nearest nearest_of(struct str wanted);
/* Take `name` if it is nearer than what was seen so far. */
void nearest_look(struct nearest *best, struct str name);
/* Insertions, deletions, changes of an octet and swaps of two neighbours;
 * at most `most` + 1. */
unsigned nearest_distance(struct str a, struct str b, unsigned most);

#endif
