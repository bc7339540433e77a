#include "content/checks.h"

struct checks {
	struct check {
		const char *parameter;
		struct maps *maps;
	} of[CHECK_KINDS];
};

struct checks *checks_open(struct arena *arena, const struct conf *conf,
	const struct check_table tables[CHECK_KINDS])
{
	struct checks *checks = arena_new_of(arena, struct checks);

	for (size_t i = 0; i < CHECK_KINDS; i++)
		checks->of[i] = (struct check){ tables[i].parameter,
			maps_open(arena, conf, tables[i].parameter,
				tables[i].list, MAPS_KEEP_CASE) };
	return checks;
}

bool checks_has(const struct checks *checks, enum check_kind kind)
{
	return !maps_is_empty(checks->of[kind].maps);
}

const char *checks_parameter(const struct checks *checks,
	enum check_kind kind)
{
	return checks->of[kind].parameter;
}

const char *check_kind_name(enum check_kind kind)
{
	return kind == CHECK_BODY ? "body" : "header";
}

enum maps_result checks_find(struct checks *checks, struct arena *arena,
	enum check_kind kind, struct str line, struct check_word *word)
{
	struct str value;
	enum maps_result result =
		maps_find(checks->of[kind].maps, arena, line, &value);

	if (result == MAPS_FOUND) {
		word->action = str_take_word(&value);
		word->argument = str_trim(value);
	}
	return result;
}

static const struct line_action line_actions[] = {
	{ "DUNNO", CHECK_KEEP, NULL, false },
	{ "IGNORE", CHECK_DROP, NULL, false },
	{ "INFO", CHECK_KEEP, "info", false },
	{ "OK", CHECK_KEEP, NULL, false },
	{ "PREPEND", CHECK_PREPEND, "prepend", true },
	{ "REPLACE", CHECK_REPLACE, "replace", true },
	{ "STRIP", CHECK_DROP, "strip", false },
	{ "WARN", CHECK_KEEP, "warning", false },
};

const struct line_action *line_action_find(const struct check_word *word)
{
	for (size_t i = 0; i < COUNT(line_actions); i++) {
		const struct line_action *action = &line_actions[i];

		if (str_is_nocase(word->action, action->name))
			return word->argument.len || !action->needs_argument ?
				action :
				NULL;
	}
	return NULL;
}
