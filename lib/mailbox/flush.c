#include "mailbox/flush.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"
#include "io/fiber.h"
#include "io/filesystem.h"
#include "io/helper.h"
#include "mailbox/mailbox.h"

enum {
	ALONE_MOST = 4,  /* mailboxes that are flushed one by one */
	LIST_EACH = 64,  /* in one transaction */
};

struct mailbox_unflushed {
	unsigned what;
	uint64_t begun, done, failed; /* flushes, by number */
	bool is_running;
	bool is_unnamed; /* its uidlist may not be there after a power cut */
	bool is_named;   /* it was flushed here, whatever its row says */
	uint64_t stamp;  /* of the uidlist that was written; 0: its row has it */
	struct io_event event;
};

/* A flush of one mailbox that has begun. */
struct running {
	struct mailbox_unflushed *u;
	const char *name; /* of a flush of many */
	unsigned what;
	uint64_t number;
};

static struct mailbox_unflushed *unflushed_of(struct mailbox_store *store,
	const char *mailbox)
{
	struct mailbox_unflushed *u = table_find(store->unflushed,
		str_from(mailbox));

	if (!u) {
		u = mem_new(1, sizeof(*u));
		io_event_init(&u->event);
		table_put(store->unflushed, str_from(mailbox), u);
	}
	return u;
}

void mailbox_store_unflushed(struct mailbox_store *store,
	const char *mailbox, unsigned what)
{
	struct mailbox_unflushed *u = unflushed_of(store, mailbox);

	u->what |= what;
	if (what & MAILBOX_NAMED) {
		u->is_unnamed = true;
		u->is_named = false;
	}
	mailbox_store_soon(store);
}

void mailbox_flush_renamed(struct mailbox_store *store, const char *from,
	const char *to)
{
	struct mailbox_unflushed *u = table_find(store->unflushed,
		str_from(from));

	if (!u || !u->what)
		return;
	mailbox_store_unflushed(store, to, u->what);
	u->what = 0;
}

/* The uidlists of those that were met, not durable yet. */
static bool list_some(struct mailbox_store *store, const char *const *names,
	size_t count)
{
	struct index_txn *txn = index_begin(store->index, false);
	bool ok = txn;

	for (size_t i = 0; ok && i < count; i++) {
		uint64_t stamp;

		ok = mailbox_uids_settle(store, txn, names[i], &stamp);
		if (stamp)
			unflushed_of(store, names[i])->stamp = stamp;
	}
	index_abort(txn);
	return ok;
}

/* They are durable. If their rows do not say so, they are flushed again. */
static void settle_some(struct mailbox_store *store, const char *const *names,
	size_t count)
{
	struct index_txn *txn = NULL;
	bool ok = true;

	for (size_t i = 0; ok && i < count; i++) {
		struct mailbox_unflushed *u = unflushed_of(store, names[i]);

		if (!u->stamp)
			continue;
		if (!txn)
			txn = index_begin(store->index, true);
		ok = txn && mailbox_uids_settled(txn, names[i], u->stamp);
		u->stamp = 0;
	}
	if (!ok)
		index_abort(txn);
	else if (txn && !index_commit(txn))
		log_debug("%s: uidlists are flushed again", store->path);
}

static bool flush_uids(struct mailbox_store *store, const char *mailbox,
	unsigned what)
{
	struct arena *arena auto_arena = arena_new(0);
	const char *prefix = layout_prefix(&store->place, arena, mailbox);
	auto_close int fd = openat(store->dir,
		arena_fmt(arena, "%sdovecot-uidlist", prefix).p,
		O_RDONLY | O_CLOEXEC);

	return fd >= 0 && io_fdatasync(fd) == 0 && (!(what & MAILBOX_NAMED) ||
		layout_flush(store->dir, *prefix ? prefix : "."));
}

/* The uidlist, by a fiber of its own: two flushes that the file system is asked
 * for at the same time are one for its journal. */
struct apart {
	struct mailbox_store *store;
	const char *mailbox;
	unsigned what;
	bool is_done, ok;
	struct io_event event;
};

static void flush_apart(void *context)
{
	struct apart *apart = context;

	apart->ok = flush_uids(apart->store, apart->mailbox, apart->what);
	apart->is_done = true;
	io_event_wake_all(&apart->event);
}

static bool flush_both(struct mailbox_store *store, const char *mailbox,
	unsigned what)
{
	struct apart apart = { .store = store, .mailbox = mailbox,
		.what = what };
	bool ok;

	io_event_init(&apart.event);
	io_spawn("mailbox uids", flush_apart, &apart);
	ok = store->driver->flush(&store->place, mailbox, what & MAILBOX_NEW);
	while (!apart.is_done)
		if (!io_event_wait(&apart.event, SPAN_FOREVER))
			io_uncancel(); /* it uses what is here */
	return ok && apart.ok;
}

static bool flush_what(struct mailbox_store *store, const char *mailbox,
	unsigned what)
{
	bool files = what & (MAILBOX_CUR | MAILBOX_NEW);
	bool uids = what & (MAILBOX_UIDS | MAILBOX_NAMED);

	if ((what & MAILBOX_UNLISTED) && !list_some(store, &mailbox, 1))
		return false;
	if (files && uids && io_has_helpers())
		return flush_both(store, mailbox, what);
	return (!files || store->driver->flush(&store->place, mailbox,
				  what & MAILBOX_NEW)) &&
		(!uids || flush_uids(store, mailbox, what));
}

static void begin(struct mailbox_unflushed *u, struct running *r)
{
	*r = (struct running){ .u = u, .what = u->what,
		.number = ++u->begun };
	u->is_running = true;
	u->what = 0;
}

static void end(const struct running *r, bool flushed)
{
	struct mailbox_unflushed *u = r->u;

	if (!flushed) {
		u->what |= r->what;
		u->failed = r->number;
	} else if (r->what & MAILBOX_NAMED) {
		u->is_unnamed = u->what & MAILBOX_NAMED;
		u->is_named = !u->is_unnamed;
	}
	u->done = r->number;
	u->is_running = false;
	io_event_wake_all(&u->event);
}

static void flush_now(struct mailbox_store *store, const char *mailbox,
	struct mailbox_unflushed *u)
{
	struct running r;
	bool done;

	begin(u, &r);
	done = flush_what(store, mailbox, r.what);
	if (done)
		settle_some(store, &mailbox, 1);
	/* A mailbox that was removed meanwhile needs nothing. */
	end(&r, done || !layout_exists(&store->place, mailbox));
}

enum mailbox_result mailbox_store_flush(struct mailbox_store *store,
	const char *mailbox)
{
	struct mailbox_unflushed *u = unflushed_of(store, mailbox);
	uint64_t wanted = u->begun + (u->what != 0);

	while (u->done < wanted)
		if (!u->is_running)
			flush_now(store, mailbox, u);
		else if (!io_event_wait(&u->event, SPAN_FOREVER))
			io_uncancel(); /* it must know */
	return u->failed < wanted || wanted == 0 ? MAILBOX_OK :
		mailbox_failed("flush", mailbox);
}

enum mailbox_result mailbox_store_settle_name(struct mailbox_store *store,
	const char *mailbox)
{
	struct mailbox_unflushed *u = table_find(store->unflushed,
		str_from(mailbox));

	return u && u->is_unnamed ? mailbox_store_flush(store, mailbox) :
				    MAILBOX_OK;
}

bool mailbox_store_is_named(struct mailbox_store *store, const char *mailbox)
{
	const struct mailbox_unflushed *u = table_find(store->unflushed,
		str_from(mailbox));

	return u && u->is_named;
}

static unsigned what_of(const struct mailbox_unflushed *u)
{
	return u->what;
}

static bool is_waiting(const struct mailbox_unflushed *u)
{
	return u->what != 0 && !u->is_running;
}

static size_t count_waiting(struct mailbox_store *store)
{
	size_t count = 0;

	for (struct table_walk w = { 0 }; table_next(store->unflushed, &w);)
		count += is_waiting(w.value);
	return count;
}

/* On the file system of the store with all that it has: no part of it is a
 * mount, or a link to elsewhere. */
static bool is_here(struct mailbox_store *store, const char *mailbox,
	unsigned what, struct arena *arena, dev_t device)
{
	char path[LAYOUT_PATH];
	const char *paths[3] = { layout_path(&store->place, mailbox, path) };
	size_t count = what & (MAILBOX_CUR | MAILBOX_NEW) ? COUNT(paths) : 1;
	struct stat st;

	if (count > 1)
		store->driver->watched(&store->place, mailbox, arena,
			paths + 1);
	for (size_t i = 0; i < count; i++)
		if (fstatat(store->dir, paths[i], &st, 0) < 0 ||
			st.st_dev != device)
			return false;
	return true;
}

static size_t begin_all(struct mailbox_store *store, struct arena *arena,
	struct running *running)
{
	struct stat st;
	size_t count = 0;

	if (!io_syncfs_is_known(store->dir) || !fd_stat(store->dir, &st))
		return 0;
	for (struct table_walk w = { 0 }; table_next(store->unflushed, &w);) {
		const char *name = arena_cstr(arena, w.key);

		if (!is_waiting(w.value) || !is_here(store, name,
			what_of(w.value), arena, st.st_dev))
			continue;
		begin(w.value, &running[count]);
		running[count++].name = name;
	}
	return count;
}

/* Those of the flushes that need it; others run between. */
static bool list_all(struct mailbox_store *store, struct arena *arena,
	const struct running *running, size_t count)
{
	const char **names = arena_array(arena, LIST_EACH, sizeof(*names));
	size_t found = 0;
	bool ok = true;

	for (size_t i = 0; ok && i < count; i++) {
		if (running[i].what & MAILBOX_UNLISTED)
			names[found++] = running[i].name;
		if (found < LIST_EACH && i + 1 < count)
			continue;
		ok = found == 0 || list_some(store, names, found);
		found = 0;
		if (io_self())
			io_yield();
	}
	return ok;
}

static void settle_all(struct mailbox_store *store, struct arena *arena,
	const struct running *running, size_t count)
{
	const char **names = arena_array(arena, LIST_EACH, sizeof(*names));

	for (size_t i = 0; i < count; i += LIST_EACH) {
		size_t some = 0;

		for (; some < LIST_EACH && i + some < count; some++)
			names[some] = running[i + some].name;
		settle_some(store, names, some);
	}
}

enum mailbox_result mailbox_flush_together(struct mailbox_store *store)
{
	struct arena *arena auto_arena = arena_new(0);
	struct running *running = arena_array(arena,
		count_waiting(store) + 1, sizeof(*running));
	size_t count = begin_all(store, arena, running);
	bool flushed = count == 0 || (list_all(store, arena, running, count) &&
		io_syncfs(store->dir) == 0);

	if (flushed)
		settle_all(store, arena, running, count);
	for (size_t i = 0; i < count; i++)
		end(&running[i], flushed);
	return flushed ? MAILBOX_OK : mailbox_failed("flush", store->path);
}

enum mailbox_result mailbox_flush_all(struct mailbox_store *store)
{
	enum mailbox_result result = MAILBOX_OK;
	bool found;

	store->is_dirty = false;
	if (count_waiting(store) > ALONE_MOST)
		result = mailbox_flush_together(store);
	do {
		struct table_walk walk = { 0 };
		char name[MAILBOX_NAME_MOST + 1];

		found = false;
		while (!found && table_next(store->unflushed, &walk)) {
			struct mailbox_unflushed *u = walk.value;

			found = u->what != 0;
		}
		if (found) {
			snprintf(name, sizeof(name), "%.*s",
				STR_ARG(walk.key));
			result = mailbox_store_flush(store, name);
		}
	} while (found && result == MAILBOX_OK);
	return result;
}

void mailbox_flush_end(struct mailbox_store *store)
{
	for (struct table_walk w = { 0 }; table_next(store->unflushed, &w);)
		free(w.value);
	table_free(store->unflushed);
}
