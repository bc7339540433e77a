/*
 * base/intern - numbers for texts: equal ones have the same.
 *
 * Memory   heap; the texts are copied: their octets, and 16 to 24 for each
 * Waits    no
 */
#ifndef BASE_INTERN_H
#define BASE_INTERN_H

#include "base/buf.h"

struct intern;

struct intern *intern_new(void);
void intern_free(struct intern *intern);

/* From 1 on, in the order in which they come; of an empty text 0. */
uint32_t intern_number(struct intern *intern, struct str text);
/* The highest number that was given. */
uint32_t intern_count(const struct intern *intern);

#endif
