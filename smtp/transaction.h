/*
 * smtp/transaction - one message over one session: MAIL, RCPT, DATA.
 *
 * With PIPELINING the commands leave together and their replies are matched
 * to them in order (RFC 2920); without, one by one. Each reply becomes what
 * its recipients are told; LMTP gives one per recipient at the end (RFC 2033
 * 4.2).
 *
 * Waits    transaction_run
 */
#ifndef SMTP_TRANSACTION_H
#define SMTP_TRANSACTION_H

#include "agent/deliver.h"
#include "smtp/outgoing.h"
#include "smtp/session.h"

/* The delivery as it goes from server to server. */
struct attempt {
	struct delivery *delivery;
	const struct settings *set;
	struct outgoing out;    /* the envelope as it leaves */
	struct outcome trouble; /* the last one, of those not reported */
	bool is_final;          /* no other server is left to try */
	bool is_own;            /* we are the best MX of the domain */
	struct str tls;         /* what is asked of the server tried, for the
				   log; NONE: none yet */
	struct str tls_here;    /* what DNSSEC made of it; NONE: the same */
	int64_t connected_us;   /* wall clock */
	unsigned sessions;      /* so far */
};

enum transaction_end {
	TRANSACTION_DONE,  /* whoever is not reported is for the next server */
	TRANSACTION_STALE, /* a kept session was dead: nothing has happened */
};

enum transaction_end transaction_run(struct attempt *attempt,
	struct session *session);
/* Report what is left: deferred or bounced as the outcome says. */
void attempt_report_rest(struct attempt *attempt,
	const struct outcome *outcome);
bool attempt_is_over(const struct attempt *attempt);

#endif
