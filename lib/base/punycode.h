/*
 * base/punycode - domain names in UTF-8 as their ASCII form (xn--...).
 *
 * Source   RFC 3492; of RFC 5891 only what needs no tables: letters of ASCII
 *          are folded, others are taken as they are
 * Memory   results in the arena; a name that is ASCII already is given back
 * Waits    no
 */
#ifndef BASE_PUNYCODE_H
#define BASE_PUNYCODE_H

#include "base/arena.h"

/* Each label that is not ASCII becomes an A-label. NONE: not UTF-8, an empty
 * or an over-long label. */
struct str domain_to_ascii(struct arena *arena, struct str domain);

#endif
