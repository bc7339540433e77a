/*
 * queue/maildrop - the form of a local submission, on pickup's socket and in
 * maildrop/ files: lines of text, then the content in chunks.
 *
 *	posthorn-maildrop 1
 *	sender alice@example.org
 *	recipient bob@example.org
 *	content
 *	chunk 1234
 *	<1234 octets, LF line ends>
 *	end
 *
 * Values are xtext (RFC 3461 4): no value can hold a line end. `sender`,
 * `name` (sendmail -F), `envid`, `ret` (full, hdrs), `notify`, `encoding`
 * (7bit, 8bit), `verp` (delimiters) and `flags` stand at most once,
 * `recipient` once or more. A file without `end` is incomplete. Nothing here
 * waits.
 *
 * After the recipient that they are about stand `orcpt` and `only` (its own
 * notify). Of root and our own user only (postsuper -r): `orig-id`.
 */
#ifndef QUEUE_MAILDROP_H
#define QUEUE_MAILDROP_H

#include "base/buf.h"

enum {
	MAILDROP_LINE_MOST = 3 * 2048, /* xtext of a long address */
	MAILDROP_CHUNK_MOST = 64 * 1024,
	MAILDROP_RECIPIENTS_MOST = 50000,
};

enum maildrop_kind {
	MAILDROP_BEGIN,
	MAILDROP_SENDER,
	MAILDROP_NAME,
	MAILDROP_ENVID,
	MAILDROP_RET,    /* number: DSN_RET_* */
	MAILDROP_NOTIFY, /* number: DSN_NOTIFY_* bits */
	MAILDROP_ENCODING,
	MAILDROP_VERP,     /* two delimiters, or none: default_verp_... */
	MAILDROP_ORIG_ID,  /* the queue ID it had before */
	MAILDROP_ORCPT,
	MAILDROP_ONLY,     /* number: DSN_NOTIFY_* of the recipient above */
	MAILDROP_FLAGS, /* number: MAILDROP_FLAG_* bits */
	MAILDROP_RECIPIENT,
	MAILDROP_CONTENT,
	MAILDROP_CHUNK, /* number: octets that follow the line */
	MAILDROP_END,
};

enum maildrop_flag {
	MAILDROP_FLAG_SMTPUTF8 = 1 << 0,
	MAILDROP_FLAG_GATEWAY = 1 << 1, /* sendmail -G: headers are foreign */
	MAILDROP_FLAG_VERIFY = 1 << 2,  /* -bv */
	MAILDROP_FLAG_TRACE = 1 << 3,   /* -v */
	MAILDROP_FLAG_REQUIRETLS = 1 << 4,
};

struct maildrop_line {
	enum maildrop_kind kind;
	struct str text;   /* decoded, in the arena */
	uint64_t number;
};

void maildrop_text_format(struct buf *out, enum maildrop_kind kind,
	struct str text);
void maildrop_number_format(struct buf *out, enum maildrop_kind kind,
	uint64_t number);
/* BEGIN, CONTENT, END. */
void maildrop_word_format(struct buf *out, enum maildrop_kind kind);
/* A line without its LF. False: none of these, or a value out of range. */
must_check bool maildrop_line_parse(struct arena *arena, struct str line,
	struct maildrop_line *result);

#endif
