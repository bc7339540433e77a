/*
 * maps/survey - the tables on servers that the configuration names, for the
 * daemons that look them up for all others, and for the dialer.
 *
 * Looked for in the values of main.cf (expanded), in settings that main.cf
 * defines itself, and in master.cf after the service columns.
 *
 * Waits    for the disk
 */
#ifndef MAPS_SURVEY_H
#define MAPS_SURVEY_H

#include "maps/driver.h"

/* found(context, "type:name") for each; the same one may come twice. */
void maps_survey(const struct conf *conf,
	void (*found)(void *context, struct str table), void *context);
/* The same for tables of these types, "hash, btree". */
void maps_survey_types(const struct conf *conf, const char *types,
	void (*found)(void *context, struct str table), void *context);
/* Where a tcp:, socketmap: or memcache: table's server is, as the dialer takes
 * it ("inet:host:port", "unix:/path"); NONE: not such a table, or malformed. */
struct str maps_endpoint(struct arena *arena, const struct conf *conf,
	struct str table);

/* The next "type:name" of a list that is written "proxy:type:name", maybe with
 * '!' in front, also inside of other elements ("check_client_access
 * proxy:..."). False at the end. */
must_check bool maps_take_proxied(struct str *list, struct str *table);

#endif
