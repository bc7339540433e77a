/*
 * anvil - counts what clients do: connections, messages, recipients, ...
 *
 * Room       a fiber per call (one per connection); user posthorn, empty root;
 *            opens nothing
 * Gets       calls from smtpd, login and others that count
 * Calls      nobody
 *
 * A connection is counted as long as its call is open: so those of a process
 * that dies are released at once. Rates are counted per anvil_rate_time_unit.
 */
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/list.h"
#include "base/log.h"
#include "base/table.h"
#include "ipc/messages.h"

enum {
	KEYS_MOST = 100000, /* clients remembered; beyond: not counted */
	ADDRESS_MOST = 100,
	COUNT_MOST = 100000, /* events of one message */
};

enum rate {
	RATE_CONNECT,
	RATE_MESSAGE,
	RATE_RECIPIENT,
	RATE_TLS,
	RATE_AUTH,
	RATES,
};

static const struct {
	const char *verb, *log; /* "max <log> rate" */
} rates[RATES] = {
	[RATE_CONNECT] = { "connect", "connection" },
	[RATE_MESSAGE] = { "message", "message" },
	[RATE_RECIPIENT] = { "recipient", "recipient" },
	[RATE_TLS] = { "newtls", "newtls" },
	[RATE_AUTH] = { "auth", "auth" },
};

/* One client of one service. */
struct client_counts {
	struct str key; /* service:address; owned */
	uint64_t connections;
	uint64_t events[RATES];
	struct moment since; /* the time unit began */
};

/* The highest value since the last statistics. */
struct peak {
	uint64_t value;
	char key[ADDRESS_MOST * 2 + 2];
	int64_t when_us;
};

static struct {
	const struct conf *conf;
	struct table *clients;
	struct peak peaks[RATES], connections;
	size_t most_clients;
	int64_t most_clients_us;
} anvil;

/* ---- statistics ---- */

static void note(struct peak *peak, const struct client_counts *client,
	uint64_t value)
{
	size_t len = client->key.len < sizeof(peak->key) - 1 ?
		client->key.len : sizeof(peak->key) - 1;

	if (value <= peak->value)
		return;
	peak->value = value;
	peak->when_us = wall_us();
	memcpy(peak->key, client->key.p, len);
	peak->key[len] = '\0';
}

static void format_time(int64_t us, char *text, size_t size)
{
	time_t when = (time_t)(us / 1000000);
	struct tm tm;

	if (!localtime_r(&when, &tm) ||
		strftime(text, size, "%b %e %H:%M:%S", &tm) == 0)
		text[0] = '\0';
}

static void log_peak(struct peak *peak, const char *what, bool is_rate)
{
	char when[32], unit[32] = "";

	if (peak->value == 0)
		return;
	format_time(peak->when_us, when, sizeof(when));
	if (is_rate)
		snprintf(unit, sizeof(unit), "/%llds", (long long)
			span_to_s(anvil.conf->anvil_rate_time_unit));
	log_info("statistics: max %s %s %llu%s for (%s) at %s", what,
		is_rate ? "rate" : "count", (unsigned long long)peak->value,
		unit, peak->key, when);
	peak->value = 0;
}

static void log_statistics(void)
{
	char when[32];

	log_peak(&anvil.peaks[RATE_CONNECT], rates[RATE_CONNECT].log, true);
	log_peak(&anvil.connections, "connection", false);
	for (size_t i = RATE_MESSAGE; i < RATES; i++)
		log_peak(&anvil.peaks[i], rates[i].log, true);
	if (anvil.most_clients == 0)
		return;
	format_time(anvil.most_clients_us, when, sizeof(when));
	log_info("statistics: max cache size %zu at %s", anvil.most_clients,
		when);
	anvil.most_clients = 0;
}

/* ---- clients ---- */

static bool is_over(const struct client_counts *client)
{
	int64_t age = moment_between(client->since, moment_now()).us;

	return age >= anvil.conf->anvil_rate_time_unit.us;
}

static void free_client(struct client_counts *client)
{
	(void)table_remove(anvil.clients, client->key);
	free((char *)(uintptr_t)client->key.p);
	free(client);
}

/* Those without connections whose time unit is over. */
static void sweep(void)
{
	for (struct table_walk w = { 0 }; table_next(anvil.clients, &w);) {
		struct client_counts *client = w.value;

		if (client->connections == 0 && is_over(client))
			free_client(client);
	}
}

static struct client_counts *new_client(struct str key)
{
	struct client_counts *client = mem_new(1, sizeof(*client));
	char *copy = mem_new(key.len + 1, 1);

	memcpy(copy, key.p, key.len);
	client->key = str_of(copy, key.len);
	client->since = moment_now();
	(void)table_put(anvil.clients, client->key, client);
	if (table_count(anvil.clients) > anvil.most_clients) {
		anvil.most_clients = table_count(anvil.clients);
		anvil.most_clients_us = wall_us();
	}
	return client;
}

static struct client_counts *find_client(struct str key)
{
	struct client_counts *client = table_find(anvil.clients, key);

	if (client || table_count(anvil.clients) >= KEYS_MOST)
		return client;
	return new_client(key);
}

static uint64_t add_events(struct client_counts *client, enum rate rate,
	uint64_t count)
{
	if (is_over(client)) {
		memset(client->events, 0, sizeof(client->events));
		client->since = moment_now();
	}
	client->events[rate] += count;
	note(&anvil.peaks[rate], client, client->events[rate]);
	return client->events[rate];
}

/* ---- one connection ---- */

/* What a call has opened: released with it. */
struct holder {
	struct client_counts *client; /* stays while it has connections */
	uint64_t count;
};

/* False: another client than before. */
static bool hold(struct holder *holder, struct client_counts *client)
{
	if (holder->client && holder->client != client)
		return false;
	holder->client = client;
	holder->count++;
	client->connections++;
	note(&anvil.connections, client, client->connections);
	return true;
}

static void release(struct holder *holder)
{
	if (holder->client)
		holder->client->connections -= holder->count;
	*holder = (struct holder){ 0 };
}

static bool find_rate(struct str verb, enum rate *rate)
{
	for (size_t i = 0; i < RATES; i++)
		if (str_is(verb, rates[i].verb)) {
			*rate = (enum rate)i;
			return true;
		}
	return false;
}

/* False: not a message that we know. */
static bool count(struct holder *holder, struct call *call,
	const struct msg_anvil *m)
{
	struct msg_anvil_counts counts = { 0 };
	struct client_counts *client;
	enum rate rate;
	char text[ADDRESS_MOST * 2 + 2];
	struct str key;

	if (m->service.len > ADDRESS_MOST || m->address.len > ADDRESS_MOST ||
		m->count > COUNT_MOST)
		return false;
	snprintf(text, sizeof(text), "%.*s:%.*s", STR_ARG(m->service),
		STR_ARG(m->address));
	key = str_from(text);
	if (str_is(m->verb, "disconnect")) {
		release(holder);
		return true;
	}
	if (!find_rate(m->verb, &rate))
		return false;
	client = find_client(key);
	if (client) {
		if (rate == RATE_CONNECT && !hold(holder, client))
			return false;
		counts.rate = add_events(client, rate, m->count);
		counts.connections = client->connections;
	}
	return msg_anvil_counts_send(call, &counts);
}

static void serve(const struct conf *conf, struct call *call)
{
	struct holder holder = { 0 };
	struct msg_anvil m;

	(void)conf;
	while (msg_anvil_recv(call, &m, SPAN_FOREVER) &&
		count(&holder, call, &m))
		;
	release(&holder);
}

/* ---- the process ---- */

static void start(const struct conf *conf)
{
	struct moment next = moment_after(conf->anvil_status_update_time);

	while (io_sleep(conf->anvil_rate_time_unit)) {
		sweep();
		if (moment_left(next).us > 0)
			continue;
		log_statistics();
		next = moment_after(conf->anvil_status_update_time);
	}
}

static void prepare(const struct conf *conf)
{
	tzset();
	anvil.conf = conf;
	anvil.clients = table_new();
}

static void finish(const struct conf *conf)
{
	(void)conf;
	log_statistics();
}

static const enum param params[] = {
	anvil_rate_time_unit, anvil_status_update_time, PARAMS_END
};

static const struct service service = {
	.name = "anvil", .fibers = 20000, /* connections of all smtpd processes */
	.profile = PROFILE_WORKER,
	.calls = "",
	.params = params, .prepare = prepare, .start = start,
	.serve = serve, .finish = finish,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
