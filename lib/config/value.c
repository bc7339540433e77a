#include "config/value.h"

static const struct {
	char unit;
	int64_t seconds;
} units[] = {
	{ 's', 1 },
	{ 'm', 60 },
	{ 'h', 60 * 60 },
	{ 'd', 24 * 60 * 60 },
	{ 'w', 7 * 24 * 60 * 60 },
};

bool conf_bool_parse(struct str text, bool *value)
{
	bool yes = str_is_nocase(text, "yes");

	if (!yes && !str_is_nocase(text, "no"))
		return false;
	*value = yes;
	return true;
}

static int64_t seconds_of(char unit)
{
	for (size_t i = 0; i < COUNT(units); i++)
		if (units[i].unit == (char)ascii_lower((unsigned char)unit))
			return units[i].seconds;
	return 0;
}

char conf_unit_of(struct str text, char otherwise)
{
	char last = text.len > 0 ? text.p[text.len - 1] : 0;

	return seconds_of(last) > 0 ? (char)ascii_lower((unsigned char)last)
				    : otherwise;
}

bool conf_span_parse(struct str text, char unit, struct span *value)
{
	uint64_t number;
	int64_t seconds;

	if (!str_take_u64(&text, INT32_MAX, &number))
		return false;
	if (text.len > 0) {
		unit = text.p[0];
		text = str_skip(text, 1);
	}
	if (text.len > 0 || seconds_of(unit) == 0 ||
		__builtin_mul_overflow((int64_t)number, seconds_of(unit),
			&seconds) ||
		seconds > INT64_MAX / 1000000)
		return false;
	*value = span_s(seconds);
	return true;
}
