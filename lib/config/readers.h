/*
 * config/readers - which programs read which parameter: readers.def as a
 * table.
 *
 * Waits    no
 */
#ifndef CONFIG_READERS_H
#define CONFIG_READERS_H

#include "config/params.h"

/* "smtpd lmtpd", "all", "daemons master"; "" if no program reads it. */
const char *param_readers(enum param id);

#endif
