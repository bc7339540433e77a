/*
 * cleanup/announce - tells qmgr what is in the journal, and hears what is free.
 *
 * One conversation as long as both live. When it begins, every used slot is
 * announced: what the qmgr before had done with is answered `freed` at once,
 * what it knows already it knows by its serial. qmgr ends a conversation that
 * has become long; the next goes on with the announcements where it stopped.
 */
#include "cleanup/cleanup.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

enum {
	RETRY_MS = 1000,
	AGAIN_MS = 10, /* after a conversation that was long */
	CONNECT_S = 60,
};

static struct {
	struct call *call; /* NULL: not connected */
	unsigned senders;  /* fibers that may still use a call */
	size_t begin;      /* which used slot is announced first */
	struct io_event news; /* something was committed meanwhile */
} qmgr;

static bool send_place(struct call *call, const struct place *place,
	struct str queue_id, bool again)
{
	auto_buf struct buf text = { 0 };
	struct msg_queued queued = { .queue_id = queue_id, .again = again };
	bool sent;

	place_format(&text, place);
	queued.place = buf_str(&text);
	qmgr.senders++;
	sent = msg_queued_send(call, &queued);
	qmgr.senders--;
	return sent;
}

struct places {
	struct place *places;
	size_t count, capacity;
};

static void collect(void *context, const struct place *place)
{
	struct places *all = context;

	array_grow(&all->places, &all->capacity, all->count + 1,
		sizeof(*all->places));
	all->places[all->count++] = *place;
}

/* Sent by a fiber of its own: the answers come meanwhile. */
static void announce_all(void *context)
{
	struct cleanup *cleanup = context;
	struct call *call = qmgr.call;
	size_t begin = qmgr.begin;
	struct places all = { 0 };

	journal_each(cleanup->journal, collect, &all);
	/* The call may end, and another begin, while we wait. */
	for (size_t i = 0; i < all.count && qmgr.call == call; i++) {
		size_t at = (begin + i) % all.count;

		if (!call || !send_place(call, &all.places[at], STR(""), true))
			break;
		qmgr.begin = at + 1;
	}
	free(all.places);
}

static void note_free(struct cleanup *cleanup, const struct place *place,
	bool has_file)
{
	journal_free(cleanup->journal, place);
	if (has_file)
		spares_add(&cleanup->spares, place->serial);
}

static void hear(struct cleanup *cleanup)
{
	struct msg_freed freed;
	struct place place;

	while (msg_freed_recv(qmgr.call, &freed, SPAN_FOREVER)) {
		if (place_parse(freed.place, &place))
			note_free(cleanup, &place, freed.has_file);
		call_forget(qmgr.call);
	}
}

/* One conversation, until it ends. */
static bool converse(struct cleanup *cleanup)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call = service_call(arena, "qmgr", span_s(CONNECT_S));

	if (!call)
		return false;
	qmgr.call = call;
	io_spawn("announce all", announce_all, cleanup);
	hear(cleanup);
	qmgr.call = NULL;
	call_close(call);
	while (qmgr.senders > 0)
		if (!io_sleep(span_ms(1)))
			io_uncancel();
	return true;
}

static void keep_connected(void *context)
{
	struct cleanup *cleanup = context;

	for (;;) {
		struct moment soon = moment_after(span_ms(RETRY_MS));

		while (journal_used(cleanup->journal) == 0)
			if (!io_event_wait(&qmgr.news, SPAN_FOREVER))
				return;
		if (!converse(cleanup))
			log_warning("connect to qmgr: %m");
		if (!io_sleep(moment_left(soon).us > 0 ? span_ms(RETRY_MS) :
							 span_ms(AGAIN_MS)))
			return;
	}
}

void announce_start(struct cleanup *cleanup)
{
	io_event_init(&qmgr.news);
	io_spawn("announce", keep_connected, cleanup);
}

void announce(struct cleanup *cleanup, const struct place *place,
	struct str queue_id)
{
	(void)cleanup;
	if (!qmgr.call || !send_place(qmgr.call, place, queue_id, false))
		io_event_wake_all(&qmgr.news);
}
