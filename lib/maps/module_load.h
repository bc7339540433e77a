/*
 * maps/module_load - loading a module of maps/module.
 *
 * Waits    for the disk; before the sandbox closes only
 */
#ifndef MAPS_MODULE_LOAD_H
#define MAPS_MODULE_LOAD_H

#include "maps/driver.h"
#include "maps/match.h"
#include "maps/module.h"
#include "maps/settings.h"

/* $daemon_directory/table-TYPE.so; NULL with ->error set. */
const struct table_module *module_load(struct map_opening *opening);
/* Settings in the form that modules take. */
struct module_settings module_settings_of(const struct settings *settings);

/* Is the key one of the setting `domain`'s (NULL: not set)? Bare words and
 * domains never are. */
enum maps_result domains_have(struct match *domains, struct arena *arena,
	struct str key);

enum { HOSTS_MOST = 32 };

/*
 * The servers of a table, one connection at a time: the one that works stays
 * until it was idle for a while; one that failed rests for retry_interval
 * while there are others. Blocks.
 */
struct servers {
	const struct table_module *module;
	const struct settings *settings;
	struct str label; /* in warnings */
	struct span retry, idle; /* idle 0: no end */
	struct server {
		const char *host;
		bool has_failed;
		struct moment failed;
	} all[HOSTS_MOST];
	size_t count;
	void *connection; /* NULL: none */
	struct moment used;
};

/* The list of hosts, in blanks and commas. */
must_check bool servers_read(struct servers *servers, struct arena *arena,
	struct str hosts);
/* A connection, made now if need be; NULL: no server can be reached (said in
 * the log). */
void *servers_connection(struct servers *servers);
/* What came of a question. MODULE_GONE: the connection ends. */
void servers_used(struct servers *servers, enum module_result result);
void servers_close(void *servers);

#endif
