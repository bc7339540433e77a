/*
 * smtp/resumption - TLS sessions that a later connection may resume.
 *
 * The process's own; nothing of it goes to disk. Once RESUMPTIONS_MOST servers
 * are known, a new one takes the place of any other.
 *
 * Memory   heap
 * Waits    no
 */
#ifndef SMTP_RESUMPTION_H
#define SMTP_RESUMPTION_H

#include "base/arena.h"

enum {
	RESUMPTIONS_MOST = 1000,
};

/* What was kept last under this key, a copy; STR_NONE: nothing. */
struct str resumption_find(struct arena *arena, struct str key);
/* octets: of tls_resumption; copied, and nothing is kept if there are none.
 * What was kept under the key before is forgotten. */
void resumption_keep(struct str key, struct str octets);

#endif
