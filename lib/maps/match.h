/*
 * maps/match - lists that something is in or not: mynetworks, relay_domains.
 *
 * Elements are separated by commas or blanks: a pattern, "type:table" (a key
 * that is found matches, whatever the value), "/file" (a file of elements),
 * and any of them with "!" in front. The first element that matches decides.
 *
 * Source   postconf(5) of Postfix
 * Memory   in the arena given
 * Waits    for proxy: tables only; match_open for the disk
 * Errors   MAPS_ERROR: a table or file that cannot be read and nothing before
 *          it decided
 */
#ifndef MAPS_MATCH_H
#define MAPS_MATCH_H

#include "maps/maps.h"

struct match;

/* `parameter` is for messages, and for parent_domain_matches_subdomains. */
struct match *match_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str list);
bool match_is_empty(const struct match *match);

/* The text itself, without case: string_list. */
enum maps_result match_string(struct match *match, struct arena *arena,
	struct str text);
/* A domain: "example.org"; ".example.org" is for what is below it, and so is
 * "example.org" if the parameter is in parent_domain_matches_subdomains. */
enum maps_result match_domain(struct match *match, struct arena *arena,
	struct str domain);
/* A client: by name (NONE or "unknown": not) or address, "192.0.2.1" or
 * "2001:db8::1": patterns are names, addresses and networks. */
enum maps_result match_host(struct match *match, struct arena *arena,
	struct str name, struct str address);

#endif
