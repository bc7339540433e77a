/*
 * content/walk - each field and body line of a message before a judge, and the
 * message as it is afterwards.
 *
 * Source   header_checks(5) of Postfix; RFC 2045, 2046 (parts)
 * Memory   everything in the walk's arena; what is unchanged is not copied
 * Waits    if the judge does
 */
#ifndef CONTENT_WALK_H
#define CONTENT_WALK_H

#include "content/checks.h"
#include "mail/header.h"

struct mime_part;

struct walk {
	struct arena *arena;
	const struct conf *conf; /* body_checks_size_limit, line_length_limit */
	const struct checks *checks; /* kinds without a table are left out */
	/* A line without its end; a folded field with those inside it. */
	enum check_result (*judge)(void *context, enum check_kind kind,
		struct str line, struct str *text);
	void *context;
	bool is_flat; /* the body has no parts: all of it is one text */
	bool stopped;
};

/*
 * One field of the message's own header: what comes in its place or before it
 * goes to `out`. True: the field itself stays (and is not yet in `out`).
 */
must_check bool walk_field(struct walk *walk,
	const struct mail_header *header, struct buf *out);

/* True if there are tables for the fields of the message's own header. */
bool walk_has_fields(const struct walk *walk);
/* True if there are tables for what lies behind the header. */
bool walk_has_parts(const struct walk *walk);
/*
 * All behind the header: the fields of parts and attached messages, and those
 * lines of each body that begin in its first body_checks_size_limit octets, in
 * pieces of line_length_limit. What stands before, between and behind parts,
 * with their boundaries, is body too. The content as it is then: the same slice
 * if nothing changed.
 */
struct str walk_parts(struct walk *walk, struct str content);

/* mime_parse_within mime_nesting_limit and mime_boundary_length_limit. */
struct mime_part *walk_mime(struct arena *arena, const struct conf *conf,
	struct str content, bool *is_deeper);

#endif
