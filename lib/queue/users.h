/*
 * queue/users - authorized_flush_users, authorized_mailq_users: who may ask.
 *
 * Names are looked up when the list is opened (before a sandbox closes);
 * root and our own user always may.
 *
 * Memory   static in the list
 * Waits    for the disk, once
 */
#ifndef QUEUE_USERS_H
#define QUEUE_USERS_H

#include "base/str.h"

enum {
	USERS_MOST = 200,
};

struct users {
	bool everybody; /* static:... */
	uint32_t ids[USERS_MOST];
	size_t count;
};

/* `parameter` is for messages. */
void users_open(struct users *users, const char *parameter, struct str list);
bool users_has(const struct users *users, uint32_t sys_uid);

#endif
