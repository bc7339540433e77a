/*
 * verify - says whether addresses exist: from its cache, or by a probe.
 *
 * Room       a fiber per question, user posthorn; writes the folder of
 *            address_verify_map
 * Gets       addresses from smtpd; what probes found from qmgr
 * Calls      cleanup, which queues the probes
 *
 * A question about an address that is not known waits for its probe, as long as
 * smtpd says; one probe answers all who ask. What is here and not in the table
 * is lost with the process: it is probed again.
 */
#include "base/log.h"
#include "ipc/messages.h"
#include "mail/date.h"
#include "queue/submission.h"
#include "service/programs.h"
#include "service/service.h"
#include "verify/pending.h"
#include "verify/probe.h"
#include "verify/store.h"

enum {
	FIBERS = 1000,
	SUBMITTING_MOST = 50, /* probes at once on their way into the queue */
	RECEIVE_S = 60,
	LOOK_MS = 500, /* whether a successor is there */
	WAIT_MOST_MS = 24 * 60 * 60 * 1000,
	WRITE_S = 5,          /* between changes of the table */
	WRITE_SHARE = 10,     /* of the time it may take: one part in so many */
	WRITE_AGAIN_S = 60,   /* after one has failed */
	SWEEP_LEAST_S = 1,
};

static const enum param params[] = {
	address_verify_cache_cleanup_interval, address_verify_map,
	address_verify_negative_cache, address_verify_negative_expire_time,
	address_verify_negative_refresh_time,
	address_verify_positive_expire_time,
	address_verify_positive_refresh_time, address_verify_sender,
	address_verify_sender_ttl, enable_long_queue_ids, mail_name,
	myhostname, myorigin, PARAMS_END
};

static struct {
	const struct conf *conf;
	struct store *store; /* NULL: memory only */
	struct cache *cache;
	struct pendings *pendings;
	struct io_gate submitting;
	size_t waiting, waiting_most; /* questions that wait for a probe */
} verify;

static int64_t now_s(void)
{
	return wall_us() / 1000000;
}

/* ---- probes ---- */

static void end_probe(struct str address, enum probe_result result,
	struct str text)
{
	if (result != PROBE_UNKNOWN)
		cache_put(verify.cache, address, result, text, now_s());
	pending_end(verify.pendings, address, result, text);
}

static void submit(struct arena *arena, struct str address)
{
	struct status status = probe_submit(arena, verify.conf, address);

	if (status.code == SUBMIT_KNOWN_CODE) {
		end_probe(address, PROBE_DELIVERABLE, status.text);
	} else if (!status_is_ok(status)) {
		log_warning("no probe of <%.*s>: %.*s", STR_ARG(address),
			STR_ARG(status.text));
		end_probe(address, PROBE_UNKNOWN, status.text);
	}
}

/* Fiber; owns a hold of the probe. */
static void begin(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct pending *pending = context;

	if (io_gate_enter(&verify.submitting, SPAN_FOREVER)) {
		submit(arena, pending->address);
		io_gate_leave(&verify.submitting);
	} else {
		end_probe(pending->address, PROBE_UNKNOWN, STR(""));
	}
	pending_release(pending);
}

/* The probe of this address, begun if there is none. Held; NULL: too many. */
static struct pending *probe(struct str address)
{
	struct pending *pending = pending_find(verify.pendings, address);

	if (pending)
		return pending;
	pending = pending_begin(verify.pendings, address);
	if (!pending)
		return NULL;
	io_spawn("probe", begin, pending);
	return pending_find(verify.pendings, address);
}

/* ---- questions ---- */

static void answer(struct call *call, enum probe_result result,
	struct str text)
{
	const struct msg_verified m = { .result = result, .text = text };

	if (!msg_verified_send(call, &m))
		log_debug("smtpd does not hear the answer: %m");
}

static void answer_pending(struct call *call, const struct pending *pending)
{
	answer(call, pending->result, pending->result == PROBE_UNKNOWN ?
		STR("Address verification in progress") : pending->text);
}

/* False: it may take longer than this process lives. */
static bool wait_for(struct pending *pending, uint64_t wait_ms)
{
	struct moment end = moment_after(span_ms((int64_t)wait_ms));

	for (;;) {
		struct span left = moment_left(end);

		if (left.us > span_ms(LOOK_MS).us)
			left = span_ms(LOOK_MS);
		if (pending_wait(pending, left) || moment_left(end).us == 0)
			return true;
		if (service_is_retiring() || io_is_cancelled())
			return false;
	}
}

/* Without an answer smtpd asks our successor, who hears what qmgr finds. */
static void await(struct call *call, struct pending *pending, uint64_t wait_ms)
{
	bool may_answer = true;

	if (wait_ms > WAIT_MOST_MS)
		wait_ms = WAIT_MOST_MS;
	if (verify.waiting < verify.waiting_most && wait_ms > 0) {
		verify.waiting++;
		may_answer = wait_for(pending, wait_ms);
		verify.waiting--;
	}
	if (may_answer)
		answer_pending(call, pending);
}

static void query(struct call *call)
{
	const struct entry *entry;
	struct pending *pending = NULL;
	struct msg_verify_query m;

	if (!msg_verify_query_recv(call, &m, span_s(RECEIVE_S)) ||
		m.address.len == 0)
		return;
	if (m.address.len > ENTRY_ADDRESS_MOST) {
		answer(call, PROBE_UNDELIVERABLE, STR("address too long"));
		return;
	}
	entry = cache_find(verify.cache, m.address, now_s());
	if (!entry || cache_is_due(verify.cache, entry, now_s()))
		pending = probe(m.address);
	if (entry)
		answer(call, entry->result, entry->text);
	else if (pending)
		await(call, pending, m.wait_ms);
	else
		answer(call, PROBE_UNKNOWN,
			STR("Too many address verification requests"));
	if (pending)
		pending_release(pending);
}

/* ---- what qmgr tells ---- */

static enum probe_result result_of(uint64_t code)
{
	switch (code / 100) {
	case 2:
		return PROBE_DELIVERABLE;
	case 5:
		return PROBE_UNDELIVERABLE;
	default:
		return PROBE_DEFERRED;
	}
}

static void found(struct call *call)
{
	const struct msg_verify_noted noted = { 0 };
	struct msg_verify_found m;

	if (!msg_verify_found_recv(call, &m, span_s(RECEIVE_S)) ||
		m.address.len == 0)
		return;
	if (m.actual.len > 0 && !str_eq(m.actual, m.address))
		cache_put(verify.cache, m.actual, result_of(m.code), m.text,
			now_s());
	end_probe(m.address, result_of(m.code), m.text);
	if (!msg_verify_noted_send(call, &noted))
		log_debug("qmgr does not hear the answer: %m");
}

static void serve(const struct conf *conf, struct call *call)
{
	enum msg_kind kind;

	(void)conf;
	if (!call_peek(call, &kind, span_s(RECEIVE_S)))
		return;
	if (kind == MSG_verify_found && str_is(call_peer_name(call), "qmgr"))
		found(call);
	else if (kind == MSG_verify_query)
		query(call);
}

/* ---- the table ---- */

/* How long until the next change, if this one took so long. */
static struct span pause_after(struct moment begun)
{
	int64_t us = moment_between(begun, moment_now()).us * WRITE_SHARE;

	return us > span_s(WRITE_S).us ? span_us(us) : span_s(WRITE_S);
}

static void write_often(void *context)
{
	struct span pause = span_s(WRITE_S);

	(void)context;
	while (io_sleep(pause)) {
		struct moment begun = moment_now();

		if (!cache_has_changes(verify.cache))
			continue;
		pause = store_write(verify.store, verify.cache) ?
			pause_after(begun) : span_s(WRITE_AGAIN_S);
	}
}

static void sweep(void)
{
	struct cache_counts counts = cache_sweep(verify.cache, now_s());

	if (verify.store)
		log_info("cache %.*s full cleanup: retained=%zu dropped=%zu "
			 "entries",
			STR_ARG(store_name(verify.store)), counts.retained,
			counts.dropped);
}

static void start(const struct conf *conf)
{
	struct span pause = conf->address_verify_cache_cleanup_interval;

	if (verify.store)
		io_spawn("write", write_often, NULL);
	if (pause.us <= 0)
		return;
	if (pause.us < span_s(SWEEP_LEAST_S).us)
		pause = span_s(SWEEP_LEAST_S);
	do
		sweep();
	while (io_sleep(pause));
}

static void finish(const struct conf *conf)
{
	(void)conf;
	if (verify.store && cache_has_changes(verify.cache))
		(void)!store_write(verify.store, verify.cache);
}

/* ---- the process ---- */

static void prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0); /* of the process */

	mail_date_ready();
	verify.conf = conf;
	/* The rest of the fibers is for answers to them. */
	verify.waiting_most = service_fiber_limit(conf,
		arena_cstr(arena, service_row()), "verify", FIBERS) / 5 * 4;
	verify.store = store_open(arena, conf);
	verify.cache = cache_new(conf, verify.store != NULL, CACHE_MOST);
	verify.pendings = pendings_new(PENDING_MOST, span_s(PROBE_AGAIN_S));
	io_gate_init(&verify.submitting, SUBMITTING_MOST);
	if (verify.store)
		store_load(verify.store, verify.cache);
}

static const struct service service = {
	.name = "verify",
	.fibers = FIBERS,
	.profile = PROFILE_VERIFY,
	.calls = "cleanup",
	.params = params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
	.finish = finish,
	.resident = true, /* without a table it would forget all */
	.helper_threads = 1,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
