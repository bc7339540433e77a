#include "dialer/policy.h"

#include "base/log.h"
#include "config/params.h"
#include "maps/survey.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_MOST = 16 * 1024 * 1024,
	PORT_ANY = 0,
};

/* A place on this host that configuration names. */
struct place {
	struct place *next;
	struct dns_address address;
	bool named;    /* by a host name: any address of this host */
	uint16_t port; /* 0: without port */
};

struct path {
	struct path *next;
	struct str path;
};

struct override {
	struct override *next;
	struct str name, value;
};

struct own {
	struct own *next;
	struct dns_address address;
};

struct policy {
	struct arena *arena;
	struct path *tables; /* endpoints */
	struct place *places;
	struct path *paths;
	struct override *overrides;
	struct own *own;
	const struct conf *conf; /* while it is read */
	bool any; /* no limits on this host */
};

struct policy *policy_new(struct arena *arena)
{
	struct policy *policy = arena_new_of(arena, struct policy);

	policy->arena = arena;
	return policy;
}

/* ---- what text names ---- */

static void add_place(struct policy *policy, struct str host, struct str port)
{
	struct place place = { .next = policy->places, .port = PORT_ANY };

	if (!str_is_none(port) && (place.port = dns_port_parse(port)) == 0)
		return;
	place.named = !dns_address_parse(host, &place.address);
	if (host.len == 0 || (place.named && host.p[0] == '/'))
		return;
	policy->places = arena_new_of(policy->arena, struct place);
	*policy->places = place;
}

static void add_path(struct policy *policy, struct str text)
{
	struct path *path = arena_new_of(policy->arena, struct path);

	path->path = arena_copy(policy->arena, text);
	path->next = policy->paths;
	policy->paths = path;
}

/* "[host]" or "[host]:port", wherever it begins in the word. */
static void scan_bracket(struct policy *policy, struct str rest)
{
	struct str host = str_take_until(&rest, ']'), port = STR_NONE;

	if (str_take_char(&rest, ':'))
		port = str_take_until(&rest, ':');
	add_place(policy, host, port);
}

/* "host:port" at the end of the word, behind other parts: "inet:a:25". */
static void scan_colon(struct policy *policy, struct str word)
{
	size_t colon = str_rfind_char(word, ':'), before;
	struct str host, port;

	if (colon == SIZE_MAX)
		return;
	port = str_skip(word, colon + 1);
	host = str_first(word, colon);
	before = str_rfind_char(host, ':');
	if (before != SIZE_MAX)
		host = str_skip(host, before + 1);
	if (port.len > 0 && host.len > 0)
		add_place(policy, host, port);
}

static void scan_word(struct policy *policy, struct str word)
{
	size_t at = str_find(word, STR("unix:"));

	if (at != SIZE_MAX && (at == 0 || word.p[at - 1] == ':' ||
				      word.p[at - 1] == '='))
		add_path(policy, str_skip(word, at + 5));
	at = str_find_char(word, '[');
	if (at != SIZE_MAX)
		scan_bracket(policy, str_skip(word, at + 1));
	else
		scan_colon(policy, word);
}

void policy_scan(struct policy *policy, struct str text)
{
	struct str word;

	while (str_take_item(&text, " \t\r\n,{}()\"=", &word))
		scan_word(policy, word);
}

/* ---- files ---- */

static struct str read_file(struct arena *arena, const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	size_t len = 0;
	ssize_t got;
	char *text;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		st.st_size > FILE_MOST)
		return STR_NONE;
	text = arena_alloc(arena, (size_t)st.st_size + 1);
	while (len < (size_t)st.st_size &&
		(got = read(fd, text + len, (size_t)st.st_size - len)) > 0)
		len += (size_t)got;
	return str_of(text, len);
}

/* Sources of these types are texts. */
static const char *const table_types[] = { "hash", "btree", "lmdb", "cdb",
	"dbm", "sdbm", "texthash", "regexp", "pcre", "cidr" };

/* "hash:/etc/postfix/transport": its source, for what it names. */
static struct str read_table(struct arena *arena, struct str word)
{
	struct str type = str_take_until(&word, ':');

	if (str_is(type, "proxy"))
		type = str_take_until(&word, ':');
	if (word.len == 0 || word.p[0] != '/')
		return STR_NONE;
	for (size_t i = 0; i < COUNT(table_types); i++)
		if (str_is(type, table_types[i]))
			return read_file(arena, arena_cstr(arena, word));
	return STR_NONE;
}

static void scan_table(struct policy *policy, struct str word)
{
	auto_arena struct arena *arena = arena_new(0);

	policy_scan(policy, read_table(arena, word));
}

static void scan_value(struct policy *policy, struct str value)
{
	struct str word;

	policy_scan(policy, value);
	while (str_take_item(&value, " \t\r\n,{}()\"=", &word))
		if (str_find_char(word, ':') != SIZE_MAX)
			scan_table(policy, word);
}

/* Values of main.cf in which no destinations stand. */
static const enum param no_destinations[] = {
	inet_interfaces, proxy_interfaces, mynetworks, resolver_servers,
	smtp_bind_address, smtp_bind_address6, lmtp_bind_address,
	lmtp_bind_address6, PARAMS_END
};

static bool has_destinations(enum param param)
{
	for (size_t i = 0; no_destinations[i] != PARAMS_END; i++)
		if (no_destinations[i] == param)
			return false;
	return true;
}

static bool is_text(enum param_type type)
{
	return type == PARAM_STRING || type == PARAM_RAW ||
		type == PARAM_LIST || type == PARAM_MAPS;
}

static void scan_main(struct policy *policy, const struct conf *conf)
{
	for (enum param id = 0; id < PARAMS_END; id++) {
		const struct param_row *row = param_row(id);
		struct str value;

		if (!has_destinations(id) || !is_text(row->type))
			continue;
		memcpy(&value, (const char *)conf + row->offset,
			sizeof(value));
		scan_value(policy, value);
	}
}

static void add_override(struct policy *policy, struct str name,
	struct str value)
{
	struct override *override =
		arena_new_of(policy->arena, struct override);
	override->name = arena_copy(policy->arena, str_trim(name));
	override->value = arena_copy(policy->arena, str_trim(value));
	override->next = policy->overrides;
	policy->overrides = override;
}

/* "$main_cf_name": what it stands for; as it is, if that is not known. */
static struct str expand(struct policy *policy, struct str value)
{
	struct str expanded = STR_NONE;

	if (policy->conf && str_find_char(value, '$') != SIZE_MAX)
		expanded = conf_expand(policy->arena, policy->conf, value);
	return str_is_none(expanded) ? value : expanded;
}

/* "-o name=value" and "-o { name = value }" of one logical line. */
static void take_overrides(struct policy *policy, struct str line)
{
	size_t at;

	while ((at = str_find(line, STR("-o"))) != SIZE_MAX) {
		struct str rest = str_trim(str_skip(line, at + 2)), name, value;

		line = str_skip(line, at + 2);
		if (str_take_char(&rest, '{'))
			value = str_take_until(&rest, '}');
		else
			value = str_take_word(&rest);
		name = str_take_until(&value, '=');
		if (value.len > 0)
			add_override(policy, name, expand(policy, value));
	}
}

/* master.cf; the first column is where we listen ourselves. */
static void scan_master(struct policy *policy, struct str text)
{
	struct str line;

	while (str_take_line(&text, &line)) {
		bool continued = line.len > 0 &&
			(line.p[0] == ' ' || line.p[0] == '\t');

		if (str_trim(line).len == 0 || str_trim(line).p[0] == '#')
			continue;
		if (!continued)
			(void)str_take_word(&line);
		scan_value(policy, line);
		take_overrides(policy, line);
	}
}

void policy_own(struct policy *policy, const struct dns_address *address)
{
	struct own *own = arena_new_of(policy->arena, struct own);

	own->address = *address;
	own->next = policy->own;
	policy->own = own;
}

static void read_interfaces(struct policy *policy)
{
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0) {
		log_warning("addresses of this host: %m");
		return;
	}
	for (struct ifaddrs *at = list; at; at = at->ifa_next) {
		struct sockaddr_storage socket = { 0 };
		struct dns_address address;
		uint16_t port;

		if (!at->ifa_addr)
			continue;
		memcpy(&socket, at->ifa_addr,
			at->ifa_addr->sa_family == AF_INET6 ? 28 : 16);
		if (dns_address_from(&socket, &address, &port))
			policy_own(policy, &address);
	}
	freeifaddrs(list);
}

/* Tables whose results are endpoints: the sources count as its value. */
static void read_milter_maps(struct policy *policy, struct str tables)
{
	struct str word, text;

	while (str_take_item(&tables, " \t\r\n,", &word)) {
		text = read_table(policy->arena, word);
		if (!str_is_none(text))
			add_override(policy, STR("smtpd_milter_maps"), text);
	}
}

static void read_all_milter_maps(struct policy *policy)
{
	const struct override *first = policy->overrides;

	read_milter_maps(policy, policy->conf->smtpd_milter_maps);
	for (const struct override *at = first; at; at = at->next)
		if (str_is(at->name, "smtpd_milter_maps"))
			read_milter_maps(policy, at->value);
}

static void add_table(void *context, struct str table)
{
	struct policy *policy = context;
	struct path *path = arena_new_of(policy->arena, struct path);

	path->path = maps_endpoint(policy->arena, policy->conf, table);
	path->next = policy->tables;
	if (!str_is_none(path->path))
		policy->tables = path;
}

struct policy *policy_read(struct arena *arena, const struct conf *conf)
{
	struct policy *policy = policy_new(arena);
	auto_arena struct arena *scratch = arena_new(0);
	struct str list = conf->dialer_local_destinations, item;
	struct str path = arena_join(scratch, conf->config_directory,
		STR("/master.cf"));

	policy->conf = conf;
	maps_survey(conf, add_table, policy);
	read_interfaces(policy);
	scan_master(policy, read_file(scratch, path.p));
	read_all_milter_maps(policy);
	while (str_take_item(&list, ", \t\r\n", &item)) {
		if (str_is(item, "any"))
			policy->any = true;
		else if (str_is(item, "configured"))
			scan_main(policy, conf);
		else
			scan_word(policy, item);
	}
	return policy;
}

/* ---- questions ---- */

bool policy_is_own(const struct policy *policy,
	const struct dns_address *address)
{
	if (dns_address_is_loopback(address))
		return true;
	for (const struct own *own = policy->own; own; own = own->next)
		if (dns_address_eq(&own->address, address))
			return true;
	return false;
}

static bool is_mail_port(uint16_t port)
{
	return port == 25 || port == 24;
}

static bool is_named(const struct policy *policy,
	const struct dns_address *address, uint16_t port)
{
	for (const struct place *at = policy->places; at; at = at->next) {
		if (at->port != port &&
			!(at->port == PORT_ANY && is_mail_port(port)))
			continue;
		if (at->named || dns_address_eq(&at->address, address))
			return true;
	}
	return false;
}

const char *policy_refuses_inet(const struct policy *policy,
	const struct dns_address *address, uint16_t port)
{
	if (port == 0 || dns_address_is_unusable(address))
		return "not an address that mail can be sent to";
	if (policy->any || !policy_is_own(policy, address) ||
		is_named(policy, address, port))
		return NULL;
	return "an address of this host that no configured destination names";
}

const char *policy_refuses_unix(const struct policy *policy, struct str path)
{
	for (const struct path *at = policy->paths; at; at = at->next)
		if (str_eq(at->path, path))
			return NULL;
	return "a path that no configured destination names";
}

bool policy_names_table(const struct policy *policy, struct str endpoint)
{
	for (const struct path *at = policy->tables; at; at = at->next)
		if (str_eq(at->path, endpoint))
			return true;
	return false;
}

/* The endpoint is a word of the text, or what follows a ':' or '=' in one. */
static bool has_endpoint(struct str text, struct str endpoint)
{
	struct str word;

	while (str_take_item(&text, " \t\r\n,{}()\"", &word)) {
		size_t at = str_find(word, endpoint);

		if (at != SIZE_MAX && (at == 0 || word.p[at - 1] == ':' ||
					      word.p[at - 1] == '=') &&
			(at + endpoint.len == word.len ||
				word.p[at + endpoint.len] == ':'))
			return true;
	}
	return false;
}

bool policy_names(const struct policy *policy, const struct conf *conf,
	struct str name, struct str endpoint)
{
	if (endpoint.len == 0)
		return false;
	for (const struct override *at = policy->overrides; at; at = at->next)
		if (str_eq(at->name, name) &&
			has_endpoint(at->value, endpoint))
			return true;
	return has_endpoint(conf_text(conf, name), endpoint);
}
