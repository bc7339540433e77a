#include "service/programs.h"

#include <stdio.h>

enum {
	ONE = PROGRAM_ONE,
	LISTEN = PROGRAM_LISTEN,
	OPEN = PROGRAM_OPEN,
	ROOT = PROGRAM_ROOT,
	EARLY = PROGRAM_EARLY,
	AGENT = PROGRAM_AGENT,
	WAITS = PROGRAM_WAITS,
	SHARES = PROGRAM_SHARES,
	SOLE = PROGRAM_SOLE,
	TICKETS = PROGRAM_TICKETS,
};

static const struct program programs[] = {
#define PROGRAM(name, fibers, flags) { #name, fibers, flags },
#include "service/programs.def"
#undef PROGRAM
};

static const struct {
	const char *caller, *callees;
} calls[] = {
#define CALLS(caller, callees) { #caller, callees },
#include "service/calls.def"
#undef CALLS
};

/* Postfix's names for what has another name here. */
static const struct {
	const char *postfix, *ours;
} names[] = {
	{ "trivial-rewrite", "rewrite" },
	{ "lmtp", "smtp" },
	{ "oqmgr", "qmgr" },
	{ "nqmgr", "qmgr" },
};

/* Services that have a parameter for the name of their row. */
static const struct {
	const char *service;
	size_t name; /* offset in struct conf */
} named[] = {
	{ "bounce", offsetof(struct conf, bounce_service_name) },
	{ "cleanup", offsetof(struct conf, cleanup_service_name) },
	{ "pickup", offsetof(struct conf, pickup_service_name) },
	{ "proxymap", offsetof(struct conf, proxymap_service_name) },
	{ "proxywrite", offsetof(struct conf, proxywrite_service_name) },
	{ "qmgr", offsetof(struct conf, queue_service_name) },
	{ "rewrite", offsetof(struct conf, rewrite_service_name) },
	{ "showq", offsetof(struct conf, showq_service_name) },
	{ "verify", offsetof(struct conf, address_verify_service_name) },
};

static const char not_needed[] =
	"tlsmgr tlsproxy scache flush dnsblog postscreen qmqpd "
	"nbdb_reindexd proxymap";

const struct program *program_find(struct str name)
{
	for (size_t i = 0; i < COUNT(programs); i++)
		if (str_is(name, programs[i].name))
			return &programs[i];
	return NULL;
}

struct str program_ours(struct str postfix_name)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_is(postfix_name, names[i].postfix))
			return str_from(names[i].ours);
	return postfix_name;
}

struct str program_of_row(const struct conf *conf, struct str row,
	struct str command)
{
	struct str writer = STR("proxywrite");

	return str_is(command, "proxymap") &&
			str_eq(row, service_named(conf, writer)) ?
		writer : command;
}

struct str service_named(const struct conf *conf, struct str service)
{
	for (size_t i = 0; i < COUNT(named); i++)
		if (str_is(service, named[i].service))
			return *(const struct str *)(const void *)(
				(const char *)conf + named[i].name);
	return service;
}

static bool has_word(const char *words, struct str word)
{
	struct str rest = str_from(words), item;

	while (str_take_item(&rest, " ", &item))
		if (str_eq(item, word))
			return true;
	return false;
}

bool program_is_not_needed(struct str name)
{
	return has_word(not_needed, name);
}

bool program_may_call(struct str caller, struct str callee)
{
	for (size_t i = 0; i < COUNT(calls); i++)
		if (str_is(caller, calls[i].caller))
			return has_word(calls[i].callees, callee);
	return false;
}

static bool limit_of(const struct conf *conf, const char *name, uint64_t *limit)
{
	char parameter[128];

	snprintf(parameter, sizeof(parameter), "%s_fiber_limit", name);
	return str_parse_u64(conf_text(conf, str_from(parameter)), 100000,
		limit) && *limit > 0;
}

unsigned service_fiber_limit(const struct conf *conf, const char *service,
	const char *program, unsigned otherwise)
{
	uint64_t limit;
	bool is_other = strcmp(service, program) != 0 &&
		program_find(str_from(service)) != NULL;

	if (!is_other && limit_of(conf, service, &limit))
		return (unsigned)limit;
	if (limit_of(conf, program, &limit))
		return (unsigned)limit;
	return otherwise;
}
