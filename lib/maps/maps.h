/*
 * maps/maps - lookup tables: "hash:/etc/aliases, inline:{a=b}".
 *
 * A parameter names a list of tables; a lookup asks them in order and the
 * first that has the key answers. Tables are opened before the sandbox closes
 * (.prepare); afterwards nothing is opened: small databases are copied into
 * memory, text files are parsed into it. A table that cannot be opened gives
 * MAPS_ERROR at every lookup (a temporary failure), and one line in the log.
 *
 * Source   postconf(5), the table manuals of Postfix
 * Memory   an open list lives in the arena it was given; values in the
 *          lookup's arena
 * Waits    maps_find and what uses it: for proxy: tables only; maps_open: for
 *          the disk
 */
#ifndef MAPS_MAPS_H
#define MAPS_MAPS_H

#include "config/config.h"

struct maps;

enum maps_result {
	MAPS_ABSENT,
	MAPS_FOUND,
	MAPS_ERROR, /* try again later */
};

enum maps_flags {
	/* Patterns may not put parts of the key into the result ($1): for
	 * results that say whose files are written, or what is executed. */
	MAPS_NO_SUBSTITUTION = 1,
	/* Keys keep their case (default: ASCII letters are folded; pattern
	 * types decide themselves). */
	MAPS_KEEP_CASE = 2,
	/* proxy: is left out and the table opened in this process. */
	MAPS_DIRECT = 4,
	/* What this process can do for tables on servers; in a daemon without
	 * it they are looked up by proxymap or querymap. */
	MAPS_DIALS = 8,   /* it may ask the dialer for connections */
	MAPS_BLOCKS = 16, /* it serves nobody else meanwhile */
};

/*
 * Open a list of tables. `parameter` is for messages. An empty list is fine:
 * everything is absent. Elements without "type:" are an error of that element.
 */
struct maps *maps_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str list, unsigned flags);
bool maps_is_empty(const struct maps *maps); /* no table; NULL: true */

/* The whole key, asked of every table. value: never empty. NULL: absent. */
enum maps_result maps_find(struct maps *maps, struct arena *arena,
	struct str key, struct str *value);
/* A part of a key (a domain, a parent): pattern types (regexp, pcre, cidr)
 * are not asked. */
enum maps_result maps_find_part(struct maps *maps, struct arena *arena,
	struct str key, struct str *value);
/* What failed in the last lookup that gave MAPS_ERROR: "type:name". */
struct str maps_failed(const struct maps *maps);

/* True if one of the tables that this process opened was replaced or written
 * since. No more than an fstat(2) for each. */
bool maps_changed(void);
/* The same for the certificates, keys and CAs that these options name. */
struct tls_options;
void maps_watch_tls(const struct tls_options *options);
/* In .start: a fiber that looks once a second and has master start a
 * successor (service_replace) after a change. */
void maps_watch(void);

/* The types that can be used, for postconf -m; NULL after the last. */
const char *maps_type(size_t at);

#endif
