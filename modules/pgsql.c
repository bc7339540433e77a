/*
 * table-pgsql.so: PostgreSQL, by libpq.
 *
 * hosts: "unix:/directory", "unix:/directory/.s.PGSQL.5432",
 * "inet:host:port", "host:port", "host", or a URI "postgresql://...".
 */
#include "maps/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

enum {
	PLACE_MOST = 512,
	COLUMNS_MOST = 256,
};

struct place {
	char host[PLACE_MOST], port[16];
};

static const char *get(const struct module_settings *settings,
	const char *name)
{
	return settings->text(settings->context, name);
}

/* The socket's own name says which port. */
static void split_unix(struct place *place)
{
	char *slash = strrchr(place->host, '/');

	if (!slash || strncmp(slash, "/.s.PGSQL.", 10) != 0)
		return;
	snprintf(place->port, sizeof(place->port), "%.15s", slash + 10);
	*slash = '\0';
}

static void split_inet(struct place *place)
{
	char *colon = strrchr(place->host, ':');

	if (colon && colon[1] != '\0' && strchr(place->host, ':') == colon) {
		snprintf(place->port, sizeof(place->port), "%.15s", colon + 1);
		*colon = '\0';
	} else if (colon && place->host[0] == '[' && colon[-1] == ']') {
		snprintf(place->port, sizeof(place->port), "%.15s", colon + 1);
		colon[-1] = '\0';
		memmove(place->host, place->host + 1, strlen(place->host));
	}
}

static struct place split(const char *text)
{
	struct place place = { "", "" };

	if (strncmp(text, "unix:", 5) == 0) {
		snprintf(place.host, sizeof(place.host), "%s", text + 5);
		split_unix(&place);
		return place;
	}
	if (strncmp(text, "inet:", 5) == 0)
		text += 5;
	snprintf(place.host, sizeof(place.host), "%s", text);
	split_inet(&place);
	return place;
}

static PGconn *open_connection(const struct module_settings *settings,
	const char *host)
{
	const struct place place = split(host);
	bool is_uri = strstr(host, "://") != NULL;
	const char *encoding = get(settings, "encoding");
	const char *const names[] = { "dbname", "host", "port", "user",
		"password", "client_encoding", "connect_timeout",
		"fallback_application_name", NULL };
	const char *const values[] = {
		is_uri ? host : get(settings, "dbname"),
		is_uri ? NULL : place.host,
		is_uri || !place.port[0] ? NULL : place.port,
		get(settings, "user"), get(settings, "password"),
		encoding ? encoding : "UTF8", "10", "posthorn", NULL };

	return PQconnectdbParams(names, values, 1);
}

static void ignore(void *context, const char *text)
{
	(void)context;
	(void)text;
}

static void *connect_pgsql(const struct module_settings *settings,
	const char *host, char *error)
{
	PGconn *connection = open_connection(settings, host);

	if (PQstatus(connection) == CONNECTION_OK) {
		PQsetNoticeProcessor(connection, ignore, NULL);
		return connection;
	}
	snprintf(error, MODULE_ERROR, "%s", PQerrorMessage(connection));
	PQfinish(connection);
	return NULL;
}

static void close_pgsql(void *connection)
{
	PQfinish(connection);
}

/* By the connection's encoding and settings; malformed text is refused. */
static bool quote_pgsql(void *connection, char *to, const char *text,
	size_t len, size_t *quoted)
{
	int error = 0;

	*quoted = PQescapeStringConn(connection, to, text, len, &error);
	return !error;
}

static void give_rows(PGresult *result, const struct module_rows *rows)
{
	const char *texts[COLUMNS_MOST];
	size_t lengths[COLUMNS_MOST];
	int columns = PQnfields(result);

	if (columns > COLUMNS_MOST)
		columns = COLUMNS_MOST;
	for (int row = 0; row < PQntuples(result); row++) {
		for (int i = 0; i < columns; i++) {
			texts[i] = PQgetisnull(result, row, i) ?
				NULL :
				PQgetvalue(result, row, i);
			lengths[i] = (size_t)PQgetlength(result, row, i);
		}
		if (!rows->row(rows->context, (size_t)columns, texts, lengths))
			return;
	}
}

static enum module_result query_pgsql(void *connection, const char *query,
	const struct module_rows *rows, char *error)
{
	PGresult *result = PQexec(connection, query);
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_TUPLES_OK) {
		give_rows(result, rows);
		PQclear(result);
		return MODULE_DONE;
	}
	snprintf(error, MODULE_ERROR, "%s",
		status == PGRES_COMMAND_OK ? "the query gives no rows" :
					     PQerrorMessage(connection));
	PQclear(result);
	return PQstatus(connection) == CONNECTION_OK ? MODULE_FAILED
						     : MODULE_GONE;
}

static const struct module_sql sql = {
	.connect = connect_pgsql,
	.close = close_pgsql,
	.quote = quote_pgsql,
	.query = query_pgsql,
};

const struct table_module posthorn_table_module = {
	.version = MODULE_VERSION,
	.type = "pgsql",
	.sql = &sql,
};
