/*
 * queue/message - a message as octets on disk: in a journal slot or a file.
 *
 *	header block   MESSAGE_HEAD_OCTETS: magic, version, serial, nonce,
 *	               lengths, times, boot ID, CRC-32C of the body and of the
 *	               block itself
 *	envelope       records of queue/records.def
 *	content        header and body, LF line ends; for content in large/
 *	               what stands before its octets from `skip` on
 *	marks          in a file of its own (deferred/, hold/): queue/mark.h
 *
 * Memory   parsed slices point into the octets given; the recipients are in
 *          the arena
 * Errors   false: not such a thing, or damaged; see each
 * Waits    no
 */
#ifndef QUEUE_MESSAGE_H
#define QUEUE_MESSAGE_H

#include "base/buf.h"

enum {
	MESSAGE_HEAD_OCTETS = 128,
	MESSAGE_BOOT_OCTETS = 16,
	MESSAGE_ENVELOPE_MOST = 64 * 1024 * 1024,
	MESSAGE_RECIPIENTS_MOST = 1000000,
};

struct message_head {
	uint64_t serial;
	uint64_t nonce;       /* random; names of delivered files carry it */
	int64_t commit_us;    /* wall clock */
	uint64_t content_octets; /* here */
	uint64_t large_octets;   /* size of the file in large/, 0: none */
	uint32_t envelope_octets;
	uint32_t recipients;
	uint32_t body_crc; /* of envelope and content */
	unsigned char boot_id[MESSAGE_BOOT_OCTETS]; /* when it was written */
};

struct recipient {
#define RECIPIENT_TEXT(field, tag, doc) struct str field;
#define RECIPIENT_NUMBER(field, tag, doc) uint64_t field;
#include "queue/records.def"
#undef RECIPIENT_TEXT
#undef RECIPIENT_NUMBER
};

struct envelope {
#define MESSAGE_TEXT(field, tag, doc) struct str field;
#define MESSAGE_NUMBER(field, tag, doc) uint64_t field;
#include "queue/records.def"
#undef MESSAGE_TEXT
#undef MESSAGE_NUMBER
	struct recipient *recipients;
	size_t recipient_count;
};

/* Append the records of an envelope. */
void envelope_format(struct buf *out, const struct envelope *envelope);
/* False: malformed, or no sender, queue ID or recipient. */
must_check bool envelope_parse(struct arena *arena, struct str in,
	struct envelope *envelope);

/* In one piece of the arena, as small as it can be. */
void envelope_copy(struct arena *arena, const struct envelope *envelope,
	struct envelope *copy);

/* One record at the front: its tag of queue/records.def and its value. */
must_check bool envelope_take_record(struct str *in, char *tag,
	struct str *value);

/*
 * Append header block, envelope and content: the octets of a slot or file.
 * Lengths and CRC of *head are set here; the rest is the caller's.
 */
void message_format(struct buf *out, struct message_head *head,
	const struct envelope *envelope, struct str content);

/* False: not a header block of ours (or a damaged one). */
must_check bool message_head_parse(struct str in, struct message_head *head);
/* Octets of the whole, header block included. */
static inline uint64_t message_octets(const struct message_head *head)
{
	return MESSAGE_HEAD_OCTETS + (uint64_t)head->envelope_octets +
		head->content_octets;
}
/* Octets that are delivered. */
static inline uint64_t message_content_octets(const struct message_head *head,
	const struct envelope *envelope)
{
	return head->content_octets +
		(head->large_octets ? head->large_octets - envelope->skip : 0);
}
/* Is the body what the header block says? body: envelope and content. */
must_check bool message_body_is_intact(const struct message_head *head,
	struct str body);

/* This boot of the kernel, from /proc/sys/kernel/random/boot_id (read once);
 * zeroes if it cannot be read, which equals no boot. */
void message_boot_id(unsigned char boot_id[MESSAGE_BOOT_OCTETS]);
bool message_is_of_this_boot(const struct message_head *head);

/* Little endian numbers on disk. */
void disk_u32(struct buf *out, uint32_t value);
void disk_u64(struct buf *out, uint64_t value);
must_check bool disk_take_u32(struct str *in, uint32_t *value);
must_check bool disk_take_u64(struct str *in, uint64_t *value);

#endif
