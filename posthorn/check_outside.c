/*
 * posthorn/check_outside - what main.cf and master.cf name and is not there,
 * or not as it should be: tables, sockets, servers, ports.
 *
 * Each finding is a line: where it is written, the reason, what to do.
 */
#include "posthorn/check_outside.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/list.h"
#include "config/source.h"
#include "maps/build.h"

enum {
	ANSWER_MS = 2000, /* patience with a server */
};

void outside_error(struct outside *o, struct str text)
{
	o->errors++;
	log_error("%.*s: %.*s", STR_ARG(o->place), STR_ARG(text));
}

void outside_warning(struct outside *o, struct str text)
{
	log_warning("%.*s: %.*s", STR_ARG(o->place), STR_ARG(text));
}

/* ---- settings ---- */

/* "name=value" of the row's last such -o; NONE: there is none. */
static struct str row_setting(const struct master_cf_row *row,
	struct str name)
{
	struct str found = STR_NONE;

	for (size_t i = 1; i < row->arg_count; i++) {
		struct str value = row->args[i];

		if (str_is(row->args[i - 1], "-o") &&
			str_eq(str_take_until(&value, '='), name))
			found = value;
	}
	return found;
}

static void set_place(struct outside *o, struct str name)
{
	if (o->row)
		o->place = arena_fmt(o->line->arena,
			"%.*s/master.cf, line %u: -o %.*s",
			STR_ARG(o->line->conf->config_directory),
			o->row->line, STR_ARG(name));
	else
		o->place = arena_fmt(o->line->arena, "%.*s%.*s",
			STR_ARG(config_place(o->line->arena, o->config,
				name)), STR_ARG(name));
}

bool outside_is_set(struct outside *o, struct str name)
{
	set_place(o, name);
	return o->row ? !str_is_none(row_setting(o->row, name)) :
		config_entry(o->config, name) != NULL;
}

struct str outside_text(struct outside *o, struct str name)
{
	struct str value = o->row ? row_setting(o->row, name) : STR_NONE;

	if (str_is_none(value))
		return conf_text(o->line->conf, name);
	return conf_expand(o->line->arena, o->line->conf, value);
}

/* ---- tables ---- */

/* Types of tables that are files, and the ends of their files' names. */
static const struct table_type {
	const char *type;
	const char *ends[2]; /* any of them; "": the file itself */
} table_types[] = {
	{ "hash", { ".db", ".lmdb" } }, { "btree", { ".db", ".lmdb" } },
	{ "lmdb", { ".lmdb", NULL } },  { "cdb", { ".cdb", NULL } },
	{ "texthash", { "", NULL } },   { "regexp", { "", NULL } },
	{ "pcre", { "", NULL } },       { "cidr", { "", NULL } },
};

static const struct table_type *find_type(struct str type)
{
	for (size_t i = 0; i < COUNT(table_types); i++)
		if (str_is(type, table_types[i].type))
			return &table_types[i];
	return NULL;
}

/* The file that is looked at, with its state. */
static bool find_file(struct outside *o, const struct table_type *type,
	struct str name, struct stat *st)
{
	for (size_t i = 0; i < COUNT(type->ends) && type->ends[i]; i++)
		if (stat(arena_join(o->line->arena, name,
				 str_from(type->ends[i])).p, st) == 0)
			return true;
	return false;
}

static void check_table(struct outside *o, struct str table, bool is_alias)
{
	const char *maker = is_alias ? "postalias" : "postmap";
	const struct table_type *type;
	struct stat st, source;
	struct str of, name;
	bool has_source;

	if (!list_split_table(table, &of, &name) || !(type = find_type(of)) ||
		!str_starts(name, STR("/")))
		return;
	has_source = stat(arena_cstr(o->line->arena, name), &source) == 0;
	if (!find_file(o, type, name, &st)) {
		if (has_source)
			SAY(o, error, "table %.*s was not made yet: run `%s "
				"%.*s`", STR_ARG(table), maker,
				STR_ARG(table));
		else
			SAY(o, error, "table %.*s is not there: create %.*s "
				"or remove the name", STR_ARG(table),
				STR_ARG(name));
	} else if (type->ends[0][0] && has_source &&
		source.st_mtime > st.st_mtime) {
		SAY(o, warning, "table %.*s is older than its source: run "
			"`%s %.*s`", STR_ARG(table), maker, STR_ARG(table));
	}
}

/* ---- servers ---- */

/* "host:port", the host perhaps in brackets; false: something else. */
static bool split_server(struct str text, struct str *host, struct str *port)
{
	size_t colon = str_rfind_char(text, ':');

	if (colon == SIZE_MAX || colon == 0)
		return false;
	*host = str_first(text, colon);
	*port = str_skip(text, colon + 1);
	if (str_take_char(host, '[') &&
		(host->len == 0 || host->p[--host->len] != ']'))
		return false;
	return host->len > 0 && port->len > 0;
}

/* A port of master.cf: something listens there when the suite runs. */
static bool is_own_port(const struct outside *o, struct str port)
{
	struct str host, own;

	for (size_t i = 0; i < o->cf->count; i++) {
		const struct master_cf_row *row = &o->cf->rows[i];

		if (row->type == MASTER_CF_INET &&
			master_cf_parse_inet(row->column[MASTER_CF_SERVICE],
				&host, &own) && str_eq(own, port))
			return true;
	}
	return false;
}

/* 0 or errno. */
static int try_connect(const struct addrinfo *at)
{
	auto_close int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
		SOCK_NONBLOCK, 0);
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (fd < 0)
		return errno;
	if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (poll(&wait, 1, ANSWER_MS) <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ?
		errno : error;
}

static void check_server(struct outside *o, struct str text)
{
	const struct addrinfo want = { .ai_socktype = SOCK_STREAM };
	struct arena *arena = o->line->arena;
	struct addrinfo *found;
	struct str host, port;
	int error = 0;

	if (!split_server(text, &host, &port) || is_own_port(o, port))
		return;
	error = getaddrinfo(arena_cstr(arena, host), arena_cstr(arena, port),
		&want, &found);
	if (error) {
		SAY(o, warning, "%.*s:%.*s: %s: correct the name or the port",
			STR_ARG(host), STR_ARG(port), gai_strerror(error));
		return;
	}
	error = ECONNREFUSED;
	for (const struct addrinfo *at = found; at && error; at = at->ai_next)
		error = try_connect(at);
	freeaddrinfo(found);
	if (error)
		SAY(o, warning, "nobody answers at port %.*s of %.*s (%s): "
			"start its server, or correct the address",
			STR_ARG(port), STR_ARG(host), strerror(error));
}

/* "inet:host:port:name", "unix:/path:name". */
static void check_socketmap(struct outside *o, struct str text)
{
	size_t colon = str_rfind_char(text, ':');

	text = str_first(text, colon == SIZE_MAX ? text.len : colon);
	if (str_take_prefix(&text, STR("unix:")))
		check_socket(o, text);
	else if (str_take_prefix(&text, STR("inet:")))
		check_server(o, text);
}

/* Table names, sockets and servers stand anywhere in a value. */
static void check_word(struct outside *o, struct str word, bool is_alias)
{
	while (str_take_prefix(&word, STR("proxy:")) ||
		str_take_prefix(&word, STR("lmtp:")) ||
		str_take_char(&word, '!'))
		;
	if (str_starts(word, STR("unix:")) &&
		str_find_char(word, '/') != SIZE_MAX)
		check_socket(o, str_skip(word, 5));
	else if (str_take_prefix(&word, STR("socketmap:")))
		check_socketmap(o, word);
	else if (str_take_prefix(&word, STR("inet:")) ||
		str_take_prefix(&word, STR("tcp:")))
		check_server(o, word);
	else
		check_table(o, word, is_alias);
}

/* A table that programs write, and make when there is none. */
static bool is_cache(struct str name)
{
	return str_ends(name, STR("_cache_database")) ||
		str_is(name, "address_verify_map") ||
		str_is(name, "postscreen_cache_map");
}

/* "host:port", ":port", "port", the same behind "inet:", or "unix:path". */
static void check_proxy_filter(struct outside *o, struct str text)
{
	struct str host = STR_NONE, port = text, place = text;

	if (str_take_prefix(&place, STR("unix:"))) {
		check_socket(o, place);
		return;
	}
	(void)str_take_prefix(&place, STR("inet:"));
	if (split_server(place, &host, &port)) {
		check_server(o, place);
		return;
	}
	port = place;
	(void)str_take_char(&port, ':');
	if (port.len > 0 && str_find_char(port, ':') == SIZE_MAX &&
		str_find_char(port, '/') == SIZE_MAX)
		check_server(o, arena_fmt(o->line->arena, "localhost:%.*s",
			STR_ARG(port)));
	else
		SAY(o, error, "\"%.*s\" is no place of a filter: write "
			"host:port, inet:host:port or unix:path",
			STR_ARG(text));
}

/* verify(8) would forget at each start what it knows. */
static void check_verify_map(struct outside *o, struct str table)
{
	struct str type, path;

	(void)str_take_prefix(&table, STR("proxy:"));
	if (table.len > 0 && (!list_split_table(table, &type, &path) ||
				     !build_suffix(type)))
		SAY(o, error, "%.*s is no table that verify(8) can write: use "
			"btree:, hash: or lmdb:, or nothing for memory only",
			STR_ARG(table));
}

static void check_words(struct outside *o, struct str name)
{
	struct str text = outside_text(o, name), word;

	set_place(o, name);
	check_lists(o, name, text);
	if (str_is(name, "address_verify_map"))
		check_verify_map(o, str_trim(text));
	if (is_cache(name))
		return;
	if (str_is(name, "smtpd_sasl_path") && str_find_char(text, '/') !=
			SIZE_MAX) {
		check_socket(o, text);
		return;
	}
	if (str_is(name, "smtpd_proxy_filter")) {
		if (str_trim(text).len > 0)
			check_proxy_filter(o, str_trim(text));
		return;
	}
	while (str_take_item(&text, " \t\r\n,{}()\"=", &word))
		if (str_ends(name, STR("_milters")) &&
			str_take_prefix(&word, STR("local:")))
			check_socket(o, word); /* unix: by another name */
		else
			check_word(o, word, str_starts(name, STR("alias_")));
}

/* ---- ports ---- */

/* Whether somebody else listens there; only what is certain counts. */
static bool is_in_use(const struct addrinfo *at)
{
	auto_close int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC,
		0);
	int yes = 1;

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (at->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (bind(fd, at->ai_addr, at->ai_addrlen) < 0)
		return errno == EADDRINUSE;
	return listen(fd, 1) < 0 && errno == EADDRINUSE;
}

static void check_address(struct outside *o, const char *host,
	struct str port)
{
	const struct addrinfo want = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE };
	struct addrinfo *found;
	bool in_use = false;

	if (getaddrinfo(host, arena_cstr(o->line->arena, port), &want,
		    &found) != 0) {
		SAY(o, error, "%s%s%.*s is no address with a port: write one",
			host ? host : "", host ? ":" : "", STR_ARG(port));
		return;
	}
	for (const struct addrinfo *at = found; at; at = at->ai_next)
		in_use = in_use || is_in_use(at);
	freeaddrinfo(found);
	if (in_use)
		SAY(o, error, "port %.*s of %s is in use: stop what listens "
			"there (`ss -ltnp`), or write another port",
			STR_ARG(port), host ? host : "this host");
}

static void check_port(struct outside *o, const struct master_cf_row *row)
{
	struct str interfaces = o->line->conf->inet_interfaces, host, port;
	struct arena *arena = o->line->arena;

	if (row->type != MASTER_CF_INET ||
		!master_cf_parse_inet(row->column[MASTER_CF_SERVICE], &host,
			&port))
		return;
	o->place = arena_fmt(arena, "%.*s/master.cf, line %u",
		STR_ARG(o->line->conf->config_directory), row->line);
	if (host.len)
		check_address(o, arena_cstr(arena, host), port);
	else if (str_is(interfaces, "all"))
		check_address(o, NULL, port);
	else
		while (str_take_item(&interfaces, " \t\r\n,", &host))
			if (!str_is(host, "loopback-only"))
				check_address(o, arena_cstr(arena, host),
					port);
}

/* ---- all ---- */

/* The last one of a name counts. */
static void check_row(struct outside *o, const struct master_cf_row *row)
{
	o->row = row;
	for (size_t i = 1; i < row->arg_count; i++) {
		struct str value = row->args[i], name;

		if (!str_is(row->args[i - 1], "-o"))
			continue;
		name = str_take_until(&value, '=');
		if (row_setting(row, name).p == value.p)
			check_words(o, name);
	}
	check_certificates(o);
	o->row = NULL;
}

bool check_outside(struct command_line *line, const struct master_cf *cf)
{
	struct outside o = { .line = line, .config = line->conf->source,
		.cf = cf };

	for (const struct conf_entry *entry = o.config->first; entry;
		entry = entry->next)
		check_words(&o, entry->name);
	check_certificates(&o);
	check_origin(&o);
	check_protection(&o);
	for (size_t i = 0; i < cf->count; i++)
		check_row(&o, &cf->rows[i]);
	/* While it runs, it is the suite that listens there. */
	for (size_t i = 0; i < cf->count && !master_pid(line); i++)
		check_port(&o, &cf->rows[i]);
	return o.errors == 0;
}
