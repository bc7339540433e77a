/*
 * talk/destination - where mail shall go, as configuration says it.
 *
 *	example.org  example.org:587  [mail.example.org]:submission
 *	[192.0.2.1]  [2001:db8::1]:25  [ipv6:2001:db8::1]
 *	lmtp: inet:host  inet:[::1]:2424  unix:/run/lmtp
 *
 * and lists of these, separated by commas or blanks, tried in their order.
 *
 * Memory   slices of the text given
 * Waits    no
 */
#ifndef TALK_DESTINATION_H
#define TALK_DESTINATION_H

#include "base/str.h"

struct talk_destination {
	struct str text;   /* as written: key of policies and passwords */
	struct str host;   /* name or address, without []; path of a socket */
	uint16_t port;     /* 0: the default */
	bool use_mx;       /* not in [] */
	bool is_unix;
};

/* One of the list; `is_lmtp`: no MX. False: a bad port, or no host. */
must_check bool talk_destination_parse(struct str text, bool is_lmtp,
	struct talk_destination *destination);
/* The next text of a list; false: no more. */
must_check bool talk_destination_take(struct str *list, struct str *text);

#endif
