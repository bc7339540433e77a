/*
 * dsn/action - what was done with a recipient, as a notification says it
 * (RFC 3464 2.3.3), and as in msg_delivered.action.
 */
#ifndef DSN_ACTION_H
#define DSN_ACTION_H

enum dsn_action {
	DSN_ACTION_NONE,      /* by the code: failed or delayed */
	DSN_ACTION_DELIVERED, /* into a mailbox */
	DSN_ACTION_RELAYED,   /* to a server that does not know DSN */
	DSN_ACTION_EXPANDED,  /* into several addresses (alias, list) */
	DSN_ACTION_PASSED,    /* to a server that takes over the duty to notify
				 (it offered DSN): nothing is to be said */
};

#endif
