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
	struct str text;       /* of its main.cf, read before; NONE: not yet */
	const char *program;   /* for process_name and messages */
	const char *service;   /* for service_name; NULL: none */
	const char *const *overrides; /* "name=value", as of -o; last wins */
	size_t override_count;
	const enum param *params; /* checked now, ended by PARAMS_END; NULL: no
				   * value is checked */
};

/*
 * Read main.cf, expand and convert; every field has a value afterwards. Ends
 * the process with one clear line (file, line, what to write instead) when the
 * file cannot be read or parsed, and on a bad value of one of `params`; a bad
 * value that is none of them leaves the default in its field. Looks up names
 * of inet_interfaces: at start only.
 */
const struct conf *conf_load(struct arena *arena,
	const struct conf_wanted *wanted);
/* Where main.cf is: this one, or if NULL, $MAIL_CONFIG, or the built-in one. */
const char *conf_directory(const char *directory);
/* For unit tests: no file; overrides ended by NULL; myhostname is
 * mail.example.org, mynetworks 127.0.0.0/8 unless given. */
const struct conf *conf_for_test(struct arena *arena,
	const char *const *overrides);

/* Value, expanded, of any parameter by name (also <transport>_... ones and
 * user-defined ones); NONE: no such parameter. */
struct str conf_text(const struct conf *conf, struct str name);
/* The same, not expanded. */
struct str conf_raw(const struct conf *conf, struct str name);
/* True if main.cf or an override says it. */
bool conf_is_set(const struct conf *conf, struct str name);
/* Expand a text with the parameters' values; what is wrong is logged as a
 * warning and gives NONE. */
struct str conf_expand(struct arena *arena, const struct conf *conf,
	struct str text);

/*
 * A parameter of one transport: conf_transport_int(conf, "relay",
 * "destination_concurrency_limit") is relay_destination_concurrency_limit,
 * else default_destination_concurrency_limit. A bad value is logged and the
 * default's taken. `suffix` is one of the transport_... rows' of params.def.
 */
int64_t conf_transport_int(const struct conf *conf, struct str service,
	const char *suffix);
struct span conf_transport_span(const struct conf *conf, struct str service,
	const char *suffix);
struct str conf_transport_text(const struct conf *conf, struct str service,
	const char *suffix);

#endif
