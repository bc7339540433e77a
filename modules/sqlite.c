/*
 * table-sqlite.so: SQLite files, read only.
 */
#include "maps/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

enum {
	BUSY_MS = 5000,
	COLUMNS_MOST = 256,
};

struct connection {
	sqlite3 *db;
	char *path;
	struct stat file; /* a replaced one is opened anew */
};

static void close_sqlite(void *context)
{
	struct connection *connection = context;

	sqlite3_close(connection->db);
	free(connection->path);
	free(connection);
}

static void *connect_sqlite(const struct module_settings *settings,
	const char *host, char *error)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	(void)settings;
	if (!connection)
		return NULL;
	connection->path = strdup(host);
	if (connection->path && stat(host, &connection->file) == 0 &&
		sqlite3_open_v2(host, &connection->db, SQLITE_OPEN_READONLY,
			NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(connection->db, BUSY_MS);
		return connection;
	}
	snprintf(error, MODULE_ERROR, "%s: %s", host,
		connection->db ? sqlite3_errmsg(connection->db) :
				 "cannot be opened");
	close_sqlite(connection);
	return NULL;
}

static bool is_replaced(const struct connection *connection)
{
	struct stat now;

	return stat(connection->path, &now) < 0 ||
		now.st_ino != connection->file.st_ino ||
		now.st_dev != connection->file.st_dev;
}

static bool quote_sqlite(void *connection, char *to, const char *text,
	size_t len, size_t *quoted)
{
	size_t made = 0;

	(void)connection;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\'')
			to[made++] = '\'';
		to[made++] = text[i];
	}
	*quoted = made;
	return true;
}

static bool give_row(sqlite3_stmt *statement, const struct module_rows *rows)
{
	const char *texts[COLUMNS_MOST];
	size_t lengths[COLUMNS_MOST];
	int columns = sqlite3_column_count(statement);

	if (columns > COLUMNS_MOST)
		columns = COLUMNS_MOST;
	for (int i = 0; i < columns; i++) {
		texts[i] = (const char *)sqlite3_column_text(statement, i);
		lengths[i] = (size_t)sqlite3_column_bytes(statement, i);
	}
	return rows->row(rows->context, (size_t)columns, texts, lengths);
}

static enum module_result query_sqlite(void *context, const char *query,
	const struct module_rows *rows, char *error)
{
	struct connection *connection = context;
	sqlite3_stmt *statement = NULL;
	int step;

	if (is_replaced(connection)) {
		snprintf(error, MODULE_ERROR, "the file was replaced");
		return MODULE_GONE;
	}
	step = sqlite3_prepare_v2(connection->db, query, -1, &statement, NULL);
	if (step == SQLITE_OK)
		do
			step = sqlite3_step(statement);
		while (step == SQLITE_ROW && give_row(statement, rows));
	if (step != SQLITE_DONE && step != SQLITE_ROW)
		snprintf(error, MODULE_ERROR, "%s",
			sqlite3_errmsg(connection->db));
	sqlite3_finalize(statement);
	if (step == SQLITE_DONE || step == SQLITE_ROW)
		return MODULE_DONE;
	/* the file may have been replaced, or damaged */
	return step == SQLITE_ERROR || step == SQLITE_BUSY ? MODULE_FAILED
							   : MODULE_GONE;
}

static const struct module_sql sql = {
	.connect = connect_sqlite,
	.close = close_sqlite,
	.quote = quote_sqlite,
	.query = query_sqlite,
};

const struct table_module posthorn_table_module = {
	.version = MODULE_VERSION,
	.type = "sqlite",
	.sql = &sql,
};
