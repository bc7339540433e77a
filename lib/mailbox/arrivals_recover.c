/*
 * Whoever opens a store makes the files that posthorn-arriving promises, before
 * he looks at anything: at their place in the folder, with a line in the uidlist
 * that says their UIDs. The index hears of them as of what another program
 * brings. A file of that name that is there, with whatever flags, is the message;
 * and none is made in a mailbox that is another one by now.
 */
#include "mailbox/arrivals_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"
#include "mailbox/arriving.h"
#include "mailbox/uidlist.h"

enum {
	AWAIT_MS = 3000, /* another process settles in much less */
	LOOK_MS = 1,
};

/* The mailbox that records are of. */
struct place {
	struct mailbox_store *store;
	struct arena *arena;
	const char *name;     /* NULL: none yet */
	uint32_t uidvalidity;
	bool is_there;        /* and the one that they mean */
	struct table *files;  /* keys */
	struct table *listed; /* the same in the uidlist */
	struct buf lines;     /* that it lacks */
	bool is_whole;        /* it ends with a line's end */
	size_t made;
};

static const char *uidlist_of(const struct place *p)
{
	return arena_fmt(p->arena, "%sdovecot-uidlist", layout_prefix(
		&p->store->place, p->arena, p->name)).p;
}

static bool flush_at(const struct place *p, const char *path)
{
	auto_close int fd = openat(p->store->dir, path,
		O_RDONLY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0;
}

static bool add_lines(const struct place *p)
{
	auto_close int fd = openat(p->store->dir, uidlist_of(p),
		O_WRONLY | O_APPEND | O_CLOEXEC);

	return fd >= 0 && (p->is_whole || fd_write_all(fd, "\n", 1)) &&
		fd_write_all(fd, p->lines.p, p->lines.len);
}

/* Names and UIDs are durable. */
static bool finish(struct place *p)
{
	char dir[LAYOUT_PATH];
	bool ok = !p->name || !p->is_there ||
		((p->lines.len == 0 || add_lines(p)) &&
			flush_at(p, uidlist_of(p)) &&
			flush_at(p, arena_fmt(p->arena, "%s/cur", layout_path(
				&p->store->place, p->name, dir)).p));

	if (p->made > 0)
		log_info("%s: %zu messages that were appended to %s came back "
			"from the list", p->store->path, p->made, p->name);
	table_free(p->files);
	table_free(p->listed);
	p->files = p->listed = NULL;
	p->name = NULL;
	return ok;
}

static struct str key_of(const struct place *p, struct str name)
{
	const char *text = arena_cstr(p->arena, name);

	return str_of(text, p->store->driver->key(text));
}

static bool read_files(struct place *p)
{
	struct mailbox_entry *entries;
	size_t count;

	if (p->store->driver->scan(&p->store->place, p->name, false, p->arena,
		&entries, &count) != MAILBOX_OK)
		return false;
	p->files = table_new_borrowing();
	for (size_t i = 0; i < count; i++)
		table_put(p->files, key_of(p, str_from(entries[i].name)),
			&entries[i]);
	return true;
}

static bool read_uidlist(struct place *p)
{
	struct mailbox_uidlist list;
	struct str text;

	if (!mailbox_store_read(p->store, p->arena, uidlist_of(p), &text))
		return false;
	/* UIDVALIDITY is durable before a UID is given. */
	p->is_there = mailbox_uidlist_parse(p->arena, text, &list) &&
		list.uidvalidity == p->uidvalidity;
	if (!p->is_there)
		return true;
	p->is_whole = str_ends(text, STR("\n"));
	p->listed = table_new_borrowing();
	for (size_t i = 0; i < list.count; i++)
		table_put(p->listed, list.items[i].key, &list.items[i]);
	return true;
}

/* False: it cannot be read now. */
static bool begin(struct place *p, const struct arrival_record *record)
{
	p->name = arena_cstr(p->arena, record->mailbox);
	p->uidvalidity = record->uidvalidity;
	p->lines = BUF_IN(p->arena);
	p->made = 0;
	p->is_there = mailbox_name_is_good(p->store, record->mailbox) &&
		layout_exists(&p->store->place, p->name);
	if (!p->is_there)
		return true;
	return read_uidlist(p) && (!p->is_there || read_files(p));
}

static bool restore(struct place *p, const struct arrival *item)
{
	struct str key = key_of(p, item->name);
	const char *name = arena_cstr(p->arena, item->name);

	if (!table_find(p->files, key)) {
		if (!p->store->driver->restore(&p->store->place, p->name,
			arena_cstr(p->arena, str_first(item->name,
				item->temporary_len)), name, item->text,
			item->internal_s))
			return false;
		p->made++;
	}
	if (!table_find(p->listed, key))
		mailbox_uidlist_line_format(&p->lines, item->uid, key);
	return !p->lines.failed;
}

static bool restore_record(struct place *p,
	const struct arrival_record *record)
{
	if (p->name && (!str_is(record->mailbox, p->name) ||
			record->uidvalidity != p->uidvalidity) && !finish(p))
		return false;
	if (!p->name && !begin(p, record))
		return false;
	for (size_t i = 0; p->is_there && i < record->count; i++)
		if (!restore(p, &record->items[i]))
			return false;
	return true;
}

static bool restore_all(struct mailbox_store *store, struct arena *arena,
	struct str octets)
{
	struct place p = { .store = store, .arena = arena };
	struct arrival_reading r;
	struct arrival_record record;
	struct arrival_head head;
	bool ok = true;

	if (!arrival_head_parse(octets, &head)) {
		log_warning("%s: posthorn-arriving is damaged", store->path);
		return true;
	}
	arrival_reading_begin(&r, str_skip(octets, ARRIVAL_HEADS), &head);
	while (ok && arrival_record_take(arena, &r, &record))
		ok = restore_record(&p, &record);
	return finish(&p) && ok;
}

static unsigned what_is_said(struct mailbox_store *store)
{
	struct index_txn *txn = index_begin(store->index, false);
	unsigned said = txn ? index_arriving(txn) : 0;

	index_abort(txn);
	return said;
}

/* What the index says, if it says anything. False: not now. */
static bool say(struct mailbox_store *store, unsigned what)
{
	struct index_txn *txn = index_begin(store->index, true);
	unsigned said = txn ? index_arriving(txn) : 0;

	if (!txn)
		return false;
	if (said == 0 || said == what) {
		index_abort(txn);
		return true;
	}
	if (!index_arriving_put(txn, what)) {
		index_abort(txn);
		return false;
	}
	return index_commit(txn);
}

bool arrivals_recover(struct mailbox_store *store)
{
	struct arena *arena auto_arena = arena_new(0);
	struct arriving list;
	struct str octets;

	arriving_init(&list, store->dir);
	if (!arriving_take_over(&list, arena, &octets))
		return false;
	if (list.fd >= 0 && restore_all(store, arena, octets)) {
		arriving_drop(&list);
		/* What comes back with it could have been expunged. */
		if (fsync(store->dir) < 0)
			log_warning("%s: flush: %m", store->path);
	} else if (list.fd >= 0) {
		log_warning("%s: messages that were appended cannot be brought "
			"back now: %m", store->path);
		arriving_leave(&list); /* by the next one */
	}
	return what_is_said(store) == 0 || say(store, 0);
}

bool arrivals_await(struct mailbox_store *store)
{
	for (int ms = 0; ms < AWAIT_MS; ms += LOOK_MS) {
		unsigned said = what_is_said(store);

		if (said == 0 || arrivals_recover(store))
			return true;
		if (!(said & INDEX_AWAITED) &&
			!say(store, INDEX_ARRIVING | INDEX_AWAITED))
			return false;
		poll(NULL, 0, LOOK_MS);
	}
	log_warning("%s: another process has appended messages, and does not "
		"go on", store->path);
	return false;
}
