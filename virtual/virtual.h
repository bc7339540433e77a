/*
 * virtual/virtual - what the files of this room share.
 */
#ifndef VIRTUAL_VIRTUAL_H
#define VIRTUAL_VIRTUAL_H

#include "agent/deliver.h"

struct room {
	const struct conf *conf;
	const char *base_path;
	int base;          /* virtual_mailbox_base, or -1 */
	bool is_one_user;  /* this process is (or becomes) that user */
	uint32_t sys_uid, sys_gid;
};

/* Where a recipient's mail goes. */
struct place {
	struct str path;  /* relative to the base, no / at either end */
	bool is_maildir;
	struct str extension; /* that the table's key did not have, NONE */
	uint32_t sys_uid, sys_gid;
};

/* lookup.c: the tables, opened before the sandbox closes. */
void lookup_open(struct arena *arena, const struct conf *conf);
void lookup_watch(void);
/* 250, or what to report. Waits for proxy: tables. */
must_check struct status lookup(struct arena *arena, struct str address,
	struct place *place);

/* here.c: delivery as the user that this process is. */
void here_open(const struct room *room);
void here_deliver(struct delivery *delivery);

/* children.c: delivery by a child per uid. */
/* What a probe is told of a mailbox that there is. */
void report_verified(struct delivery *delivery,
	struct deliver_recipient *recipient, bool is_maildir);
void children_deliver(const struct room *room, struct delivery *delivery);

#endif
