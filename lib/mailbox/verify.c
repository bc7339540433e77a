#include "mailbox/verify.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/table.h"
#include "mailbox/arrivals.h"
#include "mailbox/pack.h"
#include "mailbox/remains.h"
#include "mailbox/segment.h"
#include "mailbox/uidlist.h"

struct row {
	struct index_message is;
	struct str name;
};

/* One mailbox: what the index, the folder and the uidlist say. */
struct look {
	struct mailbox_store *store;
	struct mailbox_verify *verify;
	struct arena *arena;
	const char *name;
	struct index_txn *txn;
	struct index_mailbox mailbox;
	struct row *rows;
	size_t count, capacity;
	struct mailbox_entry *entries;
	size_t entry_count;
	struct table *files; /* key -> entry */
	struct mailbox_uidlist list;
	struct table *uids;  /* key -> item of the list */
	bool has_list;
	struct segment_sums sums; /* what the search index says */
	size_t sum_at;
};

static void tell(struct look *l, const char *format, ...) printf_like(2, 3);

static void tell(struct look *l, const char *format, ...)
{
	struct arena *arena auto_arena = arena_new(0);
	va_list args;

	va_start(args, format);
	l->verify->tell(l->verify->context, l->name,
		arena_vfmt(arena, format, args));
	va_end(args);
	l->verify->problems++;
}

static struct str key_of(const struct look *l, const char *name)
{
	return str_of(name, l->store->driver->key(name));
}

/* ---- what there is ---- */

static void take_row(void *context, const struct index_message *message,
	struct str name)
{
	struct look *l = context;

	arena_grow(l->arena, &l->rows, &l->capacity, l->count + 1,
		sizeof(*l->rows));
	l->rows[l->count++] = (struct row){ *message,
		arena_copy(l->arena, name) };
}

static void read_entries(struct look *l)
{
	for (size_t i = 0; i < l->entry_count; i++) {
		struct mailbox_entry *e = &l->entries[i];
		struct mailbox_entry *other = table_put(l->files,
			key_of(l, e->name), e);

		if (other)
			tell(l, "two files are the same message: %s and %s",
				other->name, e->name);
	}
}

static void read_list(struct look *l)
{
	struct str text, path = arena_fmt(l->arena, "%sdovecot-uidlist",
		layout_prefix(&l->store->place, l->arena, l->name));

	l->has_list = mailbox_store_read(l->store, l->arena, path.p, &text) &&
		mailbox_uidlist_parse(l->arena, text, &l->list);
	for (size_t i = 0; l->has_list && i < l->list.count; i++)
		table_put(l->uids, l->list.items[i].key, &l->list.items[i]);
}

/* ---- what it comes to ---- */

static void check_list(struct look *l)
{
	if (!l->has_list) {
		/* 0: of one that was only met nobody was told a UID. */
		if (l->count > 0 && l->mailbox.uidlist_ns != 0)
			tell(l, "dovecot-uidlist is missing or unreadable: "
				"if the index is lost, so are the UIDs");
		return;
	}
	if (l->list.uidvalidity != l->mailbox.uidvalidity)
		tell(l, "UIDVALIDITY is %u in dovecot-uidlist and %u in the "
			"index: another program has made the mailbox anew",
			l->list.uidvalidity, l->mailbox.uidvalidity);
	if (l->list.uidnext < l->mailbox.uidnext)
		tell(l, "the next UID is %u in dovecot-uidlist and %u in the "
			"index: a lost index could give UIDs twice",
			l->list.uidnext, l->mailbox.uidnext);
}

static void check_uid(struct look *l, const struct row *row, uint32_t last)
{
	const struct mailbox_uid *item = table_find(l->uids,
		str_first(row->name, l->store->driver->key(row->name.p)));

	if (row->is.uid <= last || row->is.uid >= l->mailbox.uidnext)
		tell(l, "UID %u is out of order (the next one is %u)",
			row->is.uid, l->mailbox.uidnext);
	if (row->is.modseq > l->mailbox.modseq)
		tell(l, "UID %u: its modification sequence is beyond the "
			"mailbox's", row->is.uid);
	if (l->has_list && !item)
		tell(l, "UID %u (%.*s) is not in dovecot-uidlist", row->is.uid,
			STR_ARG(row->name));
	else if (item && item->uid != row->is.uid)
		tell(l, "%.*s is UID %u in the index and UID %u in "
			"dovecot-uidlist", STR_ARG(row->name), row->is.uid,
			item->uid);
}

/* What the name says; flags that no name shows yet are no difference. */
static void check_flags(struct look *l, const struct row *row,
	const struct mailbox_entry *entry)
{
	const unsigned system = IMAP_ANSWERED | IMAP_FLAGGED | IMAP_DELETED |
		IMAP_SEEN | IMAP_DRAFT;
	uint32_t letters;
	unsigned flags;

	if (row->is.flags & MAILBOX_PENDING)
		return;
	l->store->driver->flags(entry->name, &flags, &letters);
	if (flags != (row->is.flags & system))
		tell(l, "UID %u: the flags of %s are not those of the index; "
			"they are taken in at the next look", row->is.uid,
			entry->name);
}

static struct str read_file(struct look *l, struct arena *arena,
	const struct mailbox_entry *entry)
{
	auto_close int fd = l->store->driver->open(&l->store->place, l->name,
		entry);
	struct buf out = BUF_IN(arena);
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		!buf_room(&out, (size_t)st.st_size + 1))
		return STR_NONE;
	while ((got = read(fd, out.p + out.len,
		(size_t)st.st_size + 1 - out.len)) > 0)
		out.len += (size_t)got;
	return got < 0 ? STR_NONE : buf_str(&out);
}

static void compare_facts(struct look *l, uint32_t uid,
	const struct mailbox_facts *kept, const struct mailbox_facts *parsed)
{
	const struct {
		const char *what;
		struct str kept, parsed;
	} texts[] = {
		{ "ENVELOPE", kept->envelope, parsed->envelope },
		{ "BODY", kept->body, parsed->body },
		{ "BODYSTRUCTURE", kept->structure, parsed->structure },
		{ "preview", kept->preview, parsed->preview },
		{ "id", kept->email_id, kept->email_id.len ?
			parsed->email_id : STR("") },
		{ "thread", kept->thread_id, parsed->thread_id },
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		if (!str_eq(texts[i].kept, texts[i].parsed))
			tell(l, "UID %u: the %s that is kept is not that of "
				"the message", uid, texts[i].what);
}

/* Both ascend with the uid; what was expunged may still be there. */
static void check_text(struct look *l, const struct row *row,
	struct arena *arena, struct str message)
{
	const struct segment_sums *sums = &l->sums;

	if (row->is.uid > sums->up_to) {
		l->verify->untaken++;
		return;
	}
	while (l->sum_at < sums->count &&
		sums->uids[l->sum_at] < row->is.uid)
		l->sum_at++;
	if (l->sum_at == sums->count ||
		sums->uids[l->sum_at] != row->is.uid)
		tell(l, "UID %u is missing in the search index",
			row->is.uid);
	else if (sums->sums[l->sum_at] != segment_sum_of(arena, message))
		tell(l, "UID %u: the search index has other words than the "
			"message", row->is.uid);
}

static void check_content(struct look *l, const struct row *row,
	const struct mailbox_entry *entry)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_facts kept, parsed;
	struct str message = read_file(l, arena, entry), facts;

	if (str_is_none(message)) {
		tell(l, "UID %u: %s cannot be read", row->is.uid, entry->name);
		return;
	}
	mailbox_facts_make(arena, message, true, &parsed);
	check_text(l, row, arena, message);
	if (row->is.size != MAILBOX_SIZE_UNKNOWN &&
		row->is.size != parsed.size)
		tell(l, "UID %u: its size is %llu, and the index says %llu",
			row->is.uid, (unsigned long long)parsed.size,
			(unsigned long long)row->is.size);
	if (index_facts_find(l->txn, l->mailbox.id, row->is.uid, &facts)) {
		if (mailbox_facts_parse(facts, &kept))
			compare_facts(l, row->is.uid, &kept, &parsed);
		else
			tell(l, "UID %u: what is kept of it is damaged",
				row->is.uid);
	}
}

static void check_rows(struct look *l)
{
	uint32_t last = 0;

	for (size_t i = 0; i < l->count; i++) {
		const struct row *row = &l->rows[i];
		struct mailbox_entry *entry = table_find(l->files,
			str_first(row->name,
				l->store->driver->key(row->name.p)));

		check_uid(l, row, last);
		last = row->is.uid;
		if (entry) {
			entry->is_known = true;
			check_flags(l, row, entry);
		} else {
			tell(l, "UID %u: its file %.*s is gone; it is expunged "
				"at the next look", row->is.uid,
				STR_ARG(row->name));
		}
		if (entry && l->verify->deep)
			check_content(l, row, entry);
		l->verify->progress(l->verify->context, l->name, i + 1,
			l->count);
	}
}

/* What SELECT believes without looking at the rows. */
static void check_pack(struct look *l)
{
	struct index_message packed;
	struct pack pack;
	struct str octets;
	bool same;

	if (!index_pack_find(l->txn, l->mailbox.id, &octets) ||
		!pack_open(octets, &l->mailbox, &pack))
		return; /* of another state: nobody believes it */
	same = pack.count == l->count;
	while (same && pack.taken < pack.count) {
		const struct index_message *row = &l->rows[pack.taken].is;

		same = pack_take(&pack, &l->mailbox, &packed) &&
			packed.uid == row->uid && packed.flags == row->flags &&
			packed.keywords == row->keywords &&
			packed.modseq == row->modseq;
	}
	if (!same)
		tell(l, "what is packed of the messages is not what their "
			"rows say");
}

/* What STATUS believes. */
static void check_counts(struct look *l)
{
	uint32_t unseen = 0, deleted = 0;

	for (size_t i = 0; i < l->count; i++) {
		unseen += !(l->rows[i].is.flags & IMAP_SEEN);
		deleted += (l->rows[i].is.flags & IMAP_DELETED) != 0;
	}
	if (l->mailbox.counted == l->mailbox.modseq &&
		(l->mailbox.messages != l->count ||
			l->mailbox.unseen != unseen ||
			l->mailbox.deleted != deleted))
		tell(l, "its counts are not those of its messages");
}

/* Files of expunged messages, which go in a moment. */
static void pass_remains(struct look *l)
{
	struct departed departed;

	if (l->mailbox.remains == 0 || !mailbox_remains_read(l->store, l->name,
		l->arena, l->mailbox.remains, &departed))
		return;
	for (size_t i = 0; i < departed.count; i++) {
		struct str name = departed.files[i].name;
		struct mailbox_entry *entry = table_find(l->files,
			key_of(l, arena_cstr(l->arena, name)));

		if (entry)
			entry->is_known = true;
	}
}

static void check_files(struct look *l)
{
	size_t unknown = 0;

	pass_remains(l);
	for (size_t i = 0; i < l->entry_count; i++)
		unknown += !l->entries[i].is_known;
	if (unknown > 0)
		tell(l, "%zu files are not in the index yet; they get UIDs at "
			"the next look", unknown);
}

static enum mailbox_result look_at(struct look *l)
{
	enum mailbox_result result = l->store->driver->scan(&l->store->place,
		l->name, false, l->arena, &l->entries, &l->entry_count);

	if (result != MAILBOX_OK)
		return result;
	l->txn = index_begin(l->store->index, false);
	if (!l->txn)
		return MAILBOX_TRY_LATER;
	if (index_mailbox_find(l->txn, str_from(l->name), &l->mailbox)) {
		index_messages_each(l->txn, l->mailbox.id, take_row, l);
		check_pack(l);
		check_counts(l);
		read_entries(l);
		read_list(l);
		if (l->verify->deep && !segment_sums_read(l->txn,
			l->mailbox.id, l->arena, &l->sums))
			tell(l, "the search index is damaged");
		check_list(l);
		check_rows(l);
		check_files(l);
	} else if (l->entry_count > 0) {
		tell(l, "it is not in the index yet, with %zu messages",
			l->entry_count);
	}
	index_abort(l->txn);
	return MAILBOX_OK;
}

enum mailbox_result mailbox_verify(struct mailbox_store *store,
	struct str name, struct mailbox_verify *verify)
{
	struct arena *arena auto_arena = arena_new(0);
	struct look l = { .store = store, .verify = verify, .arena = arena,
		.name = arena_cstr(arena, name), .files = table_new(),
		.uids = table_new() };
	enum mailbox_result result = mailbox_arrivals_await(store) &&
			mailbox_arrivals_retire(store) ?
		look_at(&l) : MAILBOX_TRY_LATER;

	table_free(l.files);
	table_free(l.uids);
	return result;
}
