/*
 * base/random - randomness from the kernel (getrandom(2)).
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/base.h"

/* Fill; ends the process if the kernel gives none. */
void random_octets(void *into, size_t len);
/* Evenly distributed in 0 .. below - 1; below > 0. */
uint64_t random_below(uint64_t below);

#endif
