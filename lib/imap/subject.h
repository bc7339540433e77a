/*
 * imap/subject - base subjects: "Re: [list] Fwd: hello (fwd)" is "hello".
 *
 * Source   RFC 5256 2.1
 * Memory   the arena given
 * Waits    no
 */
#ifndef IMAP_SUBJECT_H
#define IMAP_SUBJECT_H

#include "base/buf.h"

/* `body` of a Subject field; encoded words are decoded here. is_reply: a
 * reply or forward mark was removed. Not folded. */
struct str imap_subject_base(struct arena *arena, struct str body,
	bool *is_reply);

#endif
