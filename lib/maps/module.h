/*
 * maps/module - what a loadable module is: the client of one kind of database
 * server, as a shared object in the daemon directory ("table-pgsql.so").
 *
 * A module knows the client library and nothing else: it includes only this
 * file and exports `posthorn_table_module`. Configuration, templates, servers
 * in turn and limits are the core's (maps/sql, maps/ldap).
 *
 * Waits    connect, query and search block
 * Errors   texts go to `error` (MODULE_ERROR octets, NUL at the end)
 */
#ifndef MAPS_MODULE_H
#define MAPS_MODULE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	MODULE_VERSION = 1,
	MODULE_ERROR = 512,
};

/* The table's settings, by name; NULL: not set. */
struct module_settings {
	const char *(*text)(const void *context, const char *name);
	const void *context;
};

enum module_result {
	MODULE_DONE,
	MODULE_FAILED, /* this query; the connection is good */
	MODULE_GONE,   /* the connection is of no use any more */
};

/* Of the result; a NULL text is SQL's NULL. False: it is enough. */
struct module_rows {
	bool (*row)(void *context, size_t columns, const char *const *texts,
		const size_t *lengths);
	void *context;
};

struct module_sql {
	/* host: as configured ("unix:/path", "inet:host:port", "host"; sqlite:
	 * the file). NULL: failed. */
	void *(*connect)(const struct module_settings *settings,
		const char *host, char *error);
	void (*close)(void *connection);
	/* Make text safe between single quotes; `to` has 2 * len + 1 octets.
	 * False: it cannot be. */
	bool (*quote)(void *connection, char *to, const char *text,
		size_t len, size_t *quoted);
	enum module_result (*query)(void *connection, const char *query,
		const struct module_rows *rows, char *error);
};

/* One entry of a directory. `values` of one of the attributes asked for. */
struct module_entries {
	/* A new entry begins. False: it is enough. */
	bool (*entry)(void *context, const char *dn);
	/* Each value of an attribute, in the order asked for. */
	bool (*value)(void *context, size_t attribute, const char *text,
		size_t len);
	void *context;
};

struct module_ldap {
	void *(*connect)(const struct module_settings *settings,
		const char *host, char *error);
	void (*close)(void *connection);
	/* scope: sub, one or base. `attributes` ends with NULL. An entry that
	 * is not there is MODULE_DONE with nothing. */
	enum module_result (*search)(void *connection,
		const struct module_settings *settings, const char *base,
		const char *scope, const char *filter,
		const char *const *attributes,
		const struct module_entries *entries, char *error);
};

struct table_module {
	int version; /* MODULE_VERSION */
	const char *type;
	/* Once, before the sandbox closes: load what is loaded later. */
	void (*prepare)(void);
	const struct module_sql *sql;   /* one of the two */
	const struct module_ldap *ldap;
};

#define MODULE_SYMBOL "posthorn_table_module"
extern const struct table_module posthorn_table_module;

#endif
