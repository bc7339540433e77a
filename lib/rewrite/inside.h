/*
 * rewrite/inside - what the files of lib/rewrite share; nobody else's.
 */
#ifndef REWRITE_INSIDE_H
#define REWRITE_INSIDE_H

#include "config/interfaces.h"
#include "maps/address.h"
#include "maps/match.h"
#include "rewrite/resolve.h"
#include "rewrite/rewrite.h"

/* "transport:nexthop"; either part may be empty. */
struct route {
	struct str transport, nexthop;
};

struct router {
	const struct conf *conf;
	struct interfaces own, proxies;
	struct match *destinations, *alias_domains, *mailbox_domains,
		*relay_domains;
	struct maps *transports, *relayhosts, *default_transports, *relocated;
	struct maps *local_recipients, *aliases, *mailboxes, *relay_recipients;
	struct maps *canonical, *sender_canonical, *recipient_canonical;
	bool transport_parents_plain;
	struct route local, mailbox, relay, other; /* per class */
	struct str relayhost;
};

struct route route_parse(struct str text);
/* local@domain */
struct str address_join(struct arena *arena, struct str local,
	struct str domain);

/* One step of the rules for local-parts that route on: a!b -> b@a, else
 * a%b -> a@b, as far as allowed. False: there is nothing to do. */
bool address_unroute(const struct conf *conf, struct arena *arena,
	struct str local, struct str *address);

#endif
