/*
 * queue/store - qmgr's side of the queue: what is there, what became of it.
 *
 * The order of writes and flushes that nothing accepted may depend on is in
 * here, not in qmgr: a slot is reported free only after the mark that its
 * message is over was flushed; a file in deferred/ is durable before its slot
 * is over; hold and delete are durable when the call returns.
 *
 * Memory   a struct stored and its slices are in the arena given
 * Waits    all but store_done, store_is_dirty
 * Errors   false with errno; nothing is lost then: the message is where it was
 */
#ifndef QUEUE_STORE_H
#define QUEUE_STORE_H

#include "base/list.h"
#include "base/status.h"
#include "base/table.h"
#include "io/fiber.h"
#include "queue/marklog.h"
#include "queue/message.h"
#include "queue/spool.h"

/* Why a recipient was deferred. */
struct reason {
	int64_t wall_us; /* of the attempt; 0: none yet */
	struct status status;
	struct str mta, diagnostic;
};

/* A message as it is on disk. */
struct stored {
	enum queue_name queue;
	struct place place; /* QUEUE_JOURNAL */
	bool half_moved; /* between deferred and hold: may have both names */
	bool slot_left; /* a file, but the slot is not marked as over yet */
	struct message_head head;
	struct envelope envelope;
	struct str content; /* here; see message.h */
	bool *done;             /* per recipient */
	struct reason *reasons; /* per recipient */
	size_t left;            /* recipients that are not done */
	int64_t next_us;        /* wall clock of the next attempt */
	uint64_t attempts;
	bool warned, expire; /* delay warning sent; postsuper -e */
	int64_t end;         /* of the file: where marks go */
	uint64_t round;      /* of the flush that the last mark waits for */
};

enum {
	STORE_SPARE_MANY = 16, /* they are worth a flush */
};

struct store {
	struct disk *disk;
	struct table *segments; /* by name */
	struct list removed;    /* files whose directory was not flushed yet */
	struct list touched;    /* files with marks that were not flushed */
	uint64_t round;         /* of flushes */
	uint64_t failures;      /* of flushes, so far */
	bool flushing, dirty;
	bool read_only;
	bool has_late;
	bool is_late; /* set before the first use: see store_write_late */
	unsigned spare_count;   /* files that wait for a flush */
	struct io_event hurry;  /* they are STORE_SPARE_MANY */
	/* The slot may be used again. */
	void (*freed)(void *context, const struct place *place);
	/* Set before the first use, or NULL: does who writes the segment want
	 * the file of this slot's content? Then that is his, and the slot is
	 * told of by freed_file. It may wait. */
	bool (*takes_file)(void *context, const struct place *place);
	void (*freed_file)(void *context, const struct place *place);
	void *context;
};

enum store_result {
	STORE_FOUND,
	STORE_OVER,    /* done with: the slot was reported free */
	STORE_GONE,    /* something else, or nothing, is there now */
	STORE_CORRUPT, /* damaged: it is in corrupt/ now */
	STORE_ERROR,   /* errno */
};

must_check bool store_open(struct store *store, struct disk *disk,
	bool read_only,
	void (*freed)(void *context, const struct place *place),
	void *context);
void store_close(struct store *store);

/*
 * Every used slot of segments whose writer is gone (`all`: of all segments).
 * each may wait. False: something could not be read (logged); what could was
 * told of.
 */
must_check bool store_scan(struct store *store, bool all,
	void (*each)(void *context, const struct place *place), void *context);
/* `again`: it may have been seen by a qmgr before; then a file in deferred/ or
 * hold/ with its ID is the newer truth, and the slot is over. */
enum store_result store_load_slot(struct store *store, struct arena *arena,
	const struct place *place, bool again, struct stored **stored);
enum store_result store_load_file(struct store *store, struct arena *arena,
	enum queue_name queue, struct str id, struct stored **stored);
/* The same without its content, in as little as it can be: the octets that it
 * was read from are not needed any more. */
struct stored *stored_copy(struct arena *arena, const struct stored *stored);
/* What was marked in the segment of this slot is durable now. */
must_check bool store_flush_marks(struct store *store,
	const struct place *place);
/* By the marks of its segment, which is open. */
bool store_is_over(const struct store *store, const struct place *place);
/* The content from disk again, if stored->content was dropped. */
must_check bool store_content(struct store *store, struct arena *arena,
	struct stored *stored);
/* Read-only descriptor of large content; -1 with errno. */
int store_large(struct store *store, const struct stored *stored);

/* The recipient needs nothing more. Flushed within a second by store_flush. */
must_check bool store_done(struct store *store, struct stored *stored,
	uint32_t recipient);
/* The same, but nothing is written: the message's last recipient, and
 * store_over is what comes next. If that fails, store_done after all. */
void store_done_unwritten(struct stored *stored, uint32_t recipient);
/* The message needs nothing more; its slot is reported free, its file gone,
 * after the next store_flush. `now`: durable when it returns. */
must_check bool store_over(struct store *store, struct stored *stored,
	bool now);
/*
 * To deferred/ or hold/, from wherever it is; durable. Recipients done,
 * reasons, next_us, attempts, warned, expire as in *stored are written.
 */
must_check bool store_keep(struct store *store, struct stored *stored,
	enum queue_name queue);
/* Appends what changed (reasons of recipients with wall_us >= since_us, next
 * attempt, warned, expire) to its file, flushed if `flush`. */
must_check bool store_update(struct store *store, struct stored *stored,
	int64_t since_us, bool flush);

static inline bool store_is_dirty(const struct store *store)
{
	return store->dirty;
}
/* Where is_late is set, marks of slots gather in memory until this, or a
 * flush, writes them: call it whenever the process is about to wait. Does not
 * wait. */
void store_write_late(struct store *store);
/* One flush of everything that waits for one; slots are reported free. */
void store_flush(struct store *store);
/* The same for slots only: files that may be used again are wanted soon. For a
 * fiber that does nothing else: returns once that was worth it. Waits; false:
 * cancelled. */
must_check bool store_flush_spares(struct store *store);

#endif
