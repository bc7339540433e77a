/*
 * commands/sendmail_headers - sendmail -t: recipients from the header.
 */
#ifndef COMMANDS_SENDMAIL_HEADERS_H
#define COMMANDS_SENDMAIL_HEADERS_H

#include "base/buf.h"

/*
 * Call found(context, address) for each address of To, Cc and Bcc, or, if
 * there are any, of Resent-To, Resent-Cc and Resent-Bcc, in internal form.
 */
void headers_recipients(struct arena *arena, struct str header,
	void (*found)(void *context, struct str address), void *context);

/* The same for each address of a text like a field's body. False: something
 * in it is no address, or there is none; then nothing was found. */
bool headers_addresses(struct arena *arena, struct str text,
	void (*found)(void *context, struct str address), void *context);

#endif
