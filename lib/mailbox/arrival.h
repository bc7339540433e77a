/*
 * mailbox/arrival - the octets of posthorn-arriving: messages that were
 * appended, with their texts, until their files have names that are durable.
 *
 * The file begins with two heads, a block each, which are written in turns:
 * the one with the larger number that is whole says where the first record
 * lies that counts. Behind them is a ring of records, each of them the messages
 * of one command, of whole blocks, so that no write touches the block of another
 * record. A record has the number that follows that of the one before it, and
 * the nonce of the file, so that no text of a message is taken for one. Where
 * none follows, the next one is at the ring's beginning, or there is none.
 *
 * Numbers have their lowest octet first. Head:
 *
 *	"PHheads1" nonce:8 number:8 sequence:8 at:4 crc:4
 *
 * Record, up to `octets`; zeroes fill its last block:
 *
 *	"PHrecord" nonce:8 sequence:8 octets:4 uidvalidity:4 count:4
 *	mailbox's length:4 crc:4 mailbox, and for each message
 *	internal_s:8 uid:4 length of the temporary name:4
 *	length of the name:4 length of the text:4 name text
 *
 * crc is CRC-32C of all before it and all behind it.
 *
 * Memory   slices of what is read; the list in the arena given
 * Waits    no
 * Errors   false: none, or damaged
 */
#ifndef MAILBOX_ARRIVAL_H
#define MAILBOX_ARRIVAL_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	ARRIVAL_BLOCK = 4096,
	ARRIVAL_HEADS = 2 * ARRIVAL_BLOCK,
	ARRIVAL_RING = 2 * 1024 * 1024,
	ARRIVAL_FILE = ARRIVAL_HEADS + ARRIVAL_RING,
};

struct arrival_head {
	uint64_t nonce;    /* of this file */
	uint64_t number;   /* counts heads; its lowest bit says which of two */
	uint64_t sequence; /* of the first record that counts */
	uint32_t at;       /* and its place in the ring */
};

struct arrival {
	uint32_t uid;
	int64_t internal_s;
	struct str name;      /* that its file is to have */
	size_t temporary_len; /* of its name in tmp/, with which that begins */
	struct str text;      /* as it is on disk */
};

struct arrival_record {
	uint64_t sequence;
	uint32_t uidvalidity;
	struct str mailbox; /* as in mailbox/layout.h */
	struct arrival *items;
	size_t count;
};

/* A block. */
void arrival_head_format(struct buf *out, const struct arrival_head *head);
/* The one that counts, from the file's first octets. */
must_check bool arrival_head_parse(struct str file, struct arrival_head *head);

/* Whole blocks; failed of `out` tells that there is no memory. */
void arrival_record_format(struct buf *out, uint64_t nonce,
	const struct arrival_record *record);
/* So many octets of them, as format would write. */
size_t arrival_record_octets(size_t mailbox_len, const struct arrival *items,
	size_t count);

struct arrival_reading {
	struct str ring;
	uint64_t nonce, sequence; /* of the next record */
	size_t at;                /* where it is, or at the beginning */
};

void arrival_reading_begin(struct arrival_reading *r, struct str ring,
	const struct arrival_head *head);
must_check bool arrival_record_take(struct arena *arena,
	struct arrival_reading *r, struct arrival_record *record);

#endif
