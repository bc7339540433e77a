/*
 * imap/search - the program of SEARCH as a tree.
 *
 * Source   RFC 3501 6.4.4, RFC 5032 (OLDER, YOUNGER), RFC 7162 3.1.5 (MODSEQ),
 *          RFC 8514 (SAVEDBEFORE ...), RFC 6203 (FUZZY), RFC 9738 (UIDAFTER)
 * Memory   the arena given; slices of the command
 * Waits    no
 * Errors   false: malformed, or over the limits
 */
#ifndef IMAP_SEARCH_H
#define IMAP_SEARCH_H

#include "imap/set.h"

enum {
	IMAP_SEARCH_DEPTH = 50,
	IMAP_SEARCH_NODES = 2000,
};

enum imap_search_key {
	IMAP_SEARCH_ALL,
	IMAP_SEARCH_SEQ,
	IMAP_SEARCH_UID,
	IMAP_SEARCH_FLAG,    /* bit */
	IMAP_SEARCH_KEYWORD, /* text */
	IMAP_SEARCH_RECENT,
	IMAP_SEARCH_BEFORE,  /* number: day; internal date */
	IMAP_SEARCH_ON,
	IMAP_SEARCH_SINCE,
	IMAP_SEARCH_SENTBEFORE,
	IMAP_SEARCH_SENTON,
	IMAP_SEARCH_SENTSINCE,
	IMAP_SEARCH_SAVEDBEFORE,
	IMAP_SEARCH_SAVEDON,
	IMAP_SEARCH_SAVEDSINCE,
	IMAP_SEARCH_OLDER,   /* number: seconds */
	IMAP_SEARCH_YOUNGER,
	IMAP_SEARCH_LARGER,  /* number: octets */
	IMAP_SEARCH_SMALLER,
	IMAP_SEARCH_MODSEQ,
	IMAP_SEARCH_EMAILID, /* text; RFC 8474 6 */
	IMAP_SEARCH_THREADID,
	IMAP_SEARCH_HEADER,  /* field, text */
	IMAP_SEARCH_BODY,
	IMAP_SEARCH_TEXT,
	IMAP_SEARCH_UIDAFTER, /* number: uid; RFC 9738 3.2 */
	IMAP_SEARCH_UIDBEFORE,
	IMAP_SEARCH_AND,     /* all children */
	IMAP_SEARCH_OR,      /* any child */
};

struct imap_search {
	enum imap_search_key key;
	bool negated;
	bool is_fuzzy; /* RFC 6203 3: of text, near is enough */
	unsigned bit;
	int64_t number;
	struct str field, text;
	struct imap_set set;
	void *hint; /* the caller's */
	struct imap_search *scored; /* the caller's: what counts for relevancy */
	struct imap_search *children, *next;
};

/* What the program needs of a message. */
enum {
	IMAP_SEARCH_NEEDS_HEADER = 1,
	IMAP_SEARCH_NEEDS_BODY = 2,
};

/* All of `in`, behind "CHARSET x ". */
must_check bool imap_search_parse(struct arena *arena, struct str in,
	struct imap_search **program);
/* Resolve "*" in all sets of the program. */
void imap_search_resolve(struct imap_search *program, uint32_t last_seq,
	uint32_t last_uid);
unsigned imap_search_needs(const struct imap_search *program);
/* It has sequence numbers ("$" is none). */
bool imap_search_uses_seq(const struct imap_search *program);
bool imap_search_is_fuzzy(const struct imap_search *program);
bool imap_search_uses(const struct imap_search *program,
	enum imap_search_key key);

#endif
