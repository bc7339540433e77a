/*
 * mail/message_id - msg-id of RFC 5322 3.6.4.
 *
 * Memory   slices of the text
 * Waits    no
 */
#ifndef MAIL_MESSAGE_ID_H
#define MAIL_MESSAGE_ID_H

#include "base/buf.h"

/*
 * Take the next msg-id, "<" to ">", from the front of the body of Message-ID,
 * References or In-Reply-To; words, blanks and comments before it are skipped.
 * False: there is no more (in is empty then). `id` includes the brackets.
 */
must_check bool mail_message_id_take(struct str *in, struct str *id);
/*
 * "<20261129144003.4A5F21002B@mail.example.org>" (UTC), or
 * "<id@host>" for a long queue ID. Postfix's form.
 */
void mail_message_id_format(struct buf *out, int64_t unix_s,
	struct str queue_id, bool is_long, struct str hostname);

#endif
