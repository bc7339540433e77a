/*
 * config/master_cf - the rows of master.cf.
 *
 * A logical line begins in column 0; lines that begin with a blank continue
 * it; empty lines and lines whose first octet other than blanks is '#' are
 * skipped and end nothing. Eight columns: service, type, private,
 * unprivileged, chroot, wakeup, maxproc, command; then arguments. "{ a b }" is
 * one argument, "-o { name = value }" the same as "-o name=value".
 *
 * Memory   rows in the arena; all text is copied there
 * Waits    no
 * Errors   findings with line numbers; a row with an error is left out
 */
#ifndef CONFIG_MASTER_CF_H
#define CONFIG_MASTER_CF_H

#include "base/buf.h"
#include "base/span.h"

enum master_cf_type {
	MASTER_CF_INET,
	MASTER_CF_UNIX,
	MASTER_CF_DGRAM, /* unix-dgram */
	MASTER_CF_FIFO,
	MASTER_CF_PASS,
};

enum master_cf_column {
	MASTER_CF_SERVICE,
	MASTER_CF_TYPE,
	MASTER_CF_PRIVATE,
	MASTER_CF_UNPRIVILEGED,
	MASTER_CF_CHROOT,
	MASTER_CF_WAKEUP,
	MASTER_CF_MAXPROC,
	MASTER_CF_COMMAND,
	MASTER_CF_COLUMNS,
};

enum {
	MASTER_CF_MAXPROC_DEFAULT = -1, /* "-": default_process_limit */
	MASTER_CF_ROWS_MOST = 1000,
	MASTER_CF_ARGS_MOST = 500, /* of one row */
};

struct master_cf_row {
	struct str column[MASTER_CF_COLUMNS]; /* as written */
	enum master_cf_type type;
	bool is_private, is_unprivileged, is_chroot;
	struct span wakeup;  /* 0: never */
	bool wakeup_lazy;    /* "?": not before the first use */
	int64_t maxproc;     /* 0: no limit; MASTER_CF_MAXPROC_DEFAULT */
	struct str *args;    /* after the command's name, braces removed */
	size_t arg_count;
	unsigned line;       /* of its first octet, from 1 */
};

struct master_cf_finding {
	unsigned line;
	bool is_error; /* else a warning */
	struct str text;
};

struct master_cf {
	struct arena *arena;
	struct master_cf_row *rows;
	size_t count, capacity;
	struct master_cf_finding *findings;
	size_t finding_count, finding_capacity;
};

/* Services that master.cf need not have, as a file's text. */
extern const char master_cf_built_in[];

/* All rows of a file's text. Of two rows with the same service and type the
 * last one counts (with a warning). */
void master_cf_parse(struct arena *arena, struct str text,
	struct master_cf *cf);
/* The row of that name and type, or NULL. */
const struct master_cf_row *master_cf_find(const struct master_cf *cf,
	struct str service, enum master_cf_type type);
/* "inet", "unix", ... */
const char *master_cf_type_name(enum master_cf_type type);
/*
 * Split "[host:]port" of an inet row; host without brackets, NONE if there is
 * none. False: malformed.
 */
must_check bool master_cf_parse_inet(struct str service, struct str *host,
	struct str *port);
/*
 * True if the row is named by a list such as master_service_disable:
 * "name/type", "name.type" (old form), "type"; "!" in front: not.
 */
bool master_cf_is_listed(const struct master_cf_row *row, struct str list);

#endif
