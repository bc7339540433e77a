/*
 * mail/date - dates of header fields.
 *
 * Source   RFC 5322 3.3, 4.3 (obsolete zones, two-digit years)
 * Memory   none
 * Waits    no (call mail_date_ready before the sandbox closes: the C library
 *          reads the zone's file once)
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/buf.h"

struct mail_date {
	int64_t unix_s;   /* seconds since 1970-01-01 UTC */
	int zone_minutes; /* east of UTC */
};

/* Read the local zone. */
void mail_date_ready(void);
/* "Sun, 29 Nov 2026 14:40:03 +0100 (CET)", local time. */
void mail_date_format(struct buf *out, int64_t unix_s);
/* Without the comment, in the zone given: "Sun, 29 Nov 2026 14:40:03 +0100". */
void mail_date_format_zone(struct buf *out, struct mail_date date);
/* A date-time of a header field, comments allowed. False: none. */
must_check bool mail_date_parse(struct str text, struct mail_date *date);
/* Days and seconds of the calendar: the proleptic Gregorian date of a day. */
int64_t mail_date_days(int year, int month, int day);
void mail_date_civil(int64_t days, int *year, int *month, int *day);

#endif
