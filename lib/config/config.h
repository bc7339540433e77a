/*
 * config/config - main.cf as typed values: conf->smtpd_timeout.
 *
 * Each parameter is a row of config/params.def:
 *	PARAM(name, TYPE, "default, raw as Postfix lists it", MARK, "purpose")
 * TYPE: STRING (struct str), BOOL (bool), INT (int64_t), SIZE (int64_t
 * octets), SPAN (struct span; the default's unit is the unit of a bare
 * number), LIST and MAPS (struct str, raw list text after expansion), ENUM
 * (struct str, checked against the row's values), RAW (struct str, not
 * expanded at load).
 * MARK: DONE, GUARD (restricts, filters or encrypts and is not honoured yet:
 * refused where it would apply), LATER (named by `posthorn check`), NOTHING
 * (accepted, has no meaning here).
 *
 * Memory   one struct conf for the life of the process
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/span.h"

enum param {
#define PARAM(name, type, value, mark, doc) name,
#include "config/params.def"
#undef PARAM
	PARAMS_END
};

#define CONF_STRING struct str
#define CONF_RAW struct str
#define CONF_LIST struct str
#define CONF_MAPS struct str
#define CONF_ENUM struct str
#define CONF_BOOL bool
#define CONF_INT int64_t
#define CONF_SIZE int64_t
#define CONF_SPAN struct span

struct conf {
#define PARAM(name, type, value, mark, doc) CONF_##type name;
#include "config/params.def"
#undef PARAM
	struct config *source; /* what it was read from: conf_text() */
};

/* What to read, and what stands above it. */
struct conf_wanted {
	const char *directory; /* NULL: $MAIL_CONFIG, or the built-in one */
	const char *program;   /* for process_name and messages */
	const char *service;   /* for service_name; NULL: none */
	const char *const *overrides; /* "name=value", as of -o; last wins */
	size_t override_count;
	const enum param *params; /* checked now, ended by PARAMS_END; NULL: no
				   * value is checked */
};

/*
 * Read main.cf, expand and convert. Ends the process with one clear line (file,
 * line, nearest known name) on what cannot be read, and on a bad value of one
 * of `params`.
 */
const struct conf *conf_load(struct arena *arena,
	const struct conf_wanted *wanted);

/* Value, expanded, of any parameter by name (also <transport>_... ones and
 * user-defined ones); NONE: no such parameter. */
struct str conf_text(const struct conf *conf, struct str name);

#endif
