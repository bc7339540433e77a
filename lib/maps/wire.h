/*
 * maps/wire - what the servers of tcp:, socketmap: and memcache: tables say.
 *
 * Source   tcp_table(5) and socketmap_table(5) of Postfix, the netstring form,
 *          memcached's text protocol
 * Memory   slices of what was given, or in the arena
 * Waits    no
 */
#ifndef MAPS_WIRE_H
#define MAPS_WIRE_H

#include "maps/maps.h"

enum {
	WIRE_TCP_MOST = 4096,         /* octets of a line */
	WIRE_MEMCACHE_KEY_MOST = 250,
};

/* %XX for what tcp: may not contain: blanks, control octets, '%', 8-bit. */
struct str wire_tcp_encode(struct arena *arena, struct str text);
/* "200 value", "400 text", "500 text". False: none of these. On MAPS_ERROR,
 * `value` is the server's text. */
must_check bool wire_tcp_reply(struct arena *arena, struct str line,
	enum maps_result *result, struct str *value);

/* "12:twelve octet," at the front: the length of the whole is known from the
 * digits. Enough of the front for them: *need, the octets of all. False: not
 * a netstring, or one that is over `most`. */
must_check bool wire_netstring_need(struct str front, size_t most,
	size_t *need);
/* One whole netstring. */
must_check bool wire_netstring_parse(struct str whole, struct str *text);
/* "OK value", "NOTFOUND ", "TEMP why", "TIMEOUT why", "PERM why". */
must_check bool wire_socketmap_reply(struct str text, enum maps_result *result,
	struct str *value);

/* "VALUE key flags octets" or "END": *found tells; false: something else. */
must_check bool wire_memcache_reply(struct str line, struct str key,
	bool *found, uint64_t *octets);
/* %XX for what a memcached key may not contain: blanks and control octets. */
struct str wire_memcache_key(struct arena *arena, struct str key);

/* Where a table's server is: "inet:host:port" or "unix:/path". */
struct wire_place {
	struct str endpoint; /* as the dialer takes it */
	struct str name;     /* socketmap: the map's */
};

must_check bool wire_tcp_place(struct arena *arena, struct str name,
	struct wire_place *place);
must_check bool wire_socketmap_place(struct arena *arena, struct str name,
	struct wire_place *place);
must_check bool wire_memcache_place(struct arena *arena, struct str text,
	struct wire_place *place);

#endif
