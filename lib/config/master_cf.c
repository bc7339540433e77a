#include "config/master_cf.h"

const char master_cf_built_in[] =
	"postlog unix-dgram n - n - 1 postlogd\n"
	"resolver unix - - n - - resolver\n"
	"dialer unix - - n - - dialer\n"
	"rewrite unix - - n - - rewrite\n"
	"proxymap unix - - n - - proxymap\n"
	"querymap unix - - n - - querymap\n"
	"auth unix n - n - 1 auth\n"
	"keyholder unix - - n - 1 keyholder\n"
	"cleanup unix - - n - 0 cleanup\n"
	"qmgr unix n - n 300 1 qmgr\n"
	"pickup unix n - n 60 1 pickup\n"
	"bounce unix - - n - 0 bounce\n"
	"defer unix - - n - 0 bounce\n"
	"trace unix - - n - 0 bounce\n"
	"showq unix n - n - - showq\n"
	"anvil unix - - n - 1 anvil\n"
	"verify unix - - n - 1 verify\n"
	"smtp unix - - n - - smtp\n"
	"relay unix - - n - - smtp\n"
	"lmtp unix - - n - - lmtp\n"
	"local unix - n n - - local\n"
	"virtual unix - n n - - virtual\n"
	"error unix - - n - - error\n"
	"retry unix - - n - - error\n"
	"discard unix - - n - - discard\n"
	"imapd unix - n n - 1 imapd\n"
	"pop3d unix - n n - 1 pop3d\n";

static const char *const type_names[] = {
	[MASTER_CF_INET] = "inet",
	[MASTER_CF_UNIX] = "unix",
	[MASTER_CF_DGRAM] = "unix-dgram",
	[MASTER_CF_FIFO] = "fifo",
	[MASTER_CF_PASS] = "pass",
};

static const char *const column_names[] = {
	[MASTER_CF_SERVICE] = "service name",
	[MASTER_CF_TYPE] = "service type",
	[MASTER_CF_PRIVATE] = "private",
	[MASTER_CF_UNPRIVILEGED] = "unprivileged",
	[MASTER_CF_CHROOT] = "chroot",
	[MASTER_CF_WAKEUP] = "wakeup timer",
	[MASTER_CF_MAXPROC] = "max_proc",
	[MASTER_CF_COMMAND] = "command name",
};

const char *master_cf_type_name(enum master_cf_type type)
{
	return type_names[type];
}

static void find_fault(struct master_cf *cf, unsigned line, bool is_error,
	struct str text)
{
	arena_grow(cf->arena, &cf->findings, &cf->finding_capacity,
		cf->finding_count + 1, sizeof(*cf->findings));
	cf->findings[cf->finding_count++] = (struct master_cf_finding){
		.line = line, .is_error = is_error, .text = text,
	};
}

/* For the parsers of columns: an error in this row. */
static bool refuse(struct master_cf *cf, const struct master_cf_row *row,
	struct str text)
{
	find_fault(cf, row->line, true, text);
	return false;
}

static bool refuse_column(struct master_cf *cf,
	const struct master_cf_row *row, enum master_cf_column at,
	const char *instead)
{
	return refuse(cf, row,
		arena_fmt(cf->arena, "bad %s value \"%.*s\": %s",
			column_names[at], STR_ARG(row->column[at]), instead));
}

static bool parse_type(struct master_cf *cf, struct master_cf_row *row)
{
	for (size_t i = 0; i < COUNT(type_names); i++)
		if (str_is(row->column[MASTER_CF_TYPE], type_names[i])) {
			row->type = (enum master_cf_type)i;
			return true;
		}
	return refuse_column(cf, row, MASTER_CF_TYPE,
		"use inet, unix, unix-dgram, fifo or pass");
}

static bool parse_flag(struct master_cf *cf, const struct master_cf_row *row,
	enum master_cf_column at, bool otherwise, bool *flag)
{
	struct str text = row->column[at];

	*flag = str_is(text, "-") ? otherwise : str_is(text, "y");
	if (str_is(text, "-") || str_is(text, "y") || str_is(text, "n"))
		return true;
	return refuse_column(cf, row, at, "use y, n or -");
}

static bool parse_wakeup(struct master_cf *cf, struct master_cf_row *row)
{
	struct str text = row->column[MASTER_CF_WAKEUP];
	uint64_t seconds = 0;

	if (str_is(text, "-"))
		return true;
	row->wakeup_lazy = str_ends(text, STR("?"));
	if (row->wakeup_lazy)
		text = str_first(text, text.len - 1);
	if (!str_parse_u64(text, INT32_MAX, &seconds))
		return refuse_column(cf, row, MASTER_CF_WAKEUP,
			"use seconds, seconds with ?, or -");
	row->wakeup = span_s((int64_t)seconds);
	return true;
}

static bool parse_maxproc(struct master_cf *cf, struct master_cf_row *row)
{
	uint64_t count;

	row->maxproc = MASTER_CF_MAXPROC_DEFAULT;
	if (str_is(row->column[MASTER_CF_MAXPROC], "-"))
		return true;
	if (!str_parse_u64(row->column[MASTER_CF_MAXPROC], INT32_MAX, &count))
		return refuse_column(cf, row, MASTER_CF_MAXPROC,
			"use a number or -");
	row->maxproc = (int64_t)count;
	return true;
}

static bool is_port_octet(unsigned char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

static bool is_port(struct str port)
{
	struct str rest = port;
	uint64_t number;

	if (port.len == 0)
		return false;
	if (ascii_is_digit((unsigned char)port.p[0]))
		return str_parse_u64(port, 65535, &number);
	str_take_while(&rest, is_port_octet);
	return rest.len == 0;
}

bool master_cf_parse_inet(struct str service, struct str *host,
	struct str *port)
{
	struct str rest = service;
	size_t colon, bracket;

	*host = STR_NONE;
	*port = service;
	if (str_take_char(&rest, '[')) {
		bracket = str_find_char(rest, ']');
		if (bracket == SIZE_MAX || bracket == 0)
			return false;
		*host = str_first(rest, bracket);
		*port = str_skip(rest, bracket + 1);
		return str_take_char(port, ':') && is_port(*port);
	}
	colon = str_rfind_char(service, ':');
	if (colon != SIZE_MAX) {
		*host = colon > 0 ? str_first(service, colon) : STR_NONE;
		*port = str_skip(service, colon + 1);
		if (str_find_char(*host, ':') != SIZE_MAX)
			return false; /* an IPv6 address needs brackets */
	}
	return is_port(*port);
}

static bool parse_name(struct master_cf *cf, const struct master_cf_row *row)
{
	struct str name = row->column[MASTER_CF_SERVICE], host, port;

	if (row->type == MASTER_CF_INET) {
		if (master_cf_parse_inet(name, &host, &port))
			return true;
		return refuse_column(cf, row, MASTER_CF_SERVICE,
			"use port, host:port or [address]:port");
	}
	if (name.p[0] == '.' || name.p[0] == '-' || name.len > 64 ||
		str_find_char(name, '/') != SIZE_MAX)
		return refuse_column(cf, row, MASTER_CF_SERVICE,
			"use a file name without a folder");
	return true;
}

static bool parse_command(struct master_cf *cf,
	const struct master_cf_row *row)
{
	struct str name = row->column[MASTER_CF_COMMAND];

	if (name.p[0] == '.' || name.p[0] == '-' ||
		str_find_char(name, '/') != SIZE_MAX)
		return refuse_column(cf, row, MASTER_CF_COMMAND,
			"use the name of a program in the daemon directory");
	return true;
}

static bool parse_columns(struct master_cf *cf, struct master_cf_row *row)
{
	if (!parse_type(cf, row) || !parse_name(cf, row) ||
		!parse_flag(cf, row, MASTER_CF_PRIVATE,
			row->type != MASTER_CF_INET, &row->is_private) ||
		!parse_flag(cf, row, MASTER_CF_UNPRIVILEGED, true,
			&row->is_unprivileged) ||
		!parse_flag(cf, row, MASTER_CF_CHROOT, false,
			&row->is_chroot) ||
		!parse_wakeup(cf, row) || !parse_maxproc(cf, row) ||
		!parse_command(cf, row))
		return false;
	if (row->type == MASTER_CF_INET && row->is_private)
		return refuse_column(cf, row, MASTER_CF_PRIVATE,
			"an inet service cannot be private");
	return true;
}

/* ---- arguments ---- */

/* "{ text }" at the front, braces and blanks around removed; nests. */
static bool take_braced(struct str *in, struct str *text)
{
	size_t depth = 0;

	for (size_t i = 0; i < in->len; i++) {
		if (in->p[i] == '{')
			depth++;
		else if (in->p[i] == '}' && --depth == 0) {
			*text = str_trim(
				str_of(in->p + 1, i - 1));
			*in = str_skip(*in, i + 1);
			return in->len == 0 ||
				ascii_is_blank((unsigned char)in->p[0]);
		}
	}
	return false;
}

/* name = value -> name=value */
static struct str join_setting(struct arena *arena, struct str setting)
{
	size_t at = str_find_char(setting, '=');
	struct str name, value;

	if (at == SIZE_MAX)
		return setting;
	name = str_trim(str_first(setting, at));
	value = str_trim(str_skip(setting, at + 1));
	return arena_fmt(arena, "%.*s=%.*s", STR_ARG(name), STR_ARG(value));
}

static bool check_setting(struct master_cf *cf,
	const struct master_cf_row *row, struct str setting)
{
	size_t at = str_find_char(setting, '=');
	struct str name = str_first(setting, at == SIZE_MAX ? 0 : at);

	for (size_t i = 0; i < name.len; i++)
		if (ascii_is_blank((unsigned char)name.p[i]))
			name.len = 0;
	if (name.len > 0)
		return true;
	return refuse(cf, row, arena_fmt(cf->arena,
		"bad -o \"%.*s\": use -o name=value or -o { name = value }",
		STR_ARG(setting)));
}

static bool add_arg(struct master_cf *cf, struct master_cf_row *row,
	size_t *capacity, struct str arg, bool is_braced)
{
	bool is_setting = row->arg_count > 0 &&
		str_is(row->args[row->arg_count - 1], "-o");

	if (row->arg_count >= MASTER_CF_ARGS_MOST)
		return refuse(cf, row, STR("too many arguments"));
	if (is_setting && is_braced)
		arg = join_setting(cf->arena, arg);
	if (is_setting && !check_setting(cf, row, arg))
		return false;
	arena_grow(cf->arena, &row->args, capacity, row->arg_count + 1,
		sizeof(*row->args));
	row->args[row->arg_count++] = arg;
	return true;
}

static bool parse_args(struct master_cf *cf, struct master_cf_row *row,
	struct str rest)
{
	size_t capacity = 0;

	for (;;) {
		struct str arg;
		bool is_braced;

		rest = str_trim(rest);
		if (rest.len == 0)
			break;
		is_braced = rest.p[0] == '{';
		if (is_braced && !take_braced(&rest, &arg))
			return refuse(cf, row,
				STR("an argument's { has no }, or text "
				    "follows the } without a blank"));
		if (!is_braced)
			arg = str_take_word(&rest);
		if (!add_arg(cf, row, &capacity, arg, is_braced))
			return false;
	}
	if (row->arg_count > 0 &&
		str_is(row->args[row->arg_count - 1], "-o"))
		return refuse(cf, row, STR("-o without name=value"));
	return true;
}

/* ---- lines ---- */

const struct master_cf_row *master_cf_find(const struct master_cf *cf,
	struct str service, enum master_cf_type type)
{
	for (size_t i = 0; i < cf->count; i++)
		if (cf->rows[i].type == type &&
			str_eq(cf->rows[i].column[MASTER_CF_SERVICE], service))
			return &cf->rows[i];
	return NULL;
}

static void drop_duplicate(struct master_cf *cf,
	const struct master_cf_row *row)
{
	const struct master_cf_row *old = master_cf_find(cf,
		row->column[MASTER_CF_SERVICE], row->type);
	size_t at;

	if (!old)
		return;
	find_fault(cf, row->line, false, arena_fmt(cf->arena,
		"duplicate service name and type: %.*s %s; the earlier row "
		"of line %u does not count",
		STR_ARG(row->column[MASTER_CF_SERVICE]),
		type_names[row->type], old->line));
	at = (size_t)(old - cf->rows);
	memmove(cf->rows + at, cf->rows + at + 1,
		(cf->count - at - 1) * sizeof(*cf->rows));
	cf->count--;
}

static void parse_logical(struct master_cf *cf, struct str logical,
	unsigned line)
{
	struct master_cf_row row = { .line = line };
	struct str rest = arena_copy(cf->arena, logical);

	for (size_t i = 0; i < MASTER_CF_COLUMNS; i++) {
		rest = str_trim(rest);
		if (rest.len == 0) {
			find_fault(cf, line, true,
				arena_fmt(cf->arena, "missing \"%s\" field",
					column_names[i]));
			return;
		}
		row.column[i] = str_take_word(&rest);
	}
	if (!parse_columns(cf, &row) || !parse_args(cf, &row, rest))
		return;
	drop_duplicate(cf, &row);
	if (cf->count >= MASTER_CF_ROWS_MOST) {
		find_fault(cf, line, true, STR("too many services"));
		return;
	}
	arena_grow(cf->arena, &cf->rows, &cf->capacity, cf->count + 1,
		sizeof(*cf->rows));
	cf->rows[cf->count++] = row;
}

static bool is_skipped(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

void master_cf_parse(struct arena *arena, struct str text,
	struct master_cf *cf)
{
	auto_buf struct buf logical = { 0 };
	unsigned number = 0, first = 0;
	struct str line;

	*cf = (struct master_cf){ .arena = arena };
	while (str_take_line(&text, &line)) {
		number++;
		if (is_skipped(line))
			continue;
		if (!ascii_is_blank((unsigned char)line.p[0])) {
			if (first)
				parse_logical(cf, buf_str(&logical), first);
			buf_clear(&logical);
			first = number;
		} else if (!first) {
			find_fault(cf, number, false,
				STR("logical line must not start with "
				    "whitespace; it is ignored"));
			continue;
		}
		buf_char(&logical, ' ');
		buf_add(&logical, line);
	}
	if (first)
		parse_logical(cf, buf_str(&logical), first);
}

bool master_cf_is_listed(const struct master_cf_row *row, struct str list)
{
	const char *type = type_names[row->type];
	struct str name = row->column[MASTER_CF_SERVICE], item;

	while (str_take_item(&list, ", \t\r\n", &item)) {
		bool is_not = str_take_char(&item, '!');
		size_t at = str_rfind_char(item, '/');
		bool hit;

		if (at == SIZE_MAX && str_ends(item, str_from(type)) &&
			item.len > strlen(type) &&
			item.p[item.len - strlen(type) - 1] == '.')
			at = item.len - strlen(type) - 1;
		if (at == SIZE_MAX)
			hit = str_is(item, type);
		else
			hit = str_is(str_skip(item, at + 1), type) &&
				str_eq(str_first(item, at), name);
		if (hit)
			return !is_not;
	}
	return false;
}
