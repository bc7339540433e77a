/*
 * imap/take - the small words of IMAP's grammar, at the front of a command.
 *
 * A command is one slice: its lines joined by CRLF as they came, literals in
 * place: {5}\r\nhello. Nothing here waits for more.
 *
 * Source   RFC 3501 9 (formal syntax), RFC 7888 ({n+})
 * Memory   slices of the command; quoted strings with escapes in the arena
 * Waits    no
 * Errors   false: not at the front of `in`, which then has not moved
 */
#ifndef IMAP_TAKE_H
#define IMAP_TAKE_H

#include "base/arena.h"

enum {
	IMAP_KEYWORD_MOST = 100, /* octets of a keyword */
	IMAP_FLAGS_MOST = 64,    /* keywords in one list */
};

/* Flags that every mailbox has; RFC 3501 2.3.2. */
enum {
	IMAP_ANSWERED = 1,
	IMAP_FLAGGED = 2,
	IMAP_DELETED = 4,
	IMAP_SEEN = 8,
	IMAP_DRAFT = 16,
	IMAP_RECENT = 32, /* never stored */
};

struct imap_flags {
	unsigned system;       /* IMAP_* bits */
	size_t count;          /* of keywords */
	struct str keywords[IMAP_FLAGS_MOST];
};

bool imap_take_space(struct str *in);
must_check bool imap_take_atom(struct str *in, struct str *atom);
/* 1*<any ASTRING-CHAR except "+">. */
must_check bool imap_take_tag(struct str *in, struct str *tag);
must_check bool imap_take_number(struct str *in, uint32_t *number);
must_check bool imap_take_number64(struct str *in, uint64_t *number);
must_check bool imap_take_nz_number(struct str *in, uint32_t *number);
must_check bool imap_take_literal(struct str *in, struct str *literal);
/* Quoted or literal. */
must_check bool imap_take_string(struct arena *arena, struct str *in,
	struct str *string);
/* NIL gives NONE. */
must_check bool imap_take_nstring(struct arena *arena, struct str *in,
	struct str *string);
must_check bool imap_take_astring(struct arena *arena, struct str *in,
	struct str *string);
/* list-mailbox: as astring, but "%" and "*" may stand in it bare. */
must_check bool imap_take_pattern(struct arena *arena, struct str *in,
	struct str *pattern);
/* "(" flags ")", or, if `bare` is allowed, flags without parentheses. False:
 * also for \Recent and for unknown flags that begin with "\". */
must_check bool imap_take_flags(struct str *in, bool bare,
	struct imap_flags *flags);
/* Does a line end in {n} or {n+}? `plus`: the latter. */
must_check bool imap_literal_follows(struct str line, uint64_t *octets,
	bool *plus);
/* The name without case of a system flag: "\Seen"; NULL for other bits. */
const char *imap_flag_name(unsigned bit);

#endif
