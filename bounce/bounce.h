/*
 * bounce/bounce - what the files of this room share.
 */
#ifndef BOUNCE_BOUNCE_H
#define BOUNCE_BOUNCE_H

#include "agent/deliver.h"
#include "dsn/report.h"
#include "dsn/template.h"

struct notice_recipient {
	struct dsn_recipient dsn;
	uint64_t notify; /* DSN_NOTIFY bits, 0: default */
};

/* One request of qmgr. */
struct notice {
	const struct conf *conf;
	const struct dsn_template *templates; /* by kind */
	struct arena *arena;
	struct call *call;
	struct msg_bounce m;
	struct notice_recipient *recipients;
	size_t count;
	struct content content;
	struct str header;  /* of the message */
	struct str last_id; /* of the notification that was sent last */
};

/* Content and header of the message; false: they cannot be read. */
must_check bool notice_take_content(struct notice *notice);
/* Everybody who has to be told is told: 250 when all of it is durable. Waits
 * for cleanup. */
must_check struct status notice_send(struct notice *notice);

#endif
