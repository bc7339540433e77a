/*
 * torture/check - is everything there that was promised?
 *
 * The ledger (torture/power_scenario.py describes its lines) says what was
 * promised, and when. check_queue and check_mail recover the queue with
 * lib/queue and look for each message; check_stores open a user's mail with
 * lib/mailbox.
 */
#ifndef TORTURE_CHECK_H
#define TORTURE_CHECK_H

#include "ledger.h"
#include "tree.h"

/* What is wrong, for people, in the arena of now. */
const char *check_wrong(const struct now *now, const char *format, ...)
	printf_like(2, 3);

/* Mail and queue in a state (which recovery changes). NULL: all is there. */
const char *check_mail(const struct now *now, struct model_tree *state);
/* The stores of the ledger, put into a directory of their own (`scratch`, on
 * a tmpfs) for lib/mailbox. NULL: all is there. */
const char *check_stores(
	const struct now *now, struct model_tree *state, const char *scratch);
/* The same in a directory of a real file system. */
const char *check_store_at(
	const struct now *now, struct str store, const char *path);

#endif
