/*
 * mailbox/name - the name of a mailbox: which are good, and how one is written
 * on disk.
 *
 * Inside, it is in modified UTF-7 and in Normalization Form C. On disk each
 * level is in modified UTF-7 or in UTF-8, in any form of normalization, as
 * those wrote it who made it; what we make is as the place says. A level in
 * ASCII that is good modified UTF-7 is that, and any other is UTF-8: so each
 * name on disk is one name inside, whatever the place says.
 *
 * Source   RFC 3501 5.1.3, RFC 9051 5.1; Dovecot's mailbox_list_utf8
 * Memory   results in the arena, or the slice that was given
 * Waits    no
 */
#ifndef MAILBOX_NAME_H
#define MAILBOX_NAME_H

#include "mailbox/layout.h"

/* Octets, levels, and characters that a name may have. INBOX is one too. */
bool name_is_good(struct str name);

/* The name inside of one on disk, levels joined by "."; NONE: it cannot be. */
struct str name_read(struct arena *arena, struct str disk);
/* The name on disk of one that is made. */
struct str name_written(struct arena *arena, struct str name, bool utf8);
/*
 * To `path`, which ends with its parent and what stands before each name,
 * append what is there of that name, else what would be made. `parent`: how
 * many octets of it are the directory to look into; 0: the store.
 */
void name_find(const struct mailbox_place *place, struct str name,
	size_t parent, char path[LAYOUT_PATH]);

#endif
