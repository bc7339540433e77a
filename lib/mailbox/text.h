/*
 * mailbox/text - the search index of a mailbox: which messages contain a text,
 * without reading them.
 *
 * It is made of segments (mailbox/words.h) in the index, each of messages with
 * uids in a row; a text never changes under its uid, so segments only join to
 * larger ones. Messages are taken up when somebody searches, and in the
 * background (mailbox/background.h). A segment comes in one transaction: a kill
 * leaves the old or the new state.
 *
 * Memory   results in the arena given
 * Waits    mailbox_text_follow: other fibers run between messages
 * Errors   what cannot be said here is left to a look at the message
 */
#ifndef MAILBOX_TEXT_H
#define MAILBOX_TEXT_H

#include "mailbox/mailbox.h"

enum mailbox_text_field {
	MAILBOX_TEXT_SUBJECT, /* header fields whose values are kept */
	MAILBOX_TEXT_FROM,
	MAILBOX_TEXT_TO,
	MAILBOX_TEXT_CC,
	MAILBOX_TEXT_BCC,
	MAILBOX_TEXT_FIELDS,
	MAILBOX_TEXT_HEADER = MAILBOX_TEXT_FIELDS, /* any field of it */
	MAILBOX_TEXT_BODY,    /* SEARCH BODY */
	MAILBOX_TEXT_ALL,     /* SEARCH TEXT */
};

/* "subject" and the like; MAILBOX_TEXT_HEADER for others. */
enum mailbox_text_field mailbox_text_field_of(struct str name);

/* Called now and then while many messages are taken up. */
typedef void mailbox_text_progress_fn(void *context, size_t done,
	size_t count);

/* Take up the messages that are not in it yet. */
void mailbox_text_follow(struct mailbox *mailbox,
	mailbox_text_progress_fn *progress, void *context);

/* The next of those, for the background, where facts are learned as well.
 * False: there is none, or it does not work. */
must_check bool mailbox_text_take_some(struct mailbox *mailbox);

struct mailbox_hits {
	uint32_t up_to;   /* of messages with larger uids nothing is known */
	bool is_sure;     /* those that are here have it; else they may */
	uint32_t *uids;   /* ascending; others up to up_to do not have it */
	size_t count, at; /* at: for mailbox_hits_have */
};

/* Messages whose field has the folded text, which is not empty. False: the
 * index does not help. */
must_check bool mailbox_text_find(struct mailbox *mailbox,
	struct arena *arena, enum mailbox_text_field field, struct str needle,
	struct mailbox_hits *hits);
/* Is it among them? Cheap if uids come in ascending order. */
bool mailbox_hits_have(struct mailbox_hits *hits, uint32_t uid);

#endif
