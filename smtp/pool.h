/*
 * smtp/pool - connections that stay open for the next message.
 *
 * After a delivery a session is kept for smtp_connection_cache_time_limit if
 * more mail for the same nexthop is here or has just been, or if qmgr says
 * that more waits (smtp_connection_cache_on_demand), or always for the
 * destinations in smtp_connection_cache_destinations.
 *
 * Waits    pool_put, pool_end_all (QUIT)
 */
#ifndef SMTP_POOL_H
#define SMTP_POOL_H

#include "smtp/session.h"

/* Around each delivery: how much is going there. */
void pool_begin(struct str nexthop);
void pool_end(struct str nexthop);

/*
 * A living session that was opened for this nexthop, or to this server, with
 * the same sign (policy and account); NULL: none. Ours until pool_put.
 */
struct session *pool_take_nexthop(struct str nexthop, struct str sign);
struct session *pool_take_relay(struct str relay, struct str sign);
/* Keep it, or close it. more: qmgr has more for this nexthop. */
void pool_put(struct session *session, struct str nexthop, bool more);
void pool_end_all(void);

#endif
