/*
 * qmgr/control - public/qmgr: what postqueue and postsuper ask for.
 *
 *	request  VERB ID|ALL [QUEUE,QUEUE...]    flush, site DOMAIN: no queues
 *	answer   "+ID" for each message that it was done to, then ".", or
 *	         "-text" and nothing more
 *
 * Who asks is known by SO_PEERCRED: flush, site and retry are for
 * authorized_flush_users, the others for root and our own user. Each answer
 * means that it is durable.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "mail/address.h"
#include "maps/match.h"
#include "queue/submit.h"
#include "queue/users.h"

enum {
	LINE_S = 60,
};

static struct users flushers;
static struct match *fast_flush;

void control_prepare(const struct conf *conf)
{
	users_open(&flushers, "authorized_flush_users",
		conf->authorized_flush_users);
	fast_flush = match_open(arena_new(0), conf, "fast_flush_domains",
		conf->fast_flush_domains);
}

static bool may_alter(uint32_t sys_uid)
{
	return sys_uid == 0 || sys_uid == geteuid();
}

/* ---- one message ---- */

/* What is asked for, and the message, which is not active and is ours. */
struct wish {
	struct entry *entry;
	struct arena *arena;
	struct stored *stored;
};

static bool do_delete(struct wish *wish)
{
	if (!store_over(&qmgr.store, wish->stored, true))
		return false;
	entry_over(wish->entry);
	return true;
}

static bool keep(struct wish *wish, enum queue_name queue)
{
	if (!store_keep(&qmgr.store, wish->stored, queue))
		return false;
	entry_set_queue(wish->entry, queue);
	digest_put(wish->entry, wish->stored);
	return true;
}

static bool do_hold(struct wish *wish)
{
	if (wish->entry->queue == QUEUE_HOLD)
		return false;
	if (!keep(wish, QUEUE_HOLD))
		return false;
	heap_remove(&qmgr.deferred, &wish->entry->timer);
	return true;
}

static bool do_release(struct wish *wish)
{
	if (wish->entry->queue != QUEUE_HOLD)
		return false;
	wish->stored->next_us = wall_us();
	return keep(wish, QUEUE_DEFERRED);
}

static bool do_retry(struct wish *wish)
{
	return wish->entry->queue == QUEUE_DEFERRED;
}

static bool mark_expired(struct wish *wish)
{
	wish->stored->expire = true;
	wish->entry->expire = true;
	digest_put(wish->entry, wish->stored);
	return wish->stored->queue == QUEUE_JOURNAL ||
		store_update(&qmgr.store, wish->stored, INT64_MAX, true);
}

static bool do_expire(struct wish *wish)
{
	return mark_expired(wish);
}

static bool do_expire_release(struct wish *wish)
{
	if (!mark_expired(wish))
		return false;
	return wish->entry->queue != QUEUE_HOLD || do_release(wish);
}

static struct str text(struct str value)
{
	return str_is_none(value) ? STR("") : value;
}

static bool copy_content(struct wish *wish, struct submission *s)
{
	const struct stored *stored = wish->stored;
	int64_t at = (int64_t)stored->envelope.skip;
	char *block = arena_alloc(wish->arena, CONTENT_IN_PACKET_MOST);
	auto_close int fd = -1;

	if (!submission_write(s, stored->content))
		return true; /* the commit says why */
	if (!stored->head.large_octets)
		return true;
	fd = store_large(&qmgr.store, stored);
	for (;;) {
		ssize_t got = fd < 0 ? -1
				     : pread(fd, block, CONTENT_IN_PACKET_MOST,
					       at);

		if (got < 0)
			return false;
		if (got == 0)
			return true;
		if (!submission_write(s, str_of(block, (size_t)got)))
			return true;
		at += got;
	}
}

/* As a new message through cleanup, with a new ID; then the old one goes. */
static bool do_requeue(struct wish *wish)
{
	const struct envelope *e = &wish->stored->envelope;
	struct msg_submission facts = {
		.sender = e->sender, .arrival_us = e->arrival_us,
		.flags = e->flags & ~(uint64_t)SUBMIT_HOLD,
		.dsn_envid = e->dsn_envid, .dsn_ret = e->dsn_ret,
		.encoding = text(e->encoding),
		.client_name = text(e->client_name),
		.client_address = text(e->client_address),
		.client_port = text(e->client_port), .helo = text(e->helo),
		.protocol = text(e->protocol), .sasl_method = e->sasl_method,
		.sasl_username = e->sasl_username,
		.sasl_sender = e->sasl_sender, .verp = e->verp,
	};
	struct submission *s;
	struct status status = submit_id(wish->arena,
		qmgr.conf->enable_long_queue_ids, &facts.queue_id);

	if (!status_is_ok(status))
		return false;
	if (qmgr.conf->content_filter.len > 0 && !(e->flags & SUBMIT_INTERNAL))
		facts.content_filter = qmgr.conf->content_filter;
	s = submission_open(wish->arena, &facts);
	for (size_t i = 0; i < e->recipient_count; i++) {
		struct msg_recipient r = { .address = e->recipients[i].orig,
			.orcpt = e->recipients[i].orcpt,
			.notify = e->recipients[i].notify };

		if (!wish->stored->done[i])
			submission_recipient(s, &r);
	}
	if (!copy_content(wish, s)) {
		submission_cancel(s);
		return false;
	}
	status = submission_commit(s);
	if (!status_is_ok(status)) {
		log_warning("%s: not requeued: %.*s", wish->entry->id,
			STR_ARG(status.text));
		return false;
	}
	log_info("%.*s: orig_id=%s", STR_ARG(facts.queue_id),
		wish->entry->id);
	return do_delete(wish);
}

/* ---- verbs ---- */

/* clang-format off */
static const struct verb {
	const char *name;
	bool (*run)(struct wish *wish);
	enum stop stop;      /* how an active one is stopped for it */
	bool for_flushers, then_active;
	const char *queues;  /* of ALL, unless the request says others */
} verbs[] = {
	{ "delete",  do_delete,  STOP_DELETE,  false, false,
		"hold,incoming,active,deferred,corrupt" },
	{ "hold",    do_hold,    STOP_HOLD,    false, false,
		"incoming,active,deferred" },
	{ "release", do_release, STOP_NOT,     false, true, "hold" },
	{ "requeue", do_requeue, STOP_REQUEUE, false, false,
		"hold,incoming,active,deferred" },
	{ "expire",  do_expire,  STOP_REQUEUE, false, false,
		"hold,incoming,active,deferred" },
	{ "expire-release", do_expire_release, STOP_REQUEUE, false, true,
		"hold,incoming,active,deferred" },
	{ "retry",   do_retry,   STOP_NOT,     true,  true, "deferred" },
};
/* clang-format on */

static const struct verb *find_verb(struct str name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (str_is(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

static bool load(struct wish *wish)
{
	struct entry *entry = wish->entry;

	if (entry_load(entry, wish->arena, &wish->stored) != STORE_FOUND)
		return false;
	entry_take_id(entry, wish->stored);
	return true;
}

/* Nobody else touches it meanwhile. NULL: it is gone. */
static struct entry *seize(uint64_t serial)
{
	struct entry *entry;

	while ((entry = entry_find(serial)) && entry->is_loading)
		if (!io_sleep(span_ms(10)))
			return NULL;
	if (!entry || entry->is_over)
		return NULL;
	entry->is_loading = true;
	return entry;
}

/* It was stopped, and what was asked for has happened on the way. */
static bool run_active(const struct verb *verb, uint64_t serial, bool *done)
{
	struct entry *entry = entry_find(serial);

	*done = false;
	if (verb->stop == STOP_NOT || !entry || !entry->active)
		return verb->stop != STOP_NOT;
	if (!message_stop(entry->active, verb->stop))
		return false;
	entry = entry_find(serial);
	*done = (verb->stop == STOP_DELETE && (!entry || entry->is_over)) ||
		(verb->stop == STOP_HOLD && entry && !entry->active &&
			entry->queue == QUEUE_HOLD);
	return true;
}

/* A damaged message can be deleted, no more. */
static bool delete_corrupt(struct entry *entry)
{
	if (!spool_remove(qmgr.disk, QUEUE_CORRUPT, str_from(entry->id)) ||
		!spool_sync(qmgr.disk, QUEUE_CORRUPT, str_from(entry->id)))
		return false;
	entry_over(entry);
	return true;
}

static bool run_seized(const struct verb *verb, struct entry *entry)
{
	struct wish wish = { .entry = entry, .arena = arena_new(0) };
	bool done;

	if (entry->queue == QUEUE_CORRUPT)
		done = verb->run == do_delete && delete_corrupt(entry);
	else
		done = load(&wish) && verb->run(&wish);
	arena_free(wish.arena);
	entry->is_loading = false;
	if (entry->is_over && entry->queue != QUEUE_JOURNAL) {
		entry_free(entry);
		return done;
	}
	if (done && verb->then_active && message_is_behind())
		activate_soon(entry);
	else if (done && verb->then_active)
		activate_now(entry);
	else if (!entry->is_over && !entry->active &&
		entry->queue == QUEUE_DEFERRED && !entry->timer.place)
		entry_defer(entry, wall_us());
	return done;
}

/* True: done, and durable. */
static bool run_one(const struct verb *verb, uint64_t serial)
{
	struct entry *entry = entry_find(serial);
	bool done;

	while (entry && entry->active) {
		if (!run_active(verb, serial, &done))
			return false;
		if (done)
			return true;
		entry = entry_find(serial);
	}
	entry = seize(serial);
	if (!entry)
		return false;
	if (entry->active) {
		entry->is_loading = false;
		return false;
	}
	return run_seized(verb, entry);
}

/* ---- requests ---- */

static const char *queue_of(const struct entry *entry)
{
	return entry->active ? "active" : queue_name_text(entry->queue);
}

static bool is_in_list(struct str list, const char *name)
{
	struct str item;

	while (str_take_item(&list, ", ", &item))
		if (str_is(item, name))
			return true;
	return false;
}

struct serials {
	uint64_t *serials;
	size_t count, capacity;
};

static void collect(struct serials *all, struct str queues)
{
	const struct entry *entry;

	for (size_t at = 0; (entry = entry_next(&at));) {
		if (entry->is_over || !is_in_list(queues, queue_of(entry)))
			continue;
		array_grow(&all->serials, &all->capacity, all->count + 1,
			sizeof(*all->serials));
		all->serials[all->count++] = entry->serial.key;
	}
}

static bool answer_one(struct stream *io, const struct verb *verb,
	uint64_t serial)
{
	const struct entry *entry = entry_find(serial);
	char id[QUEUE_ID_MOST + 1];

	if (!entry)
		return true;
	memcpy(id, entry->id, sizeof(id));
	if (!run_one(verb, serial))
		return true;
	entry = entry_find(serial);
	if (!id[0] && entry)
		memcpy(id, entry->id, sizeof(id));
	return io_fmt(io, "+%s\n", id);
}

static bool run_verb(struct stream *io, const struct verb *verb,
	struct str args)
{
	struct str id = str_take_word(&args);
	struct str queues = str_trim(args);
	struct serials all = { 0 };
	struct entry *entry;
	bool sent = true;

	if (queues.len == 0)
		queues = str_from(verb->queues);
	if (!str_is(id, "ALL")) {
		entry = entry_find_id(id);
		if (entry && !entry->is_over &&
			is_in_list(queues, queue_of(entry)))
			sent = answer_one(io, verb, entry->serial.key);
		return sent && io_text(io, ".\n");
	}
	collect(&all, queues);
	for (size_t i = 0; i < all.count && sent; i++)
		sent = answer_one(io, verb, all.serials[i]);
	free(all.serials);
	return sent && io_text(io, ".\n");
}

static bool is_for_site(uint64_t serial, struct str site)
{
	const struct entry *entry = entry_find(serial);
	auto_arena struct arena *arena = arena_new(0);
	struct stored *stored;

	if (!entry || entry->active || entry->queue != QUEUE_DEFERRED ||
		store_load_file(&qmgr.store, arena, QUEUE_DEFERRED,
			str_from(entry->id), &stored) != STORE_FOUND)
		return false;
	for (size_t i = 0; i < stored->envelope.recipient_count; i++)
		if (!stored->done[i] &&
			str_eq_nocase(mail_address_domain(stored->envelope
						      .recipients[i].address),
				site))
			return true;
	return false;
}

/* fast_flush_domains: what ETRN, postqueue -s and sendmail -qR may name. */
static bool is_eligible(struct str site)
{
	auto_arena struct arena *arena = arena_new(0);

	return match_domain(fast_flush, arena, site) == MAPS_FOUND;
}

static void flush_site(struct str site)
{
	struct serials all = { 0 };

	schedule_revive();
	collect(&all, STR("deferred"));
	for (size_t i = 0; i < all.count; i++) {
		struct entry *entry;

		if (!is_for_site(all.serials[i], site))
			continue;
		entry = entry_find(all.serials[i]);
		if (entry && !entry->active && !entry->is_loading &&
			entry->queue == QUEUE_DEFERRED)
			activate_soon(entry);
	}
	free(all.serials);
}

/* Strangers may ask for this, and a large queue takes a while to read: one at a
 * time. */
void control_etrn(struct call *call)
{
	static bool is_busy;
	struct msg_flush_site m;
	struct msg_flushing answer = { .code = 250 };

	if (!msg_flush_site_recv(call, &m, span_s(LINE_S)))
		return;
	if (!is_eligible(m.site))
		answer.code = 459;
	else if (is_busy)
		answer.code = 458;
	if (!msg_flushing_send(call, &answer) || answer.code != 250)
		return;
	is_busy = true;
	flush_site(m.site);
	is_busy = false;
}

static bool run_request(struct client *client, struct str line)
{
	struct str name = str_take_word(&line);
	const struct verb *verb = find_verb(name);
	bool is_flush = str_is(name, "flush"), is_site = str_is(name, "site");

	if (!verb && !is_flush && !is_site)
		return io_text(client->io, "-unknown request\n");
	if (verb && !verb->for_flushers ? !may_alter(client->sys_uid)
					: !users_has(&flushers,
							client->sys_uid))
		return io_text(client->io, "-not allowed\n");
	if (is_site && !is_eligible(str_trim(line)))
		return io_text(client->io, "-not eligible\n");
	if (is_site) {
		flush_site(str_trim(line));
		return io_text(client->io, ".\n");
	}
	if (is_flush) {
		activate_all();
		return io_text(client->io, ".\n");
	}
	return run_verb(client->io, verb, line);
}

void control_session(const struct conf *conf, struct client *client)
{
	struct str line;

	(void)conf;
	/* Lines are copied: running a request waits, but reads nothing. */
	while (io_line(client->io, &line, span_s(LINE_S)))
		if (!run_request(client, arena_copy(client->arena, line)) ||
			!io_flush(client->io, span_s(LINE_S)))
			return;
}
