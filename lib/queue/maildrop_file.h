/*
 * queue/maildrop_file - the files of maildrop/, which sendmail(1) left there
 * while the suite was down: which there are, and what their heads say.
 *
 * Memory   in the arena
 * Waits    for the disk
 * Errors   false with errno; EBADMSG: no submission, or not complete
 */
#ifndef QUEUE_MAILDROP_FILE_H
#define QUEUE_MAILDROP_FILE_H

#include "base/arena.h"
#include "base/str.h"

#include <sys/stat.h>

enum {
	MAILDROP_HEAD_MOST = 16 << 20, /* what is read of a file here */
};

struct maildrop_file {
	struct str sender;
	struct str *recipients;
	size_t recipient_count;
	int64_t arrival_us;
	uint64_t octets; /* of the file */
};

/* Each complete submission's name. `folder` is maildrop/. */
must_check bool maildrop_each(int folder,
	void (*each)(void *context, const char *name), void *context);
/* A plain file with one name, not by a link: its descriptor; else -1. */
int maildrop_open_file(int folder, const char *name, struct stat *st);
must_check bool maildrop_read(struct arena *arena, int folder,
	const char *name, struct maildrop_file *file);

#endif
