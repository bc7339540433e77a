/*
 * Taking in what others did to the mailbox: other processes by way of the
 * index, other programs by way of the files.
 *
 * A file that is renamed while a directory is read may be missed, so a
 * message is gone only when a second reading misses it too. As long as cur/ is
 * as we know it (stamps.c), which is so when mail is delivered, only new/ is
 * read.
 */
#include "mailbox/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/span.h"
#include "base/table.h"
#include "mailbox/arrivals.h"
#include "mailbox/background.h"
#include "mailbox/gather.h"
#include "mailbox/remains.h"
#include "mailbox/store.h"
#include "mailbox/uidlist.h"

enum {
	TWINS_AMONG = 64, /* of the last messages, where one might have a name */
};

struct scan {
	struct mailbox *mailbox;
	struct index_txn *txn;
	struct arena *arena;
	const struct mailbox_gathered *gathered; /* NULL: it reads the files */
	struct table *entries; /* key -> struct mailbox_entry */
	struct mailbox_entry **found; /* of each message; NULL: not looked up */
	uint64_t modseq;
	uint32_t letters;      /* that names have and the index had not */
	bool claim, ok;
	bool changed;
	bool new_only;         /* cur/ is as we know it */
	bool postponed;        /* somebody gives uids to files just now */
	bool moved;            /* files to cur/ */
	bool undated;          /* dates of new ones are read later */
};

/* What is still to be removed is none of them. */
static void pass_remains(struct mailbox *m, struct mailbox_entry *entries,
	size_t *count)
{
	size_t kept = 0;

	for (size_t i = 0; m->remains && i < *count; i++)
		if (!mailbox_remains_have(m, &entries[i]))
			entries[kept++] = entries[i];
	if (m->remains)
		*count = kept;
}

static enum mailbox_result read_entries(struct scan *scan,
	struct mailbox_entry **entries, size_t *count)
{
	struct mailbox *m = scan->mailbox;
	const struct mailbox_driver *driver = m->store->driver;
	enum mailbox_result result = MAILBOX_OK;

	if (scan->gathered) {
		*entries = scan->gathered->entries;
		*count = scan->gathered->count;
	} else {
		result = driver->scan(&m->store->place, m->name,
			scan->new_only, scan->arena, entries, count);
	}
	if (result == MAILBOX_OK)
		pass_remains(m, *entries, count);
	table_free(scan->entries);
	scan->entries = table_new_borrowing();
	scan->found = NULL;
	for (size_t i = 0; result == MAILBOX_OK && i < *count; i++) {
		struct mailbox_entry *e = &(*entries)[i];
		struct mailbox_entry *before = table_put(scan->entries,
			str_of(e->name, driver->key(e->name)), e);

		/* Moved meanwhile: the later one counts. */
		if (before)
			before->is_known = true;
	}
	return result;
}

static struct mailbox_entry *find_entry(struct scan *scan, const char *name)
{
	return table_find(scan->entries,
		str_of(name, scan->mailbox->store->driver->key(name)));
}

/* What another program changed in the name is what changed in the flags;
 * changes of ours that no name shows yet stay. */
static void take_flags(struct scan *scan, struct mailbox_message *m,
	const char *name)
{
	const struct mailbox_driver *driver = scan->mailbox->store->driver;
	unsigned was, now;
	uint32_t was_letters, now_letters;
	uint64_t keywords;

	driver->flags(m->name, &was, &was_letters);
	driver->flags(name, &now, &now_letters);
	if (was == now && was_letters == now_letters)
		return;
	scan->letters |= now_letters & ~was_letters;
	keywords = (m->is.keywords | (now_letters & ~was_letters)) &
		~(uint64_t)(was_letters & ~now_letters);
	m->is.flags = (m->is.flags | (now & ~was)) & ~(was & ~now);
	m->is.keywords = keywords;
	m->is.modseq = scan->mailbox->changed_modseq = scan->modseq;
	scan->changed = true;
}

/* Out of new/, as a session has seen it. */
static void claim(struct scan *scan, struct mailbox_message *m)
{
	struct mailbox *mailbox = scan->mailbox;
	const struct mailbox_driver *driver = mailbox->store->driver;
	struct mailbox_entry entry = mailbox_entry_of(m);
	const char *name;

	if (!scan->claim || !entry.is_new)
		return;
	if (!mailbox_date(mailbox, scan->txn, m))
		scan->ok = false;
	name = driver->with_flags(scan->arena, m->name, m->is.flags,
		(uint32_t)(m->is.keywords & ((1u << MAILBOX_LETTERS) - 1)));
	if (!driver->move(&mailbox->store->place, mailbox->name, &entry,
		mailbox->name, name)) {
		log_warning("%s: take %s out of new: %m", mailbox->store->path,
			m->name);
		return;
	}
	scan->moved = true;
	mailbox_store_unflushed(mailbox->store, mailbox->name,
		MAILBOX_CUR | MAILBOX_NEW);
	free(m->name);
	m->name = strdup(name);
	m->is.flags &= ~(unsigned)(MAILBOX_IN_NEW | MAILBOX_PENDING);
	mailbox->row.names++;
}

static void take_entry(struct scan *scan, struct mailbox_message *m,
	struct mailbox_entry *entry)
{
	bool was_new = m->is.flags & MAILBOX_IN_NEW;

	entry->is_known = true;
	if (strcmp(m->name, entry->name) == 0 && was_new == entry->is_new &&
		!(scan->claim && was_new))
		return;
	take_flags(scan, m, entry->name);
	if (strcmp(m->name, entry->name) != 0) {
		free(m->name);
		m->name = strdup(entry->name);
		if (!m->name)
			starved("out of memory");
		scan->mailbox->row.names++;
	}
	if (was_new != entry->is_new)
		scan->mailbox->row.names++;
	m->is.flags = (m->is.flags & ~(unsigned)MAILBOX_IN_NEW) |
		(entry->is_new ? MAILBOX_IN_NEW : 0);
	if (entry->is_new)
		scan->mailbox->has_new = true;
	claim(scan, m);
	if (!index_message_put(scan->txn, scan->mailbox->row.id, &m->is,
		str_from(m->name)))
		scan->ok = false;
}

static bool is_missing(struct scan *scan)
{
	struct mailbox *m = scan->mailbox;
	bool missing = false;

	scan->found = arena_array(scan->arena, m->count + 1,
		sizeof(struct mailbox_entry *));
	for (size_t i = 0; i < m->count; i++) {
		scan->found[i] = find_entry(scan, m->messages[i].name);
		missing = missing || !scan->found[i];
	}
	return missing;
}

static void take_known(struct scan *scan)
{
	struct mailbox *m = scan->mailbox;
	size_t kept = 0;

	if (scan->new_only && !m->has_new)
		return;
	for (size_t i = 0; i < m->count; i++) {
		struct mailbox_message *message = &m->messages[i];
		struct mailbox_entry *entry;

		if (scan->new_only && !(message->is.flags & MAILBOX_IN_NEW)) {
			m->messages[kept++] = *message;
			continue;
		}
		entry = scan->found ? scan->found[i] :
			find_entry(scan, message->name);
		if (entry) {
			take_entry(scan, message, entry);
			m->messages[kept++] = *message;
			continue;
		}
		if (!mailbox_forget(m, scan->txn, message->is.uid,
			scan->modseq))
			scan->ok = false;
		free(message->name);
		m->garbage++;
		scan->changed = true;
	}
	m->count = kept;
}

/* ---- files that we do not know ---- */

struct unknown {
	struct mailbox_entry *entry;
	uint32_t uid;      /* of the uidlist; 0: not in it */
	int64_t arrived_s; /* the number that the name begins with */
};

static int by_uid_and_time(const void *a, const void *b)
{
	const struct unknown *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid == 0 ? 1 : y->uid == 0 ? -1 :
			x->uid < y->uid ? -1 : 1;
	if (x->arrived_s != y->arrived_s)
		return x->arrived_s < y->arrived_s ? -1 : 1;
	return strcmp(x->entry->name, y->entry->name);
}

static int64_t number_of(const char *name)
{
	struct str digits = str_from(name);
	uint64_t value;

	return str_take_u64(&digits, INT64_MAX, &value) ? (int64_t)value :
							  INT64_MAX;
}

/* It came after all that we know, so that none of those has its name. */
static bool is_latest(struct scan *scan, const char *name)
{
	const struct mailbox *m = scan->mailbox;
	const struct mailbox_driver *driver = m->store->driver;
	size_t from = m->count > TWINS_AMONG ? m->count - TWINS_AMONG : 0;
	struct str key = str_of(name, driver->key(name));

	for (size_t i = from; i < m->count; i++)
		if (number_of(m->messages[i].name) > number_of(name) ||
			str_eq(key, str_of(m->messages[i].name,
				driver->key(m->messages[i].name))))
			return false;
	return true;
}

/* cur/ is as we know it: is what was found in new/ all that is news? Else one
 * of those may have left it, or come from cur/. */
static bool new_is_enough(struct scan *scan, struct mailbox_entry *entries,
	size_t count)
{
	struct mailbox *m = scan->mailbox;
	bool enough = true;

	for (size_t i = 0; m->has_new && i < m->count; i++) {
		struct mailbox_entry *entry;

		if (!(m->messages[i].is.flags & MAILBOX_IN_NEW))
			continue;
		entry = find_entry(scan, m->messages[i].name);
		if (!entry)
			return false;
		entry->is_known = true;
	}
	for (size_t i = 0; enough && i < count; i++)
		enough = entries[i].is_known ||
			is_latest(scan, entries[i].name);
	return enough;
}

/* Uids that the uidlist gives, if another program has written it. Not ok: it
 * cannot be read. */
static bool take_uids(struct scan *scan, struct table *uids)
{
	struct mailbox *m = scan->mailbox;
	struct mailbox_uidlist list;
	struct str text, path = arena_fmt(scan->arena, "%sdovecot-uidlist",
		layout_prefix(&m->store->place, scan->arena, m->name));

	scan->ok = mailbox_store_read(m->store, scan->arena, path.p, &text);
	if (!scan->ok || !mailbox_uidlist_parse(scan->arena, text, &list) ||
		list.uidvalidity != m->row.uidvalidity)
		return false;
	for (size_t i = 0; i < list.count; i++) {
		struct mailbox_uid *item = &list.items[i];
		bool is_free = m->count == 0 ||
			item->uid > m->messages[m->count - 1].is.uid;

		if (is_free)
			table_put(uids, item->key, item);
	}
	/* Up to there it is our own reservation. */
	if (list.uidnext > m->row.uid_reserved)
		m->row.uidnext = list.uidnext;
	return true;
}

static void add_unknown(struct scan *scan, const struct unknown *u,
	uint32_t uid)
{
	struct mailbox *m = scan->mailbox;
	const struct mailbox_driver *driver = m->store->driver;
	struct index_message message = { .uid = uid,
		.modseq = scan->modseq };
	uint64_t octets, size = driver->size(u->entry->name);
	bool had_new = m->has_new;
	uint32_t letters;
	unsigned flags;

	if (!u->entry->is_file)
		return;
	if (scan->undated)
		message.internal_s = message.saved_s = MAILBOX_DATE_UNKNOWN;
	else if (!driver->times(&m->store->place, m->name, u->entry,
		&message.internal_s, &message.saved_s, &octets))
		return; /* gone again */
	driver->flags(u->entry->name, &flags, &letters);
	message.flags = flags | (u->entry->is_new ? MAILBOX_IN_NEW : 0);
	message.keywords = letters;
	scan->letters |= letters;
	message.size = size ? size : MAILBOX_SIZE_UNKNOWN;
	if (!mailbox_add(m, scan->txn, &message, u->entry->name)) {
		scan->ok = false;
		return;
	}
	if (!u->entry->is_new || !scan->claim)
		return;
	claim(scan, &m->messages[m->count - 1]);
	if (!(m->messages[m->count - 1].is.flags & MAILBOX_IN_NEW))
		m->has_new = had_new;
	if (!index_message_put(scan->txn, m->row.id,
		&m->messages[m->count - 1].is,
		str_from(m->messages[m->count - 1].name)))
		scan->ok = false;
}

/* For those that are not in the uidlist, which come last. */
static bool reserve(struct scan *scan, const struct unknown *items,
	size_t count)
{
	size_t unlisted = 0;

	while (unlisted < count && items[count - 1 - unlisted].uid == 0)
		unlisted++;
	scan->ok = unlisted == 0 ||
		mailbox_reserve_uids(scan->mailbox, unlisted);
	return scan->ok;
}

static void add_all_unknown(struct scan *scan, struct unknown *items,
	size_t count)
{
	struct mailbox *m = scan->mailbox;
	size_t before = m->count, listed = before;
	uint32_t last = before ? m->messages[before - 1].is.uid : 0;
	bool from_list = false;

	scan->undated = before == 0;
	if (!reserve(scan, items, count))
		return;
	for (size_t i = 0; scan->ok && i < count; i++) {
		uint32_t uid = items[i].uid;

		if (uid <= last || uid >= m->row.uidnext)
			uid = mailbox_next_uid(m);
		else
			from_list = true;
		if (uid == 0) {
			scan->ok = false;
			return;
		}
		last = uid;
		add_unknown(scan, &items[i], uid);
		if (uid == items[i].uid)
			listed = m->count;
	}
	/* Those that came out of the list stand there already. */
	if (m->count > listed)
		mailbox_list_uids(m, listed);
	scan->changed = true;
	if (from_list && m->row.uidnext > m->row.uid_reserved)
		m->row.uid_reserved = m->row.uidnext;
}

static bool is_list_locked(struct scan *scan)
{
	struct mailbox *m = scan->mailbox;

	if (scan->gathered)
		return scan->gathered->is_locked;
	return mailbox_uids_are_locked(m->store->dir, scan->arena,
		layout_prefix(&m->store->place, scan->arena, m->name));
}

static void take_unknown(struct scan *scan, struct mailbox_entry *entries,
	size_t count)
{
	struct table *uids = table_new_borrowing();
	struct unknown *items =
		arena_array(scan->arena, count + 1, sizeof(*items));
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		if (!entries[i].is_known)
			items[found++] = (struct unknown){
				.entry = &entries[i],
				.arrived_s = number_of(entries[i].name) };
	if (found && (is_list_locked(scan) ||
			!mailbox_arrivals_allow(scan->mailbox))) {
		scan->postponed = true;
	} else if (found) {
		uint64_t stamp = scan->mailbox->is_unlisted ? 0 :
			mailbox_uids_stamp(scan->mailbox);
		bool is_read = stamp != scan->mailbox->row.uidlist_ns &&
			take_uids(scan, uids);
		size_t listed = 0;

		for (size_t i = 0; scan->ok && i < found; i++) {
			const char *name = items[i].entry->name;
			struct mailbox_uid *uid = table_find(uids, str_of(name,
				scan->mailbox->store->driver->key(name)));

			items[i].uid = uid ? uid->uid : 0;
			listed += uid != NULL;
		}
		/* No uid of it waits for its file. */
		if (is_read && listed == table_count(uids))
			scan->mailbox->row.uidlist_ns = stamp;
		qsort(items, found, sizeof(*items), by_uid_and_time);
		if (scan->ok)
			add_all_unknown(scan, items, found);
	}
	table_free(uids);
}

/* The stamp of before, as far as it can be trusted. False: there is no such
 * mailbox. */
static bool begin_scan(struct scan *scan, struct mailbox_stamp *before)
{
	struct mailbox *m = scan->mailbox;
	int64_t now_us = wall_us();

	scan->modseq = m->row.modseq + 1;
	if (scan->gathered) {
		*before = scan->gathered->stamp;
		return true;
	}
	if (!m->store->driver->stamp(&m->store->place, m->name, before))
		return false;
	scan->new_only = mailbox_stamp_cur_is(m, before->cur_ns);
	before->new_ns = mailbox_stamp_trusted(before->new_ns, now_us);
	before->cur_ns = mailbox_stamp_trusted(before->cur_ns, now_us);
	return true;
}

static enum mailbox_result scan_files(struct scan *scan)
{
	struct mailbox *m = scan->mailbox;
	struct mailbox_entry *entries;
	struct mailbox_stamp before;
	size_t count;
	enum mailbox_result result;

	if (!begin_scan(scan, &before))
		return MAILBOX_NONEXISTENT;
	if (!mailbox_remains_know(m))
		return MAILBOX_TRY_LATER;
	result = read_entries(scan, &entries, &count);
	if (result == MAILBOX_OK && scan->new_only &&
		!new_is_enough(scan, entries, count)) {
		scan->new_only = false;
		result = read_entries(scan, &entries, &count);
	}
	if (result == MAILBOX_OK && !scan->new_only && is_missing(scan))
		result = read_entries(scan, &entries, &count);
	if (result != MAILBOX_OK)
		return result;
	take_known(scan);
	take_unknown(scan, entries, count);
	if (!mailbox_keywords_are_named(m, scan->letters) &&
		!mailbox_keywords_take_over(m, scan->txn))
		scan->ok = false;
	if (scan->changed)
		m->row.modseq = scan->modseq;
	m->row.new_ns = before.new_ns;
	if (!scan->new_only) {
		m->row.cur_ns = before.cur_ns;
		m->own_cur_ns = 0;
		m->is_doubtful = false;
		mailbox_count(m);
	}
	/* That new/ changed, too, is found out by the next look. */
	mailbox_stamp_own(m, scan->moved);
	if (scan->postponed)
		mailbox_stamp_forget(m);
	if (!scan->ok || !index_mailbox_put(scan->txn, str_from(m->name),
		&m->row))
		return MAILBOX_TRY_LATER;
	return MAILBOX_OK;
}

enum mailbox_result mailbox_scan_in(struct mailbox *mailbox,
	struct index_txn *txn, const struct mailbox_gathered *gathered)
{
	struct arena *arena auto_arena = arena_new(0);
	struct scan scan = { .mailbox = mailbox, .arena = arena, .txn = txn,
		.gathered = gathered, .ok = true };
	enum mailbox_result result = scan_files(&scan);

	table_free(scan.entries);
	return result;
}

static enum mailbox_result scan_locked(struct mailbox *mailbox, bool do_claim)
{
	struct arena *arena auto_arena = arena_new(0);
	struct scan scan = { .mailbox = mailbox, .arena = arena,
		.claim = do_claim, .ok = true };
	enum mailbox_result result = MAILBOX_TRY_LATER;

	scan.txn = index_begin(mailbox->store->index, true);
	if (!scan.txn)
		return MAILBOX_TRY_LATER;
	if (!mailbox_load(mailbox, scan.txn))
		result = MAILBOX_NONEXISTENT;
	else
		result = scan_files(&scan);
	table_free(scan.entries);
	if (result != MAILBOX_OK)
		index_abort(scan.txn);
	else if (!index_commit(scan.txn))
		result = MAILBOX_TRY_LATER;
	if (result != MAILBOX_OK)
		mailbox_reload(mailbox);
	else if (scan.changed) {
		mailbox_store_soon(mailbox->store);
		mailbox_changed(mailbox);
	}
	if (scan.postponed && mailbox->store->takes_text)
		mailbox_background(mailbox->store);
	return result;
}

static bool has_new(struct mailbox *mailbox)
{
	for (size_t i = mailbox->has_new ? mailbox->count : 0; i-- > 0;)
		if (mailbox->messages[i].is.flags & MAILBOX_IN_NEW)
			return true;
	mailbox->has_new = false;
	return false;
}

/* False: not now. */
static bool look(struct mailbox *mailbox, bool *there)
{
	struct index_txn *txn = index_begin(mailbox->store->index, false);

	if (!txn)
		return false;
	*there = mailbox_look(mailbox, txn);
	index_abort(txn);
	return true;
}

enum mailbox_result mailbox_refresh(struct mailbox *mailbox, bool do_claim)
{
	bool there;

	if (mailbox->is_removed)
		return MAILBOX_NONEXISTENT;
	if (!mailbox_arrivals_show(mailbox) || !look(mailbox, &there))
		return MAILBOX_TRY_LATER;
	if (mailbox->is_barred &&
		(!mailbox_arrivals_await(mailbox->store) ||
			!look(mailbox, &there)))
		return MAILBOX_TRY_LATER;
	if (!there || !layout_exists(&mailbox->store->place,
		mailbox->name)) {
		mailbox->is_removed = true;
		mailbox_changed(mailbox);
		return MAILBOX_NONEXISTENT;
	}
	mailbox->is_suspect = false;
	if (mailbox_stamp_is_known(mailbox) &&
		mailbox_remains_are_known(mailbox) &&
		!(do_claim && has_new(mailbox)))
		return MAILBOX_OK;
	return scan_locked(mailbox, do_claim);
}
