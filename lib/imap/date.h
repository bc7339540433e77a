/*
 * imap/date - date-time and date of RFC 3501 9.
 *
 * Waits    no
 * Errors   false: malformed; `in` has not moved
 */
#ifndef IMAP_DATE_H
#define IMAP_DATE_H

#include "base/buf.h"

/* "17-Jul-1996 02:44:25 -0700" with its quotes; seconds since 1970 UTC. */
must_check bool imap_date_time_take(struct str *in, int64_t *unix_s);
/* 17-Jul-1996, quoted or not: the day's number since 1970-01-01. */
must_check bool imap_date_take(struct str *in, int64_t *day);
/* "29-Nov-2026 14:40:03 +0000" with quotes, in UTC. */
void imap_date_time_format(struct buf *out, int64_t unix_s);

#endif
