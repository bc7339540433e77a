#include "mailbox/gather.h"

#include "base/random.h"
#include "base/span.h"
#include "mailbox/remains.h"
#include "mailbox/store.h"

enum {
	ENTRIES_MOST = 20000, /* messages of a set, then no mailbox more */
};

/* ---- in the helper: nothing but these mailboxes' files ---- */

static bool look(const struct mailbox_gather *gather, const char *mailbox,
	bool may_be_bare, struct mailbox_gathered *g)
{
	struct mailbox_looks looks = { .is_bare = may_be_bare };
	int64_t now_us = wall_us();

	if (!gather->driver->look(gather->place, mailbox, gather->arena,
		&looks))
		return false;
	g->is_bare = looks.is_bare;
	g->entries = looks.entries;
	g->count = looks.count;
	g->stamp.new_ns = mailbox_stamp_trusted(looks.stamp.new_ns, now_us);
	g->stamp.cur_ns = mailbox_stamp_trusted(looks.stamp.cur_ns, now_us);
	return true;
}

/* The uidlist first, then the files, then the lock: whoever has the lock has
 * named files, and what is behind him stands in the list (mailbox/scan.c). */
static bool gather_listed(const struct mailbox_gather *gather,
	const char *mailbox, struct mailbox_gathered *g)
{
	struct arena *arena = gather->arena;
	const char *prefix = layout_prefix(gather->place, arena, mailbox);

	/* Whose files may be those of no message: mailbox_meet looks itself. */
	if (mailbox_remains_may_be(gather->place->dir, arena, prefix))
		return false;
	if (!mailbox_file_read(gather->place->dir, arena,
		arena_fmt(arena, "%sdovecot-uidlist", prefix).p, &g->uidlist))
		return false;
	if (!look(gather, mailbox, false, g))
		return false;
	g->is_locked = mailbox_uids_are_locked(gather->place->dir, arena,
		prefix);
	return true;
}

/*
 * Of a mailbox of which only files are known so far all else is in its
 * directory. After its files were read there was no uidlist and no lock, so
 * there was none before, either; and who was about to remove files has put the
 * mailbox into the index first. Where something was found it is read again, in
 * order; as what its neighbours have.
 */
static bool gather_one(const struct mailbox_gather *gather, struct str name,
	bool *may_be_bare, struct mailbox_gathered *g)
{
	const char *mailbox = arena_cstr(gather->arena, name);

	/* The index lies beside INBOX. */
	if (*may_be_bare && !str_is(name, "INBOX")) {
		if (!look(gather, mailbox, true, g))
			return false;
		*may_be_bare = g->is_bare;
		if (g->is_bare)
			return true;
	}
	return gather_listed(gather, mailbox, g);
}

static int gather_all(void *context)
{
	struct mailbox_gather *gather = context;
	unsigned char guids[MAILBOX_GATHER_MOST][16];
	size_t entries = 0;
	bool may_be_bare = true;

	random_octets(guids, gather->count * sizeof(guids[0]));
	for (size_t i = 0; i < gather->count; i++) {
		struct mailbox_gathered *g = &gather->found[i];

		g->is_read = entries < ENTRIES_MOST &&
			gather_one(gather, *gather->names[i], &may_be_bare, g);
		entries += g->is_read ? g->count : 0;
		memcpy(g->guid, guids[i], sizeof(g->guid));
	}
	return 0;
}

/* ---- in the fiber ---- */

void mailbox_gather_open(struct mailbox_gather *gather,
	struct mailbox_store *store)
{
	/* Of its own, and nobody's child: a helper allocates from it. */
	*gather = (struct mailbox_gather){ .arena = arena_new(0),
		.place = &store->place, .driver = store->driver };
}

void mailbox_gather_begin(struct mailbox_gather *gather,
	const struct str *const *names, size_t count)
{
	arena_reset(gather->arena);
	memset(gather->found, 0, sizeof(gather->found));
	gather->names = names;
	gather->count = count;
	gather->is_under_way = true;
	io_job_begin(&gather->job, gather_all, gather);
}

void mailbox_gather_end(struct mailbox_gather *gather)
{
	if (gather->is_under_way)
		io_job_end(&gather->job);
	gather->is_under_way = false;
}

void mailbox_gather_close(struct mailbox_gather *gather)
{
	mailbox_gather_end(gather);
	arena_free(gather->arena);
}
