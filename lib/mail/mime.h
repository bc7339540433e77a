/*
 * mail/mime - the structure of a message: its parts and where they stand.
 *
 * Source   RFC 2045, RFC 2046, RFC 2183 (disposition), RFC 3282 (language),
 *          RFC 1864 (MD5), RFC 2557 (location)
 * Memory   parts in the arena; offsets are those of the message, which must
 *          stay as long as the slices are used
 * Waits    no
 * Errors   none: what is malformed is a text/plain or application/octet-stream
 *          part; over the limits the rest is one part's body
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "mail/param.h"

enum {
	MIME_DEPTH_MOST = 100,   /* multipart and message in each other */
	MIME_PARTS_MOST = 10000, /* of one message */
	MIME_BOUNDARY_MOST = 2048, /* octets compared */
};

enum mime_kind {
	MIME_SINGLE,
	MIME_MULTIPART, /* children: its parts, at least one */
	MIME_MESSAGE,   /* message/rfc822, message/global: children: one */
};

struct mime_part {
	struct mime_part *parent, *next, *children;
	unsigned number; /* 1, 2, ... among its siblings */
	enum mime_kind kind;

	size_t header_at, header_len; /* with the empty line */
	size_t body_at, body_len;     /* without the line end before the
					 boundary */
	/* Line feeds, and those without CR: size in CRLF form is len + bare. */
	uint32_t header_lines, header_bare;
	uint32_t body_lines, body_bare;

	struct str type, subtype; /* as sent, or the default */
	bool has_type;            /* there was a valid Content-Type */
	struct mail_params params;
	struct str encoding;      /* as sent; "7bit" if none */
	struct str id, description, md5, location; /* NONE if none, unfolded */
	struct str disposition;   /* NONE if none */
	struct mail_params disposition_params;
	struct str language;      /* raw body of the field, NONE if none */
};

/* Lower limits than those above; what is over one of them counts as that. */
struct mime_limits {
	unsigned depth;  /* of multiparts in each other */
	size_t boundary; /* what stands behind that many octets of a boundary
			    tells it from no other */
};

/* The whole message; the result is the outermost part. */
struct mime_part *mime_parse(struct arena *arena, struct str message);
/* The same within limits; *is_deeper: there were multiparts below `depth`,
 * which have not been taken apart. */
struct mime_part *mime_parse_within(struct arena *arena, struct str message,
	const struct mime_limits *limits, bool *is_deeper);
/* A part by IMAP section numbers, RFC 9051 6.4.5: {2, 1} is "2.1". NULL: not
 * there. Count 0: the message itself. */
const struct mime_part *mime_part_find(const struct mime_part *message,
	const unsigned *numbers, size_t count);

#endif
