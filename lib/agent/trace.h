/*
 * agent/trace - the header lines that final delivery puts in front, and the
 * loop that they reveal (RFC 5321 4.4; Delivered-To).
 *
 * Waits    no
 */
#ifndef AGENT_TRACE_H
#define AGENT_TRACE_H

#include "agent/deliver.h"

enum trace_line {
	TRACE_RETURN_PATH = 1,
	TRACE_ORIGINAL_TO = 2,
	TRACE_DELIVERED_TO = 4,
	TRACE_ALL = 7,
};

/* "Return-Path: <..>\nX-Original-To: ..\nDelivered-To: ..\n". */
void trace_format(struct buf *out, const struct delivery *delivery,
	const struct deliver_recipient *recipient, unsigned lines);

/* True: the message has a Delivered-To of this address already. `header` from
 * content_header. */
bool trace_is_loop(struct str header, struct str address);

#endif
