/*
 * smtp/outgoing - a message as other sites get it: smtp_generic_maps in its
 * envelope and header, smtp_header_checks and their like over its lines. Once
 * per delivery, before the first server is asked.
 *
 * Source   generic(5), header_checks(5) of Postfix
 * Memory   the delivery's arena
 * Waits    outgoing_apply: for the content and for proxy: tables
 */
#ifndef SMTP_OUTGOING_H
#define SMTP_OUTGOING_H

#include "agent/deliver.h"
#include "smtp/settings.h"

enum {
	OUTGOING_HEADER_MOST = 4 * 1024 * 1024, /* a header that is read */
	OUTGOING_WHOLE_MOST = 256 * 1024 * 1024, /* content read for checks */
};

/* The envelope as it leaves. */
struct outgoing {
	struct str sender;
	struct str *recipients; /* one for each of the delivery */
};

void outgoing_prepare(const struct settings *set);

/* Replaces delivery->content where anything changes. Not 2xx: nothing may be
 * sent; what to tell the recipients. */
must_check struct status outgoing_apply(struct delivery *delivery,
	struct outgoing *outgoing);

#endif
