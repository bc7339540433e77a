/*
 * rewrite/rewrite - addresses as they come in, made what they stand for.
 *
 * For the order see ADDRESS_REWRITING_README of Postfix: header addresses:
 * rewrite_address, rewrite_canonical, rewrite_masquerade; envelope recipients
 * the same, then rewrite_aliases. All addresses are in internal form.
 *
 * Memory   results in the arena given, or the address that was given
 * Waits    for proxy: tables only; rewriter_open for the disk
 */
#ifndef REWRITE_REWRITE_H
#define REWRITE_REWRITE_H

#include "base/status.h"
#include "maps/maps.h"
#include "rewrite/resolve.h"

struct rewriter;

/* Opens canonical, virtual alias and masquerade settings; in .prepare. */
struct rewriter *rewriter_open(struct arena *arena, const struct conf *conf,
	struct router *router);

/* Which rules apply. */
enum rewrite_context {
	REWRITE_LOCAL,  /* append_at_myorigin, append_dot_mydomain */
	REWRITE_REMOTE, /* remote_header_rewrite_domain; empty: not at all */
};

/* Where an address stands. */
enum rewrite_where {
	ENVELOPE_SENDER = 1,
	ENVELOPE_RECIPIENT = 2,
	HEADER_SENDER = 4,
	HEADER_RECIPIENT = 8,
};

/*
 * The rules of trivial-rewrite(8): source routes, bang paths, the percent
 * hack, missing domains, trailing dots. Never fails; the empty address stays.
 */
struct str rewrite_address(const struct rewriter *rewriter, struct arena *arena,
	enum rewrite_context context, struct str address);

/* sender_/recipient_canonical_maps, then canonical_maps, as far as the classes
 * allow. MAPS_FOUND: *address was changed. */
enum maps_result rewrite_canonical(struct rewriter *rewriter,
	struct arena *arena, enum rewrite_where where, struct str *address);
/* masquerade_domains; true if changed. */
bool rewrite_masquerade(const struct rewriter *rewriter, struct arena *arena,
	enum rewrite_where where, struct str *address);
/* The three above in their order: what cleanup does to one address. */
enum maps_result rewrite_all(struct rewriter *rewriter, struct arena *arena,
	enum rewrite_context context, enum rewrite_where where,
	struct str *address);

/*
 * One of the tables for mail that leaves (generic(5), smtp_generic_maps), once,
 * without recursion. `maps` is the caller's, opened under `parameter`. MAPS_FOUND:
 * *address was changed.
 */
enum maps_result rewrite_generic(struct rewriter *rewriter,
	struct arena *arena, struct maps *maps, const char *parameter,
	struct str *address);

/* What a bcc table has for the address: a list of addresses, which are not
 * rewritten yet. */
enum maps_result rewrite_find_copies(const struct rewriter *rewriter,
	struct arena *arena, struct maps *bcc, struct str address,
	struct str *list);

struct rewrite_aliases {
	struct str *addresses; /* at least one, in order, without doubles */
	size_t count;
	bool expanded; /* it is not just the address that was given */
};

/*
 * virtual_alias_maps, recursively. Not 250: a table is unavailable (451 4.3.0),
 * or a limit was reached (virtual_alias_expansion_limit,
 * virtual_alias_recursion_limit, ..._address_length_limit: 451 4.6.0).
 */
must_check struct status rewrite_aliases(struct rewriter *rewriter,
	struct arena *arena, struct str address,
	struct rewrite_aliases *aliases);

#endif
