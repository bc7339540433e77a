#include "mail/date.h"

#include <time.h>

#include "mail/param.h"

static const char *const weekdays[] = {
	"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat",
};
static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

enum {
	DAY_S = 86400,
};

void mail_date_ready(void)
{
	tzset();
}

int64_t mail_date_days(int year, int month, int day)
{
	/* Days of the years before, counted from a March, so that the leap day
	 * comes last. */
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 +
		day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 -
		year_of_era / 100 + day_of_year - 719468;
}

void mail_date_civil(int64_t days, int *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2));
}

void mail_date_format_zone(struct buf *out, struct mail_date date)
{
	int64_t local = date.unix_s + date.zone_minutes * 60;
	int64_t days = local / DAY_S, second = local % DAY_S;
	int year, month, day;
	int zone = date.zone_minutes < 0 ? -date.zone_minutes :
		date.zone_minutes;

	if (second < 0) {
		second += DAY_S;
		days--;
	}
	mail_date_civil(days, &year, &month, &day);
	buf_fmt(out, "%s, %d %s %04d %02d:%02d:%02d %c%02d%02d",
		weekdays[((days % 7) + 11) % 7], day, months[month - 1], year,
		(int)(second / 3600), (int)(second / 60 % 60),
		(int)(second % 60), date.zone_minutes < 0 ? '-' : '+',
		zone / 60, zone % 60);
}

void mail_date_format(struct buf *out, int64_t unix_s)
{
	time_t when = (time_t)unix_s;
	struct tm tm;

	if (!localtime_r(&when, &tm)) {
		mail_date_format_zone(out, (struct mail_date){ unix_s, 0 });
		return;
	}
	mail_date_format_zone(out,
		(struct mail_date){ unix_s, (int)(tm.tm_gmtoff / 60) });
	buf_fmt(out, " (%s)", tm.tm_zone ? tm.tm_zone : "UTC");
}

/* Index of a word that begins with one of the names; -1: none. */
static int find_name(struct str word, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_starts_nocase(word, str_from(names[i])))
			return (int)i;
	return -1;
}

static bool is_alpha(unsigned char c)
{
	return ascii_is_alpha(c);
}

static bool take_number(struct str *in, uint64_t max, int *value)
{
	uint64_t number;

	mail_blanks_take(in);
	if (!str_take_u64(in, max, &number))
		return false;
	*value = (int)number;
	mail_blanks_take(in);
	return true;
}

static bool take_year(struct str *in, int *year)
{
	size_t before;

	mail_blanks_take(in);
	before = in->len;
	if (!take_number(in, 9999, year))
		return false;
	/* RFC 5322 4.3 */
	if (before - in->len <= 3 && *year < 50)
		*year += 2000;
	else if (*year < 1000)
		*year += 1900;
	return true;
}

static bool take_time(struct str *in, int *second_of_day)
{
	int hour, minute, second = 0;

	if (!take_number(in, 23, &hour) || !str_take_char(in, ':') ||
		!take_number(in, 59, &minute))
		return false;
	if (str_take_char(in, ':') && !take_number(in, 60, &second))
		return false;
	*second_of_day = hour * 3600 + minute * 60 + second;
	return true;
}

/* RFC 5322 4.3; others are -0000. */
static const struct {
	const char *name;
	int hours;
} zones[] = {
	{ "EDT", -4 }, { "EST", -5 }, { "CDT", -5 }, { "CST", -6 },
	{ "MDT", -6 }, { "MST", -7 }, { "PDT", -7 }, { "PST", -8 },
};

static int named_zone(struct str name)
{
	for (size_t i = 0; i < COUNT(zones); i++)
		if (str_is_nocase(name, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

static bool take_zone(struct str *in, int *minutes)
{
	bool is_west = false;
	uint64_t number;

	mail_blanks_take(in);
	if (!str_take_char(in, '+') && !(is_west = str_take_char(in, '-'))) {
		*minutes = named_zone(str_take_while(in, is_alpha));
		return true;
	}
	if (!str_take_u64(in, 9999, &number) || number % 100 > 59)
		return false;
	*minutes = (int)(number / 100 * 60 + number % 100);
	if (is_west)
		*minutes = -*minutes;
	return true;
}

bool mail_date_parse(struct str text, struct mail_date *date)
{
	struct str word;
	int year, month, day, second, zone = 0;

	mail_blanks_take(&text);
	word = str_take_while(&text, is_alpha);
	if (word.len > 0) {
		if (find_name(word, weekdays, COUNT(weekdays)) < 0)
			return false;
		mail_blanks_take(&text);
		(void)str_take_char(&text, ',');
	}
	if (!take_number(&text, 31, &day) || day == 0)
		return false;
	(void)str_take_char(&text, '-');
	month = find_name(str_take_while(&text, is_alpha), months,
		COUNT(months));
	(void)str_take_char(&text, '-');
	if (month < 0 || !take_year(&text, &year) ||
		!take_time(&text, &second) || !take_zone(&text, &zone))
		return false;
	date->unix_s = mail_date_days(year, month + 1, day) * DAY_S + second -
		zone * 60;
	date->zone_minutes = zone;
	return true;
}
