/*
 * pickup/pickup - what the files of this room share.
 */
#ifndef PICKUP_PICKUP_H
#define PICKUP_PICKUP_H

#include "base/status.h"
#include "base/table.h"
#include "config/config.h"
#include "io/stream.h"
#include "ipc/peer.h"
#include "queue/users.h"

/* One submission in the form of queue/maildrop.h. */
struct intake {
	const struct conf *conf;
	const struct users *users; /* who may submit */
	struct arena *arena;
	struct stream *io;
	uint32_t sys_uid;         /* who submits */
	int64_t arrival_us;       /* 0: now */
};

/* Read it and commit it. 250: durable. 501: malformed. 550: this user may not
 * submit. Waits. */
must_check struct status intake_run(struct intake *intake);

/* login.c: local_login_sender_maps, opened before the sandbox closes. */
void login_open(const struct conf *conf);
/* 250: this user may be that sender. Waits. */
must_check struct status login_may_send(const struct conf *conf,
	struct arena *arena, uint32_t sys_uid, struct str sender);

/* Before the sandbox closes. */
void maildrop_open(const struct conf *conf);
/* Take every complete file of maildrop/; what was committed is removed, what
 * is malformed is renamed to corrupt-NAME with a warning, the rest stays for
 * the next time. Waits. */
void maildrop_scan(const struct conf *conf, const struct users *users);
/* What is in it, for showq. Waits. */
void maildrop_list(struct call *call);

#endif
