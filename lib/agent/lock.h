/*
 * agent/lock - locks on a file that other programs append to.
 *
 * Source   mailbox_delivery_lock, deliver_lock_attempts, deliver_lock_delay
 *          and stale_lock_time of postconf(5)
 * Memory   the caller's
 * Waits    all; without fibers the process waits
 * Errors   false with errno
 */
#ifndef AGENT_LOCK_H
#define AGENT_LOCK_H

#include "config/config.h"

struct file_lock {
	const struct conf *conf;
	struct str styles;     /* "fcntl, dotlock", "flock" */
	int base;              /* what lock_path is relative to; AT_FDCWD */
	const char *lock_path; /* of the file, and ".lock" */
	const char *folder;    /* that both are in */
	bool is_dot_locked;
};

/* Before the file is opened. Does nothing without "dotlock". */
must_check bool lock_dot(struct file_lock *lock);
/* "fcntl" and "flock", on the open file; they end with the descriptor. */
must_check bool lock_open_file(const struct file_lock *lock, int fd);
/* Remove the dot lock, if it is ours. */
void lock_release(struct file_lock *lock);

#endif
