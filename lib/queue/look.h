/*
 * queue/look - how commands look at the queue: through showq while the suite
 * runs, else at its files.
 *
 * Waits    all (the process; for commands only)
 */
#ifndef QUEUE_LOOK_H
#define QUEUE_LOOK_H

#include "config/config.h"
#include "queue/listing.h"

enum look_result {
	LOOK_DONE,
	LOOK_DOWN,    /* the suite is, and its files are not ours to read */
	LOOK_DENIED,  /* authorized_mailq_users */
	LOOK_PARTIAL, /* the suite went down meanwhile */
};

/* All messages, in showq's order, to each(); in the arena. */
enum look_result look_each(struct arena *arena, const struct conf *conf,
	void (*each)(void *context, const struct listed_message *message),
	void *context);

/* Root, or whose queue it is: may look at its files. */
bool look_is_allowed(const struct conf *conf);
/*
 * The listing of the files, in list's form; put() empties what it is given
 * now and then. False with errno: there is no queue.
 */
must_check bool look_offline(const struct conf *conf, struct listing *list,
	bool (*put)(void *context, struct buf *out), void *context);

#endif
