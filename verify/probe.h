/*
 * verify/probe - the message that asks for an address: it goes through the queue
 * like others, and nobody gets it.
 *
 * Waits    probe_submit
 */
#ifndef VERIFY_PROBE_H
#define VERIFY_PROBE_H

#include "base/status.h"
#include "config/config.h"

/* 250: qmgr will tell what it finds. SUBMIT_KNOWN_CODE: it is deliverable, as the
 * text says. Else nothing was begun. */
must_check struct status probe_submit(struct arena *arena,
	const struct conf *conf, struct str address);

#endif
