#include "imap/date.h"

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

/* Days from 1970-01-01 of a civil date, and back (proleptic Gregorian). The
 * year is counted from March, so that the leap day is its last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 +
		day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
		of_year - 719468;
}

static void civil_of(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t years = (of_era - of_era / 1460 + of_era / 36524 -
		of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
	int64_t m = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = years + era * 400 + (*month <= 2);
}

static bool take_digits(struct str *in, size_t count, int64_t *value)
{
	int64_t sum = 0;

	if (in->len < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!ascii_is_digit((unsigned char)in->p[i]))
			return false;
		sum = sum * 10 + (in->p[i] - '0');
	}
	*value = sum;
	*in = str_skip(*in, count);
	return true;
}

static bool take_day_number(struct str *in, int64_t *day)
{
	if (take_digits(in, 2, day))
		return true;
	str_take_char(in, ' ');
	return take_digits(in, 1, day);
}

static bool take_month(struct str *in, int64_t *month)
{
	for (size_t i = 0; i < COUNT(months); i++)
		if (str_take_prefix_nocase(in, str_from(months[i]))) {
			*month = (int64_t)i + 1;
			return true;
		}
	return false;
}

static bool take_date(struct str *in, int64_t *days)
{
	int64_t day, month, year;

	if (!take_day_number(in, &day) || !str_take_char(in, '-') ||
		!take_month(in, &month) || !str_take_char(in, '-') ||
		!take_digits(in, 4, &year))
		return false;
	if (day < 1 || day > 31)
		return false;
	*days = days_of(year, month, day);
	return true;
}

static bool take_zone(struct str *in, int64_t *seconds)
{
	int64_t hours, minutes;
	bool west = str_take_char(in, '-');

	if (!west && !str_take_char(in, '+'))
		return false;
	if (!take_digits(in, 2, &hours) || !take_digits(in, 2, &minutes) ||
		minutes > 59)
		return false;
	*seconds = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
	return true;
}

bool imap_date_time_take(struct str *in, int64_t *unix_s)
{
	struct str rest = *in;
	int64_t days, hour, minute, second, zone;

	if (!str_take_char(&rest, '"') || !take_date(&rest, &days) ||
		!str_take_char(&rest, ' ') || !take_digits(&rest, 2, &hour) ||
		!str_take_char(&rest, ':') || !take_digits(&rest, 2, &minute) ||
		!str_take_char(&rest, ':') || !take_digits(&rest, 2, &second) ||
		!str_take_char(&rest, ' ') || !take_zone(&rest, &zone) ||
		!str_take_char(&rest, '"'))
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	*unix_s = days * 86400 + hour * 3600 + minute * 60 + second - zone;
	*in = rest;
	return true;
}

bool imap_date_take(struct str *in, int64_t *day)
{
	struct str rest = *in;
	bool quoted = str_take_char(&rest, '"');

	if (!take_date(&rest, day) || (quoted && !str_take_char(&rest, '"')))
		return false;
	*in = rest;
	return true;
}

void imap_date_time_format(struct buf *out, int64_t unix_s)
{
	int64_t days = unix_s / 86400, second = unix_s % 86400, year;
	int month, day;

	if (second < 0) {
		second += 86400;
		days--;
	}
	civil_of(days, &year, &month, &day);
	buf_fmt(out, "\"%02d-%s-%04d %02d:%02d:%02d +0000\"", day,
		months[month - 1], (int)year, (int)(second / 3600),
		(int)(second / 60 % 60), (int)(second % 60));
}
