#include "sandbox/profile.h"

#include <stdio.h>
#include <string.h>

static const struct profile_row rows[] = {
#define PROFILE(name, user, root, calls, paths, capabilities, may)             \
	[PROFILE_##name] = { #name, user, ROOT_##root, calls, paths,           \
		capabilities, may },
#include "sandbox/profiles.def"
#undef PROFILE
};

const struct profile_row *profile_find(enum profile profile)
{
	return &rows[profile];
}

static bool is_name(unsigned char c)
{
	return ascii_is_alnum(c) || c == '_';
}

bool path_rule_parse(struct str text, const struct conf *conf,
	struct path_rule *rule)
{
	struct str value = STR("");
	int len;

	if (text.len < 3 || text.p[1] != ':')
		return false;
	rule->rights = text.p[0];
	text = str_skip(text, 2);
	if (str_take_char(&text, '$')) {
		value = conf_text(conf, str_take_while(&text, is_name));
		if (value.len == 0)
			return false;
	}
	len = snprintf(rule->path, sizeof(rule->path), "%.*s%.*s",
		STR_ARG(value), STR_ARG(text));
	return len > 0 && (size_t)len < sizeof(rule->path);
}
