/*
 * maps/pages - is an LMDB file whole? The library believes what it reads: a
 * damaged file would end the process.
 *
 * Looked at is what a reader and a writer of the newest transaction would
 * follow: both trees of it and the databases named in them, every node of
 * their pages, the sizes of values on overflow pages, and the list of free
 * pages; no page may be used twice. Not looked at: the order of keys, and what
 * values mean.
 *
 * Source   the format of LMDB 0.9 (version 1), in the machine's order
 * Waits    no
 */
#ifndef MAPS_PAGES_H
#define MAPS_PAGES_H

#include "base/str.h"

/* NULL: whole (an empty file too). Else what is wrong, a literal. */
must_check const char *pages_wrong(struct str file);
/* The same of a file, which nobody may write to meanwhile; NULL also when it
 * cannot be read: whoever opens it then will say why. */
must_check const char *pages_wrong_file(const char *path);

#endif
