/*
 * verify/entry - what a table keeps of an address: "status:probed:updated:text".
 *
 * The form is Postfix's, so that a table of its verify(8) goes on: status is
 * 0 deliverable, 1 deferred, 2 undeliverable, 3 not known yet; probed is when a
 * probe was sent last (0: its result is here), updated when one said this;
 * both are seconds since 1970.
 *
 * Memory   the text is a slice of what is parsed
 * Waits    no
 */
#ifndef VERIFY_ENTRY_H
#define VERIFY_ENTRY_H

#include "base/buf.h"
#include "rewrite/probe.h"

enum {
	ENTRY_TEXT_MOST = 1000,    /* octets; more is cut off */
	ENTRY_ADDRESS_MOST = 1000, /* longer ones are nobody's */
};

/* The year 9999: sums of times and settings do not overflow. */
#define ENTRY_TIME_MOST UINT64_C(253402300799)

struct entry {
	enum probe_result result;
	int64_t probed_s, updated_s;
	struct str text; /* what the server or agent said */
};

/* The text on one line, of ENTRY_TEXT_MOST octets at most. */
void entry_format(struct buf *out, const struct entry *entry);
/* False: not such a value. */
must_check bool entry_parse(struct str in, struct entry *entry);

#endif
