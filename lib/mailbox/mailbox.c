/*
 * A mailbox in memory: opening it, and its ties to the index.
 */
#include "mailbox/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "io/fiber.h"
#include "mailbox/store.h"
#include "mailbox/uidlist.h"

enum {
	RESERVED = 1000,      /* uids that one write of the uidlist reserves */
	RENAMED_AT_ONCE = 200,
	GARBAGE_MOST = 200,
	UNUSED_MOST = 4,      /* mailboxes in memory that nobody uses */
	UIDLIST_PATH_MOST = 512,
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
}

void mailbox_watch(struct mailbox *mailbox, struct mailbox_watcher *watcher)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_store *store = mailbox->store;
	const char *paths[2];

	list_append(&mailbox->watchers, &watcher->link);
	mailbox_store_listen(store);
	if (store->inotify < 0 || mailbox->watches[0] >= 0)
		return;
	store->driver->watched(store->dir, mailbox->name, arena, paths);
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct str path = arena_fmt(arena, "%s/%s", store->path,
			paths[i]);

		mailbox->watches[i] = inotify_add_watch(store->inotify,
			path.p, IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM |
			IN_DELETE | IN_ONLYDIR);
	}
}

static void end_watches(struct mailbox *mailbox)
{
	for (size_t i = 0; i < COUNT(mailbox->watches); i++) {
		if (mailbox->watches[i] >= 0)
			inotify_rm_watch(mailbox->store->inotify,
				mailbox->watches[i]);
		mailbox->watches[i] = -1;
	}
}

void mailbox_unwatch(struct mailbox_watcher *watcher)
{
	list_remove(&watcher->link);
}

/* ---- memory and index ---- */

static void drop_messages(struct mailbox *mailbox)
{
	for (size_t i = 0; i < mailbox->count; i++)
		free(mailbox->messages[i].name);
	mailbox->count = 0;
	mailbox->has_pending = false;
}

static void append(struct mailbox *mailbox,
	const struct index_message *message, struct str name)
{
	struct mailbox_message *m;

	array_grow(&mailbox->messages, &mailbox->capacity,
		mailbox->count + 1, sizeof(*mailbox->messages));
	m = &mailbox->messages[mailbox->count++];
	m->is = *message;
	m->name = strndup(name.p, name.len);
	if (!m->name)
		starved("out of memory");
	if (message->flags & MAILBOX_PENDING)
		mailbox->has_pending = true;
}

static void append_each(void *context, const struct index_message *message,
	struct str name)
{
	append(context, message, name);
}

static void load_keywords(struct mailbox *mailbox, struct index_txn *txn)
{
	struct str names;

	for (size_t i = 0; i < mailbox->keyword_count; i++)
		free(mailbox->keywords[i]);
	mailbox->keyword_count = 0;
	if (!index_keywords_find(txn, mailbox->row.id, &names))
		return;
	while (names.len > 0 &&
		mailbox->keyword_count < MAILBOX_KEYWORDS_MOST) {
		struct str name = str_take_until(&names, 0);

		mailbox->keywords[mailbox->keyword_count++] =
			name.len ? strndup(name.p, name.len) : NULL;
	}
}

bool mailbox_load(struct mailbox *mailbox, struct index_txn *txn)
{
	struct index_mailbox row;

	if (!index_mailbox_find(txn, str_from(mailbox->name), &row))
		return false;
	if (mailbox->row.id == row.id &&
		mailbox->row.uidvalidity == row.uidvalidity &&
		mailbox->row.modseq == row.modseq &&
		mailbox->row.uidnext == row.uidnext &&
		mailbox->row.names == row.names) {
		mailbox->row = row;
		return true;
	}
	mailbox->row = row;
	drop_messages(mailbox);
	index_messages_each(txn, row.id, append_each, mailbox);
	load_keywords(mailbox, txn);
	mailbox_changed(mailbox);
	return true;
}

void mailbox_reload(struct mailbox *mailbox)
{
	struct index_txn *txn = index_begin(mailbox->store->index, false);

	mailbox->row.modseq = 0;
	if (txn && !mailbox_load(mailbox, txn))
		mailbox->is_removed = true;
	index_abort(txn);
}

bool mailbox_add(struct mailbox *mailbox, struct index_txn *txn,
	const struct index_message *message, const char *name)
{
	append(mailbox, message, str_from(name));
	return index_message_put(txn, mailbox->row.id, message,
		str_from(name));
}

bool mailbox_forget(struct mailbox *mailbox, struct index_txn *txn,
	uint32_t uid, uint64_t modseq)
{
	return index_message_remove(txn, mailbox->row.id, uid) &&
		index_expunged_put(txn, &mailbox->row, modseq, uid);
}

struct vanished {
	struct arena *arena;
	uint32_t *uids;
	size_t count, capacity;
};

static void take_vanished(void *context, uint32_t uid)
{
	struct vanished *v = context;

	arena_grow(v->arena, &v->uids, &v->capacity, v->count + 1,
		sizeof(uid));
	v->uids[v->count++] = uid;
}

/* All uids of the set that are not there now: the gaps between messages. */
static void add_missing(struct mailbox *mailbox, struct arena *arena,
	const struct imap_set *wanted, uint32_t from, struct imap_set *vanished)
{
	uint32_t last = mailbox->row.uidnext - 1;
	size_t at = 0;

	for (size_t i = 0; i < wanted->count; i++) {
		struct imap_range r = wanted->ranges[i];
		uint32_t uid = r.from > from ? r.from : from;
		uint32_t to = r.to < last ? r.to : last;

		while (at < mailbox->count &&
			mailbox->messages[at].is.uid < uid)
			at++;
		for (; at < mailbox->count &&
			mailbox->messages[at].is.uid <= to; at++) {
			imap_set_add_range(arena, vanished, uid,
				mailbox->messages[at].is.uid - 1);
			uid = mailbox->messages[at].is.uid + 1;
		}
		imap_set_add_range(arena, vanished, uid, to);
	}
}

static int by_uid(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

enum mailbox_result mailbox_vanished(struct mailbox *mailbox,
	struct arena *arena, const struct imap_set *wanted, uint64_t after,
	uint32_t from, struct imap_set *vanished)
{
	struct vanished v = { .arena = arena };
	struct index_txn *txn;

	*vanished = (struct imap_set){ 0 };
	if (after < mailbox->row.expunged_from) {
		add_missing(mailbox, arena, wanted, from, vanished);
		return MAILBOX_OK;
	}
	txn = index_begin(mailbox->store->index, false);
	if (!txn)
		return MAILBOX_TRY_LATER;
	index_expunged_each(txn, mailbox->row.id, after, take_vanished, &v);
	index_abort(txn);
	if (v.count)
		qsort(v.uids, v.count, sizeof(*v.uids), by_uid);
	for (size_t i = 0; i < v.count; i++)
		if (imap_set_has(wanted, v.uids[i]))
			imap_set_add(arena, vanished, v.uids[i]);
	return MAILBOX_OK;
}

const char *mailbox_id(const struct mailbox *mailbox, struct arena *arena)
{
	struct buf out = BUF_IN(arena);

	buf_char(&out, 'F');
	for (size_t i = 0; i < sizeof(mailbox->row.guid); i++)
		buf_fmt(&out, "%02x", mailbox->row.guid[i]);
	return arena_cstr(arena, buf_str(&out));
}

struct mailbox_message *mailbox_find(const struct mailbox *mailbox,
	uint32_t uid)
{
	size_t low = 0, high = mailbox->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mailbox->messages[middle].is.uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < mailbox->count && mailbox->messages[low].is.uid == uid)
		return &mailbox->messages[low];
	return NULL;
}

/* ---- keywords ---- */

int mailbox_keyword(const struct mailbox *mailbox, struct str name)
{
	for (size_t i = 0; i < mailbox->keyword_count; i++)
		if (mailbox->keywords[i] &&
			str_is_nocase(name, mailbox->keywords[i]))
			return (int)i;
	return -1;
}

static const char *file_of(struct mailbox *mailbox, const char *file,
	char path[UIDLIST_PATH_MOST])
{
	struct arena *arena auto_arena = arena_new(0);

	snprintf(path, UIDLIST_PATH_MOST, "%s%s",
		mailbox->store->driver->path(arena, mailbox->name), file);
	return path;
}

static bool keep_keywords(struct mailbox *mailbox, struct index_txn *txn)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf rows = BUF_IN(arena), text = BUF_IN(arena);
	struct str names[MAILBOX_KEYWORDS_MOST];
	char path[UIDLIST_PATH_MOST];

	for (size_t i = 0; i < mailbox->keyword_count; i++) {
		names[i] = str_from(mailbox->keywords[i]);
		buf_add(&rows, names[i]);
		buf_char(&rows, 0);
	}
	mailbox_keywords_format(&text, names,
		mailbox->keyword_count < MAILBOX_LETTERS ?
			mailbox->keyword_count : MAILBOX_LETTERS);
	if (!mailbox_store_write(mailbox->store,
		file_of(mailbox, "dovecot-keywords", path), buf_str(&text),
		true))
		log_warning("%s: write %s: %m", mailbox->store->path, path);
	return index_keywords_put(txn, mailbox->row.id, buf_str(&rows));
}

bool mailbox_keywords_of(struct mailbox *mailbox, struct index_txn *txn,
	const struct imap_flags *flags, bool make, uint64_t *bits)
{
	bool made = false;

	*bits = 0;
	for (size_t i = 0; i < flags->count; i++) {
		int bit = mailbox_keyword(mailbox, flags->keywords[i]);

		if (bit < 0 && make &&
			mailbox->keyword_count < MAILBOX_KEYWORDS_MOST) {
			bit = (int)mailbox->keyword_count++;
			mailbox->keywords[bit] = strndup(
				flags->keywords[i].p, flags->keywords[i].len);
			made = true;
		}
		if (bit >= 0)
			*bits |= (uint64_t)1 << bit;
	}
	return !made || keep_keywords(mailbox, txn);
}

static void take_over_keywords(struct mailbox *mailbox,
	struct index_txn *txn)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str names[MAILBOX_LETTERS];
	struct buf rows = BUF_IN(arena);
	char path[UIDLIST_PATH_MOST];
	size_t count = mailbox_keywords_parse(
		mailbox_store_read(mailbox->store, arena,
			file_of(mailbox, "dovecot-keywords", path)),
		names, MAILBOX_LETTERS);

	for (size_t i = 0; i < count; i++) {
		buf_add(&rows, names[i]);
		buf_char(&rows, 0);
	}
	if (count && !index_keywords_put(txn, mailbox->row.id, buf_str(&rows)))
		log_warning("%s: keywords are lost", mailbox->store->path);
	load_keywords(mailbox, txn);
}

/* ---- the uidlist ---- */

static uint64_t uidlist_stamp(struct mailbox *mailbox)
{
	char path[UIDLIST_PATH_MOST];
	struct stat st;

	if (fstatat(mailbox->store->dir,
		file_of(mailbox, "dovecot-uidlist", path), &st, 0) < 0)
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000000000 +
		(uint64_t)st.st_mtim.tv_nsec + ((uint64_t)st.st_ino << 20);
}

/* All of it; its header reserves uids, so it has to be on disk before any of
 * them is told. */
static bool write_uidlist(struct mailbox *mailbox)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	char path[UIDLIST_PATH_MOST];

	mailbox_uidlist_header_format(&out, mailbox->row.uidvalidity,
		mailbox->row.uid_reserved, mailbox->row.guid);
	for (size_t i = 0; i < mailbox->count; i++) {
		const struct mailbox_message *m = &mailbox->messages[i];

		mailbox_uidlist_line_format(&out, m->is.uid,
			str_of(m->name, mailbox->store->driver->key(m->name)));
	}
	if (!mailbox_store_write(mailbox->store,
		file_of(mailbox, "dovecot-uidlist", path), buf_str(&out),
		true)) {
		log_warning("%s: write %s: %m", mailbox->store->path, path);
		return false;
	}
	mailbox->garbage = 0;
	mailbox->row.uidlist_ns = uidlist_stamp(mailbox);
	return true;
}

void mailbox_list_uids(struct mailbox *mailbox, size_t from)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	char path[UIDLIST_PATH_MOST];
	auto_close int fd = openat(mailbox->store->dir,
		file_of(mailbox, "dovecot-uidlist", path),
		O_WRONLY | O_APPEND | O_CLOEXEC);
	bool is_ours = uidlist_stamp(mailbox) == mailbox->row.uidlist_ns;

	for (size_t i = from; i < mailbox->count; i++) {
		const struct mailbox_message *m = &mailbox->messages[i];

		mailbox_uidlist_line_format(&out, m->is.uid,
			str_of(m->name, mailbox->store->driver->key(m->name)));
	}
	if (fd < 0 || write(fd, out.p, out.len) != (ssize_t)out.len) {
		write_uidlist(mailbox);
		return;
	}
	mailbox_store_unflushed(mailbox->store, mailbox->name, MAILBOX_UIDS);
	if (is_ours)
		mailbox->row.uidlist_ns = uidlist_stamp(mailbox);
}

uint32_t mailbox_next_uid(struct mailbox *mailbox)
{
	struct index_mailbox *row = &mailbox->row;
	uint32_t was = row->uid_reserved;

	if (row->uidnext >= UINT32_MAX - 2 * RESERVED)
		return 0;
	if (row->uidnext >= row->uid_reserved) {
		row->uid_reserved = row->uidnext + RESERVED;
		if (!write_uidlist(mailbox)) {
			row->uid_reserved = was;
			return 0;
		}
	}
	return row->uidnext++;
}

/* ---- opening ---- */

/* The first time that we see it: with the uids that it has. */
static bool take_over(struct mailbox *mailbox, struct index_txn *txn)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_uidlist list;
	char path[UIDLIST_PATH_MOST];
	struct index_mailbox row = { .uidnext = 1, .recent_from = 1 };
	bool is_listed;

	if (!index_mailbox_new(txn, &row))
		return false;
	row.modseq = row.expunged_from = (uint64_t)wall_us();
	random_octets(row.guid, sizeof(row.guid));
	is_listed = mailbox_uidlist_parse(arena,
		mailbox_store_read(mailbox->store, arena,
			file_of(mailbox, "dovecot-uidlist", path)), &list);
	if (is_listed) {
		row.uidvalidity = list.uidvalidity;
		row.uidnext = list.uidnext;
		row.uid_reserved = list.uidnext;
		row.recent_from = list.uidnext;
		if (list.has_guid)
			memcpy(row.guid, list.guid, sizeof(row.guid));
	}
	mailbox->row = row;
	take_over_keywords(mailbox, txn);
	/* Its UIDVALIDITY is on disk before it is told. */
	if (!is_listed) {
		mailbox->row.uid_reserved = row.uidnext + RESERVED;
		if (!write_uidlist(mailbox))
			return false;
	}
	return index_mailbox_put(txn, str_from(mailbox->name), &mailbox->row);
}

/* Made anew by another program, with another UIDVALIDITY? */
static bool is_another(struct mailbox *mailbox)
{
	char path[UIDLIST_PATH_MOST], line[256];
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_uidlist list;
	ssize_t got;

	if (uidlist_stamp(mailbox) == mailbox->row.uidlist_ns)
		return false;
	auto_close int fd = openat(mailbox->store->dir,
		file_of(mailbox, "dovecot-uidlist", path),
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
		return take_over(mailbox, txn);
	if (!is_another(mailbox))
		return true;
	log_warning("%s: %s was made anew by another program",
		mailbox->store->path, mailbox->name);
	drop_messages(mailbox);
	return index_mailbox_remove(txn, str_from(mailbox->name)) &&
		take_over(mailbox, txn);
}

static enum mailbox_result read_mailbox(struct mailbox *mailbox)
{
	struct index_txn *txn = index_begin(mailbox->store->index, false);
	bool known;

	if (!txn)
		return MAILBOX_TRY_LATER;
	known = mailbox_load(mailbox, txn) && !is_another(mailbox);
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
	mailbox->store->driver->tidy(mailbox->store->dir, mailbox->name);
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
	m->watches[0] = m->watches[1] = -1;
	list_init(&m->watchers);
	list_append(&store->open, &m->link);
	return m;
}

static void free_mailbox(struct mailbox *m)
{
	end_watches(m);
	drop_messages(m);
	for (size_t i = 0; i < m->keyword_count; i++)
		free(m->keywords[i]);
	list_remove(&m->link);
	buf_free(&m->learned);
	free(m->messages);
	free(m->name);
	free(m);
}

enum mailbox_result mailbox_open(struct mailbox_store *store,
	struct str name, struct mailbox **mailbox)
{
	enum mailbox_result result;

	name = mailbox_name_of(name);
	if (!mailbox_name_is_good(name))
		return MAILBOX_NONEXISTENT;
	list_each (at, &store->open) {
		struct mailbox *m = CONTAINER(at, struct mailbox, link);

		if (!str_is(name, m->name) || m->is_removed)
			continue;
		*mailbox = m;
		if (m->users++ == 0)
			store->unused--;
		result = mailbox_refresh(m, false);
		if (result != MAILBOX_OK)
			mailbox_close(m);
		return result;
	}
	if (!mailbox_store_has(store, name))
		return MAILBOX_NONEXISTENT;
	*mailbox = new_mailbox(store, name);
	(*mailbox)->users = 1;
	result = read_mailbox(*mailbox);
	if (result != MAILBOX_OK)
		mailbox_close(*mailbox);
	return result;
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

		if (m->users == 0 && (!oldest || m->closed < oldest->closed))
			oldest = m;
	}
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
	end_watches(mailbox);
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
	ok = mailbox_load(mailbox, txn);
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

/* ---- names follow flags ---- */

static bool rename_message(struct mailbox *mailbox, struct index_txn *txn,
	struct mailbox_message *message, struct arena *arena)
{
	const struct mailbox_driver *driver = mailbox->store->driver;
	struct mailbox_entry entry = mailbox_entry_of(message);
	const char *name = driver->with_flags(arena, message->name,
		message->is.flags,
		(uint32_t)(message->is.keywords &
			((1u << MAILBOX_LETTERS) - 1)));

	message->is.flags &= ~(unsigned)MAILBOX_PENDING;
	if (strcmp(name, message->name) == 0 && !entry.is_new)
		return index_message_put(txn, mailbox->row.id, &message->is,
			str_from(name));
	if (!driver->move(mailbox->store->dir, mailbox->name, &entry,
		mailbox->name, name)) {
		/* Gone, or renamed by another: the next scan tells. */
		if (errno != ENOENT)
			log_warning("%s: rename %s: %m", mailbox->store->path,
				message->name);
		mailbox->is_suspect = true;
		return index_message_put(txn, mailbox->row.id, &message->is,
			str_from(message->name));
	}
	mailbox_store_unflushed(mailbox->store, mailbox->name,
		MAILBOX_CUR | (entry.is_new ? MAILBOX_NEW : 0));
	free(message->name);
	message->name = strdup(name);
	if (!message->name)
		starved("out of memory");
	message->is.flags &= ~(unsigned)MAILBOX_IN_NEW;
	return index_message_put(txn, mailbox->row.id, &message->is,
		str_from(name));
}

bool mailbox_rename_pending(struct mailbox *mailbox)
{
	struct arena *arena auto_arena = NULL;
	struct index_txn *txn;
	size_t renamed = 0, i;
	bool known, ok;

	if (!mailbox->has_pending || mailbox->is_removed)
		return true;
	txn = index_begin(mailbox->store->index, true);
	if (!txn || !mailbox_load(mailbox, txn)) {
		index_abort(txn);
		return true;
	}
	arena = arena_new(0);
	known = mailbox_stamp_is_known(mailbox);
	ok = true;
	for (i = 0; ok && i < mailbox->count && renamed < RENAMED_AT_ONCE;
		i++) {
		if (!(mailbox->messages[i].is.flags & MAILBOX_PENDING))
			continue;
		ok = rename_message(mailbox, txn, &mailbox->messages[i],
			arena);
		renamed++;
	}
	if (i == mailbox->count)
		mailbox->has_pending = false;
	mailbox_stamp_own(mailbox, known);
	mailbox->row.names++;
	ok = ok && index_mailbox_put(txn, str_from(mailbox->name),
		&mailbox->row);
	if (!ok)
		index_abort(txn);
	else
		ok = index_commit(txn);
	if (!ok) {
		mailbox_reload(mailbox);
		mailbox->has_pending = false; /* not again and again */
	}
	if (mailbox->garbage > GARBAGE_MOST &&
		mailbox->garbage > mailbox->count / 2)
		write_uidlist(mailbox);
	return !mailbox->has_pending;
}
