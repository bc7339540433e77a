/*
 * A mailbox in memory: opening it, and its ties to the index.
 */
#include "mailbox/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "io/fiber.h"
#include "mailbox/background.h"
#include "mailbox/gather.h"
#include "mailbox/order.h"
#include "mailbox/remains.h"
#include "mailbox/store.h"
#include "mailbox/uidlist.h"
#include "mailbox/view.h"

enum {
	UNUSED_MOST = 4,      /* mailboxes in memory that nobody uses */
	NEAR_MOST = 8,        /* messages to step over before halving */
};

struct mailbox_entry mailbox_entry_of(const struct mailbox_message *message)
{
	return (struct mailbox_entry){
		.name = message->name,
		.is_new = message->is.flags & MAILBOX_IN_NEW,
	};
}

void mailbox_changed(struct mailbox *mailbox)
{
	mailbox->changes++;
	list_each (at, &mailbox->watchers) {
		struct mailbox_watcher *w =
			CONTAINER(at, struct mailbox_watcher, link);

		w->wake(w->context);
	}
	if (mailbox->store->takes_text)
		mailbox_background(mailbox->store);
	mailbox_tell(mailbox->store, MAILBOX_EVENT_MESSAGES,
		str_from(mailbox->name), STR_NONE);
}

static void end_watch(struct mailbox *mailbox)
{
	mailbox_watch_end(mailbox->store, mailbox->watch);
	mailbox->watch = NULL;
}

void mailbox_watch(struct mailbox *mailbox, struct mailbox_watcher *watcher)
{
	list_append(&mailbox->watchers, &watcher->link);
	mailbox->is_followed = true;
	if (mailbox->watch && !mailbox_watch_works(mailbox->watch))
		end_watch(mailbox);
	if (!mailbox->watch)
		mailbox->watch = mailbox_watch_begin(mailbox->store,
			mailbox->name);
}

void mailbox_unwatch(struct mailbox_watcher *watcher)
{
	list_remove(&watcher->link);
}

const char *mailbox_file_of(struct mailbox *mailbox, const char *file,
	char path[MAILBOX_PATH_MOST])
{
	struct arena *arena auto_arena = arena_new(0);

	snprintf(path, MAILBOX_PATH_MOST, "%s%s",
		layout_prefix(&mailbox->store->place, arena, mailbox->name),
		file);
	return path;
}

const char *mailbox_id_of(const struct index_mailbox *row,
	struct arena *arena)
{
	struct buf out = BUF_IN(arena);

	buf_char(&out, 'F');
	for (size_t i = 0; i < sizeof(row->guid); i++)
		buf_fmt(&out, "%02x", row->guid[i]);
	return arena_cstr(arena, buf_str(&out));
}

const char *mailbox_id(const struct mailbox *mailbox, struct arena *arena)
{
	return mailbox_id_of(&mailbox->row, arena);
}

uint32_t mailbox_first_unseen(struct mailbox *mailbox)
{
	size_t i = 0;

	if (mailbox->unseen_at == mailbox->changes + 1)
		return mailbox->first_unseen;
	while (i < mailbox->count &&
		(mailbox->messages[i].is.flags & IMAP_SEEN))
		i++;
	mailbox->unseen_at = mailbox->changes + 1;
	mailbox->first_unseen = i < mailbox->count ?
		mailbox->messages[i].is.uid : 0;
	return mailbox->first_unseen;
}

size_t mailbox_behind(const struct mailbox *mailbox, uint32_t uid)
{
	size_t low = 0, high = mailbox->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mailbox->messages[middle].is.uid <= uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Where none was removed before it, its place is known. */
static struct mailbox_message *find_at_once(const struct mailbox *mailbox,
	uint32_t uid)
{
	struct mailbox_message *first = mailbox->messages;
	size_t at;

	if (mailbox->count == 0 || uid < first->is.uid)
		return NULL;
	at = uid - first->is.uid;
	return at < mailbox->count && first[at].is.uid == uid ? &first[at] :
		NULL;
}

struct mailbox_message *mailbox_find(const struct mailbox *mailbox,
	uint32_t uid)
{
	struct mailbox_message *found = find_at_once(mailbox, uid);
	size_t behind;

	if (found)
		return found;
	behind = mailbox_behind(mailbox, uid);
	return behind > 0 && mailbox->messages[behind - 1].is.uid == uid ?
		&mailbox->messages[behind - 1] : NULL;
}

struct mailbox_message *mailbox_find_near(const struct mailbox *mailbox,
	uint32_t uid, size_t *near)
{
	size_t at = *near, end = at + NEAR_MOST;

	while (at < end && at < mailbox->count &&
		mailbox->messages[at].is.uid < uid)
		at++;
	if (at >= mailbox->count || mailbox->messages[at].is.uid != uid) {
		at = mailbox_behind(mailbox, uid);
		if (at > 0 && mailbox->messages[at - 1].is.uid == uid)
			at--;
	}
	*near = at;
	return at < mailbox->count && mailbox->messages[at].is.uid == uid ?
		&mailbox->messages[at] : NULL;
}

/* ---- opening ---- */

/* What is needed of its files; gathered: was read before. */
static bool read_uidlist(struct mailbox *mailbox, struct arena *arena,
	const struct mailbox_gathered *gathered, struct str *text,
	unsigned char guid[16])
{
	char path[MAILBOX_PATH_MOST];

	if (gathered) {
		*text = gathered->uidlist;
		memcpy(guid, gathered->guid, sizeof(gathered->guid));
		return true;
	}
	random_octets(guid, sizeof(mailbox->row.guid));
	return mailbox_store_read(mailbox->store, arena,
		mailbox_file_of(mailbox, "dovecot-uidlist", path), text);
}

/* The first time that we see it: with the uids that it has. */
static bool take_over(struct mailbox *mailbox, struct index_txn *txn,
	const struct mailbox_gathered *gathered)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_uidlist list;
	struct index_mailbox row = { .uidnext = 1, .recent_from = 1 };
	struct str text;
	bool is_listed;

	if (!read_uidlist(mailbox, arena, gathered, &text, row.guid) ||
		!index_mailbox_new(txn, &row))
		return false;
	mailbox->row = row;
	/* What was gathered has none. */
	if (!gathered && !mailbox_remains_find(mailbox))
		return false;
	row = mailbox->row;
	row.modseq = row.expunged_from = (uint64_t)wall_us();
	is_listed = mailbox_uidlist_parse(arena, text, &list);
	if (is_listed) {
		row.uidvalidity = list.uidvalidity;
		row.uidnext = list.uidnext;
		row.uid_reserved = list.uidnext;
		row.recent_from = list.uidnext;
		if (list.has_guid)
			memcpy(row.guid, list.guid, sizeof(row.guid));
	}
	mailbox->row = row;
	mailbox_keywords_load(mailbox, txn);
	/* If it is only met, the scan does that if a name has a keyword. */
	if (!mailbox->is_met && !mailbox_keywords_take_over(mailbox, txn))
		return false;
	/* Its UIDVALIDITY is on disk before it is told. */
	mailbox->is_unlisted = !is_listed;
	if (!is_listed) {
		mailbox->row.uid_reserved = row.uidnext + MAILBOX_RESERVED;
		if (!mailbox->is_met && !mailbox_uids_write(mailbox))
			return false;
	}
	return index_mailbox_put(txn, str_from(mailbox->name), &mailbox->row);
}

/* Made anew by another program, with another UIDVALIDITY? */
static bool is_another(struct mailbox *mailbox)
{
	char path[MAILBOX_PATH_MOST], line[256];
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_uidlist list;
	ssize_t got;

	if (mailbox_uids_stamp(mailbox) == mailbox->row.uidlist_ns)
		return false;
	auto_close int fd = openat(mailbox->store->dir,
		mailbox_file_of(mailbox, "dovecot-uidlist", path),
		O_RDONLY | O_CLOEXEC);

	got = fd < 0 ? 0 : read(fd, line, sizeof(line));
	if (got <= 0 || !memchr(line, '\n', (size_t)got))
		return false;
	return mailbox_uidlist_parse(arena, str_of(line, (size_t)((char *)
		memchr(line, '\n', (size_t)got) - line)), &list) &&
		list.uidvalidity != mailbox->row.uidvalidity;
}

static bool first_load(struct mailbox *mailbox, struct index_txn *txn)
{
	if (!mailbox_load(mailbox, txn))
		return take_over(mailbox, txn, NULL);
	if (!is_another(mailbox))
		return true;
	log_warning("%s: %s was made anew by another program",
		mailbox->store->path, mailbox->name);
	mailbox_drop_messages(mailbox);
	return index_mailbox_remove(txn, str_from(mailbox->name)) &&
		take_over(mailbox, txn, NULL);
}

static enum mailbox_result read_mailbox(struct mailbox *mailbox)
{
	struct index_txn *txn = index_begin(mailbox->store->index, false);
	bool known;

	if (!txn)
		return MAILBOX_TRY_LATER;
	known = mailbox_look(mailbox, txn) && !is_another(mailbox);
	index_abort(txn);
	if (known)
		return mailbox_refresh(mailbox, false);
	txn = index_begin(mailbox->store->index, true);
	if (!txn)
		return MAILBOX_TRY_LATER;
	if (!first_load(mailbox, txn)) {
		index_abort(txn);
		return MAILBOX_TRY_LATER;
	}
	if (!index_commit(txn))
		return MAILBOX_TRY_LATER;
	mailbox->store->driver->tidy(&mailbox->store->place, mailbox->name);
	mailbox->is_tidied = true;
	return mailbox_refresh(mailbox, false);
}

static struct mailbox *new_mailbox(struct mailbox_store *store,
	struct str name)
{
	struct mailbox *m = mem_new(1, sizeof(*m));

	m->store = store;
	m->name = strndup(name.p, name.len);
	if (!m->name)
		starved("out of memory");
	list_init(&m->watchers);
	list_append(&store->open, &m->link);
	return m;
}

static void free_mailbox(struct mailbox *m)
{
	end_watch(m);
	mailbox_drop_messages(m);
	for (size_t i = 0; i < m->keyword_count; i++)
		free(m->keywords[i]);
	list_remove(&m->link);
	mailbox_order_free(m->order);
	mailbox_remains_free(m);
	mailbox_shared_leave(m->shared);
	buf_free(&m->learned);
	free(m->messages);
	free(m->name);
	free(m);
}

bool mailbox_meet(struct mailbox_store *store, struct str name,
	struct index_txn *txn, const struct mailbox_gathered *gathered)
{
	struct mailbox *m = new_mailbox(store, name);
	enum mailbox_result result = MAILBOX_TRY_LATER;

	m->is_met = true;
	if (take_over(m, txn, gathered))
		result = mailbox_scan_in(m, txn, gathered);
	if (result == MAILBOX_OK)
		mailbox_changed(m);
	else if (result == MAILBOX_NONEXISTENT &&
		index_mailbox_remove(txn, name))
		result = MAILBOX_OK;
	free_mailbox(m);
	return result == MAILBOX_OK;
}

/* Met, and killed before its uidlist was written, or flushed. */
static bool was_only_met(struct mailbox *m)
{
	return m->row.uidlist_ns == 0 &&
		!mailbox_store_is_named(m->store, m->name);
}

/* Whoever opens it may tell its UIDs: its uidlist is on the disk before. */
static enum mailbox_result opened(struct mailbox *m,
	enum mailbox_result result)
{
	if (result == MAILBOX_OK && was_only_met(m))
		mailbox_store_unflushed(m->store, m->name, MAILBOX_UNLISTED |
			MAILBOX_UIDS | MAILBOX_NAMED);
	if (result == MAILBOX_OK)
		result = mailbox_store_settle_name(m->store, m->name);
	if (result != MAILBOX_OK)
		mailbox_close(m);
	return result;
}

enum mailbox_result mailbox_open(struct mailbox_store *store,
	struct str name, struct mailbox **mailbox)
{
	enum mailbox_result result;

	name = mailbox_name_of(name);
	if (!mailbox_name_is_good(store, name))
		return MAILBOX_NONEXISTENT;
	list_each (at, &store->open) {
		struct mailbox *m = CONTAINER(at, struct mailbox, link);

		if (!str_is(name, m->name) || m->is_removed)
			continue;
		if (m->users == 0 && is_another(m)) {
			mailbox_drop(m);
			continue;
		}
		*mailbox = m;
		if (m->users++ == 0)
			store->unused--;
		return opened(m, mailbox_refresh(m, false));
	}
	if (!mailbox_store_has(store, name))
		return MAILBOX_NONEXISTENT;
	*mailbox = new_mailbox(store, name);
	(*mailbox)->users = 1;
	result = read_mailbox(*mailbox);
	/* Of which nothing is known: whoever tries again begins anew. */
	(*mailbox)->is_removed = result != MAILBOX_OK;
	return opened(*mailbox, result);
}

enum mailbox_result mailbox_open_to_add(struct mailbox_store *store,
	struct str name, struct mailbox **mailbox)
{
	name = mailbox_name_of(name);
	list_each (at, &store->open) {
		struct mailbox *m = CONTAINER(at, struct mailbox, link);

		if (m->arriving == 0 || m->is_removed ||
			!str_is(name, m->name))
			continue;
		m->users++;
		*mailbox = m;
		return MAILBOX_OK;
	}
	return mailbox_open(store, name, mailbox);
}

void mailbox_drop(struct mailbox *mailbox)
{
	mailbox->store->unused--;
	free_mailbox(mailbox);
}

/* Those that were closed last stay. */
static void drop_oldest(struct mailbox_store *store)
{
	struct mailbox *oldest = NULL;

	list_each (at, &store->open) {
		struct mailbox *m = CONTAINER(at, struct mailbox, link);

		if (m->users == 0 && !mailbox_remains_are_wanted(m) &&
			(!oldest || m->closed < oldest->closed))
			oldest = m;
	}
	if (!oldest)
		return;
	mailbox_keep(oldest);
	mailbox_drop(oldest);
}

void mailbox_close(struct mailbox *mailbox)
{
	struct mailbox_store *store;

	if (!mailbox || --mailbox->users > 0)
		return;
	store = mailbox->store;
	store->unused++;
	mailbox->closed = ++store->closes;
	if (mailbox->is_removed) {
		mailbox_drop(mailbox);
		return;
	}
	while (!mailbox_rename_pending(mailbox))
		;
	mailbox_keep_learned(mailbox);
	/* What is delivered meanwhile is taken up in the background. */
	if (!store->takes_text || strcmp(mailbox->name, "INBOX") != 0)
		end_watch(mailbox);
	if (store->unused > UNUSED_MOST)
		drop_oldest(store);
}

enum mailbox_result mailbox_recent(struct mailbox *mailbox, bool claim,
	uint32_t *from)
{
	struct index_txn *txn;
	bool ok;

	*from = mailbox->row.recent_from;
	if (!claim || *from >= mailbox->row.uidnext)
		return MAILBOX_OK;
	txn = index_begin(mailbox->store->index, true);
	if (!txn)
		return MAILBOX_TRY_LATER;
	ok = mailbox_look(mailbox, txn);
	*from = mailbox->row.recent_from;
	mailbox->row.recent_from = mailbox->row.uidnext;
	ok = ok && index_mailbox_put(txn, str_from(mailbox->name),
		&mailbox->row);
	if (!ok)
		index_abort(txn);
	else
		ok = index_commit(txn);
	return ok ? MAILBOX_OK : MAILBOX_TRY_LATER;
}
