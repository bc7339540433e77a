/*
 * auth/place - where a user's mail is, and whose it is.
 *
 * A user of a domain of virtual_mailbox_domains: where virtual(8) delivers,
 * by virtual_mailbox_base, _maps, virtual_uid_maps and _gid_maps. A user
 * without a domain, or of mydestination: a system account, whose mail is
 * where local(8) delivers by home_mailbox or mail_spool_directory. A uid below
 * virtual_minimum_uid is refused.
 *
 * Memory   in the arena given
 * Waits    place_find_virtual for proxy: tables
 */
#ifndef AUTH_PLACE_H
#define AUTH_PLACE_H

#include "config/config.h"

struct place {
	struct str home; /* directory of a system account; else of the mail */
	struct str mail; /* "maildir:/path" or "mbox:/path" */
	uint32_t sys_uid, sys_gid;
};

enum place_class {
	PLACE_VIRTUAL,
	PLACE_LOCAL,
	PLACE_NOWHERE, /* the domain is none of ours */
	PLACE_UNKNOWN, /* a table could not be read */
};

/* Before the sandbox closes: open the tables. */
void place_open(struct arena *arena, const struct conf *conf);
/* `account`: of a PLACE_LOCAL, the name of the system account. */
enum place_class place_class(struct arena *arena, struct str user,
	struct str *account);
/* False: `why`. */
must_check bool place_find_virtual(struct arena *arena, struct str user,
	struct place *place, struct str *why);
/* Home and ids are filled in, from passwd(5). */
must_check bool place_find_local(struct arena *arena, struct str account,
	struct place *place, struct str *why);

#endif
