/*
 * mailbox/pack - all messages of a mailbox in one value of the index: uid, flags,
 * keywords and modseq, about 4 octets each, one behind the other on disk. So
 * SELECT of a large mailbox reads some hundred KiB instead of each row.
 *
 * The rows remain the truth: a pack is believed only where the mailbox's row is
 * as it was when the pack was made; every change of what is in it changes the
 * row's modseq, uidnext or names.
 *
 * Source   header, then for each message in order of uids four numbers of 7
 *          bits an octet, the lowest first, bit 7: another one follows
 * Memory   nothing is kept
 * Waits    no
 * Errors   false: damaged, or of another state of the mailbox
 */
#ifndef MAILBOX_PACK_H
#define MAILBOX_PACK_H

#include "base/buf.h"
#include "mailbox/index.h"

struct pack {
	struct str left;
	uint32_t count, taken;
	struct index_message last;
};

/* Append the header, then each message: only its uid, flags, keywords and
 * modseq are looked at. */
void pack_begin(struct buf *out, const struct index_mailbox *row,
	uint32_t count);
void pack_add(struct buf *out, const struct index_message *last,
	const struct index_message *message);

must_check bool pack_open(struct str octets, const struct index_mailbox *row,
	struct pack *pack);
/* The next message; what is not in a pack is not known. pack->taken is
 * pack->count behind the last. */
must_check bool pack_take(struct pack *pack, const struct index_mailbox *row,
	struct index_message *message);

#endif
