/*
 * table-ldap.so: LDAP directories, by OpenLDAP's library.
 *
 * server_host: "host", "host:port", or a URI "ldap://", "ldaps://", "ldapi://".
 */
#include "maps/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <ldap.h>
#include <sasl/sasl.h>

enum {
	TIMEOUT_S = 10,
	URI_MOST = 1024,
	ATTRIBUTES_MOST = 256,
	NUMBER_MOST = 1000000,
};

static const char *get(const struct module_settings *settings,
	const char *name, const char *otherwise)
{
	const char *text = settings->text(settings->context, name);

	return text && *text ? text : otherwise;
}

static bool is_yes(const struct module_settings *settings, const char *name,
	bool otherwise)
{
	const char *text = get(settings, name, NULL);

	return text ? strcasecmp(text, "yes") == 0 : otherwise;
}

/* What is no number that LDAP can mean counts as not set. */
static int number(const struct module_settings *settings, const char *name,
	int otherwise)
{
	const char *text = get(settings, name, NULL);
	char *end = NULL;
	long value = text ? strtol(text, &end, 10) : -1;

	return value >= 0 && value <= NUMBER_MOST && *end == '\0' ?
		(int)value :
		otherwise;
}

static void uri_of(const struct module_settings *settings, const char *host,
	char *uri)
{
	if (strstr(host, "://"))
		snprintf(uri, URI_MOST, "%s", host);
	else if (strchr(host, ':'))
		snprintf(uri, URI_MOST, "ldap://%s", host);
	else
		snprintf(uri, URI_MOST, "ldap://%s:%d", host,
			number(settings, "server_port", 389));
}

static void set_limits(LDAP *ldap, const struct module_settings *settings)
{
	const struct timeval timeout = {
		.tv_sec = number(settings, "timeout", TIMEOUT_S),
	};
	int version = number(settings, "version", 2),
	    size = number(settings, "size_limit", 0),
	    deref = number(settings, "dereference", 0),
	    restart = 1;

	ldap_set_option(ldap, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap_set_option(ldap, LDAP_OPT_NETWORK_TIMEOUT, &timeout);
	ldap_set_option(ldap, LDAP_OPT_TIMEOUT, &timeout);
	ldap_set_option(ldap, LDAP_OPT_SIZELIMIT, &size);
	ldap_set_option(ldap, LDAP_OPT_DEREF, &deref);
	ldap_set_option(ldap, LDAP_OPT_RESTART, &restart);
	ldap_set_option(ldap, LDAP_OPT_REFERRALS,
		is_yes(settings, "chase_referrals", false) ? LDAP_OPT_ON
							    : LDAP_OPT_OFF);
}

static void set_tls(LDAP *ldap, const struct module_settings *settings)
{
	static const struct {
		const char *name;
		int option;
	} texts[] = {
		{ "tls_ca_cert_dir", LDAP_OPT_X_TLS_CACERTDIR },
		{ "tls_ca_cert_file", LDAP_OPT_X_TLS_CACERTFILE },
		{ "tls_cert", LDAP_OPT_X_TLS_CERTFILE },
		{ "tls_key", LDAP_OPT_X_TLS_KEYFILE },
		{ "tls_cipher_suite", LDAP_OPT_X_TLS_CIPHER_SUITE },
	};
	int require = is_yes(settings, "tls_require_cert", false) ?
		LDAP_OPT_X_TLS_DEMAND :
		LDAP_OPT_X_TLS_NEVER;
	int client = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *text = get(settings, texts[i].name, NULL);

		if (text)
			ldap_set_option(ldap, texts[i].option, text);
	}
	ldap_set_option(ldap, LDAP_OPT_X_TLS_REQUIRE_CERT, &require);
	ldap_set_option(ldap, LDAP_OPT_X_TLS_NEWCTX, &client);
}

/* ---- bind ---- */

static int answer(LDAP *ldap, unsigned flags, void *context, void *asked)
{
	const struct module_settings *settings = context;

	(void)ldap;
	(void)flags;
	for (sasl_interact_t *at = asked; at->id != SASL_CB_LIST_END; at++) {
		const char *text = at->id == SASL_CB_PASS ?
			get(settings, "bind_pw", "") :
			at->id == SASL_CB_AUTHNAME ?
			get(settings, "bind_dn", "") :
			at->id == SASL_CB_USER ?
			get(settings, "sasl_authz_id", "") :
			at->id == SASL_CB_GETREALM ?
			get(settings, "sasl_realm", "") :
			"";

		at->result = text;
		at->len = (unsigned)strlen(text);
	}
	return LDAP_SUCCESS;
}

static int bind_sasl(LDAP *ldap, const struct module_settings *settings)
{
	struct module_settings context = *settings;
	int least = number(settings, "sasl_minssf", -1);
	char properties[64];

	if (least >= 0) {
		snprintf(properties, sizeof(properties), "minssf=%d", least);
		ldap_set_option(ldap, LDAP_OPT_X_SASL_SECPROPS, properties);
	}
	return ldap_sasl_interactive_bind_s(ldap, NULL,
		get(settings, "sasl_mechs", NULL), NULL, NULL, LDAP_SASL_QUIET,
		answer, &context);
}

static int bind_simple(LDAP *ldap, const struct module_settings *settings)
{
	const char *password = get(settings, "bind_pw", "");
	char *copy = strdup(password);
	struct berval secret = { strlen(password), copy };
	int error = copy ? ldap_sasl_bind_s(ldap,
				   get(settings, "bind_dn", ""),
				   LDAP_SASL_SIMPLE, &secret, NULL, NULL,
				   NULL) :
			   LDAP_NO_MEMORY;

	free(copy);
	return error;
}

static int bind_as_set(LDAP *ldap, const struct module_settings *settings)
{
	const char *bind = get(settings, "bind", "yes");

	if (strcasecmp(bind, "no") == 0 || strcasecmp(bind, "none") == 0)
		return LDAP_SUCCESS;
	if (strcasecmp(bind, "sasl") == 0)
		return bind_sasl(ldap, settings);
	return bind_simple(ldap, settings);
}

static void say(LDAP *ldap, const char *what, int code, char *error)
{
	char *more = NULL;

	ldap_get_option(ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	snprintf(error, MODULE_ERROR, "%s: %s%s%.300s", what,
		ldap_err2string(code), more && *more ? ": " : "",
		more ? more : "");
	ldap_memfree(more);
}

static void *connect_ldap(const struct module_settings *settings,
	const char *host, char *error)
{
	char uri[URI_MOST];
	const char *what = "bind";
	LDAP *ldap = NULL;
	int code;

	uri_of(settings, host, uri);
	code = ldap_initialize(&ldap, uri);
	if (code != LDAP_SUCCESS) {
		snprintf(error, MODULE_ERROR, "%s", ldap_err2string(code));
		return NULL;
	}
	set_limits(ldap, settings);
	set_tls(ldap, settings);
	if (is_yes(settings, "start_tls", false)) {
		code = ldap_start_tls_s(ldap, NULL, NULL);
		what = "STARTTLS";
	}
	if (code == LDAP_SUCCESS)
		code = bind_as_set(ldap, settings);
	if (code == LDAP_SUCCESS)
		return ldap;
	say(ldap, what, code, error);
	ldap_unbind_ext_s(ldap, NULL, NULL);
	return NULL;
}

static void close_ldap(void *connection)
{
	ldap_unbind_ext_s(connection, NULL, NULL);
}

/* ---- search ---- */

static bool give_values(LDAP *ldap, LDAPMessage *entry, size_t attribute,
	const char *name, const struct module_entries *entries)
{
	struct berval **values = ldap_get_values_len(ldap, entry, name);
	bool more = true;

	for (int i = 0; more && values && values[i]; i++)
		more = entries->value(entries->context, attribute,
			values[i]->bv_val, values[i]->bv_len);
	ldap_value_free_len(values);
	return more;
}

static void give_entries(LDAP *ldap, LDAPMessage *result,
	const char *const *attributes, const struct module_entries *entries)
{
	bool more = true;

	for (LDAPMessage *entry = ldap_first_entry(ldap, result);
		more && entry; entry = ldap_next_entry(ldap, entry)) {
		char *dn = ldap_get_dn(ldap, entry);

		more = entries->entry(entries->context, dn ? dn : "");
		ldap_memfree(dn);
		for (size_t i = 0; more && attributes[i]; i++)
			more = give_values(ldap, entry, i, attributes[i],
				entries);
	}
}

static int scope_of(const char *name)
{
	return strcasecmp(name, "base") == 0 ? LDAP_SCOPE_BASE :
		strcasecmp(name, "one") == 0 ? LDAP_SCOPE_ONELEVEL :
					       LDAP_SCOPE_SUBTREE;
}

/* The connection itself failed, or the server wants no more of it. */
static bool is_gone(int code)
{
	return code < 0 || code == LDAP_UNAVAILABLE || code == LDAP_BUSY ||
		code == LDAP_UNWILLING_TO_PERFORM ||
		code == LDAP_STRONG_AUTH_REQUIRED;
}

static enum module_result search_ldap(void *connection,
	const struct module_settings *settings, const char *base,
	const char *scope, const char *filter, const char *const *attributes,
	const struct module_entries *entries, char *error)
{
	struct timeval timeout = {
		.tv_sec = number(settings, "timeout", TIMEOUT_S),
	};
	char *names[ATTRIBUTES_MOST + 1] = { NULL };
	LDAPMessage *result = NULL;
	int code;

	for (size_t i = 0; i < ATTRIBUTES_MOST && attributes[i]; i++)
		memcpy(&names[i], &attributes[i], sizeof(names[i]));
	code = ldap_search_ext_s(connection, base, scope_of(scope), filter,
		names, 0, NULL, NULL, &timeout, 0, &result);
	if (code == LDAP_SUCCESS)
		give_entries(connection, result, attributes, entries);
	else if (code != LDAP_NO_SUCH_OBJECT)
		say(connection, "search", code, error);
	ldap_msgfree(result);
	if (code == LDAP_SUCCESS || code == LDAP_NO_SUCH_OBJECT)
		return MODULE_DONE;
	return is_gone(code) ? MODULE_GONE : MODULE_FAILED;
}

/* SASL's plugins are loaded now, not when they are needed. */
static void prepare_ldap(void)
{
	(void)sasl_client_init(NULL);
}

static const struct module_ldap ldap_client = {
	.connect = connect_ldap,
	.close = close_ldap,
	.search = search_ldap,
};

const struct table_module posthorn_table_module = {
	.version = MODULE_VERSION,
	.type = "ldap",
	.prepare = prepare_ldap,
	.ldap = &ldap_client,
};
