/*
 * qmgr - decides what is delivered when, and knows what became of it.
 *
 * Room       a fiber per delivery and per conversation; user posthorn; the
 *            queue directory
 * Gets       from cleanup what is in the journal; requests on public/qmgr;
 *            from smtpd ETRN, which is all that it may ask for
 * Calls      delivery agents, rewrite, bounce, cleanup (requeue)
 * RFC        5321 4.5.4 (queueing strategies), 3461, 3464
 *
 * Active is a state in memory. What has to survive is in queue/store.h, which
 * also keeps the orders of writes that nothing accepted may depend on.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "queue/large.h"

enum {
	FLUSH_MS = 200,        /* marks wait no longer */
	GIVEN_KEPT = 128,      /* more than a cleanup keeps: SPARES_MOST */
	LAST_DELIVERIES_S = 30,
	MANY = 10000, /* messages: their index is worth a line in the log */
};

/* clang-format off */
static const enum param params[] = {
	queue_directory, queue_run_delay, minimal_backoff_time,
	maximal_backoff_time, maximal_queue_lifetime, bounce_queue_lifetime,
	delay_warning_time, defer_transports, qmgr_message_active_limit,
	initial_destination_concurrency, default_destination_concurrency_limit,
	default_destination_recipient_limit, default_process_limit,
	default_destination_concurrency_failed_cohort_limit,
	default_destination_concurrency_negative_feedback,
	default_destination_concurrency_positive_feedback,
	default_destination_rate_delay, transport_retry_time,
	double_bounce_sender, myorigin, soft_bounce,
	sender_dependent_relayhost_maps,
	sender_dependent_default_transport_maps, authorized_flush_users,
	enable_long_queue_ids, disable_verp_bounces, default_filter_nexthop,
	best_mx_transport, confirm_delay_cleared, helpful_warnings,
	qmgr_clog_warn_time, destination_concurrency_feedback_debug,
	fast_flush_domains, address_verify_pending_request_limit, PARAMS_END
};
/* clang-format on */

struct qmgr qmgr;

static int lock_fd = -1;

/* ---- free slots ---- */

/* Which conversation is about a segment. */
struct owner {
	struct call *call;
};

static struct table *owners; /* by segment */

void freed_to(const char *segment, struct call *call)
{
	if (!owners)
		owners = table_new();
	table_put(owners, str_from(segment), call);
}

void freed_forget(struct call *call)
{
	if (!owners)
		return;
	for (struct table_walk w = { 0 }; table_next(owners, &w);)
		if (w.value == call)
			table_remove(owners, w.key);
}

static struct call *owner_of(const struct place *place)
{
	return owners ? table_find(owners, str_from(place->segment)) : NULL;
}

static bool takes_file(void *context, const struct place *place)
{
	(void)context;
	return owner_of(place) != NULL;
}

/*
 * The files that were given away last. A cleanup that dies leaves what it has
 * not used; what it has used has another name. One that lives, and misses a file
 * then, makes a new one.
 */
static struct {
	uint64_t serials[GIVEN_KEPT];
	size_t next;
} given;

static void drop_given(void)
{
	char paths[GIVEN_KEPT][SPOOL_PATH_MOST];
	const char *pointers[GIVEN_KEPT];
	size_t count = 0;

	for (size_t i = 0; i < GIVEN_KEPT; i++) {
		if (!given.serials[i])
			continue;
		spool_large_path(paths[count], given.serials[i]);
		pointers[count] = paths[count];
		given.serials[i] = 0;
		count++;
	}
	if (count > 0 && disk_unlink_all(qmgr.disk, pointers, count) < 0)
		log_warning("large: %m");
}

static bool send_freed(struct call *call, const struct place *place,
	bool has_file)
{
	auto_buf struct buf text = { 0 };
	struct msg_freed m = { .has_file = has_file };

	place_format(&text, place);
	m.place = buf_str(&text);
	if (has_file)
		given.serials[given.next++ % GIVEN_KEPT] = place->serial;
	return msg_freed_send(call, &m);
}

/* False: nobody is there who would hear it. */
static bool tell_freed(const struct place *place, bool has_file)
{
	struct call *call = owner_of(place);
	struct entry *entry = entry_find(place->serial);

	if (entry && entry->is_over && entry->queue == QUEUE_JOURNAL)
		entry_free(entry);
	return call && send_freed(call, place, has_file);
}

static void freed(void *context, const struct place *place)
{
	(void)context;
	(void)!tell_freed(place, false);
}

static void freed_file(void *context, const struct place *place)
{
	(void)context;
	if (!tell_freed(place, true))
		large_drop(qmgr.disk, place->serial);
}

static void write_late(void *context)
{
	store_write_late(context);
}

static void flush_often(void *context)
{
	(void)context;
	while (io_sleep(span_ms(FLUSH_MS)))
		if (store_is_dirty(&qmgr.store))
			store_flush(&qmgr.store);
}

static void flush_soon(void *context)
{
	(void)context;
	while (store_flush_spares(&qmgr.store))
		;
}

/* ---- start ---- */

static void prepare(const struct conf *conf)
{
	auto_arena struct arena *arena = arena_new(0);
	const char *directory = arena_cstr(arena, conf->queue_directory);
	unsigned char boot_id[MESSAGE_BOOT_OCTETS];

	qmgr.conf = conf;
	if (!disk_open(&qmgr.disk, directory))
		log_fatal("queue_directory %s: %m", directory);
	message_boot_id(boot_id); /* /proc is out of reach later */
	list_init(&qmgr.incoming);
	io_event_init(&qmgr.news);
	io_event_init(&qmgr.ended);
	control_prepare(conf);
}

/* One qmgr, or one postsuper while there is none. */
static bool lock_queue(void)
{
	bool told = false;

	if (disk_mkdir(qmgr.disk, "journal") < 0)
		log_fatal("journal: %m");
	lock_fd = disk_open_file(qmgr.disk, "journal/lock", O_RDWR | O_CREAT);
	if (lock_fd < 0)
		log_fatal("journal/lock: %m");
	while (qmgr.disk->lock(qmgr.disk, lock_fd) < 0) {
		if (!told)
			log_info("the queue is in use: waiting");
		told = true;
		if (!io_sleep(span_ms(100)))
			return false;
	}
	return true;
}

static void index_files(void *context)
{
	(void)context;
	recover_files();
	if (qmgr.entries.count >= MANY)
		log_info("%zu messages found in the queue",
			qmgr.entries.count);
	/* What the journal could not tell while files were unknown. */
	io_event_wake_all(&qmgr.news);
	qmgr.is_indexed = true;
	if (qmgr.flush_wanted)
		activate_all();
}

static void start(const struct conf *conf)
{
	(void)conf;
	if (!lock_queue())
		return;
	if (!store_open(&qmgr.store, qmgr.disk, false, freed, NULL))
		log_fatal("journal: %m");
	qmgr.store.is_late = true;
	qmgr.store.takes_file = takes_file;
	qmgr.store.freed_file = freed_file;
	digest_start();
	io_before_wait(write_late, &qmgr.store);
	io_spawn("flush", flush_often, NULL);
	io_spawn("flush soon", flush_soon, NULL);
	qmgr.is_ready = true;
	recover_journal();
	recover_later(); /* a cleanup that we have not heard may be ending */
	activate_start();
	io_spawn("index", index_files, NULL);
	io_spawn("large", tidy_large, NULL);
}

/* ---- work ---- */

/* Until it has gone, or we are to go. */
static void hear_cleanup(struct call *call)
{
	struct msg_queued queued;
	struct place place;

	while (!service_is_retiring()) {
		call_forget(call);
		if (!msg_queued_recv(call, &queued, span_s(1))) {
			if (errno == ETIMEDOUT && call_is_alive(call))
				continue;
			recover_later();
			break;
		}
		if (!place_parse(queued.place, &place))
			break;
		freed_to(place.segment, call);
		recover_place(&place, queued.again);
	}
	freed_forget(call);
	if (!call_is_alive(call))
		drop_given();
}

static bool await_ready(void)
{
	while (!qmgr.is_ready)
		if (!io_sleep(span_ms(50)) || service_is_retiring())
			return false;
	return true;
}

static void serve(const struct conf *conf, struct call *call)
{
	enum msg_kind kind;

	(void)conf;
	if (!await_ready() || !call_peek(call, &kind, span_s(60)))
		return;
	if (kind == MSG_queued && str_is(call_peer_name(call), "cleanup"))
		hear_cleanup(call);
	else if (kind == MSG_queue_list &&
		str_is(call_peer_name(call), "showq"))
		listing_serve(call);
	else if (kind == MSG_flush_site)
		control_etrn(call);
}

static void session(const struct conf *conf, struct client *client)
{
	if (await_ready())
		control_session(conf, client);
}

static void wakeup(const struct conf *conf, struct str request)
{
	(void)conf;
	/* The timer of the row has nothing to do here: we have our own. */
	if (!memchr(request.p, 'F', request.len) &&
		!memchr(request.p, 'A', request.len) &&
		!memchr(request.p, 'D', request.len))
		return;
	if (qmgr.is_ready)
		activate_all();
	else
		qmgr.flush_wanted = true;
}

static void finish(const struct conf *conf)
{
	struct moment end = moment_after(span_s(LAST_DELIVERIES_S));

	(void)conf;
	while (qmgr.deliveries > 0 && moment_left(end).us > 0)
		if (!io_sleep(span_ms(20)))
			break;
	if (qmgr.is_ready)
		store_flush(&qmgr.store);
}

static const struct service service = {
	.name = "qmgr", .fibers = 1000, .profile = PROFILE_QUEUE,
	.calls = "smtp local virtual pipe error discard bounce cleanup rewrite "
		"proxymap querymap verify",
	.params = params, .prepare = prepare, .start = start, .serve = serve,
	.session = session, .wakeup = wakeup, .finish = finish,
	.resident = true, .helper_threads = 4,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
