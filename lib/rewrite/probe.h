/*
 * rewrite/probe - what several daemons know of the probes that verify(8) sends:
 * their sender, and what they find.
 *
 * Source   ADDRESS_VERIFICATION_README of Postfix
 * Memory   in the arena given
 * Waits    no
 */
#ifndef REWRITE_PROBE_H
#define REWRITE_PROBE_H

#include "config/config.h"

/* The numbers are those of verify's table, and of the message verified. */
enum probe_result {
	PROBE_DELIVERABLE = 0,
	PROBE_DEFERRED = 1,
	PROBE_UNDELIVERABLE = 2,
	PROBE_UNKNOWN = 3, /* not yet */
};

/*
 * address_verify_sender with a domain, empty for <>; with address_verify_sender_
 * ttl its local-part ends in the number of the period that now_s is in, in
 * letters that make no words.
 */
struct str probe_sender(struct arena *arena, const struct conf *conf,
	int64_t now_s);
/* The address is a sender of probes, of this period or a neighbour: mail to it
 * is accepted without a question, or two hosts that verify each other's senders
 * would not end. */
bool probe_is_sender(struct arena *arena, const struct conf *conf,
	struct str address, int64_t now_s);

#endif
