/*
 * maps/settings - the configuration of one table: a file of "name = value"
 * lines ("pgsql:/etc/postfix/x.cf"), or parameters of main.cf that begin with
 * the table's name ("pgsql:x" has x_hosts).
 *
 * Memory   in the arena given
 * Waits    settings_open: for the disk
 */
#ifndef MAPS_SETTINGS_H
#define MAPS_SETTINGS_H

#include "maps/driver.h"

struct settings;

/* NULL with ->error set. The file is watched. */
struct settings *settings_open(struct map_opening *opening);

/* NONE: not set. */
struct str settings_text(const struct settings *settings, const char *name);
struct str settings_text_or(const struct settings *settings, const char *name,
	const char *otherwise);
/* The same with a NUL at the end; NULL: not set. */
const char *settings_cstr(const struct settings *settings, const char *name);
/* Bad values are logged, and the default taken. */
int64_t settings_int(const struct settings *settings, const char *name,
	int64_t least, int64_t most, int64_t otherwise);
bool settings_bool(const struct settings *settings, const char *name,
	bool otherwise);
/* "30", "30s", "2m", ...: a bare number is seconds. */
struct span settings_span(const struct settings *settings, const char *name,
	int64_t otherwise_s);
/* The file's path, or the prefix: for messages. */
struct str settings_place(const struct settings *settings);

#endif
