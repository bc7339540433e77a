/*
 * queue/foreign - does a queue directory hold messages of another mail system,
 * or of an import that was interrupted? They would never be delivered.
 *
 * Waits    for the disk
 */
#ifndef QUEUE_FOREIGN_H
#define QUEUE_FOREIGN_H

#include "base/arena.h"

/* A line that says what is in the way and what to do; NONE: nothing is. What
 * cannot be looked at is not. */
struct str foreign_find(struct arena *arena, struct str queue_directory);

/* A file of Postfix's begins like this: "C" (or in maildrop/ "T"), a length,
 * digits and blanks. */
bool foreign_is_head(const unsigned char *octets, size_t len);

#endif
