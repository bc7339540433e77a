/*
 * mailbox/spread - the same for each of many things, by a helper thread and the
 * fiber at once: whoever is free takes the next few.
 *
 * Waits    until all of it is done
 */
#ifndef MAILBOX_SPREAD_H
#define MAILBOX_SPREAD_H

#include "base/base.h"

/* each: of thing i, in any order, also in a helper: it logs nothing, and writes
 * nothing that another one may look at. */
void mailbox_spread(size_t count, void (*each)(void *context, size_t i),
	void *context);

#endif
