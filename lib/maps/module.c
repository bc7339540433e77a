#include "maps/module_load.h"

#include <dlfcn.h>

#include "base/log.h"
#include "base/random.h"

enum {
	LOADED_MOST = 8,
	AGAIN_S = 1, /* before a server that failed is tried again */
};

/* Modules stay for the life of the process. */
static const struct table_module *loaded[LOADED_MOST];
static size_t loaded_count;

static const struct table_module *find_loaded(struct str type)
{
	for (size_t i = 0; i < loaded_count; i++)
		if (str_is(type, loaded[i]->type))
			return loaded[i];
	return NULL;
}

const struct table_module *module_load(struct map_opening *opening)
{
	const struct table_module *module = find_loaded(opening->type);
	struct str path;
	void *object;

	if (module)
		return module;
	path = arena_fmt(opening->arena, "%.*s/table-%.*s.so",
		STR_ARG(opening->conf->daemon_directory),
		STR_ARG(opening->type));
	object = dlopen(path.p, RTLD_NOW | RTLD_LOCAL);
	if (!object)
		return map_cannot(opening, "%.*s:%.*s: the module for this "
			"type is not installed: %s",
			STR_ARG(opening->type), STR_ARG(opening->name),
			dlerror());
	module = dlsym(object, MODULE_SYMBOL);
	if (!module || module->version != MODULE_VERSION ||
		!str_is(opening->type, module->type) ||
		loaded_count == LOADED_MOST) {
		dlclose(object);
		return map_cannot(opening, "%s is not a module of this "
			"release", path.p);
	}
	if (module->prepare)
		module->prepare();
	loaded[loaded_count++] = module;
	return module;
}

static const char *setting(const void *context, const char *name)
{
	const struct settings *settings = context;

	/* values have a NUL behind them: they are copies */
	return settings_cstr(settings, name);
}

struct module_settings module_settings_of(const struct settings *settings)
{
	return (struct module_settings){ setting, settings };
}

enum maps_result domains_have(struct match *domains, struct arena *arena,
	struct str key)
{
	size_t at = str_rfind_char(key, '@');

	if (!domains)
		return MAPS_FOUND;
	if (at == SIZE_MAX || at == 0 || at + 1 == key.len)
		return MAPS_ABSENT;
	return match_domain(domains, arena, str_skip(key, at + 1));
}

/* ---- servers ---- */

bool servers_read(struct servers *servers, struct arena *arena,
	struct str hosts)
{
	struct str item;

	servers->count = 0;
	while (servers->count < HOSTS_MOST &&
		str_take_item(&hosts, ", \t\r\n", &item))
		servers->all[servers->count++] = (struct server){
			.host = arena_cstr(arena, item),
		};
	return servers->count > 0;
}

static bool try_server(struct servers *servers, size_t at)
{
	const struct table_module *module = servers->module;
	const struct module_settings settings =
		module_settings_of(servers->settings);
	struct server *server = &servers->all[at];
	char error[MODULE_ERROR] = "";

	servers->connection = module->sql ?
		module->sql->connect(&settings, server->host, error) :
		module->ldap->connect(&settings, server->host, error);
	if (servers->connection) {
		server->has_failed = false;
		return true;
	}
	log_warning("%.*s: connect to %s failed: %s", STR_ARG(servers->label),
		server->host, error);
	server->has_failed = true;
	server->failed = moment_now();
	return false;
}

static bool failed_within(const struct server *server, struct span span)
{
	return server->has_failed &&
		moment_between(server->failed, moment_now()).us < span.us;
}

/* Begin anywhere, so that servers share the load; those that rest are tried
 * when no other is left, and not at once again. */
static bool connect_any(struct servers *servers)
{
	size_t first = random_below(servers->count);

	for (int resting = 0; resting <= 1; resting++)
		for (size_t i = 0; i < servers->count; i++) {
			size_t at = (first + i) % servers->count;
			struct server *server = &servers->all[at];

			if (failed_within(server, servers->retry) == resting &&
				!failed_within(server, span_s(AGAIN_S)) &&
				try_server(servers, at))
				return true;
		}
	return false;
}

static void disconnect(struct servers *servers)
{
	const struct table_module *module = servers->module;

	if (servers->connection && module->sql)
		module->sql->close(servers->connection);
	else if (servers->connection)
		module->ldap->close(servers->connection);
	servers->connection = NULL;
}

void *servers_connection(struct servers *servers)
{
	if (servers->connection && servers->idle.us > 0 &&
		moment_between(servers->used, moment_now()).us >
			servers->idle.us)
		disconnect(servers);
	if (!servers->connection && !connect_any(servers))
		return NULL;
	servers->used = moment_now();
	return servers->connection;
}

void servers_used(struct servers *servers, enum module_result result)
{
	servers->used = moment_now();
	if (result == MODULE_GONE)
		disconnect(servers);
}

void servers_close(void *context)
{
	disconnect(context);
}
