/*
 * qmgr/slots - slots that are not marked as over, while the files are looked
 * for.
 *
 * A qmgr that died between a message's file and the mark of its slot has left
 * both, and a cleanup that lives tells of the slot when it comes to that. If
 * the message went with its file before, the slot would bring it back. So all
 * segments are looked at first, and a file is known no sooner than its slot is
 * marked.
 */
#include "qmgr/qmgr.h"

#include <stdlib.h>

struct slot {
	struct keyed_link serial;
	struct place place;
};

static struct {
	struct keyed by_serial;
	struct blocks memory;
} slots;

static void note_slot(void *context, const struct place *place)
{
	struct slot *slot;

	(void)context;
	if (store_is_over(&qmgr.store, place) ||
		keyed_find(&slots.by_serial, place->serial))
		return;
	slot = blocks_new(&slots.memory);
	slot->serial.key = place->serial;
	slot->place = *place;
	keyed_add(&slots.by_serial, &slot->serial);
}

bool slots_read(void)
{
	if (slots.memory.size == 0)
		blocks_init(&slots.memory, sizeof(struct slot));
	return store_scan(&qmgr.store, true, note_slot, NULL);
}

const struct place *slots_find(uint64_t serial)
{
	struct keyed_link *link = keyed_find(&slots.by_serial, serial);

	return link ? &CONTAINER(link, struct slot, serial)->place : NULL;
}

void slots_forget(void)
{
	struct keyed_link *link;

	for (size_t at = 0; (link = keyed_next(&slots.by_serial, &at));)
		blocks_free(&slots.memory,
			CONTAINER(link, struct slot, serial));
	keyed_free(&slots.by_serial);
}
