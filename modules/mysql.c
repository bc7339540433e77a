/*
 * table-mysql.so: MySQL and MariaDB, by MariaDB's client library.
 *
 * hosts: "unix:/path", "inet:host:port", "host:port", "host".
 */
#include "maps/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errmsg.h>
#include <mysql.h>

enum {
	PLACE_MOST = 512,
	COLUMNS_MOST = 256,
	PORT_MOST = 65535,
	CLIENT_AUTHENTICATION = 2, /* the kind of plugin */
};

struct connection {
	MYSQL mysql;
	bool require_result_set;
};

struct place {
	char host[PLACE_MOST];
	unsigned port;
	const char *path; /* of a UNIX socket */
};

static const char *get(const struct module_settings *settings,
	const char *name)
{
	return settings->text(settings->context, name);
}

static bool is_yes(const char *text, bool otherwise)
{
	return text ? strcasecmp(text, "yes") == 0 : otherwise;
}

static struct place split(const char *text)
{
	struct place place = { .port = 0 };
	char *colon;

	if (strncmp(text, "unix:", 5) == 0) {
		place.path = text + 5;
		return place;
	}
	if (strncmp(text, "inet:", 5) == 0)
		text += 5;
	snprintf(place.host, sizeof(place.host), "%s", text);
	colon = strrchr(place.host, ':');
	if (colon && (strchr(place.host, ':') == colon || colon[-1] == ']')) {
		long port = strtol(colon + 1, NULL, 10);

		place.port = port > 0 && port <= PORT_MOST ? (unsigned)port : 0;
		*colon = '\0';
	}
	if (place.host[0] == '[' && strchr(place.host, ']')) {
		*strchr(place.host, ']') = '\0';
		memmove(place.host, place.host + 1, strlen(place.host));
	}
	return place;
}

static void set_tls(MYSQL *mysql, const struct module_settings *settings)
{
	const char *key = get(settings, "tls_key_file"),
		   *cert = get(settings, "tls_cert_file"),
		   *ca = get(settings, "tls_CAfile"),
		   *path = get(settings, "tls_CApath"),
		   *ciphers = get(settings, "tls_ciphers");
	my_bool verify = is_yes(get(settings, "tls_verify_cert"), false);

	if (key || cert || ca || path || ciphers)
		mysql_ssl_set(mysql, key, cert, ca, path, ciphers);
	if (get(settings, "tls_verify_cert"))
		mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT,
			&verify);
}

static void set_options(MYSQL *mysql, const struct module_settings *settings)
{
	const char *file = get(settings, "option_file"),
		   *group = get(settings, "option_group"),
		   *charset = get(settings, "charset");
	const unsigned connect_s = 10, talk_s = 30;

	if (file)
		mysql_options(mysql, MYSQL_READ_DEFAULT_FILE, file);
	if (file || group)
		mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP,
			group ? group : "client");
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME,
		charset ? charset : "utf8mb4");
	mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &talk_s);
	mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &talk_s);
	set_tls(mysql, settings);
}

static void *connect_mysql(const struct module_settings *settings,
	const char *host, char *error)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	const struct place place = split(host);

	if (!connection)
		return NULL;
	mysql_init(&connection->mysql);
	connection->require_result_set =
		is_yes(get(settings, "require_result_set"), true);
	set_options(&connection->mysql, settings);
	if (mysql_real_connect(&connection->mysql,
		    place.path ? NULL : place.host, get(settings, "user"),
		    get(settings, "password"), get(settings, "dbname"),
		    place.port, place.path, CLIENT_MULTI_RESULTS))
		return connection;
	snprintf(error, MODULE_ERROR, "%s", mysql_error(&connection->mysql));
	mysql_close(&connection->mysql);
	free(connection);
	return NULL;
}

static void close_mysql(void *context)
{
	struct connection *connection = context;

	mysql_close(&connection->mysql);
	free(connection);
}

static bool quote_mysql(void *context, char *to, const char *text, size_t len,
	size_t *quoted)
{
	struct connection *connection = context;
	unsigned long made = mysql_real_escape_string(&connection->mysql, to,
		text, (unsigned long)len);

	*quoted = made;
	return made != (unsigned long)-1;
}

static void give_rows(MYSQL_RES *result, const struct module_rows *rows,
	bool *more)
{
	const char *texts[COLUMNS_MOST];
	size_t lengths[COLUMNS_MOST];
	unsigned columns = mysql_num_fields(result);
	MYSQL_ROW row;

	if (columns > COLUMNS_MOST)
		columns = COLUMNS_MOST;
	while (*more && (row = mysql_fetch_row(result)) != NULL) {
		const unsigned long *sizes = mysql_fetch_lengths(result);

		for (unsigned i = 0; i < columns; i++) {
			texts[i] = row[i];
			lengths[i] = sizes[i];
		}
		*more = rows->row(rows->context, columns, texts, lengths);
	}
}

static enum module_result failed(struct connection *connection, char *error)
{
	unsigned number = mysql_errno(&connection->mysql);

	snprintf(error, MODULE_ERROR, "%s", mysql_error(&connection->mysql));
	return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR ?
		MODULE_GONE :
		MODULE_FAILED;
}

/* A stored procedure has several results, the last without rows. */
static enum module_result query_mysql(void *context, const char *query,
	const struct module_rows *rows, char *error)
{
	struct connection *connection = context;
	MYSQL *mysql = &connection->mysql;
	bool more = true, any = false;
	int next;

	if (mysql_real_query(mysql, query, (unsigned long)strlen(query)) != 0)
		return failed(connection, error);
	do {
		MYSQL_RES *result = mysql_store_result(mysql);

		if (result) {
			any = true;
			give_rows(result, rows, &more);
			mysql_free_result(result);
		} else if (mysql_field_count(mysql) != 0) {
			return failed(connection, error);
		}
		next = mysql_next_result(mysql);
	} while (next == 0);
	if (next > 0)
		return failed(connection, error);
	if (any || !connection->require_result_set)
		return MODULE_DONE;
	snprintf(error, MODULE_ERROR, "the query gives no result set");
	return MODULE_FAILED;
}

/* What the library would load when a server asks for it. */
static void prepare_mysql(void)
{
	static const char *const plugins[] = { "caching_sha2_password",
		"client_ed25519", "sha256_password", "mysql_clear_password" };
	MYSQL mysql;

	if (mysql_library_init(0, NULL, NULL) != 0 || !mysql_init(&mysql))
		return;
	for (size_t i = 0; i < sizeof(plugins) / sizeof(*plugins); i++)
		(void)mysql_load_plugin(&mysql, plugins[i],
			CLIENT_AUTHENTICATION, 0);
	mysql_close(&mysql);
}

static const struct module_sql sql = {
	.connect = connect_mysql,
	.close = close_mysql,
	.quote = quote_mysql,
	.query = query_mysql,
};

const struct table_module posthorn_table_module = {
	.version = MODULE_VERSION,
	.type = "mysql",
	.prepare = prepare_mysql,
	.sql = &sql,
};
