/*
 * qmgr/qmgr - what the files of qmgr share.
 */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include "base/blocks.h"
#include "base/heap.h"
#include "base/keyed.h"
#include "base/list.h"
#include "base/status.h"
#include "ipc/messages.h"
#include "queue/store.h"
#include "queue/submission.h"
#include "rewrite/resolve.h"
#include "service/service.h"

struct dest;
struct transport;

/* ---- messages (message.c) ---- */

/* Of a message in a slot. */
struct slotted {
	struct entry *entry;
	struct place place;
	struct list incoming; /* in qmgr.incoming */
};

/* Where its digest is (digest.c). */
enum { DIGEST_LIMIT = 1 << 20 };
struct digest_ref {
	uint64_t octets : 20; /* 0: none */
	uint64_t file : 1;
	uint64_t at : 43;
};

/* A message that is in the queue, active or not, in blocks of its own; one per
 * serial. There may be millions, nearly all in files: these are kept small. */
struct entry {
	struct keyed_link serial; /* in qmgr.entries */
	struct message *active; /* NULL: it waits */
	struct heap_link timer; /* in qmgr.deferred: monotonic time */
	union {
		struct slotted *slotted;  /* QUEUE_JOURNAL */
		struct digest_ref digest; /* the others */
	};
	char id[QUEUE_ID_MOST + 1];
	uint8_t queue; /* enum queue_name; see entry_set_queue */
	bool again;    /* known to a qmgr before us */
	bool is_loading;
	bool is_over;  /* only its flush is waited for */
	bool expire;   /* postsuper -e */
};
_Static_assert(sizeof(struct entry) == 88, "there may be millions");

enum attempt {
	RCPT_IDLE,   /* not tried yet in this attempt */
	RCPT_QUEUED, /* in a job */
	RCPT_BUSY,   /* with an agent */
	RCPT_DONE,
	RCPT_DEFERRED,
	RCPT_BOUNCED, /* the sender has not been told yet */
};

/* Many may be active: this is kept small. */
struct rcpt {
	struct str address; /* as resolved */
	struct str transport, nexthop;
	enum attempt state : 8;
	uint8_t action; /* of delivered: enum dsn_action */
	uint8_t again;  /* how often an agent died on it, at the latest before
			   its delivery was durable */
	bool report : 1;    /* success: the sender wants to know */
	bool is_tried : 1;  /* has a result of this attempt */
	bool is_passed : 1; /* to best_mx_transport */
};
_Static_assert(sizeof(struct rcpt) == 56, "there may be many");

enum stop {
	STOP_NOT,
	STOP_HOLD,
	STOP_DELETE,
	STOP_REQUEUE,
	STOP_EXPIRE,
};

/*
 * An active message. One that waits for its turn is no more than this and its
 * jobs (shelf.c), as there may be very many; in blocks of its own.
 */
struct message {
	struct entry *entry;
	struct arena *arena;
	struct stored *stored; /* NULL: on the shelf */
	struct rcpt *rcpts;    /* as in the envelope; likewise */
	int64_t active_us;  /* wall clock */
	struct list turn;   /* to be begun or finished */
	struct list jobs;   /* struct job.of_message */
	uint32_t count;     /* recipients in the envelope */
	uint32_t open;      /* of this attempt, without a result */
	uint32_t deliveries; /* under way */
	uint32_t whole;     /* octets, content and all, in memory as read */
	enum stop stop : 8;
	bool is_finishing : 1;
	bool is_alone : 1;    /* finishing, in a fiber of its own */
	bool is_fetched : 1;  /* being read again */
	bool is_probe : 1;    /* of verify(8) */
	bool is_singly : 1;   /* VERP: each recipient has a delivery of its own */
};
_Static_assert(sizeof(struct message) == 96, "there may be many");

/* Recipients of a message for one destination. */
struct job {
	struct list of_message, of_dest;
	struct message *message;
	struct dest *dest;
	union {
		uint32_t few[2];
		uint32_t *many; /* heap, a power of two of them */
	};
	uint32_t count;
	uint32_t next : 31;
	uint32_t is_sick : 1; /* to be deferred: for its transport, not dest */
};
_Static_assert(sizeof(struct job) == 64, "there may be many");

/* ---- the process ---- */

struct qmgr {
	const struct conf *conf;
	struct disk *disk;
	struct store store;
	struct keyed entries; /* by serial */
	struct heap deferred;
	struct list incoming;  /* entries in slots that wait to be active */
	size_t incoming_count;
	size_t active;
	size_t in_full;        /* of them, that are not on the shelf */
	size_t most_active;    /* since memory was given back */
	bool has_spare;        /* it was, but some of them were still active */
	size_t whole;          /* octets of messages that are kept as read */
	bool is_ready;         /* the queue is ours, the journal was read */
	bool is_indexed;       /* so were the names of all files */
	bool flush_wanted;     /* by somebody who came before that */
	bool is_unread;        /* something of it could not be read: again */
	bool is_rereading;
	bool is_finding;       /* files, and slots beside them */
	unsigned slots_tries;  /* that not all of them could be read */
	size_t deliveries;     /* under way */
	size_t probes;         /* active messages of verify(8) */
	struct io_event news;  /* something may become active */
	struct io_event ended; /* something is not active any more, or read */
};

extern struct qmgr qmgr;

/* entry.c */
struct entry *entry_find(uint64_t serial);
/* All, in no order; nothing may be made or freed meanwhile. */
struct entry *entry_next(size_t *at);
struct entry *entry_find_id(struct str id);
/* In a file; the second, in a slot. */
struct entry *entry_new(uint64_t serial, struct str id, enum queue_name queue);
struct entry *entry_new_slotted(const struct place *place);
/* Where it is now; from a slot into a file, never back. */
void entry_set_queue(struct entry *entry, enum queue_name queue);
/* It waits for its first turn. */
void entry_put_incoming(struct entry *entry);
/* It waits for no turn. */
void entry_forget_turn(struct entry *entry);
/* One that could not be read when it was announced has no ID yet. */
void entry_take_id(struct entry *entry, const struct stored *stored);
/* What its queue has of it; waits. */
enum store_result entry_load(const struct entry *entry, struct arena *arena,
	struct stored **stored);
/* Nothing more becomes of it: it waits for no turn. */
void entry_over(struct entry *entry);
void entry_free(struct entry *entry);
/* It waits in deferred/ until then. */
void entry_defer(struct entry *entry, int64_t next_us);

/* recover.c */
/* What cannot be read is logged, and looked for again until it can. */
void recover_journal(void); /* slots whose writer is gone */
void recover_files(void);   /* deferred/, hold/: the index */
/* A slot was announced. */
void recover_place(const struct place *place, bool again);
/* Rescans, in a fiber, after a cleanup has ended. */
void recover_later(void);

/* slots.c: slots that are not marked as over. False: something could not be
 * read (logged); what could is known. */
must_check bool slots_read(void);
/* That with this message; NULL: none. Until slots_forget. */
const struct place *slots_find(uint64_t serial);
void slots_forget(void);

/* large.c */
void tidy_large(void *context); /* a fiber */

/* activate.c: from waiting to active. */
void activate_start(void);
/* The next look at the deferred ones is now; due: those too that are not. */
void activate_all(void);
bool activate_now(struct entry *entry);
/* One in a file, as soon as there is room. */
void activate_soon(struct entry *entry);
bool activate_has_room(void);
/* What was found in its slot or file in place of it; errno. */
void activate_failed(struct entry *entry, enum store_result result);

/* shelf.c: what is in memory of an active message. */
/* Takes the arena over, in which `stored` is. */
struct message *shelf_message(struct entry *entry, struct arena *arena,
	struct stored *stored);
void shelf_free(struct message *message);
/* If it does nothing but wait for turns, it does that with what it needs. */
void shelf_put(struct message *message);
/* In full again, for so many of its recipients; waits. STORE_FOUND, or what is
 * there instead (errno); then nothing has happened. */
enum store_result shelf_fetch(struct message *message, size_t recipients);
/* Without the content and other octets that it was read from. */
void shelf_shrink(struct message *message);

/* message.c */
void message_begin(struct message *message);
/* So many wait for rewrite(8) or for the disk that no more should come. */
bool message_is_behind(void);
bool message_many_unkept(void); /* the latter alone */
/* Jobs are to be deferred. */
void message_defer_later(void);
/* A recipient has its result; reason already in stored->reasons. */
void message_result(struct message *message, uint32_t recipient,
	enum attempt state);
/* Nothing is under way any more: report, keep or remove it. */
void message_check(struct message *message);
/* Stop it; true when it is not active any more and durable so. */
bool message_stop(struct message *message, enum stop stop);
void message_done(struct message *message, uint32_t recipient);

/* route.c: fills rcpts[].transport and so on for what is idle. */
void route(struct message *message);
/* Where a recipient goes, as route found before. */
void route_again(struct message *message, uint32_t recipient,
	struct str transport, struct str nexthop);
/* smtp found that we are the best MX of its domain. */
void route_pass(struct message *message, uint32_t recipient);

/* schedule.c */
void schedule_add(struct message *message, uint32_t recipient);
/* Start what may start. */
void schedule(void);
/* Jobs that have not started are taken back. */
void schedule_withdraw(struct message *message);
/* One of those whose destination or transport is dead; waits. False: none. */
bool schedule_defer_next(void);
bool schedule_has_dead(void);
/* Where they go: of a message that is in full again. */
void schedule_restore(struct message *message);
struct dispatch {
	struct message *message;
	struct dest *dest;
	uint32_t *recipients;
	size_t count;
};
/* They are with an agent: of a message that was on the shelf, too. */
void dispatch_take_up(const struct dispatch *dispatch);
/* site: enum deliver_site, or this: nothing was learned about it. */
enum { SITE_UNKNOWN = 3 };
void schedule_ended(struct dispatch *dispatch, unsigned site, struct str why);
/* The same for as long as the process lives: it needs no copy. */
struct str schedule_transport(struct str name);
struct str dest_transport(const struct dest *dest);
struct str dest_nexthop(const struct dest *dest);
bool dest_has_more(const struct dest *dest);
/* Everything is tried again: no dead destination, no dead transport. */
void schedule_revive(void);

/* deliver.c: a fiber for each. */
void deliver_start(struct dispatch *dispatch);

/* report.c: kind as in msg_bounce; recipients as chosen. */
bool report_send(struct message *message, unsigned kind,
	bool (*is_chosen)(const struct message *message, uint32_t recipient));

/* findings.c: verify(8) is told of its probe; what becomes of that is logged at
 * most. */
void findings_send(struct message *message,
	bool (*is_chosen)(const struct message *message, uint32_t recipient));
/* A probe of verify's. */
static inline bool is_probe(const struct message *message)
{
	return message->is_probe;
}

/* logline.c: the line of a recipient that qmgr decides about itself. */
void logline(const struct message *message, uint32_t recipient,
	const char *status);
/* "from=<...>", external form. */
struct str logline_address(struct arena *arena, struct str address);

/* control.c: public/qmgr. */
void control_prepare(const struct conf *conf);
void control_etrn(struct call *call);
void control_session(const struct conf *conf, struct client *client);

/* digest.c: what the listing shows of a message, as queue/part.h has it. */
void digest_start(void);
void digest_format(struct buf *out, const struct entry *entry,
	const struct stored *stored);
/* Of a message in a file, whenever that changes. */
void digest_put(struct entry *entry, const struct stored *stored);
void digest_drop(struct entry *entry);
struct digest_reader {
	unsigned file, moves;
	int64_t at;
	size_t len;
	char octets[128 * 1024];
};
/* False: there is none. The slice is good until something waits or puts. */
must_check bool digest_find(struct digest_reader *reader,
	const struct entry *entry, struct str *octets);

/* listing.c: for showq. */
void listing_serve(struct call *call);

/* free slots: who is to be told. */
void freed_to(const char *segment, struct call *call);
void freed_forget(struct call *call);

#endif
