/*
 * resolver - asks the name servers for everybody, and remembers the answers.
 *
 * Room       a fiber per call, and one per question that is under way; user
 *            posthorn-net; opens UDP and TCP sockets to the name servers
 * Gets       dns_query, as many as the asker likes on one call
 * Calls      nobody
 * RFC        1035, 2181, 2308, 6891, 6840, 9520
 *
 * Equal questions that come while one is under way wait for its answer. The AD
 * bit is believed only if all name servers are on loopback, or if trust-ad
 * says so (resolv.conf, resolver_trust_ad).
 */
#include "dns/packet.h"
#include "ipc/messages.h"
#include "resolver/ask.h"
#include "resolver/cache.h"
#include "resolver/hosts.h"
#include "resolver/servers.h"
#include "service/service.h"

static const enum param params[] = {
	resolver_servers, resolver_hosts_file, resolver_timeout,
	resolver_attempts, resolver_trust_ad, resolver_cache_limit,
	resolver_cache_ttl_limit, resolver_edns_size, PARAMS_END
};

static struct state {
	struct arena *arena;
	struct servers servers;
	struct hosts *hosts;
	struct cache *cache;
	struct asker *asker;
	struct moment looked; /* when the files were last looked at */
} state;

static void prepare(const struct conf *conf)
{
	state.arena = arena_new(0);
	state.servers = servers_read(state.arena, conf);
	state.hosts = hosts_open(conf->resolver_hosts_file);
	state.cache = cache_new((size_t)conf->resolver_cache_limit,
		conf->resolver_cache_ttl_limit);
	state.asker = asker_new(&state.servers, conf);
}

/* Replaced files are another inode, closed to us: a successor reads them. */
static void notice_changes(void)
{
	if (moment_left((struct moment){ state.looked.us + 1000000 }).us > 0)
		return;
	state.looked = moment_now();
	if (hosts_changed(state.hosts) || servers_changed(&state.servers))
		service_replace();
}

struct question {
	struct cache_entry *entry;
	struct str name;
	enum dns_type type;
};

/* A fiber: finds the answer for all that wait for this entry. */
static void find_answer(void *context)
{
	struct question *q = context;
	auto_arena struct arena *arena = arena_new(0);
	struct dns_answer answer;

	ask(state.asker, arena, q->name, q->type, &answer);
	if (answer.secure && !state.servers.trusted)
		answer.secure = false;
	cache_fill(state.cache, q->entry, &answer);
}

static void reply(struct call *call, const struct dns_answer *answer,
	uint32_t ttl)
{
	struct msg_dns_answer m = {
		.status = answer->status,
		.ttl = ttl,
		.secure = answer->secure,
		.canonical = answer->canonical,
		.records = { .items = answer->records, .count = answer->count },
		.text = answer->text,
	};

	(void)!msg_dns_answer_send(call, &m);
}

static void reply_status(struct call *call, enum dns_status status)
{
	struct dns_answer answer = { .status = status,
		.text = str_from(dns_status_text(status)) };

	reply(call, &answer, 0);
}

static void from_name_servers(struct call *call, struct str name,
	enum dns_type type)
{
	struct cache_entry *entry = cache_find(state.cache, name, type);
	struct question *q;

	if (!entry) {
		entry = cache_begin(state.cache, name, type);
		q = arena_new_of(cache_arena(entry), struct question);
		*q = (struct question){ .entry = entry, .type = type,
			.name = arena_copy(cache_arena(entry), name) };
		io_spawn("question", find_answer, q);
	}
	cache_hold(entry);
	if (cache_wait(entry))
		reply(call, cache_answer(entry), cache_ttl(entry));
	else
		reply_status(call, DNS_TEMPORARY);
	cache_drop(entry);
}

static void answer_query(struct call *call, const struct msg_dns_query *query)
{
	struct arena *arena = call_arena(call);
	struct buf wire = BUF_IN(arena);
	struct dns_answer answer;
	enum dns_type type = (enum dns_type)query->type;

	notice_changes();
	if (query->type == 0 || query->type > 65535 || query->name.len > 1024 ||
		!dns_name_format(&wire, query->name)) {
		reply_status(call, DNS_MALFORMED);
		return;
	}
	if ((query->flags & (DNS_NATIVE | DNS_NO_DNS)) &&
		hosts_find(arena, state.hosts, query->name, type, &answer)) {
		reply(call, &answer, 0);
		return;
	}
	if (query->flags & DNS_NO_DNS)
		reply_status(call, DNS_NO_NAME);
	else
		from_name_servers(call, arena_lower(arena, query->name), type);
}

static void serve(const struct conf *conf, struct call *call)
{
	struct msg_dns_query query;

	(void)conf;
	while (msg_dns_query_recv(call, &query, SPAN_FOREVER))
		answer_query(call, &query);
}

static const struct service resolver = {
	.name = "resolver",
	.fibers = 1000,
	.profile = PROFILE_NET,
	.calls = "",
	.params = params,
	.prepare = prepare,
	.serve = serve,
};

int main(int argc, char **argv)
{
	return service_main(&resolver, argc, argv);
}
