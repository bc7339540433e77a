/*
 * PLAIN and LOGIN by Cyrus SASL. The library's calls never wait: its callback
 * for passwords only notes what the client said; when the mechanism is through,
 * a worker says whether it is right.
 *
 * Its configuration file ($smtpd_sasl_path.conf) may restrict mech_list; how
 * passwords are checked is ours alone.
 */
#include "auth.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdlib.h>

#include "base/log.h"

enum {
	NAMES_MOST = 32,
};

#define CALLBACK(function) ((int (*)(void))(void (*)(void))(function))

/* What the mechanism learned. */
struct said {
	struct arena *arena;
	struct str user, password;
	bool is_other; /* wants to be somebody else than it is */
};

static char *config_path; /* for Cyrus, "dir:dir" */

/* ---- what Cyrus asks us ---- */

static int get_option(void *context, const char *plugin, const char *option,
	const char **result, unsigned *len)
{
	static const struct {
		const char *name, *value;
	} fixed[] = {
		{ "pwcheck_method", "auxprop" },
		{ "auxprop_plugin", "posthorn" },
		{ "canon_user_plugin", "INTERNAL" },
		{ "auto_transition", "no" },
		{ "log_level", "1" },
	};

	(void)context;
	(void)plugin;
	for (size_t i = 0; i < COUNT(fixed); i++) {
		if (strcmp(option, fixed[i].name) != 0)
			continue;
		*result = fixed[i].value;
		if (len)
			*len = (unsigned)strlen(fixed[i].value);
		return SASL_OK;
	}
	return SASL_FAIL; /* the configuration file's, if it has it */
}

static int write_log(void *context, int level, const char *message)
{
	(void)context;
	if (level <= SASL_LOG_ERR)
		log_warning("SASL: %s", message);
	else
		log_debug("SASL: %s", message);
	return SASL_OK;
}

static int get_config_path(void *context, char **path)
{
	(void)context;
	*path = strdup(config_path);
	return *path ? SASL_OK : SASL_NOMEM;
}

static int note_password(sasl_conn_t *connection, void *context,
	const char *user, const char *password, unsigned len,
	struct propctx *properties)
{
	struct said *said = context;

	(void)connection;
	(void)properties;
	said->user = arena_copy(said->arena, str_from(user));
	said->password = arena_copy(said->arena, str_of(password, len));
	return SASL_OK;
}

static int note_identity(sasl_conn_t *connection, void *context,
	const char *wanted, unsigned wanted_len, const char *user,
	unsigned user_len, const char *realm, unsigned realm_len,
	struct propctx *properties)
{
	struct said *said = context;

	(void)connection;
	(void)realm;
	(void)realm_len;
	(void)properties;
	said->is_other = !str_eq_nocase(str_of(wanted, wanted_len),
		str_of(user, user_len));
	return SASL_OK;
}

/* Nothing is looked up through Cyrus. */
static int find_no_properties(void *context, sasl_server_params_t *server,
	unsigned flags, const char *user, unsigned len)
{
	(void)context;
	(void)server;
	(void)flags;
	(void)user;
	(void)len;
	return SASL_OK;
}

static int add_properties(const sasl_utils_t *utils, int most, int *version,
	sasl_auxprop_plug_t **plugin, const char *name)
{
	static char plugin_name[] = "posthorn";
	static sasl_auxprop_plug_t none = {
		.name = plugin_name, .auxprop_lookup = find_no_properties,
	};

	(void)utils;
	(void)name;
	if (most < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*version = SASL_AUXPROP_PLUG_VERSION;
	*plugin = &none;
	return SASL_OK;
}

static const sasl_callback_t process_callbacks[] = {
	{ SASL_CB_GETOPT, CALLBACK(get_option), NULL },
	{ SASL_CB_LOG, CALLBACK(write_log), NULL },
	{ SASL_CB_GETCONFPATH, CALLBACK(get_config_path), NULL },
	{ SASL_CB_LIST_END, NULL, NULL },
};

/* ---- memory: the library goes on with NULL where it got none ---- */

static void *checked(void *memory)
{
	if (!memory)
		starved("out of memory: SASL library");
	return memory;
}

static void *take_memory(size_t len)
{
	return checked(malloc(len ? len : 1));
}

static void *take_zeroed(size_t count, size_t size)
{
	return checked(calloc(count ? count : 1, size ? size : 1));
}

static void *resize(void *memory, size_t len)
{
	return checked(realloc(memory, len ? len : 1));
}

/* ---- before the sandbox closes: plugins and file are read now ---- */

void cyrus_open(const struct conf *conf)
{
	/* For good: the library keeps the pointer to its program's name. */
	struct arena *arena = arena_new(0);
	struct str name = conf->smtpd_sasl_path;
	int result;

	if (!str_is(conf->smtpd_sasl_type, "cyrus"))
		name = STR("smtpd"); /* the path is another server's */
	config_path = conf->cyrus_sasl_config_path.len > 0 ?
		strndup(conf->cyrus_sasl_config_path.p,
			conf->cyrus_sasl_config_path.len) :
		strdup(arena_fmt(arena, "%.*s/sasl:/etc/sasl2",
			STR_ARG(conf->config_directory)).p);
	if (!config_path)
		starved("out of memory");
	sasl_set_alloc(take_memory, take_zeroed, resize, free);
	result = sasl_server_init(process_callbacks,
		arena_cstr(arena, name));
	if (result == SASL_OK)
		result = sasl_auxprop_add_plugin("posthorn", add_properties);
	if (result != SASL_OK)
		log_fatal("SASL library: %s",
			sasl_errstring(result, NULL, NULL));
}

/* ---- a conversation ---- */

struct conversation {
	sasl_conn_t *connection;
	sasl_callback_t callbacks[3];
	struct said said;
};

static bool begin(struct conversation *c, struct arena *arena,
	struct str service, bool secured)
{
	sasl_security_properties_t properties = {
		.security_flags = SASL_SEC_NOANONYMOUS |
			(secured ? 0 : SASL_SEC_NOPLAINTEXT),
	};
	const sasl_callback_t callbacks[] = {
		{ SASL_CB_SERVER_USERDB_CHECKPASS, CALLBACK(note_password),
			&c->said },
		{ SASL_CB_PROXY_POLICY, CALLBACK(note_identity), &c->said },
		{ SASL_CB_LIST_END, NULL, NULL },
	};

	*c = (struct conversation){ .said = { .arena = arena,
		.user = STR_NONE } };
	memcpy(c->callbacks, callbacks, sizeof(callbacks));
	return sasl_server_new(arena_cstr(arena, service), "localhost", NULL,
			NULL, NULL, c->callbacks, 0, &c->connection) ==
			SASL_OK &&
		sasl_setprop(c->connection, SASL_SEC_PROPS, &properties) ==
			SASL_OK;
}

static void end(struct conversation *c)
{
	if (c->connection)
		sasl_dispose(&c->connection);
}

/* What the library offers is what its configuration said at our start. */
static struct offer {
	struct arena *arena; /* of the names, for good */
	struct str names[NAMES_MOST];
	size_t count;
	bool is_known;
} offers[3][2]; /* by service, and whether secured */

static struct offer *offer_of(struct str service, bool secured)
{
	static const char *const services[COUNT(offers)] = {
		"smtp", "imap", "pop3",
	};

	for (size_t i = 0; i < COUNT(services); i++)
		if (str_is(service, services[i]))
			return &offers[i][secured];
	return NULL;
}

/* The library's own name for a service. */
static struct str library_service(const struct conf *conf, struct str service)
{
	return str_is(service, "smtp") ? conf->smtpd_sasl_service : service;
}

static void ask_library(struct str service, bool secured, struct offer *offer)
{
	struct arena *arena = arena_new(0);
	struct conversation c;
	const char *list = "";
	struct str rest, name;

	offer->is_known = begin(&c, arena, service, secured) &&
		sasl_listmech(c.connection, NULL, "", " ", "", &list, NULL,
			NULL) == SASL_OK;
	rest = arena_copy(arena, str_from(offer->is_known ? list : ""));
	end(&c);
	while (offer->count < NAMES_MOST && str_take_item(&rest, " ", &name))
		offer->names[offer->count++] = name;
	if (offer->count > 0)
		offer->arena = arena;
	else
		arena_free(arena);
}

size_t cyrus_offer(const struct conf *conf, struct str service, bool secured,
	const struct str **names)
{
	struct offer *offer = offer_of(service, secured);

	*names = offer ? offer->names : NULL;
	if (!offer)
		return 0;
	if (!offer->is_known)
		ask_library(library_service(conf, service), secured, offer);
	return offer->count;
}

static enum verdict judge(struct exchange *x, struct conversation *c,
	int result)
{
	struct said *said = &c->said;

	if (!str_is_none(said->user))
		x->claimed = said->user;
	if (result == SASL_NOMECH || result == SASL_TOOWEAK ||
		result == SASL_ENCRYPT) {
		x->why = "no mechanism available";
		return VERDICT_FORBIDDEN;
	}
	if (result == SASL_NOMEM)
		return VERDICT_TEMPORARY;
	if (result != SASL_OK || str_is_none(said->user)) {
		x->why = result == SASL_BADPROT ? "bad protocol / cancel" :
						  NULL;
		return VERDICT_WRONG;
	}
	if (said->is_other) {
		x->why = "not authorized";
		return VERDICT_WRONG;
	}
	return exchange_check_password(x, said->password);
}

/* Cyrus' LOGIN never frees the password that comes with a name it cannot take:
 * such a name does not reach it. */
static bool is_login_of_nobody(const struct exchange *x, struct str name)
{
	return str_is_nocase(x->start.mechanism, "LOGIN") &&
		!user_name_is_good(name);
}

/* Nor does it free its copy of a name in PLAIN that is too long for it: an
 * identity or a name that nobody can have stays out, too (RFC 4616 2). */
static bool is_plain_of_nobody(const struct exchange *x, struct str response)
{
	struct str identity = str_take_until(&response, 0);
	struct str name = str_take_until(&response, 0);

	return str_is_nocase(x->start.mechanism, "PLAIN") &&
		(identity.len > USERS_NAME_MOST || name.len > USERS_NAME_MOST);
}

static enum verdict converse(struct exchange *x, struct conversation *c)
{
	struct str in = x->start.initial, first = in;
	const char *out = NULL;
	unsigned len = 0;
	int result;

	if (is_plain_of_nobody(x, in))
		return VERDICT_WRONG;
	result = sasl_server_start(c->connection,
		arena_cstr(x->arena, x->start.mechanism),
		str_is_none(in) ? NULL : in.p, (unsigned)in.len, &out, &len);
	while (result == SASL_CONTINUE) {
		if (!str_is_none(first) && is_login_of_nobody(x, first))
			return VERDICT_WRONG;
		if (!exchange_ask(x, str_of(out ? out : "", len), &in))
			return VERDICT_ABORTED;
		if (is_plain_of_nobody(x, in))
			return VERDICT_WRONG;
		first = str_is_none(first) ? in : first;
		result = sasl_server_step(c->connection, in.p ? in.p : "",
			(unsigned)in.len, &out, &len);
	}
	return judge(x, c, result);
}

enum verdict cyrus_run(struct exchange *x)
{
	struct conversation c;
	enum verdict verdict = VERDICT_TEMPORARY;
	struct str service = library_service(x->conf, x->start.service);

	if (begin(&c, x->arena, service, x->start.secured))
		verdict = converse(x, &c);
	end(&c);
	return verdict;
}
