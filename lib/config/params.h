/*
 * config/params - the rows of params.def, to look at.
 *
 * Waits    no
 */
#ifndef CONFIG_PARAMS_H
#define CONFIG_PARAMS_H

#include "config/config.h"

enum param_type {
	PARAM_STRING,
	PARAM_RAW,
	PARAM_LIST,
	PARAM_MAPS,
	PARAM_ENUM,
	PARAM_BOOL,
	PARAM_INT,
	PARAM_SIZE,
	PARAM_SPAN,
};

enum param_mark {
	MARK_DONE,
	MARK_GUARD,
	MARK_LATER,
	MARK_NOTHING,
};

struct param_row {
	const char *c_name; /* with a p before a digit */
	const char *value; /* the default, not expanded */
	const char *doc;
	size_t offset; /* in struct conf */
	enum param_type type;
	enum param_mark mark;
	enum param id;
};

const struct param_row *param_row(enum param id);
/* As in main.cf. */
const char *param_name(const struct param_row *row);

/* Least and greatest number of an INT, SIZE or (in seconds) SPAN. */
void param_range(enum param id, int64_t *least, int64_t *most);
/* The words that an ENUM may be, in one text; NULL: any. */
const char *param_words(enum param id);

/*
 * <transport>_destination_concurrency_limit and the like: rows that are named
 * "transport_..." stand for the same of any transport. The row, if `name`
 * has that form; NULL if not.
 */
const struct param_row *param_of_transport(struct str name);
/* True for such a row: postconf(1) does not list it. */
bool param_is_pattern(const struct param_row *row);

#endif
