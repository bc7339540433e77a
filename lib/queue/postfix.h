/*
 * queue/postfix - queue files as Postfix writes them: records of one type
 * octet, a length of seven bits an octet (low ones first), and data.
 *
 * What a message holds becomes the envelope that queue/message.h writes. A
 * recipient that was delivered ("D") or taken back ("/") is left out; a
 * message all of whose recipients are done has none.
 *
 * Source   observed on Postfix 3.7; postcat(1)
 * Memory   slices of the octets given, but the content and the recipients are
 *          in the arena
 * Waits    no
 * Errors   false: malformed, cut off, or not such a file
 */
#ifndef QUEUE_POSTFIX_H
#define QUEUE_POSTFIX_H

#include "queue/message.h"

enum {
	POSTFIX_FILE_MOST = 512 * 1024 * 1024,
};

/* One record at the front. */
must_check bool postfix_record_take(struct str *in, char *type,
	struct str *data);

/* A whole file. envelope->queue_id is not in it. Content has LF line ends. */
must_check bool postfix_message_parse(struct arena *arena, struct str octets,
	struct envelope *envelope, struct str *content);

#endif
