/*
 * smtp/body - the content of a message on the wire.
 *
 * Small content leaves in one piece with its end; large content is read from
 * its descriptor in blocks. LF becomes CRLF, dots are doubled, long lines are
 * broken (lib/smtp); 8bit becomes 7bit where the server wants it.
 *
 * Waits    body_send
 */
#ifndef SMTP_BODY_H
#define SMTP_BODY_H

#include "agent/deliver.h"
#include "smtp/session.h"

/* All but the reply. False: the stream failed, or the content cannot be read:
 * errno; the session must be closed. */
must_check bool body_send(struct session *session,
	const struct delivery *delivery, bool to_7bit);

#endif
