/*
 * commands/import_stage - how a message changes hands so that a power cut or a
 * kill between any two calls neither loses nor doubles it.
 *
 *	1 it is written to import/ of our queue, durably; nobody looks there
 *	2 its source is renamed into imported/ of the other queue, durably:
 *	  from here on it is ours
 *	3 it gets its name in our queue, durably, and import/ is tidied
 *
 * Whoever comes after an interruption reads import/: a message whose source
 * is in imported/ goes on with 3, any other is thrown away, for its source is
 * where it was. The suite does not start while something is in import/.
 *
 * Waits    for the disk
 * Errors   false with errno
 */
#ifndef COMMANDS_IMPORT_STAGE_H
#define COMMANDS_IMPORT_STAGE_H

#include "queue/disk.h"
#include "queue/message.h"

struct stage {
	struct disk *disk; /* our queue */
	int queue;         /* its directory */
	int source;        /* the other's */
	struct arena *arena;
	size_t finished;   /* messages of an earlier import */
};

/* What it is about: all of it is in the name of the file in import/. */
struct staged {
	struct str queue;    /* of ours: deferred, hold, maildrop */
	struct str queue_id; /* of ours */
	struct str from;     /* queue of the other */
	struct str name;     /* of the file there */
};

/* The folders; and what an earlier import left is brought to its end. */
must_check bool stage_open(struct stage *stage, struct disk *disk, int queue,
	int source, struct str source_path);
/* 1: for deferred/ and hold/. */
must_check bool stage_write(struct stage *stage, const struct staged *staged,
	struct str octets);
/* The name in import/, for who writes 1 by other means. */
const char *stage_name(struct stage *stage, const struct staged *staged);
/* 2 and 3. `path` is the file's, in the other queue. */
must_check bool stage_commit(struct stage *stage, const struct staged *staged,
	const char *path);
/* 1 came to nothing. */
void stage_drop(struct stage *stage, const struct staged *staged);
/* A source that has nothing left for us: 2 alone. */
must_check bool stage_retire(struct stage *stage, const struct staged *staged,
	const char *path);
/* All has ended well: import/ goes. */
void stage_close(struct stage *stage);

#endif
