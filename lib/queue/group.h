/*
 * queue/group - who shares a flush of a file system, and when: one rule for
 * all who make files durable.
 *
 *	group_data(group, n, ...)  n files were written: wait for a flush that
 *	                           covers them
 *	group_data_end(group, n)   those that it did not cover are flushed, too
 *	group_names(group, ...)    their names were there at group_mark: wait for
 *	                           a flush that covers these
 *
 * A flush of the whole file system (syncfs) is for several; few are quicker one
 * by one, how few says the file system (io/filesystem.h). After a slow one or an
 * error everybody flushes by himself, for a while or for good. A wait that is
 * cancelled goes on: who has written must know.
 *
 * Waits    group_data, group_names
 */
#ifndef QUEUE_GROUP_H
#define QUEUE_GROUP_H

#include "queue/flush.h"

enum {
	GROUP_SHARE_FROM = 3, /* who wait together: one flush for all */
};

struct flush_group {
	/* Flush all of the file system; -1 with errno. May wait. */
	int (*sync)(struct flush_group *group);
	unsigned share_from; /* who wait together: GROUP_SHARE_FROM, unless the
				owner knows better */
	/* private */
	struct disk disk;
	struct flush flush;
	unsigned waiting;         /* who is about to flush */
	unsigned coming;          /* who will */
	struct io_event all_came;
	unsigned naming;          /* clients' files that have just been named */
	unsigned clients;         /* who wait for data */
	unsigned clients_before;  /* who shared the flush before; 0: none did */
	struct io_event all_back;
	struct moment rest_until; /* the next flush of data */
	struct moment one_by_one; /* until then none is shared */
};

void group_init(struct flush_group *group, int (*sync)(struct flush_group *group));
/* Flushes after an error tell of newer ones: share again. */
void group_forgive(struct flush_group *group);

/* Others flush at this moment, or are about to. */
bool group_is_busy(const struct flush_group *group);

/* Others write a file, and will flush it: for them one waits a moment. Each is
 * told of once, and has come once: before its group_data, or in its place. */
void group_expect(struct flush_group *group);
void group_came(struct flush_group *group);

/*
 * True: what `count` files hold is durable; false: each is to be flushed by
 * itself. group_data_end follows in either case, with the same count and
 * at_once. shares: they are on this file system (those that are not are flushed
 * by themselves anyway). at_once: a client waits, so there is no more rest
 * between flushes than until those who wait, too, are here.
 */
must_check bool group_data(struct flush_group *group, size_t count, bool shares,
	bool at_once);
void group_data_end(struct flush_group *group, size_t count, bool at_once);

/* What is on the disk now is covered by the flush of that number. */
uint64_t group_mark(const struct flush_group *group);
/*
 * True: the names of `count` files, which were there at `mark`, are durable;
 * false: flush each one's folder. at_once: a client waits, so there is no pause
 * for others to share the flush.
 */
must_check bool group_names(struct flush_group *group, uint64_t mark, size_t count,
	bool at_once);

#endif
