/*
 * queue/journal - cleanup's side of the journal.
 */
#include "queue/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"
#include "queue/flush.h"
#include "queue/message.h"

enum {
	RETIRED_MOST = 4, /* of a class; then one that is empty is used again */
};

/* One that this process owns. */
struct owned {
	struct list link;
	char name[SEGMENT_NAME_MOST];
	struct segment_shape shape;
	int fd;
	struct flush flush;
	bool retired;       /* a flush failed: nothing new goes there */
	uint64_t *serials;  /* per slot; 0: free */
	uint32_t *free;     /* stack of free slots */
	uint32_t free_count;
};

struct class {
	struct slot_class shape;
	struct list owned;
	size_t seen;    /* segments of this class, others' too */
	bool creating;  /* by one fiber at a time */
	struct io_event created;
};

struct journal {
	struct disk *disk;
	struct class *classes;
	size_t class_count;
	uint64_t next_number;
	size_t used;
};

/* ---- segments ---- */

static void own(struct journal *journal, struct class *class, const char *name,
	int fd, const struct segment_shape *shape)
{
	struct owned *owned = mem_new(1, sizeof(*owned));

	memcpy(owned->name, name, strlen(name) + 1);
	owned->shape = *shape;
	owned->fd = fd;
	owned->serials = mem_new(shape->slots, sizeof(*owned->serials));
	owned->free = mem_new(shape->slots, sizeof(*owned->free));
	flush_init(&owned->flush, journal->disk, fd);
	list_append(&class->owned, &owned->link);
}

static void free_owned(struct journal *journal, struct owned *owned)
{
	list_remove(&owned->link);
	disk_close(journal->disk, &owned->fd);
	free(owned->serials);
	free(owned->free);
	free(owned);
}

static struct owned *newest(struct class *class)
{
	return CONTAINER(class->owned.prev, struct owned, link);
}

/* What a segment that somebody else wrote holds. */
static bool take_stock(struct journal *journal, struct owned *owned)
{
	for (uint32_t slot = owned->shape.slots; slot-- > 0;) {
		char octets[MESSAGE_HEAD_OCTETS];
		struct message_head head;

		if (!disk_read_all(journal->disk, owned->fd, octets,
			    sizeof(octets),
			    segment_slot_at(owned->shape.octets, slot)))
			return false;
		if (message_head_parse(str_of(octets, sizeof(octets)), &head)) {
			owned->serials[slot] = head.serial;
			journal->used++;
		} else {
			owned->free[owned->free_count++] = slot;
		}
	}
	return true;
}

/* Ours already? */
static bool is_owned(struct class *class, const char *name)
{
	list_each(at, &class->owned)
		if (strcmp(CONTAINER(at, struct owned, link)->name, name) == 0)
			return true;
	return false;
}

static void adopt(struct journal *journal, const char *name)
{
	struct segment_shape shape;
	unsigned class_index;
	struct class *class;
	uint64_t number;
	int fd;

	if (!segment_parse_name(str_from(name), &class_index, &number))
		return;
	if (number >= journal->next_number)
		journal->next_number = number + 1;
	if (class_index >= journal->class_count)
		return;
	class = &journal->classes[class_index];
	class->seen++;
	if (is_owned(class, name))
		return;
	fd = segment_open(journal->disk, name, O_RDWR, &shape);
	if (fd < 0) {
		log_warning("journal/%s: %m: not used", name);
		return;
	}
	if (journal->disk->lock(journal->disk, fd) < 0) {
		disk_close(journal->disk, &fd); /* its writer lives */
		return;
	}
	own(journal, class, name, fd, &shape);
	if (!take_stock(journal, newest(class))) {
		log_warning("journal/%s: %m: not used", name);
		free_owned(journal, newest(class));
	}
}

/* Segments whose writer is gone are taken over. */
static bool look_around(struct journal *journal)
{
	auto_arena struct arena *arena = arena_new(0);
	struct disk_names names;

	if (!disk_list(journal->disk, arena, "journal", &names))
		return false;
	for (size_t i = 0; i < journal->class_count; i++)
		journal->classes[i].seen = 0;
	for (size_t i = 0; i < names.count; i++)
		adopt(journal, names.names[i]);
	return true;
}

bool journal_open(struct journal **opened, struct disk *disk,
	const struct slot_class *classes, size_t class_count)
{
	struct journal *journal;

	if (disk_mkdir(disk, "journal") < 0)
		return false;
	if (!classes) {
		classes = slot_classes;
		class_count = slot_class_count;
	}
	journal = mem_new(1, sizeof(*journal));
	journal->disk = disk;
	journal->classes = mem_new(class_count, sizeof(*journal->classes));
	journal->class_count = class_count;
	journal->next_number = 1;
	for (size_t i = 0; i < class_count; i++) {
		journal->classes[i].shape = classes[i];
		list_init(&journal->classes[i].owned);
		io_event_init(&journal->classes[i].created);
	}
	*opened = journal;
	if (look_around(journal))
		return true;
	journal_close(journal);
	return false;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	for (size_t i = 0; i < journal->class_count; i++)
		list_each(at, &journal->classes[i].owned)
			free_owned(journal,
				CONTAINER(at, struct owned, link));
	free(journal->classes);
	free(journal);
}

static bool create(struct journal *journal, struct class *class)
{
	struct segment_shape shape = { class->shape.octets,
		class->shape.slots };
	char name[SEGMENT_NAME_MOST];
	int fd;

	do {
		segment_name(name, (unsigned)(class - journal->classes),
			journal->next_number++);
		fd = segment_create(journal->disk, name, &class->shape);
	} while (fd < 0 && errno == EEXIST);
	if (fd < 0)
		return false;
	own(journal, class, name, fd, &shape);
	class->seen++;
	for (uint32_t slot = shape.slots; slot-- > 0;)
		newest(class)->free[newest(class)->free_count++] = slot;
	return true;
}

/* ---- slots ---- */

static struct owned *find_free(struct class *class)
{
	list_each(at, &class->owned) {
		struct owned *owned = CONTAINER(at, struct owned, link);

		if (owned->free_count > 0 && !owned->retired)
			return owned;
	}
	return NULL;
}

/*
 * A disk whose flushes fail time and again must not fill up with segments. Who
 * waited for the flush that failed was told so, and was the last to hold a
 * slot: what is written from now on is flushed from now on.
 */
static void reuse_retired(struct journal *journal, struct class *class)
{
	struct owned *empty = NULL;
	size_t retired = 0;

	list_each(at, &class->owned) {
		struct owned *owned = CONTAINER(at, struct owned, link);

		if (!owned->retired)
			continue;
		retired++;
		if (!empty && owned->free_count == owned->shape.slots)
			empty = owned;
	}
	if (!empty || retired < RETIRED_MOST)
		return;
	flush_init(&empty->flush, journal->disk, empty->fd);
	empty->retired = false;
	list_remove(&empty->link);
	list_append(&class->owned, &empty->link);
}

/* Another segment of the class: a foreign one, or a new one. */
static bool extend(struct journal *journal, struct class *class)
{
	bool done;

	reuse_retired(journal, class);
	if (find_free(class))
		return true;

	if (class->creating) {
		if (!io_event_wait(&class->created, SPAN_FOREVER))
			return false;
		return true; /* look again */
	}
	class->creating = true;
	done = look_around(journal) &&
		(find_free(class) || class->seen < JOURNAL_SEGMENTS_MOST);
	if (!done)
		errno = ENOSPC;
	else if (!find_free(class))
		done = create(journal, class);
	class->creating = false;
	io_event_wake_all(&class->created);
	return done;
}

static struct owned *claim(struct journal *journal, size_t octets,
	uint32_t *slot)
{
	struct class *class = journal->classes;
	struct owned *owned;

	while (octets > class->shape.octets)
		if (++class == journal->classes + journal->class_count) {
			errno = EMSGSIZE;
			return NULL;
		}
	while (!(owned = find_free(class)))
		if (!extend(journal, class))
			return NULL;
	*slot = owned->free[--owned->free_count];
	return owned;
}

static void give_back(struct owned *owned, uint32_t slot)
{
	owned->serials[slot] = 0;
	owned->free[owned->free_count++] = slot;
}

/* Whoever waited for it is told "not accepted": it should not be found. */
static void blank(struct journal *journal, struct owned *owned, uint32_t slot)
{
	static const char nothing[MESSAGE_HEAD_OCTETS];

	if (!disk_write_all(journal->disk, owned->fd, nothing,
		    sizeof(nothing),
		    segment_slot_at(owned->shape.octets, slot)))
		log_warning("journal/%s: slot %u: cannot be blanked: %m",
			owned->name, (unsigned)slot);
}

static void retire(struct owned *owned, int error)
{
	if (!owned->retired)
		log_error("journal/%s: flush failed: %s: not used any more",
			owned->name, strerror(error));
	owned->retired = true;
}

bool journal_commit(struct journal *journal, struct str message,
	uint64_t serial, struct place *place)
{
	uint32_t slot;
	struct owned *owned = claim(journal, message.len, &slot);
	int error;

	if (!owned)
		return false;
	if (disk_write_all(journal->disk, owned->fd, message.p, message.len,
		    segment_slot_at(owned->shape.octets, slot)) &&
		flush_wait(&owned->flush)) {
		owned->serials[slot] = serial;
		journal->used++;
		memcpy(place->segment, owned->name, sizeof(owned->name));
		place->slot = slot;
		place->serial = serial;
		return true;
	}
	error = errno;
	blank(journal, owned, slot);
	retire(owned, error);
	give_back(owned, slot);
	errno = error;
	return false;
}

bool journal_free(struct journal *journal, const struct place *place)
{
	for (size_t i = 0; i < journal->class_count; i++)
		list_each(at, &journal->classes[i].owned) {
			struct owned *owned =
				CONTAINER(at, struct owned, link);

			if (strcmp(owned->name, place->segment) != 0)
				continue;
			if (place->slot >= owned->shape.slots ||
				owned->serials[place->slot] != place->serial ||
				place->serial == 0)
				return false;
			give_back(owned, place->slot);
			journal->used--;
			return true;
		}
	return false;
}

void journal_each(struct journal *journal,
	void (*each)(void *context, const struct place *place), void *context)
{
	for (size_t i = 0; i < journal->class_count; i++)
		list_each(at, &journal->classes[i].owned) {
			struct owned *owned =
				CONTAINER(at, struct owned, link);
			struct place place;

			memcpy(place.segment, owned->name,
				sizeof(owned->name));
			for (uint32_t slot = 0; slot < owned->shape.slots;
				slot++) {
				place.slot = slot;
				place.serial = owned->serials[slot];
				if (place.serial)
					each(context, &place);
			}
		}
}

size_t journal_used(const struct journal *journal)
{
	return journal->used;
}
