/*
 * uidl - unique IDs as pop3_uidl_format has them.
 *
 *	%08Xu%08Xv   0000000c4b3f2a10 (Dovecot's and ours)
 *	%v.%u        1262430736.12 (Cyrus from 2.1.4 on)
 *	%f           the name of the file, without its flags (Courier)
 *
 * %u: the UID, %v: UIDVALIDITY, %f: the name, %%: a percent sign; before u and
 * v a width, with a zero before it, and X for hexadecimal.
 *
 * Source   RFC 1939 7: 1 to 70 octets from 0x21 to 0x7E
 * Memory   no
 * Waits    no
 */
#ifndef POP3D_UIDL_H
#define POP3D_UIDL_H

#include "base/buf.h"

struct uidl {
	uint32_t uid, uidvalidity;
	struct str name; /* as on disk; what stands behind a colon is left out */
};

/* False: malformed, or not different for each message. */
must_check bool uidl_format_is_good(struct str format);
/* By a format that is good. What would not be one by RFC 1939 is in our own
 * form. */
void uidl_format(struct buf *out, struct str format, const struct uidl *uidl);

#endif
