/*
 * mailbox/view - a mailbox as one connection has been told of it: sequence
 * numbers, which change only when the connection hears of it (RFC 3501 2.3.1.2
 * and 7.4.1).
 *
 * Memory   heap; belongs to the connection's fiber
 * Waits    no
 */
#ifndef MAILBOX_VIEW_H
#define MAILBOX_VIEW_H

#include "mailbox/mailbox.h"

/* All uids of a mailbox as it is: until somebody is told of a change, those who
 * select it share them. */
struct mailbox_shared {
	unsigned users; /* the mailbox, and views */
	uint64_t changes; /* of the mailbox, when they were these */
	size_t count;
	uint32_t uids[];
};

void mailbox_shared_leave(struct mailbox_shared *shared);

struct mailbox_view {
	struct mailbox *mailbox;
	bool read_only;
	const uint32_t *uids; /* uids[seq - 1]; of one of the next two */
	struct mailbox_shared *shared;
	uint32_t *own_uids;
	bool *recent;
	size_t count, capacity, recent_capacity;
	size_t recent_count;
	uint64_t changes;    /* of the mailbox, up to which all was told */
	uint64_t looked;     /* of the mailbox, as of the last look ... */
	unsigned looked_for; /* ... at these: MAILBOX_LOOK_* */
	uint64_t modseq;     /* up to which changes of flags were told */
	uint64_t own_modseq; /* of a change that was told already ... */
	struct imap_set own; /* ... for these uids */
	struct arena *own_arena;
	size_t keywords_told;
	struct imap_set saved; /* uids that a search saved, RFC 5182 */
	struct arena *saved_arena;
};

/* What may be told. */
enum {
	MAILBOX_LOOK_EXPUNGED = 1, /* not while a command uses sequence numbers */
	MAILBOX_LOOK_NEW = 2,
	MAILBOX_LOOK_CHANGED = 4,
	MAILBOX_LOOK_ALL = 7,
};

/* What a connection has to be told, in this order. */
struct mailbox_news {
	uint32_t *expunged;  /* sequence numbers as they are to be sent: each
				counts after the ones before it */
	uint32_t *vanished;  /* the uids of those */
	size_t expunged_count;
	size_t new_count;    /* at the end: tell EXISTS and RECENT */
	uint32_t *changed;   /* sequence numbers: tell their flags */
	size_t changed_count;
	bool has_keywords;   /* tell FLAGS and PERMANENTFLAGS */
	bool is_gone;        /* the mailbox is not there any more */
};

/* Takes over the use of a mailbox that was opened. */
must_check enum mailbox_result mailbox_view_open(struct mailbox *mailbox,
	bool read_only, struct mailbox_view **view);
void mailbox_view_close(struct mailbox_view *view);
/* Look what has happened since the last look; what is not looked for is told
 * later. The news live in the arena. */
void mailbox_view_look(struct mailbox_view *view, struct arena *arena,
	unsigned look, struct mailbox_news *news);
/* Would look have anything to tell? */
bool mailbox_view_has_news(const struct mailbox_view *view, unsigned look);
/* What this connection did itself with .SILENT is not told to it. */
void mailbox_view_told(struct mailbox_view *view, const uint32_t *uids,
	size_t count, uint64_t modseq);
/* "$" from now on; ascending uids. */
void mailbox_view_save(struct mailbox_view *view, const uint32_t *uids,
	size_t count);
/* 0: there is none. */
uint32_t mailbox_view_seq(const struct mailbox_view *view, uint32_t uid);
static inline uint32_t mailbox_view_uid(const struct mailbox_view *view,
	uint32_t seq)
{
	return seq >= 1 && seq <= view->count ? view->uids[seq - 1] : 0;
}
/*
 * The uids of a set of sequence numbers, or of uids; in the arena, ascending.
 * The set is resolved here. False: a sequence number that does not exist.
 */
must_check bool mailbox_view_uids(const struct mailbox_view *view,
	struct arena *arena, struct imap_set *set, bool is_uids,
	uint32_t **uids, size_t *count);

#endif
