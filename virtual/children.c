/*
 * virtual/children - a child per uid does the delivery; the parent hands each
 * its recipients and passes on what it reports. The content goes through
 * unread.
 */
#include "virtual/virtual.h"

#include "agent/pool.h"
#include "base/log.h"
#include "io/fiber.h"
#include "service/service.h"

enum {
	IDLE_S = 60,
	HELPERS = 2,
	REPORT_TIMEOUT_S = 3600,
};

/* Recipients of one delivery that belong to one uid. */
struct share {
	struct list link;
	uint32_t sys_uid, sys_gid;
	struct deliver_recipient **recipients;
	size_t count;
};

/* One delivery being spread. */
struct spread {
	const struct room *room;
	struct delivery *delivery;
	struct list shares;
	size_t running, unsettled;
	bool broken; /* a child died before its flush */
	struct io_event event;
};

struct job {
	struct spread *spread;
	struct share *share;
};

static void serve_in_child(struct call *call, void *context)
{
	const struct room *room = context;

	deliver_serve(room->conf, call, here_deliver);
}

static void prepare_in_child(void *context)
{
	here_open(context);
}

static struct peer *find_child(const struct room *room,
	const struct share *share)
{
	auto_arena struct arena *arena = arena_new(0);
	struct room own = *room; /* what the child works on */
	const char *const paths[] = {
		arena_fmt(arena, "w:%s", room->base_path).p, NULL };
	const int keep[] = { room->base, -1 };
	const struct child_plan plan = {
		.name = STR("virtual"),
		.sandbox = { .profile = PROFILE_MAILBOX,
			.sys_uid = share->sys_uid,
			.sys_gid = share->sys_gid,
			.paths = paths },
		.keep = keep,
		.helper_threads = HELPERS,
		.idle = span_s(IDLE_S),
		.prepare = prepare_in_child,
		.serve = serve_in_child,
		.context = &own,
	};

	return pool_find(arena_fmt(arena, "%u/%u", share->sys_uid,
				 share->sys_gid),
		&plan);
}

/* What the child logged is told to qmgr as it is. */
static bool pass_reports(struct call *call, struct spread *spread,
	const struct share *share, bool *settled)
{
	struct msg_delivered m;
	struct msg_deliver_done done;

	for (size_t i = 0; i < share->count; i++) {
		if (!msg_delivered_recv(call, &m, span_s(REPORT_TIMEOUT_S)))
			return false;
		for (size_t k = 0; k < share->count; k++)
			if (share->recipients[k]->number == m.number)
				share->recipients[k]->reported = true;
		if (!msg_delivered_send(spread->delivery->call, &m))
			return false;
	}
	if (!msg_deliver_done_recv(call, &done, span_s(REPORT_TIMEOUT_S)))
		return false;
	*settled = done.settled;
	return true;
}

static void report_lost(struct spread *spread, const struct share *share)
{
	for (size_t i = 0; i < share->count; i++)
		if (!share->recipients[i]->reported)
			deliver_report(spread->delivery, share->recipients[i],
				&(struct deliver_report){
					.status = STATUS(451, 3, 0,
						"unknown mail transport "
						"error"),
				});
}

static bool is_reported(const struct share *share)
{
	for (size_t i = 0; i < share->count; i++)
		if (share->recipients[i]->reported)
			return true;
	return false;
}

/* NULL: it was not all reported. has_died: the child, before it said anything,
 * perhaps before it had the delivery. */
static struct call *hand_over(const struct job *job, struct arena *arena,
	bool *settled, bool *has_died)
{
	struct spread *spread = job->spread;
	struct peer *child = find_child(spread->room, job->share);
	struct call *call = child ? peer_call(child, arena) : NULL;

	if (call && deliver_send(call, &spread->delivery->m,
		    job->share->recipients, job->share->count,
		    spread->delivery->large) &&
		pass_reports(call, spread, job->share, settled))
		return call;
	*has_died = call && !call_is_alive(call) && !is_reported(job->share);
	return NULL;
}

static void run_share(void *context)
{
	struct job *job = context;
	struct spread *spread = job->spread;
	auto_arena struct arena *arena = arena_new(0);
	struct msg_settled m;
	bool settled = true, has_died = false;
	struct call *call = hand_over(job, arena, &settled, &has_died);

	/* As qmgr does with an agent that dies: once that defers nothing. */
	if (!call && has_died)
		call = hand_over(job, arena, &settled, &has_died);
	if (!call)
		report_lost(spread, job->share);
	spread->running--;
	io_event_wake_all(&spread->event);
	if (call && !settled &&
		!msg_settled_recv(call, &m, span_s(REPORT_TIMEOUT_S)))
		spread->broken = true;
	spread->unsettled--;
	io_event_wake_all(&spread->event);
}

static struct share *find_share(struct spread *spread,
	const struct place *place)
{
	struct arena *arena = spread->delivery->arena;
	struct share *share;

	list_each(link, &spread->shares) {
		share = CONTAINER(link, struct share, link);
		if (share->sys_uid == place->sys_uid &&
			share->sys_gid == place->sys_gid)
			return share;
	}
	share = arena_new_of(arena, struct share);
	share->sys_uid = place->sys_uid;
	share->sys_gid = place->sys_gid;
	share->recipients = arena_array(arena, spread->delivery->count,
		sizeof(struct deliver_recipient *));
	list_append(&spread->shares, &share->link);
	return share;
}

void report_verified(struct delivery *delivery,
	struct deliver_recipient *recipient, bool is_maildir)
{
	deliver_report(delivery, recipient,
		&(struct deliver_report){
			.status = { 250, 0, 0, is_maildir ?
				STR("delivers to maildir") :
				STR("delivers to mailbox") },
			.relay = service_row(),
		});
}

static void divide(struct spread *spread)
{
	struct delivery *delivery = spread->delivery;

	for (size_t i = 0; i < delivery->count; i++) {
		struct deliver_recipient *recipient = &delivery->recipients[i];
		struct place place = { 0 };
		struct status status =
			lookup(delivery->arena, recipient->address, &place);
		struct share *share;

		/* A probe asks nothing that a child would know better. */
		if (status_is_ok(status) &&
			(delivery->m.flags & DELIVER_VERIFY)) {
			report_verified(delivery, recipient, place.is_maildir);
			continue;
		}
		if (!status_is_ok(status)) {
			deliver_report(delivery, recipient,
				&(struct deliver_report){ .status = status });
			continue;
		}
		share = find_share(spread, &place);
		share->recipients[share->count++] = recipient;
	}
}

void children_deliver(const struct room *room, struct delivery *delivery)
{
	struct spread spread = { .room = room, .delivery = delivery };

	list_init(&spread.shares);
	io_event_init(&spread.event);
	divide(&spread);
	list_each(link, &spread.shares) {
		struct job *job = arena_new_of(delivery->arena, struct job);

		job->spread = &spread;
		job->share = CONTAINER(link, struct share, link);
		spread.running++;
		spread.unsettled++;
		io_spawn("share", run_share, job);
	}
	while (spread.running > 0)
		if (!io_event_wait(&spread.event, SPAN_FOREVER))
			io_uncancel();
	deliver_done(delivery, spread.unsettled == 0 && !spread.broken,
		DELIVER_SITE_REACHED, STR(""));
	if (spread.unsettled == 0)
		return;
	while (spread.unsettled > 0)
		if (!io_event_wait(&spread.event, SPAN_FOREVER))
			io_uncancel();
	if (!spread.broken)
		deliver_settled(delivery);
}
