/*
 * milter/content - the content of a message before the filters, and what they
 * make of it.
 *
 * Each filter sees the message as those before it have left it. What a filter
 * asks for at the end counts when it also lets the message pass; what one that
 * fails has asked for is forgotten.
 *
 * Source   see milter/packet.h
 * Memory   everything in the arena of the message
 * Waits    for the filters, and if `read` does
 */
#ifndef MILTER_CONTENT_H
#define MILTER_CONTENT_H

#include "milter/milter.h"

/* A change of the envelope. */
struct milter_edit {
	char kind;            /* MILTER_CHANGE_SENDER, MILTER_..._RECIPIENT */
	struct str address;   /* in internal form; of a sender: may be empty */
	struct str arguments; /* of ESMTP, NONE: none */
};

/* What the owner of the message says of a header line that a filter wants. */
enum milter_line {
	MILTER_LINE_TAKE, /* *line, perhaps another now, without its last LF */
	MILTER_LINE_LEAVE, /* as if the filter had not asked */
	MILTER_LINE_STOP, /* the message is refused; the owner knows how */
};

struct milter_content {
	struct arena *arena;
	struct str header;    /* with LF ends, without the empty line */
	bool has_new_header;
	uint64_t body_octets; /* with LF ends */
	/* len octets of it from `at` on, good until the next call. NONE: it
	 * cannot be read. */
	struct str (*read)(void *owner, uint64_t at, size_t len);
	bool has_new_body;    /* then it is: */
	struct str body;
	uint64_t body_most;   /* of a new one; 0: no limit */
	enum milter_line (*line)(void *owner, struct str *line);
	void (*edit)(void *owner, const struct milter_edit *edit);
	void *owner;
};

/* 250: it passes; see milters_discard and milters_hold. Where it does not, the
 * filters that have heard of it are told of its end. */
must_check struct status milters_content(struct milters *ms,
	struct milter_content *content);

#endif
