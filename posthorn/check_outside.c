/*
 * posthorn/check_outside - what main.cf and master.cf name and is not there,
 * or not as it should be: tables, certificates, sockets, ports.
 *
 * Each finding is a line: where it is written, the reason, what to do.
 */
#include "posthorn/posthorn.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/list.h"
#include "config/source.h"

enum {
	SOON_S = 30 * 24 * 3600, /* a certificate ends */
};

struct outside {
	struct command_line *line;
	struct config *config;
	const struct master_cf *cf;
	struct str place; /* "FILE, line 7: NAME", of what is looked at */
	unsigned errors;
};

static void error(struct outside *o, struct str text)
{
	o->errors++;
	log_error("%.*s: %.*s", STR_ARG(o->place), STR_ARG(text));
}

static void warning(struct outside *o, struct str text)
{
	log_warning("%.*s: %.*s", STR_ARG(o->place), STR_ARG(text));
}

#define SAY(o, how, ...) how(o, arena_fmt((o)->line->arena, __VA_ARGS__))

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

/* ---- sockets ---- */

/* A service of ours: it listens when the suite runs. */
static bool is_own(const struct outside *o, struct str path)
{
	return (str_take_prefix(&path, STR("private/")) ||
		       str_take_prefix(&path, STR("public/"))) &&
		master_cf_find(o->cf, path, MASTER_CF_UNIX);
}

static void check_socket(struct outside *o, struct str path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct str queue = str_starts(path, STR("/")) ? STR("") :
		o->line->conf->queue_directory;
	int len;

	if (is_own(o, path))
		return;
	len = snprintf(address.sun_path, sizeof(address.sun_path),
		"%.*s%s%.*s", STR_ARG(queue), queue.len ? "/" : "",
		STR_ARG(path));
	if (fd < 0 || len < 0)
		return;
	if ((size_t)len >= sizeof(address.sun_path))
		SAY(o, error, "unix:%.*s is too long for a socket",
			STR_ARG(path));
	else if (connect(fd, (const struct sockaddr *)&address,
			 sizeof(address)) < 0 && errno != EACCES)
		SAY(o, warning, "nobody answers at unix:%s (%s): start its "
			"server, or correct the path", address.sun_path,
			strerror(errno));
}

/* Table names and sockets stand anywhere in a value. */
static void check_words(struct outside *o, struct str name)
{
	bool is_alias = str_starts(name, STR("alias_"));
	struct str text = conf_text(o->line->conf, name), word;

	if (str_is(name, "smtpd_sasl_path") && str_find_char(text, '/') !=
			SIZE_MAX) {
		check_socket(o, text);
		return;
	}
	while (str_take_item(&text, " \t\r\n,{}()\"=", &word)) {
		while (str_take_prefix(&word, STR("proxy:")) ||
			str_take_prefix(&word, STR("lmtp:")) ||
			str_take_char(&word, '!'))
			;
		if (str_starts(word, STR("unix:")) &&
			str_find_char(word, '/') != SIZE_MAX)
			check_socket(o, str_skip(word, 5));
		else
			check_table(o, word, is_alias);
	}
}

/* ---- certificates ---- */

static const struct pair {
	const char *certificate, *key;
} pairs[] = {
	{ "smtpd_tls_cert_file", "smtpd_tls_key_file" },
	{ "smtpd_tls_eccert_file", "smtpd_tls_eckey_file" },
	{ "smtp_tls_cert_file", "smtp_tls_key_file" },
	{ "smtp_tls_eccert_file", "smtp_tls_eckey_file" },
	{ "lmtp_tls_cert_file", "lmtp_tls_key_file" },
	{ "lmtp_tls_eccert_file", "lmtp_tls_eckey_file" },
	{ "login_tls_cert_file", "login_tls_key_file" },
};

static void check_dates(struct outside *o, const char *path, const X509 *x)
{
	time_t soon = time(NULL) + SOON_S;
	struct tm tm = { 0 };
	char date[32] = "?";

	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
		strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	if (X509_cmp_time(X509_get0_notBefore(x), NULL) > 0)
		SAY(o, error, "certificate %s is not valid yet: look at the "
			"clock, or get another", path);
	else if (X509_cmp_time(X509_get0_notAfter(x), NULL) < 0)
		SAY(o, error, "certificate %s expired on %s: renew it", path,
			date);
	else if (X509_cmp_time(X509_get0_notAfter(x), &soon) < 0)
		SAY(o, warning, "certificate %s expires on %s: renew it",
			path, date);
}

static FILE *open_pem(struct outside *o, const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		SAY(o, error, "%s: %s: correct the path, or create the file",
			path, strerror(errno));
	return file;
}

/* A key with a passphrase cannot be used by a daemon: nobody is asked. */
static int no_passphrase(char *into, int room, int is_writing, void *context)
{
	(void)into;
	(void)room;
	(void)is_writing;
	(void)context;
	return -1;
}

static void check_key(struct outside *o, const char *path, X509 *certificate,
	const char *certificate_path)
{
	FILE *file = open_pem(o, path);
	EVP_PKEY *key;

	if (!file)
		return;
	key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
	fclose(file);
	if (!key)
		SAY(o, error, "%s holds no key that can be read (PEM, no "
			"passphrase)", path);
	else if (X509_check_private_key(certificate, key) != 1)
		SAY(o, error, "certificate %s does not match the key %s: name "
			"the key that it was made for", certificate_path,
			path);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static const char *path_of(struct outside *o, const char *name)
{
	struct str text = conf_text(o->line->conf, str_from(name));

	return text.len && !str_is(text, "none") ?
		arena_cstr(o->line->arena, text) : NULL;
}

static void check_pair(struct outside *o, const struct pair *pair)
{
	const char *path = path_of(o, pair->certificate);
	const char *key = path_of(o, pair->key);
	FILE *file = path ? open_pem(o, path) : NULL;
	X509 *x;

	if (!file)
		return;
	x = PEM_read_X509(file, NULL, no_passphrase, NULL);
	fclose(file);
	ERR_clear_error();
	if (!x) {
		SAY(o, error, "%s holds no certificate (PEM)", path);
		return;
	}
	check_dates(o, path, x);
	check_key(o, key ? key : path, x, path);
	X509_free(x);
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

static void set_place(struct outside *o, struct str name)
{
	o->place = arena_fmt(o->line->arena, "%.*s%.*s",
		STR_ARG(config_place(o->line->arena, o->config, name)),
		STR_ARG(name));
}

bool check_outside(struct command_line *line, const struct master_cf *cf)
{
	struct outside o = { .line = line, .config = line->conf->source,
		.cf = cf };

	for (const struct conf_entry *entry = o.config->first; entry;
		entry = entry->next) {
		set_place(&o, entry->name);
		check_words(&o, entry->name);
	}
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct str name = str_from(pairs[i].certificate);

		set_place(&o, name);
		/* What only repeats another's default is said once. */
		if (config_entry(o.config, name))
			check_pair(&o, &pairs[i]);
	}
	/* While it runs, it is the suite that listens there. */
	for (size_t i = 0; i < cf->count && !master_pid(line); i++)
		check_port(&o, &cf->rows[i]);
	return o.errors == 0;
}
