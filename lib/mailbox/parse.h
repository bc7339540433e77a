/*
 * mailbox/parse - the facts of many messages one after the other, which helpers
 * read and parse before their turn comes.
 *
 * Only what the index does not keep is read, and nothing is before the first
 * message that it does not keep was asked for. What cannot be had so (renamed,
 * gone, very large, no helper) is for mailbox_facts_unkept, which finds out
 * why.
 *
 * Memory   some batches of messages, until _end
 * Waits    mailbox_parse_wait, mailbox_parse_end
 */
#ifndef MAILBOX_PARSE_H
#define MAILBOX_PARSE_H

#include "mailbox/mailbox.h"

struct mailbox_parse;

/* Facts of these uids will be asked for, in this order; both must stay until
 * _end. with_id: email ids, too. NULL: it would be no help. */
struct mailbox_parse *mailbox_parse_new(struct mailbox *mailbox,
	const uint32_t *uids, size_t count, bool with_id);
/* What is kept of uids[at] does not suffice: are its facts still on their way? Then wait for them,
 * outside of any transaction, and ask again. NULL: no. */
must_check bool mailbox_parse_is_behind(struct mailbox_parse *parse, size_t at);
void mailbox_parse_wait(struct mailbox_parse *parse);
/* Its facts, borrowed until the next call; they are learned with that. False:
 * not from here. Also fine for NULL. */
must_check bool mailbox_parse_find(struct mailbox_parse *parse, size_t at,
	struct mailbox_facts *facts);
void mailbox_parse_end(struct mailbox_parse *parse);

#endif
