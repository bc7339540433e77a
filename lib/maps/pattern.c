#include "maps/pattern.h"

#include <errno.h>

#include "base/buf.h"
#include "base/log.h"
#include "config/list.h"
#include "config/main_cf.h"

enum rule_kind {
	RULE_MATCH,
	RULE_IF,
};

struct rule {
	enum rule_kind kind;
	bool negated;
	void *pattern;
	struct str result;
	bool substitutes; /* result has $ */
	size_t past;      /* of if: the rule behind its endif */
	unsigned line;
};

struct rules {
	const struct pattern_engine *engine;
	struct rule *all;
	size_t count, room;
	size_t open[PATTERN_IF_MOST]; /* ifs that wait for their endif */
	size_t open_count;
};

struct reading {
	struct map_opening *opening;
	struct rules *rules;
	unsigned line;
};

static void warn(const struct reading *r, const char *what)
{
	log_warning("%.*s map %.*s, line %u: %s",
		STR_ARG(r->opening->type), STR_ARG(r->opening->name), r->line,
		what);
}

static bool is_graphic(unsigned char c)
{
	return !ascii_is_blank(c);
}

bool pattern_take_slashes(struct str *line, struct str *pattern,
	struct str *flags)
{
	struct str rest = *line;
	char delimiter = rest.len > 0 ? rest.p[0] : 0;
	size_t len = 0;

	if (!delimiter || ascii_is_alnum((unsigned char)delimiter) ||
		ascii_is_blank((unsigned char)delimiter) || delimiter == '\\')
		return false;
	rest = str_skip(rest, 1);
	while (len < rest.len && rest.p[len] != delimiter)
		len += rest.p[len] == '\\' && len + 1 < rest.len ? 2 : 1;
	if (len >= rest.len)
		return false;
	*pattern = str_first(rest, len);
	*line = str_skip(rest, len + 1);
	*flags = str_take_while(line, is_graphic);
	return true;
}

/* ---- reading ---- */

static void add(struct reading *r, struct rule rule)
{
	struct rules *rules = r->rules;

	rule.line = r->line;
	arena_grow(r->opening->arena, &rules->all, &rules->room,
		rules->count + 1, sizeof(*rules->all));
	rules->all[rules->count++] = rule;
}

static bool take_pattern(struct reading *r, struct str *line,
	struct rule *rule)
{
	struct str error = STR("malformed pattern");

	*line = str_trim(*line);
	while (str_take_char(line, '!')) {
		rule->negated = !rule->negated;
		*line = str_trim(*line);
	}
	rule->pattern = r->rules->engine->take(r->opening->arena, line,
		&error);
	if (!rule->pattern)
		log_warning("%.*s map %.*s, line %u: %.*s: skipping this rule",
			STR_ARG(r->opening->type), STR_ARG(r->opening->name),
			r->line, STR_ARG(error));
	return rule->pattern != NULL;
}

static void read_if(struct reading *r, struct str line)
{
	struct rule rule = { .kind = RULE_IF };
	struct rules *rules = r->rules;

	if (rules->open_count == PATTERN_IF_MOST) {
		warn(r, "too many ifs within ifs: ignoring this line");
		return;
	}
	if (!take_pattern(r, &line, &rule))
		return; /* its rules then apply without it, as in Postfix */
	if (str_trim(line).len > 0)
		warn(r, "ignoring extra text after IF statement");
	rules->open[rules->open_count++] = rules->count;
	add(r, rule);
}

static void read_endif(struct reading *r, struct str line)
{
	struct rules *rules = r->rules;

	if (rules->open_count == 0) {
		warn(r, "ignoring ENDIF without matching IF");
		return;
	}
	if (str_trim(line).len > 0)
		warn(r, "ignoring extra text after ENDIF");
	rules->all[rules->open[--rules->open_count]].past = rules->count;
}

/* A "$" that is no "$$". */
static bool has_substitution(struct str text)
{
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.p[i] == '$' && text.p[i + 1] == '$')
			i++;
		else if (text.p[i] == '$')
			return true;
	}
	return false;
}

static void read_match(struct reading *r, struct str line)
{
	struct rule rule = { .kind = RULE_MATCH };

	if (!take_pattern(r, &line, &rule))
		return;
	rule.result = arena_copy(r->opening->arena, str_trim(line));
	if (rule.result.len == 0)
		warn(r, "no replacement text: using empty string");
	rule.substitutes = r->rules->engine->has_groups &&
		str_find_char(rule.result, '$') != SIZE_MAX;
	if (rule.substitutes && has_substitution(rule.result)) {
		if (rule.negated) {
			warn(r, "$number found in negative match replacement "
				"text: skipping this rule");
			return;
		}
		if (r->opening->flags & MAPS_NO_SUBSTITUTION) {
			warn(r, "$number is not allowed in this table: "
				"skipping this rule");
			return;
		}
	}
	add(r, rule);
}

static bool take_keyword(struct str *line, struct str keyword)
{
	struct str rest = *line;

	if (!str_take_prefix_nocase(&rest, keyword) ||
		(rest.len > 0 && !ascii_is_blank((unsigned char)rest.p[0])))
		return false;
	*line = rest;
	return true;
}

static void read_rule(struct reading *r, struct str line)
{
	line = str_trim(line);
	if (r->rules->count >= PATTERN_RULES_MOST)
		warn(r, "too many rules: ignoring this one");
	else if (take_keyword(&line, STR("if")))
		read_if(r, line);
	else if (take_keyword(&line, STR("endif")))
		read_endif(r, line);
	else if (line.len > 0)
		read_match(r, line);
}

/* "{{/re/ result}, ...}" */
static void read_inline(struct reading *r, struct str list)
{
	struct str item;

	while (list_take(&list, &item)) {
		r->line++;
		if (list_unbrace(&item))
			read_rule(r, item);
		else
			warn(r, "expected a rule in { }: ignoring this one");
	}
}

static bool read_file(struct reading *r)
{
	struct arena *arena = r->opening->arena;
	struct main_cf in;
	struct str text, line;

	if (!maps_read_file(arena, arena_cstr(arena, r->opening->name), &text))
		return false;
	in = main_cf_of(text);
	in.keep_blanks = true;
	while (main_cf_take_line(arena, &in, &line, &r->line))
		read_rule(r, line);
	return true;
}

static void close_ifs(struct reading *r)
{
	struct rules *rules = r->rules;

	while (rules->open_count > 0) {
		struct rule *rule = &rules->all[rules->open[--rules->open_count]];

		r->line = rule->line;
		warn(r, "IF has no matching ENDIF");
		rule->past = rules->count;
	}
}

void *pattern_open(struct map_opening *opening,
	const struct pattern_engine *engine)
{
	struct rules *rules = arena_new_of(opening->arena, struct rules);
	struct reading r = { .opening = opening, .rules = rules };
	struct str list = opening->name;

	rules->engine = engine;
	if (list_unbrace(&list))
		read_inline(&r, list);
	else if (!read_file(&r))
		return map_cannot(opening, "open %.*s: %m",
			STR_ARG(opening->name));
	close_ifs(&r);
	return rules;
}

/* ---- looking up ---- */

/* After "$": 1, {1}, (1), $. */
static bool take_group(struct str *in, const struct pattern_groups *groups,
	struct str *value)
{
	char open = in->len > 0 ? in->p[0] : 0;
	struct str rest = *in;
	uint64_t number;

	if (str_take_char(in, '$')) {
		*value = STR("$");
		return true;
	}
	if (open == '{' || open == '(')
		rest = str_skip(rest, 1);
	if (!str_take_u64(&rest, PATTERN_GROUPS - 1, &number))
		return false;
	if ((open == '{' && !str_take_char(&rest, '}')) ||
		(open == '(' && !str_take_char(&rest, ')')))
		return false;
	*in = rest;
	*value = number < groups->count ? groups->group[number] : STR_NONE;
	return true;
}

static struct str substitute(struct arena *arena, struct str text,
	const struct pattern_groups *groups)
{
	struct buf out = BUF_IN(arena);
	struct str value;

	while (text.len > 0) {
		size_t dollar = str_find_char(text, '$');

		if (dollar == SIZE_MAX)
			dollar = text.len;
		buf_add(&out, str_first(text, dollar));
		text = str_skip(text, dollar);
		if (!str_take_char(&text, '$'))
			break;
		if (take_group(&text, groups, &value))
			buf_add(&out, value);
		else
			buf_char(&out, '$');
	}
	return buf_str(&out);
}

enum maps_result pattern_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	const struct rules *rules = map->state;
	struct pattern_groups groups;

	for (size_t i = 0; i < rules->count;) {
		const struct rule *rule = &rules->all[i];
		bool holds;

		groups.count = 0;
		holds = rules->engine->matches(rule->pattern, arena, key,
				&groups) != rule->negated;
		if (rule->kind == RULE_IF) {
			i = holds ? i + 1 : rule->past;
			continue;
		}
		if (!holds) {
			i++;
			continue;
		}
		map->line = rule->line;
		*value = rule->substitutes ?
			substitute(arena, rule->result, &groups) :
			rule->result;
		return MAPS_FOUND;
	}
	return MAPS_ABSENT;
}
