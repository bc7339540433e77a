/*
 * maps/pattern - tables whose keys are patterns: rules in the order of the
 * file, the first that matches gives the result; if ... endif around rules.
 *
 *	pattern result          !pattern result
 *	if pattern              if !pattern             endif
 *
 * The pattern of regexp: and pcre: is /.../flags, of cidr: a network.
 *
 * Waits    no
 */
#ifndef MAPS_PATTERN_H
#define MAPS_PATTERN_H

#include "maps/driver.h"

enum {
	PATTERN_GROUPS = 100, /* $0 to $99 */
	PATTERN_RULES_MOST = 1000000,
	PATTERN_IF_MOST = 100, /* if within if */
};

/* Parts of a key that a pattern matched. */
struct pattern_groups {
	size_t count;
	struct str group[PATTERN_GROUPS]; /* NONE: took no part */
};

/* What compiles and matches one pattern. */
struct pattern_engine {
	/* Take a pattern from the front of `line`; NULL and `error`. */
	void *(*take)(struct arena *arena, struct str *line, struct str *error);
	bool (*matches)(void *pattern, struct arena *arena, struct str key,
		struct pattern_groups *groups);
	bool has_groups;
};

/* For .open of a driver: reads opening->name, a file or "{{rule}, ...}". */
void *pattern_open(struct map_opening *opening,
	const struct pattern_engine *engine);
enum maps_result pattern_find(struct map *map, struct arena *arena,
	struct str key, struct str *value);

/* "/.../flags": the text between the delimiters (with "\" before a delimiter
 * kept) and the letters behind. False: malformed. */
must_check bool pattern_take_slashes(struct str *line, struct str *pattern,
	struct str *flags);

#endif
