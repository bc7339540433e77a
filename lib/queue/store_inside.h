/*
 * queue/store_inside - what the files of the store share; nobody else's.
 */
#ifndef QUEUE_STORE_INSIDE_H
#define QUEUE_STORE_INSIDE_H

#include "queue/store.h"

/* A slot that is free after the next flush. */
struct over {
	struct place place;
	bool spare; /* and its content in large/ may be used again */
};

/* A segment as qmgr sees it. */
struct seen {
	char name[SEGMENT_NAME_MOST];
	struct segment_shape shape;
	int fd;
	struct marklog log;
	struct over *over; /* to be reported */
	size_t over_count, over_capacity;
	uint64_t *large; /* serials whose content goes then */
	size_t large_count, large_capacity;
	uint64_t flushed; /* the last round of the store that got through */
};

/* A file that waits for a flush of itself or of its directory. */
struct pending {
	struct list link;
	enum queue_name queue;
	char id[QUEUE_ID_MOST + 1];
	size_t id_len;
	uint64_t large; /* serial whose content goes then, 0: none */
};

/* The open segment of that name; NULL with errno. May wait. */
struct seen *store_segment(struct store *store, const char *name);
/* Its slot is free after the next flush. */
void store_report_over(struct store *store, struct seen *seen,
	const struct place *place);
/* The mark that the message is over, and the report. False: logged. */
must_check bool store_put_over(struct store *store, struct seen *seen,
	const struct place *place);
/* Of the one that was reported last: its content, too. A flush comes soon when
 * there are some of them. */
void store_spare_content(struct store *store, struct seen *seen);
/* Content of a large message, with the next flush of the segment's marks. */
void store_drop_large_later(struct seen *seen, uint64_t serial);
/* In memory only. */
void store_set_done(struct stored *stored, uint32_t recipient);
/* store_flush; returns the number of the round. */
uint64_t store_flush_round(struct store *store);

#endif
