/*
 * queue/submit - the client's side of a submission: what smtpd, pickup,
 * bounce and local use to hand a message to cleanup.
 *
 *	submit_id(arena, long_ids, &id)           any time; costs no round trip
 *	s = submission_open(arena, &facts)        MAIL (nothing is sent yet)
 *	submission_recipient(s, &recipient)       RCPT, once or more
 *	submission_write(s, octets)               content in pieces, LF line ends
 *	status = submission_commit(s)             250: durable from here on
 *
 * The caller only appends content: up to CONTENT_IN_PACKET_MOST is held in
 * memory (in the arena given) and goes in one message; beyond that a file is
 * asked for and written through a write-only descriptor. Nothing reaches
 * cleanup before the content exceeds that or submission_commit is called, so
 * that RSET costs nothing. The caller's service needs `cleanup` in .calls.
 *
 * Memory   everything in the arena given to submission_open; its end cancels
 * Waits    submit_id (only when the cache of IDs is empty), submission_write
 *          (large content), submission_commit
 * Errors   a status of class 4 or 5, to be given to the client as it is
 */
#ifndef QUEUE_SUBMIT_H
#define QUEUE_SUBMIT_H

#include "base/status.h"
#include "ipc/messages.h"
#include "queue/submission.h"

struct submission;

/*
 * A fresh queue ID in *id (in the arena). They come from cleanup in ranges
 * that are kept for the whole process. 452 4.3.1: the queue's file system is
 * full; 451 4.3.0: cleanup cannot be reached.
 */
must_check struct status submit_id(struct arena *arena, bool long_ids,
	struct str *id);
/* May MAIL be accepted now? Asks only when IDs have run out or the last answer
 * was "no space" (then at most once a second). `internal`: may use reserve. */
must_check struct status submit_may(bool internal);

/*
 * Begin. The facts are copied (queue_id from submit_id; the other fields as in
 * ipc/messages.def; unknown ones STR_NONE).
 */
struct submission *submission_open(struct arena *arena,
	const struct msg_submission *facts);
/* To change before the commit: sender, flags, content_filter, redirect ... */
struct msg_submission *submission_facts(struct submission *s);
/* Copied. */
void submission_recipient(struct submission *s,
	const struct msg_recipient *recipient);
size_t submission_recipients(const struct submission *s);
/* A mail filter that cleanup shall ask about the content. Texts are copied; the
 * socket stays the caller's, open until the commit is over. */
void submission_milter(struct submission *s, const struct msg_milter *milter);
/* After the commit: which of them can be used again, bits by their order; none
 * if there was no answer. */
uint64_t submission_milters(const struct submission *s);
/* Append content. False: remember to read the rest of the input anyway;
 * submission_commit says what went wrong. */
bool submission_write(struct submission *s, struct str octets);
uint64_t submission_octets(const struct submission *s);
/* 250: durable. The text is as cleanup gave it ("2.0.0 Ok: queued as ..." is
 * the caller's to say). After it the submission is over, whatever came out. */
must_check struct status submission_commit(struct submission *s);
/* RSET, or the client has gone: nothing was accepted. */
void submission_cancel(struct submission *s);

#endif
