#include "smtp/pool.h"

#include "base/table.h"
#include "io/fiber.h"

enum {
	SESSIONS_MOST = 200, /* idle ones */
	DEMANDS_MOST = 1000, /* nexthops remembered */
};

/* How much goes to a nexthop. */
struct demand {
	unsigned now;        /* deliveries under way */
	struct moment ended; /* the last one that ended */
	bool has_ended;
};

static struct {
	struct list idle; /* oldest first */
	size_t count;
	struct table *demands;
	bool has_janitor, is_ready;
} pool;

static void get_ready(void)
{
	if (pool.is_ready)
		return;
	list_init(&pool.idle);
	pool.demands = table_new();
	pool.is_ready = true;
}

/* ---- demand ---- */

void pool_begin(struct str nexthop)
{
	struct demand *demand;

	get_ready();
	demand = table_find(pool.demands, nexthop);
	if (!demand) {
		demand = mem_new(1, sizeof(*demand));
		table_put(pool.demands, nexthop, demand);
	}
	demand->now++;
}

void pool_end(struct str nexthop)
{
	struct demand *demand = table_find(pool.demands, nexthop);

	demand->now--;
	demand->ended = moment_now();
	demand->has_ended = true;
	if (demand->now == 0 && table_count(pool.demands) > DEMANDS_MOST) {
		table_remove(pool.demands, nexthop);
		base_free(&demand);
	}
}

/* Others are under way, or the one before was a moment ago. */
static bool is_wanted(struct str nexthop, struct span limit)
{
	const struct demand *demand = table_find(pool.demands, nexthop);

	return demand &&
		(demand->now > 1 ||
			(demand->has_ended &&
				moment_between(demand->ended, moment_now())
						.us < limit.us));
}

/* ---- idle sessions ---- */

static void drop(struct session *session)
{
	list_remove(&session->link);
	pool.count--;
}

/* A server that says something now says good-bye. */
static bool is_alive(struct session *session)
{
	if (!io_has_input(session->talk.io) && io_failure(session->talk.io) == 0)
		return true;
	session->talk.is_broken = true;
	return false;
}

static bool is_tired(const struct session *session)
{
	const struct settings *set = session->set;
	int64_t age = moment_between(session->opened, moment_now()).us;

	return (set->connection_reuse_count_limit > 0 &&
		       session->uses >= set->connection_reuse_count_limit) ||
		(set->connection_reuse_time_limit.us > 0 &&
			age >= set->connection_reuse_time_limit.us);
}

/* Newest first: the others may end by their time. */
static struct session *take(struct str nexthop, struct str relay,
	struct str sign)
{
	get_ready();
	for (struct list *at = pool.idle.prev; at != &pool.idle;) {
		struct session *session = CONTAINER(at, struct session, link);

		at = at->prev;
		if (!str_eq(session->sign, sign) ||
			(nexthop.p && !str_eq(session->nexthop, nexthop)) ||
			(relay.p && !str_eq(session->site.relay, relay)))
			continue;
		drop(session);
		if (is_alive(session))
			return session;
		session_close(session); /* broken: does not wait */
		return take(nexthop, relay, sign);
	}
	return NULL;
}

struct session *pool_take_nexthop(struct str nexthop, struct str sign)
{
	return take(nexthop, STR_NONE, sign);
}

struct session *pool_take_relay(struct str relay, struct str sign)
{
	return take(STR_NONE, relay, sign);
}

/* connection_cache_ttl_limit: no connection waits longer. */
static struct span wait_of(const struct settings *set)
{
	struct span limit = set->conf->connection_cache_ttl_limit;

	return set->connection_cache_time_limit.us < limit.us ?
		set->connection_cache_time_limit : limit;
}

/* A fiber that lives while there are idle sessions: ends those whose time is
 * over. */
static void keep_house(void *context)
{
	(void)context;
	while (!list_is_empty(&pool.idle)) {
		struct session *oldest = CONTAINER(list_first(&pool.idle),
			struct session, link);
		struct moment end = { oldest->idle_since.us +
			wait_of(oldest->set).us };

		if (moment_left(end).us <= 0) {
			drop(oldest);
			session_close(oldest);
		} else if (!io_sleep(moment_left(end))) {
			break;
		}
	}
	pool.has_janitor = false;
}

void pool_put(struct session *session, struct str nexthop, bool more)
{
	const struct settings *set = session->set;
	struct span limit = wait_of(set);
	bool keep = settings_has(set->connection_cache_destinations, nexthop) ||
		(set->connection_cache_on_demand &&
			(more || is_wanted(nexthop, limit)));

	if (!keep || session->talk.is_broken || limit.us <= 0 ||
		pool.count >= SESSIONS_MOST || is_tired(session) ||
		(session->talk.is_tls && !session->keeps_tls)) {
		session_close(session);
		return;
	}
	if (!str_eq(session->nexthop, nexthop))
		session->nexthop = arena_copy(session->arena, nexthop);
	session->idle_since = moment_now();
	list_append(&pool.idle, &session->link);
	pool.count++;
	if (!pool.has_janitor) {
		pool.has_janitor = true;
		io_spawn("pool", keep_house, NULL);
	}
}

void pool_end_all(void)
{
	get_ready();
	while (!list_is_empty(&pool.idle)) {
		struct session *session = CONTAINER(list_first(&pool.idle),
			struct session, link);

		drop(session);
		session_close(session);
	}
}
