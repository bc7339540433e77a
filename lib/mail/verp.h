/*
 * mail/verp - senders of their own for each recipient (variable envelope
 * return path): list@example.org to joe@example.com becomes
 * list+joe=example.com@example.org.
 *
 * Source   Postfix's VERP_README: the two delimiters are a setting
 * Memory   in the arena
 * Waits    no
 */
#ifndef MAIL_VERP_H
#define MAIL_VERP_H

#include "base/buf.h"

/* Two characters, each of `allowed` (verp_delimiter_filter). */
bool mail_verp_is_valid(struct str delimiters, struct str allowed);
/* Addresses in internal form. The sender as it is when it is empty, or when
 * there are no two delimiters. */
struct str mail_verp_sender(struct arena *arena, struct str delimiters,
	struct str sender, struct str recipient);

#endif
