/*
 * milter/place - where mail filters are, and how they are talked to: the text
 * of smtpd_milters, smtpd_milter_maps and non_smtpd_milters.
 *
 *	inet:host:port  unix:path  { inet:host:port, default_action=accept }
 *
 * Source   MILTER_README of Postfix
 * Memory   slices of the text and of the configuration; the array in the arena
 * Waits    no
 */
#ifndef MILTER_PLACE_H
#define MILTER_PLACE_H

#include "config/config.h"

enum {
	MILTERS_MOST = 32, /* in one list */
};

/* What becomes of mail when a filter cannot be asked. */
enum milter_otherwise {
	MILTER_OTHERWISE_ACCEPT,
	MILTER_OTHERWISE_QUARANTINE, /* and hold the message */
	MILTER_OTHERWISE_REJECT,
	MILTER_OTHERWISE_TEMPFAIL,
	MILTER_OTHERWISE_SHUTDOWN, /* 421 */
	MILTER_OTHERWISES,
};

struct milter_place {
	struct str parameter; /* that names it: what the dialer asks for */
	struct str endpoint;
	unsigned version;     /* of the protocol, at most */
	bool no_header_reply; /* it gives none, whatever it says */
	enum milter_otherwise otherwise;
	struct span connect, command, content; /* limits of time */
};

struct milter_places {
	struct milter_place *all;
	size_t count;
};

/* False: malformed; *problem (in the arena) says what. */
must_check bool milter_places_parse(struct arena *arena,
	const struct conf *conf, struct str parameter, struct str list,
	struct milter_places *places, struct str *problem);

#endif
