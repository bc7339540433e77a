/*
 * pcre: Perl-compatible expressions (PCRE2); without case and with "." for
 * line ends unless the flags i and s turn that off.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "maps/pattern.h"

#include <pcre2.h>

enum {
	MATCH_LIMIT = 1000000, /* steps: a pattern cannot stop the process */
	DEPTH_LIMIT = 100000,
};

struct pcre {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static void free_pcre(void *context)
{
	struct pcre *pcre = context;

	pcre2_match_context_free(pcre->context);
	pcre2_match_data_free(pcre->data);
	pcre2_code_free(pcre->code);
}

static const struct {
	char letter;
	uint32_t bit;
} letters[] = {
	{ 'i', PCRE2_CASELESS },
	{ 'm', PCRE2_MULTILINE },
	{ 's', PCRE2_DOTALL },
	{ 'x', PCRE2_EXTENDED },
	{ 'A', PCRE2_ANCHORED },
	{ 'E', PCRE2_DOLLAR_ENDONLY },
	{ 'U', PCRE2_UNGREEDY },
	{ 'X', 0 }, /* PCRE1's "extra": always on in PCRE2 */
};

static bool read_flags(struct str text, uint32_t *flags, struct str *error)
{
	*flags = PCRE2_CASELESS | PCRE2_DOTALL;
	for (size_t i = 0; i < text.len; i++) {
		size_t at = 0;

		while (at < COUNT(letters) && letters[at].letter != text.p[i])
			at++;
		if (at == COUNT(letters)) {
			*error = STR("unknown pcre option");
			return false;
		}
		*flags ^= letters[at].bit;
	}
	return true;
}

static void *compile(struct arena *arena, struct str pattern, uint32_t flags,
	struct str *error)
{
	struct pcre *pcre = arena_new_of(arena, struct pcre);
	PCRE2_UCHAR why[200] = "";
	PCRE2_SIZE at;
	int code;

	pcre->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.len, flags,
		&code, &at, NULL);
	if (!pcre->code) {
		pcre2_get_error_message(code, why, sizeof(why));
		*error = arena_fmt(arena, "error in regex at offset %zu: %s",
			(size_t)at, (char *)why);
		return NULL;
	}
	pcre->data = pcre2_match_data_create_from_pattern(pcre->code, NULL);
	pcre->context = pcre2_match_context_create(NULL);
	if (!pcre->data || !pcre->context)
		starved("out of memory: a pattern");
	pcre2_set_match_limit(pcre->context, MATCH_LIMIT);
	pcre2_set_depth_limit(pcre->context, DEPTH_LIMIT);
	arena_on_free(arena, free_pcre, pcre);
	return pcre;
}

static void *take(struct arena *arena, struct str *line, struct str *error)
{
	struct str pattern, text;
	uint32_t flags;

	if (!pattern_take_slashes(line, &pattern, &text)) {
		*error = STR("expected /pattern/ result");
		return NULL;
	}
	if (!read_flags(text, &flags, error))
		return NULL;
	return compile(arena, pattern, flags, error);
}

static bool matches(void *pattern, struct arena *arena, struct str key,
	struct pattern_groups *groups)
{
	struct pcre *pcre = pattern;
	const PCRE2_SIZE *found;
	int count = pcre2_match(pcre->code, (PCRE2_SPTR)key.p, key.len, 0, 0,
		pcre->data, pcre->context);

	if (count <= 0)
		return false;
	found = pcre2_get_ovector_pointer(pcre->data);
	key = arena_copy(arena, key);
	for (groups->count = 0; groups->count < (size_t)count &&
		groups->count < PATTERN_GROUPS; groups->count++) {
		size_t from = found[2 * groups->count];
		size_t to = found[2 * groups->count + 1];

		groups->group[groups->count] = from == PCRE2_UNSET ||
				to < from ? STR_NONE :
			str_of(key.p + from, to - from);
	}
	return true;
}

static const struct pattern_engine engine = {
	.take = take,
	.matches = matches,
	.has_groups = true,
};

static void *pcre_open(struct map_opening *opening)
{
	return pattern_open(opening, &engine);
}

const struct map_driver map_pcre = {
	.type = "pcre",
	.open = pcre_open,
	.find = pattern_find,
	.is_pattern = true,
	.keeps_case = true,
};
