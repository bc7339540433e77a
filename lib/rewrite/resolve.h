/*
 * rewrite/resolve - where an address goes: class, transport, nexthop.
 *
 * Source   ADDRESS_CLASS_README and trivial-rewrite(8) of Postfix
 * Memory   results in the arena given
 * Waits    for proxy: tables only; router_open for the disk
 */
#ifndef REWRITE_RESOLVE_H
#define REWRITE_RESOLVE_H

#include "base/status.h"
#include "maps/maps.h"

/* Bits of struct resolved and of the message of the same name. */
enum {
	RESOLVE_LOCAL = 1,    /* mydestination, [own address] */
	RESOLVE_ALIAS = 2,    /* virtual_alias_domains */
	RESOLVE_MAILBOX = 4,  /* virtual_mailbox_domains */
	RESOLVE_RELAY = 8,    /* relay_domains */
	RESOLVE_DEFAULT = 16, /* everything else */
	RESOLVE_ROUTED = 32,  /* the local-part routes on: a@b@c, a%b@c, b!a@c */
	RESOLVE_ERROR = 64,   /* no address: bounce it */
	RESOLVE_FAIL = 128,   /* a table is unavailable: defer it */
};
#define RESOLVE_CLASSES                                                        \
	(RESOLVE_LOCAL | RESOLVE_ALIAS | RESOLVE_MAILBOX | RESOLVE_RELAY |     \
		RESOLVE_DEFAULT)
/* Destinations that are ours: mail to them is no relaying. */
#define RESOLVE_FINAL (RESOLVE_LOCAL | RESOLVE_ALIAS | RESOLVE_MAILBOX)

struct resolved {
	struct str transport; /* row of master.cf: smtp, local, error ... */
	struct str nexthop;   /* of error: the text, "5.1.1 User unknown" */
	struct str recipient; /* internal form */
	unsigned flags;
};

struct router;

/* Opens the tables of address classes and routing; in .prepare. */
struct router *router_open(struct arena *arena, const struct conf *conf);
/* The same without the tables of recipients that only resolve_listed asks. */
struct router *router_open_routes(struct arena *arena,
	const struct conf *conf);

/* The same for probes of verify(8): address_verify_transport_maps and the like in
 * place of transport_maps; shares the tables that are the same. */
struct router *router_for_probes(struct arena *arena, struct router *router);

/* Only what resolve_is_ours asks: for clients that route nothing. */
struct router *router_open_own(struct arena *arena, const struct conf *conf);

/* Where mail from `sender` to `recipient` goes; recipient empty: to
 * MAILER-DAEMON (empty_address_recipient). */
void resolve(struct router *router, struct arena *arena, struct str sender,
	struct str recipient, struct resolved *resolved);

/* The class of a domain (one RESOLVE_ class bit, or RESOLVE_FAIL); also
 * "[192.0.2.1]". */
unsigned resolve_class(struct router *router, struct arena *arena,
	struct str domain);
/* True for mydestination and [own address], and myorigin: domains whose
 * addresses tables may know by local-part alone. MAPS_ERROR: do not know. */
enum maps_result resolve_is_ours(struct router *router, struct arena *arena,
	struct str domain);

/*
 * Is this recipient one that exists, as far as the tables of its class know?
 * 250: yes, or nobody knows; else the reply to give in SMTP ("550 5.1.1
 * <a@b>: Recipient address rejected: User unknown in local recipient table"),
 * 451 4.3.0 when a table is unavailable. For a sender
 * (reject_unlisted_sender) is_sender gives 5.1.0. The address is rewritten
 * (rewrite_address) but not canonical: canonical tables are looked at here.
 */
must_check struct status resolve_listed(struct router *router,
	struct arena *arena, struct str address, bool is_sender);

#endif
