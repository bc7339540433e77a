/*
 * imap/fetch - what FETCH asks for, and sections of messages.
 *
 * Source   RFC 3501 6.4.5, 9 (fetch-att, section), RFC 7162 3.1.4 (MODSEQ,
 *          CHANGEDSINCE) and 3.2.6 (VANISHED), RFC 9394 3.3 (PARTIAL), RFC
 *          3516 (BINARY), RFC 8970 (PREVIEW), RFC 8474 (EMAILID, THREADID)
 * Memory   the arena given; slices of the command and of the message
 * Waits    no
 * Errors   false: malformed, or over the limits
 */
#ifndef IMAP_FETCH_H
#define IMAP_FETCH_H

#include "imap/returns.h"
#include "mail/mime.h"

enum {
	IMAP_SECTIONS_MOST = 100, /* BODY[...] items in one FETCH */
	IMAP_SECTION_DEPTH = 100,
	IMAP_FIELDS_MOST = 500,
};

enum {
	IMAP_FETCH_UID = 1,
	IMAP_FETCH_FLAGS = 2,
	IMAP_FETCH_INTERNALDATE = 4,
	IMAP_FETCH_SIZE = 8,
	IMAP_FETCH_ENVELOPE = 16,
	IMAP_FETCH_BODY = 32,
	IMAP_FETCH_BODYSTRUCTURE = 64,
	IMAP_FETCH_MODSEQ = 128,
	IMAP_FETCH_SAVEDATE = 256,
	IMAP_FETCH_PREVIEW = 512,
	IMAP_FETCH_EMAILID = 1024,
	IMAP_FETCH_THREADID = 2048,
};

enum imap_section_kind {
	IMAP_SECTION_WHOLE,
	IMAP_SECTION_HEADER,
	IMAP_SECTION_FIELDS,
	IMAP_SECTION_FIELDS_NOT,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME,
	IMAP_SECTION_BINARY, /* the part's content, decoded */
};

struct imap_section {
	enum imap_section_kind kind;
	unsigned *numbers; /* part numbers */
	size_t depth;
	struct str *fields;
	size_t field_count;
	bool peek;         /* does not set \Seen */
	bool is_size;      /* BINARY.SIZE: only how many octets it has */
	bool is_partial;
	uint32_t from, most;
	const char *alias; /* RFC822.HEADER and the like instead of label */
	struct str label;  /* "BODY[1.2.TEXT]", without <> */
};

struct imap_fetch {
	unsigned items; /* IMAP_FETCH_* bits */
	struct imap_section *sections;
	size_t count, capacity;
	bool has_changed_since;
	uint64_t changed_since;
	bool has_vanished, has_partial;
	struct imap_partial partial;
};

/* An item, or several in parentheses; *fetch is empty before. */
must_check bool imap_fetch_take_items(struct arena *arena, struct str *in,
	struct imap_fetch *fetch);
/* The items and modifiers, all of `in`. */
must_check bool imap_fetch_parse(struct arena *arena, struct str in,
	struct imap_fetch *fetch);

/*
 * The octets of a section: a slice of the message with its own line ends, or
 * (fields) built in the arena. False: there is no such part.
 */
must_check bool imap_section_find(struct arena *arena, struct str message,
	const struct mime_part *root, const struct imap_section *section,
	struct str *octets);

enum imap_binary {
	IMAP_BINARY_OK,
	IMAP_BINARY_NO_PART,
	IMAP_BINARY_UNKNOWN, /* an encoding that we do not know */
};

/* The content of a part without its transfer encoding, as it goes over the
 * wire; in the arena. */
enum imap_binary imap_section_decode(struct arena *arena, struct str message,
	const struct mime_part *root, const struct imap_section *section,
	struct str *octets);

#endif
