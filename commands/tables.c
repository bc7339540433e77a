#include "commands/tables.h"
#include "commands/tables_proxied.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "config/file.h"
#include "config/list.h"
#include "mail/mime.h"
#include "maps/build.h"
#include "maps/driver.h"

enum {
	MODE_DEFAULT = 0644,
	INPUT_MOST = 64 << 20, /* octets of standard input */
};

struct run {
	const struct tables_kind *kind;
	const struct conf *conf;
	struct arena *arena;
	const char *directory, *query, *remove;
	bool sequence, incremental, keep_case, json, keep_root, default_mode,
		no_nul, replace, quiet_duplicates, values_are_files, header,
		body, mime;
	const char *source; /* in warnings */
	struct buf request; /* of a table that proxywrite changes */
};

/* ---- small things ---- */

static struct str element_of(struct run *r, const char *argument)
{
	struct str type, name, element = str_from(argument);

	if (list_split_table(element, &type, &name))
		return element;
	return arena_fmt(r->arena, "%.*s:%s",
		STR_ARG(r->conf->default_database_type), argument);
}

static struct map *open_map(struct run *r, struct str element)
{
	struct str error;
	struct map *map = map_open_or(r->arena, r->conf, element,
		MAPS_DIRECT | (r->keep_case ? MAPS_KEEP_CASE : 0), 0, &error);

	if (!map)
		log_fatal("%.*s", STR_ARG(error));
	return map;
}

static struct str read_input(struct run *r)
{
	struct buf in = BUF_IN(r->arena);
	ssize_t got = 1;

	in.limit = INPUT_MOST;
	while (got > 0) {
		if (!buf_room(&in, 1 << 16))
			log_fatal("standard input: too much");
		got = read(STDIN_FILENO, in.p + in.len, 1 << 16);
		if (got < 0)
			log_fatal("read standard input: %m");
		in.len += (size_t)got;
	}
	return buf_str(&in);
}

static void print_entry(struct run *r, struct str key, struct str value)
{
	auto_buf struct buf out = { 0 };

	if (r->json) {
		buf_char(&out, '{');
		json_format(&out, key);
		buf_text(&out, ": ");
		json_format(&out, value);
		buf_text(&out, "}\n");
	} else {
		buf_add(&out, key);
		buf_text(&out, r->kind->is_alias ? ":\t" : "\t");
		buf_add(&out, value);
		buf_char(&out, '\n');
	}
	fwrite(out.p, 1, out.len, stdout);
}

/* Values of -F tables are files in base64. */
static struct str shown(struct run *r, struct str value)
{
	struct str plain;

	if (!r->values_are_files)
		return value;
	plain = base64_parse(r->arena, value);
	if (str_is_none(plain))
		log_fatal("malformed BASE64 value: %.*s", STR_ARG(value));
	return plain;
}

/* ---- -q, -s ---- */

static bool find(struct run *r, struct map *map, struct str key,
	struct str *value)
{
	switch (map_find(map, r->arena, key, value)) {
	case MAPS_FOUND:
		*value = shown(r, *value);
		return true;
	case MAPS_ABSENT:
		return false;
	case MAPS_ERROR:
		break;
	}
	log_fatal("table %.*s: query error: %s", STR_ARG(map->label),
		"Application error");
}

/* One line, or one header. */
static bool query_text(struct run *r, struct map *map, struct str text)
{
	struct str value;

	if (text.len == 0 || !find(r, map, text, &value))
		return false;
	print_entry(r, text, value);
	return true;
}

/* Lines of a header, each with its continuations. */
static bool query_header(struct run *r, struct map *map, struct str text)
{
	struct str line, more;
	bool any = false;

	while (str_take_line(&text, &line)) {
		while (text.len > 0 &&
			(text.p[0] == ' ' || text.p[0] == '\t') &&
			str_take_line(&text, &more))
			line = str_of(line.p,
				(size_t)(more.p + more.len - line.p));
		any |= query_text(r, map, line);
	}
	return any;
}

static bool query_body(struct run *r, struct map *map, struct str text)
{
	struct str line;
	bool any = false;

	while (str_take_line(&text, &line))
		any |= query_text(r, map, line);
	return any;
}

/* What stands before a part's header is body, up to `*at`. */
static bool query_part(struct run *r, struct map *map, struct str text,
	const struct mime_part *part, size_t *at)
{
	bool any = false;

	if (r->body)
		any |= query_body(r, map,
			str_first(str_skip(text, *at), part->header_at - *at));
	if (r->header)
		any |= query_header(r, map,
			str_first(str_skip(text, part->header_at),
				part->header_len));
	*at = part->header_at + part->header_len;
	if (r->mime)
		for (part = part->children; part; part = part->next)
			any |= query_part(r, map, text, part, at);
	return any;
}

/* The message's header; with -m, those of its parts too. */
static bool query_message(struct run *r, struct map *map, struct str text)
{
	size_t at = 0;
	bool any = query_part(r, map, text, mime_parse(r->arena, text), &at);

	return (r->body && query_body(r, map, str_skip(text, at))) || any;
}

static bool query_input(struct run *r, struct map *map, struct str text)
{
	struct str line, value;
	bool any = false;

	if (r->header || r->body)
		return query_message(r, map, text);
	while (str_take_line(&text, &line)) {
		if (line.len == 0 || !find(r, map, line, &value))
			continue;
		print_entry(r, line, value);
		any = true;
	}
	return any;
}

static int query(struct run *r, char **tables)
{
	bool is_input = strcmp(r->query, "-") == 0, any = false;
	struct str text = is_input ? read_input(r) : STR_NONE, value;

	for (; *tables; tables++) {
		struct map *map = open_map(r, element_of(r, *tables));

		if (is_input) {
			any |= query_input(r, map, text);
			continue;
		}
		if (!find(r, map, str_from(r->query), &value))
			continue;
		if (r->json)
			print_entry(r, str_from(r->query), value);
		else
			printf("%.*s\n", STR_ARG(value));
		return 0;
	}
	return any ? 0 : 1;
}

static int list_all(struct run *r, char **tables)
{
	for (; *tables; tables++) {
		struct map *map = open_map(r, element_of(r, *tables));
		struct map_walk walk = { 0 };

		if (!map->driver->next)
			log_fatal("table %.*s: sequence operation is not "
				  "supported",
				STR_ARG(map->label));
		while (map->driver->next(map, r->arena, &walk))
			print_entry(r, walk.key, shown(r, walk.value));
	}
	return 0;
}

/* ---- building ---- */

/* As root: the rights of the owner of the source, or of the table. */
static void become_owner(struct run *r, const char *path)
{
	struct stat st;

	if (geteuid() != 0 || r->keep_root || stat(path, &st) < 0 ||
		st.st_uid == 0)
		return;
	if (setegid(st.st_gid) < 0 || seteuid(st.st_uid) < 0)
		log_fatal("take the rights of the owner of %s: %m", path);
}

static void become_root(void)
{
	if (getuid() == 0 && (seteuid(0) < 0 || setegid(getgid()) < 0))
		log_fatal("take root's rights again: %m");
}

static unsigned change_flags(const struct run *r)
{
	return (r->no_nul ? BUILD_NO_NUL : 0) |
		(r->replace ? BUILD_REPLACE : 0);
}

static void open_build(struct run *r, struct str element, unsigned flags,
	const char *what, struct build *build)
{
	struct str type, name;

	if (!list_split_table(element, &type, &name))
		log_fatal("%.*s: expecting type:file", STR_ARG(element));
	if (!map_driver_find(type))
		log_fatal("unsupported dictionary type: %.*s", STR_ARG(type));
	flags |= change_flags(r);
	if (build_open(r->arena, r->conf, type, name, flags, build))
		return;
	if (!str_is_none(build->error))
		log_fatal("%.*s", STR_ARG(build->error));
	if (!(flags & BUILD_CHANGE) || (!r->remove && !build_is_type(type)))
		log_fatal("unsupported dictionary type: %.*s does not support "
			  "bulk-mode creation.",
			STR_ARG(type));
	log_fatal("table %.*s: %s is not supported", STR_ARG(element), what);
}

static struct str read_files(struct run *r, struct str value)
{
	struct buf plain = BUF_IN(r->arena), out = BUF_IN(r->arena);
	struct str name, text;

	while (list_take(&value, &name)) {
		const char *path = arena_cstr(r->arena, name);

		if (!file_read(r->arena, path, &text))
			log_fatal("%s: open %s: %m", r->source, path);
		if (plain.len > 0)
			buf_char(&plain, '\n');
		buf_add(&plain, text);
	}
	base64_format(&out, buf_str(&plain));
	return buf_str(&out);
}

/* Blanks as postalias leaves them: one, and one behind each comma. */
static struct str tidy(struct run *r, struct str value)
{
	struct buf out = BUF_IN(r->arena);
	bool quoted = false, blank = false;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (!quoted && ascii_is_blank((unsigned char)c)) {
			blank = true;
			continue;
		}
		if (!quoted && c == ',') {
			buf_char(&out, ',');
			blank = true;
			continue;
		}
		if (blank && out.len > 0)
			buf_char(&out, ' ');
		blank = false;
		quoted ^= c == '"';
		buf_char(&out, c);
		if (c == '\\' && i + 1 < value.len)
			buf_char(&out, value.p[++i]);
	}
	return buf_str(&out);
}

static const char *const table_faults[] = {
	[TEXT_NO_VALUE] = "expected format: key whitespace value",
	[TEXT_INDENTED] = "logical line must not start with whitespace",
};

static const char *const alias_faults[] = {
	[TEXT_UNBALANCED] = "need name:value pair",
	[TEXT_NO_VALUE] = "need name:value pair",
	[TEXT_NO_COLON] = "need name:value pair",
	[TEXT_INDENTED] = "logical line must not start with whitespace",
};

/* False: the line is left out. */
static bool check(struct run *r, const struct text_entry *entry)
{
	const char *const *faults = r->kind->is_alias ? alias_faults
						      : table_faults;

	if (!r->kind->is_alias && entry->fault == TEXT_UNBALANCED) {
		log_warning("%s, line %u: unbalanced '\"' in '%.*s' -- "
			    "ignoring this line",
			r->source, entry->line, STR_ARG(entry->text));
		return false;
	}
	switch (entry->fault) {
	case TEXT_FINE:
		return true;
	case TEXT_IS_ALIAS:
		log_warning("%s, line %u: record is in \"key: value\" format; "
			    "is this an alias file?",
			r->source, entry->line);
		return true;
	default:
		log_warning("%s, line %u: %s -- ignoring this line", r->source,
			entry->line, faults[entry->fault]);
		return false;
	}
}

static void say_duplicate(struct run *r, struct str label, struct str key)
{
	if (!r->quiet_duplicates && !r->replace)
		log_warning("%.*s: duplicate entry: \"%.*s\"", STR_ARG(label),
			STR_ARG(key));
}

/* build NULL: the table is proxywrite's. */
static void put(struct run *r, struct build *build, struct str key,
	struct str value)
{
	if (!r->keep_case)
		key = arena_lower(r->arena, key);
	if (!build) {
		change_put(&r->request, key, value);
		return;
	}
	switch (build_put(build, key, value)) {
	case BUILD_PUT:
		return;
	case BUILD_DUPLICATE:
		say_duplicate(r, build->label, key);
		return;
	case BUILD_FAILED:
		break;
	}
	build_abandon(build);
	log_fatal("%.*s", STR_ARG(build->error));
}

static void put_all(struct run *r, struct build *build, struct str text)
{
	struct main_cf in = text_open(text);
	struct text_entry entry;
	bool is_alias = r->kind->is_alias;

	while (is_alias ? text_take_alias(r->arena, &in, &entry) :
			  text_take_table(r->arena, &in, &entry)) {
		struct str value = entry.value;

		if (!check(r, &entry))
			continue;
		if (is_alias)
			value = tidy(r, value);
		if (r->values_are_files)
			value = read_files(r, value);
		put(r, build, entry.key, value);
	}
}

/* What sendmail's and NIS's readers look for in an alias database. */
static void put_marks(struct run *r, struct build *build)
{
	bool keep_case = r->keep_case;

	r->keep_case = true;
	put(r, build, STR("@"), STR("@"));
	put(r, build, STR("YP_LAST_MODIFIED"),
		arena_fmt(r->arena, "%lld", (long long)time(NULL)));
	put(r, build, STR("YP_MASTER_NAME"), r->conf->myhostname);
	r->keep_case = keep_case;
}

static void commit(struct run *r, struct build *build, mode_t mode)
{
	(void)r;
	if (!build_commit(build, mode))
		log_fatal("%.*s", STR_ARG(build->error));
	become_root();
}

static void build_one(struct run *r, const char *argument)
{
	struct str element = element_of(r, argument), type, name, text;
	struct build build;
	struct stat st;
	const char *path;

	if (!list_split_table(element, &type, &name))
		log_fatal("%s: expecting type:file", argument);
	path = arena_cstr(r->arena, name);
	r->source = path;
	if (stat(path, &st) < 0 || !file_read(r->arena, path, &text))
		log_fatal("open %s: %m", path);
	become_owner(r, path);
	open_build(r, element, 0, "creation", &build);
	put_all(r, &build, text);
	if (r->kind->is_alias)
		put_marks(r, &build);
	commit(r, &build, r->default_mode ? MODE_DEFAULT : st.st_mode & 0777);
}

/* Of the file that is changed, or of a new one. */
static mode_t present_mode(const struct build *build)
{
	struct stat st;

	return stat(build->path.p, &st) == 0 ? st.st_mode & 0777
					     : MODE_DEFAULT;
}

/* Have proxywrite make what is in the request; false: no change was one. */
static bool change_proxied(struct run *r, struct str element)
{
	struct str sent, results;
	struct change_request request;
	struct change change;
	bool any = false;

	change_end(&r->request);
	sent = arena_copy(r->arena, buf_str(&r->request));
	results = proxied_send(r->arena, r->conf, &r->request);
	if (!change_parse(sent, &request))
		return false;
	while (results.len > 0 && change_take(&request.changes, &change)) {
		any |= results.p[0] != CHANGE_ABSENT;
		if (results.p[0] == CHANGE_DUPLICATE)
			say_duplicate(r, element, change.key);
		results = str_skip(results, 1);
	}
	return any;
}

static void change_one(struct run *r, const char *argument)
{
	struct str element = element_of(r, argument), table;
	struct build build;

	r->source = "stdin";
	if (proxied_is(element, &table)) {
		change_begin(&r->request, table, change_flags(r));
		put_all(r, NULL, read_input(r));
		(void)change_proxied(r, element);
		return;
	}
	become_owner(r, strchr(element.p, ':') + 1);
	open_build(r, element, BUILD_CHANGE, "update operation", &build);
	put_all(r, &build, read_input(r));
	commit(r, &build, present_mode(&build));
}

static int build_all(struct run *r, char **tables)
{
	if (!*tables)
		command_usage(&r->kind->command);
	for (; *tables; tables++) {
		if (r->incremental)
			change_one(r, *tables);
		else
			build_one(r, *tables);
	}
	return 0;
}

/* ---- -d ---- */

static bool delete_key(struct run *r, struct build *build, struct str key)
{
	bool done;

	if (!r->keep_case)
		key = arena_lower(r->arena, key);
	done = build_delete(build, key);
	if (!done && !str_is_none(build->error)) {
		build_abandon(build);
		log_fatal("%.*s", STR_ARG(build->error));
	}
	return done;
}

static bool delete_proxied(struct run *r, struct str element,
	struct str table, struct str keys)
{
	struct str key;

	change_begin(&r->request, table, change_flags(r));
	while (str_take_line(&keys, &key))
		if (key.len > 0)
			change_delete(&r->request, r->keep_case ? key :
				arena_lower(r->arena, key));
	return change_proxied(r, element);
}

static bool delete_from(struct run *r, const char *argument, struct str keys)
{
	struct str element = element_of(r, argument), key, table;
	struct build build;
	bool any = false;

	if (proxied_is(element, &table))
		return delete_proxied(r, element, table, keys);
	become_owner(r, strchr(element.p, ':') + 1);
	open_build(r, element, BUILD_CHANGE, "delete operation", &build);
	while (str_take_line(&keys, &key))
		if (key.len > 0)
			any |= delete_key(r, &build, key);
	if (any) {
		commit(r, &build, present_mode(&build));
	} else {
		build_abandon(&build);
		become_root();
	}
	return any;
}

static int delete_all(struct run *r, char **tables)
{
	bool any = false;
	struct str keys = strcmp(r->remove, "-") == 0 ? read_input(r) :
		str_from(r->remove);

	for (; *tables; tables++)
		any |= delete_from(r, *tables, keys);
	return any ? 0 : 1;
}

/* ---- options ---- */

static void set_option(struct run *r, int option)
{
	switch (option) {
	case 'b':
		r->body = true;
		break;
	case 'c':
		r->directory = optarg;
		break;
	case 'd':
		r->remove = optarg;
		break;
	case 'f':
		r->keep_case = true;
		break;
	case 'F':
		r->values_are_files = true;
		break;
	case 'h':
		r->header = true;
		break;
	case 'i':
		r->incremental = true;
		break;
	case 'j':
		r->json = true;
		break;
	case 'm':
		r->mime = true;
		break;
	case 'u': /* keys are octets here */
	case 'U':
	case 'N': /* the default */
		break;
	case 'n':
		r->no_nul = true;
		break;
	case 'o':
		r->keep_root = true;
		break;
	case 'p':
		r->default_mode = true;
		break;
	case 'q':
		r->query = optarg;
		break;
	case 'r':
		r->replace = true;
		break;
	case 's':
		r->sequence = true;
		break;
	case 'v':
		log_verbose(true);
		break;
	case 'w':
		r->quiet_duplicates = true;
		break;
	default:
		command_usage(&r->kind->command);
	}
}

static int run_mode(struct run *r, char **tables)
{
	if (r->sequence)
		return list_all(r, tables);
	if (r->query)
		return query(r, tables);
	if (r->remove)
		return delete_all(r, tables);
	return build_all(r, tables);
}

int tables_main(const struct tables_kind *kind, int argc, char **argv)
{
	struct run r = { .kind = kind, .arena = arena_new(0) };
	int option, status;

	command_begin(&kind->command, argc, argv);
	while ((option = getopt(argc, argv, kind->options)) != -1)
		set_option(&r, option);
	if (r.sequence + (r.query != NULL) + (r.remove != NULL) > 1)
		log_fatal("specify only one of -s%s -q or -d",
			r.sequence ? " or" : "");
	r.conf = command_conf(r.arena, r.directory);
	status = run_mode(&r, argv + optind);
	if (fflush(stdout) != 0)
		log_fatal("standard output: %m");
	arena_free(r.arena);
	return status;
}
