/*
 * base/crc - CRC-32C (Castagnoli), for records on disk.
 */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include "base/str.h"

/* Start with crc 0; feed the result back for the next piece. */
uint32_t crc32c(uint32_t crc, struct str s);

#endif
