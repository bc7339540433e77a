/*
 * agent/deliver - the flags of a delivery, as in msg_deliver.flags.
 */
#ifndef AGENT_DELIVER_H
#define AGENT_DELIVER_H

enum deliver_flag {
	DELIVER_SMTPUTF8 = 1 << 0,    /* the message needs it, RFC 6531 */
	DELIVER_MORE = 1 << 1,        /* more waits for this nexthop: keep the
					 connection for it */
	DELIVER_VERIFY = 1 << 2,      /* a probe: only ask, deliver nothing */
	DELIVER_TRACE = 1 << 3,       /* sendmail -v, report all to sender */
	DELIVER_REQUIRETLS = 1 << 4,  /* RFC 8689 */
	DELIVER_TLS_OPTIONAL = 1 << 5, /* "TLS-Required: no", RFC 8689 5 */
	DELIVER_BOUNCE = 1 << 6,      /* a notification of our own */
};

enum deliver_site { /* msg_deliver_done.site */
	DELIVER_SITE_REACHED,
	DELIVER_SITE_UNREACHABLE, /* destination: slow down, then suspend */
	DELIVER_SITE_SICK,        /* the transport itself cannot work */
};

#endif
