/*
 * commands/tables_proxied - changes to proxy:type:name, which proxywrite(8)
 * makes: all that a command has, or none.
 *
 * Memory   in the arena given; the request on the heap, until proxied_send
 * Waits    proxied_send: the process, for the answer
 */
#ifndef COMMANDS_TABLES_PROXIED_H
#define COMMANDS_TABLES_PROXIED_H

#include "maps/change.h"

/* "proxy:type:name" -> "type:name"; false: another table. */
bool proxied_is(struct str element, struct str *table);

/* Send what change_begin began; the answer has an octet of enum change_result
 * for each change. Ends the process with a message when there is none, or
 * nothing was changed. */
struct str proxied_send(struct arena *arena, const struct conf *conf,
	struct buf *request);

#endif
