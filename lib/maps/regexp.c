/*
 * regexp: POSIX extended regular expressions, without case unless the flag i
 * turns that off; x: basic expressions; m: ^ and $ at each line.
 */
#include "maps/pattern.h"

#include <regex.h>

enum {
	GROUPS_MOST = 30,
	REPEATS_MOST = 8, /* one behind the other */
};

static void free_regex(void *context)
{
	regfree(context);
}

static bool read_flags(struct str letters, int *flags, struct str *error)
{
	*flags = REG_EXTENDED | REG_ICASE;
	for (size_t i = 0; i < letters.len; i++)
		switch (letters.p[i]) {
		case 'i':
			*flags ^= REG_ICASE;
			break;
		case 'm':
			*flags ^= REG_NEWLINE;
			break;
		case 'x':
			*flags ^= REG_EXTENDED;
			break;
		default:
			*error = STR("unknown regexp option");
			return false;
		}
	return true;
}

/* Where the bracket expression that begins at `at` ends. */
static size_t behind_brackets(struct str pattern, size_t at)
{
	at++;
	if (at < pattern.len && pattern.p[at] == '^')
		at++;
	do
		at++;
	while (at < pattern.len && pattern.p[at] != ']');
	return at;
}

/* "a++++" (of which POSIX says nothing): the C library makes a tree that is
 * twice as large with each of them. */
static bool repeats_too_often(struct str pattern)
{
	unsigned repeats = 0;

	for (size_t at = 0; at < pattern.len; at++) {
		char c = pattern.p[at];

		repeats = c == '*' || c == '+' || c == '?' ? repeats + 1 : 0;
		if (repeats > REPEATS_MOST)
			return true;
		if (c == '[')
			at = behind_brackets(pattern, at);
		else if (c == '\\')
			at++;
	}
	return false;
}

static void *take(struct arena *arena, struct str *line, struct str *error)
{
	regex_t *regex = arena_alloc(arena, sizeof(*regex));
	struct str pattern, letters;
	char why[200];
	int flags, code;

	if (!pattern_take_slashes(line, &pattern, &letters)) {
		*error = STR("expected /pattern/ result");
		return NULL;
	}
	if (!read_flags(letters, &flags, error))
		return NULL;
	if (repeats_too_often(pattern)) {
		*error = STR("too many of * + ? in a row: one is enough");
		return NULL;
	}
	code = regcomp(regex, arena_cstr(arena, pattern), flags);
	if (code) {
		regerror(code, regex, why, sizeof(why));
		*error = arena_copy(arena, str_from(why));
		return NULL;
	}
	arena_on_free(arena, free_regex, regex);
	return regex;
}

static bool matches(void *pattern, struct arena *arena, struct str key,
	struct pattern_groups *groups)
{
	regmatch_t found[GROUPS_MOST];

	key = arena_copy(arena, key);
	if (regexec(pattern, key.p, GROUPS_MOST, found, 0) != 0)
		return false;
	for (groups->count = 0; groups->count < GROUPS_MOST; groups->count++) {
		const regmatch_t *at = &found[groups->count];

		groups->group[groups->count] = at->rm_so < 0 ? STR_NONE :
			str_of(key.p + at->rm_so,
				(size_t)(at->rm_eo - at->rm_so));
	}
	return true;
}

static const struct pattern_engine engine = {
	.take = take,
	.matches = matches,
	.has_groups = true,
};

static void *regexp_open(struct map_opening *opening)
{
	return pattern_open(opening, &engine);
}

const struct map_driver map_regexp = {
	.type = "regexp",
	.open = regexp_open,
	.find = pattern_find,
	.is_pattern = true,
	.keeps_case = true,
};
