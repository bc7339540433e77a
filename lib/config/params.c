#include "config/params.h"

#define PARAM(name, type, value, mark, doc)                                    \
	{ #name, value, doc, offsetof(struct conf, name), PARAM_##type,        \
		MARK_##mark, name },
static const struct param_row rows[] = {
#include "config/params.def"
};
#undef PARAM

const struct param_row *param_row(enum param id)
{
	return &rows[id];
}

static const struct {
	enum param id;
	int64_t least, most;
} ranges[] = {
#define RANGE(name, least, most) { name, least, most },
#define WORDS(name, words)
#include "config/ranges.def"
#undef RANGE
#undef WORDS
};

static const struct {
	enum param id;
	const char *words;
} words[] = {
#define RANGE(name, least, most)
#define WORDS(name, text) { name, text },
#include "config/ranges.def"
#undef RANGE
#undef WORDS
};

const char *param_name(const struct param_row *row)
{
	bool has_digit = row->c_name[0] == 'p' &&
		ascii_is_digit((unsigned char)row->c_name[1]);

	return row->c_name + has_digit;
}

void param_range(enum param id, int64_t *least, int64_t *most)
{
	*least = 0;
	*most = rows[id].type == PARAM_INT ? INT32_MAX : INT64_MAX / 1000000;
	for (size_t i = 0; i < COUNT(ranges); i++)
		if (ranges[i].id == id) {
			*least = ranges[i].least;
			*most = ranges[i].most;
		}
}

const char *param_words(enum param id)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].id == id)
			return words[i].words;
	return NULL;
}

bool param_is_pattern(const struct param_row *row)
{
	return strncmp(row->c_name, "transport_", 10) == 0 &&
		row->value[0] == '$';
}

const struct param_row *param_of_transport(struct str name)
{
	for (size_t i = 0; i < PARAMS_END; i++) {
		struct str suffix = str_from(rows[i].c_name);

		if (!param_is_pattern(&rows[i]))
			continue;
		suffix = str_skip(suffix, strlen("transport"));
		if (name.len > suffix.len && str_ends(name, suffix))
			return &rows[i];
	}
	return NULL;
}
