/*
 * milter/milter - the conversations with the mail filters of one client.
 *
 * One connection to each filter, as long as the client stays. Events go to the
 * filters in their order; the first that refuses has the last word. A filter
 * that cannot be reached, does not answer in time or talks nonsense is logged
 * once and not asked again: from then on its default action counts.
 *
 *	ms = milters_new(arena, &plan)
 *	milters_connect, milters_helo                     once, or again
 *	milters_mail, milters_rcpt ..., milters_data      a message
 *	milters_content                   its content (milter/content.h), here or
 *	                                  in cleanup, to which conversations go
 *	milters_abort                     no message after all
 *	milters_close                     goodbye
 *
 * Source   see milter/packet.h
 * Memory   the arena given; connections have their own
 * Waits    everything that talks to filters; each answer for the filter's limit
 * Errors   a status: 250 go on, else the reply that the client gets
 */
#ifndef MILTER_MILTER_H
#define MILTER_MILTER_H

#include "base/status.h"
#include "ipc/messages.h"
#include "milter/macro.h"
#include "milter/packet.h"
#include "milter/place.h"

struct milters;

struct milter_plan {
	const struct conf *conf; /* names of macros, and their defaults */
	struct milter_places places; /* must stay */
	struct milter_finder finder;
};

struct milters *milters_new(struct arena *arena,
	const struct milter_plan *plan);

/* A client of this name and address: '4', '6' (port may be 0), or 'U' (unknown;
 * no address). Opens the connections. */
must_check struct status milters_connect(struct milters *ms, struct str name,
	char family, uint16_t port, struct str address);
must_check struct status milters_helo(struct milters *ms, struct str name);
/* "<address>", then ESMTP arguments: "SIZE=100". */
must_check struct status milters_mail(struct milters *ms,
	const struct str *arguments, size_t count);
must_check struct status milters_rcpt(struct milters *ms,
	const struct str *arguments, size_t count);
/* One that was refused already: for those that want to know. */
void milters_refused_rcpt(struct milters *ms, const struct str *arguments,
	size_t count);
must_check struct status milters_data(struct milters *ms);
must_check struct status milters_unknown(struct milters *ms, struct str line);
/* The message comes to nothing, or has come to its end. */
void milters_abort(struct milters *ms);
void milters_close(struct milters *ms);

/* Of the message at hand: a filter wants it thrown away; why it is to be held
 * (NONE: it is not). */
bool milters_discard(const struct milters *ms);
struct str milters_hold(const struct milters *ms);

/*
 * Conversations go to another process for the content of the message: each one
 * that is to be asked as a message, in their order, by give(context, m); m and
 * what it names are good during the call. Not 250: one of them failed, and that
 * is its default action. Afterwards `in_step` says which of
 * them (bits, by their order) that process left fit for another message; the
 * others are over, and have been logged there.
 */
must_check struct status milters_pass(struct milters *ms,
	void (*give)(void *context, const struct msg_milter *m), void *context);
void milters_passed(struct milters *ms, uint64_t in_step);

/* There: none yet, and one for each message, whose texts must stay. The socket
 * is milters' from now on. False: there are too many. */
struct milters *milters_received(struct arena *arena, const struct conf *conf);
must_check bool milters_receive(struct milters *ms, const struct msg_milter *m);
uint64_t milters_in_step(const struct milters *ms);

#endif
