/*
 * queue/segment - a file of the journal: preallocated, zero-written, cut into
 * slots of one size.
 *
 *	journal/CLASS-NUMBER        block of SEGMENT_HEAD_OCTETS, then slots
 *	journal/CLASS-NUMBER.marks  qmgr's, see queue/mark.h
 *
 * cleanup writes slots (queue/journal.h), qmgr reads them (queue/store.h).
 *
 * Waits    segment_create
 * Errors   false with errno
 */
#ifndef QUEUE_SEGMENT_H
#define QUEUE_SEGMENT_H

#include "base/buf.h"
#include "queue/disk.h"

enum {
	SEGMENT_HEAD_OCTETS = 4096,
	SEGMENT_NAME_MOST = 24,
	SEGMENT_SLOTS_MOST = 65536,
	SEGMENT_SLOT_MOST = 64 * 1024 * 1024,
	PLACE_MOST = 80,
};

struct slot_class {
	uint32_t octets; /* of a slot, a multiple of 4096 */
	uint32_t slots;  /* in a segment */
};

/* The sizes that posthorn uses, smallest first. */
extern const struct slot_class slot_classes[];
extern const size_t slot_class_count;

struct segment_shape {
	uint32_t octets, slots;
};

/* Name in journal/ of segment `number` of a class. */
void segment_name(char name[SEGMENT_NAME_MOST], unsigned class,
	uint64_t number);
/* False: not the name of a segment. */
must_check bool segment_parse_name(
	struct str name, unsigned *class, uint64_t *number);
/*
 * A fresh segment, locked and flushed with its directory; its descriptor, or
 * -1. EEXIST: try another number.
 */
int segment_create(struct disk *disk, const char *name,
	const struct slot_class *class);
/* Open one that is there; flags O_RDONLY or O_RDWR. -1 with errno (EINVAL:
 * not a segment). */
int segment_open(struct disk *disk, const char *name, int flags,
	struct segment_shape *shape);

static inline int64_t segment_slot_at(uint32_t slot_octets, uint32_t slot)
{
	return SEGMENT_HEAD_OCTETS + (int64_t)slot_octets * slot;
}

/* Where a message is in the journal: "0-12/17/1002B" (segment, slot, serial
 * in upper case hex). */
struct place {
	char segment[SEGMENT_NAME_MOST];
	uint32_t slot;
	uint64_t serial;
};

void place_format(struct buf *out, const struct place *place);
must_check bool place_parse(struct str text, struct place *place);

#endif
