/*
 * The uids of a mailbox: its uidlist, which reserves and remembers them.
 */
#include "mailbox/mailbox.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/span.h"
#include "mailbox/store.h"
#include "mailbox/uidlist.h"

enum {
	APPENDED_AT_ONCE = 32 * 1024,
	LOCK_S = 60, /* an older lock is nobody's */
};

/* Of its date, its number and its size: what others append changes the last,
 * whatever the clock says. */
static uint64_t stamp_of(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000 +
		(uint64_t)st->st_mtim.tv_nsec + ((uint64_t)st->st_ino << 20) +
		(uint64_t)st->st_size * 0x9e3779b97f4a7c15;
}

uint64_t mailbox_uids_stamp_of(struct mailbox_store *store, const char *name)
{
	struct arena *arena auto_arena = arena_new(0);
	struct stat st;

	if (fstatat(store->dir, arena_fmt(arena, "%sdovecot-uidlist",
			layout_prefix(&store->place, arena, name)).p, &st,
		0) < 0)
		return 0;
	return stamp_of(&st);
}

bool mailbox_uids_are_locked(int dir, struct arena *arena, const char *prefix)
{
	struct stat st;

	return fstatat(dir, arena_fmt(arena, "%sdovecot-uidlist.lock",
			prefix).p, &st, 0) == 0 &&
		wall_us() / 1000000 - st.st_mtim.tv_sec < LOCK_S;
}

uint64_t mailbox_uids_stamp(struct mailbox *mailbox)
{
	return mailbox_uids_stamp_of(mailbox->store, mailbox->name);
}

/* All of it; its header reserves uids, so it has to be on disk before any of
 * them is told. */
bool mailbox_uids_write(struct mailbox *mailbox)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	char path[MAILBOX_PATH_MOST];

	mailbox_uidlist_header_format(&out, mailbox->row.uidvalidity,
		mailbox->row.uid_reserved, mailbox->row.guid);
	for (size_t i = 0; i < mailbox->count; i++) {
		const struct mailbox_message *m = &mailbox->messages[i];

		mailbox_uidlist_line_format(&out, m->is.uid,
			str_of(m->name, mailbox->store->driver->key(m->name)));
	}
	if (!mailbox_store_write(mailbox->store,
		mailbox_file_of(mailbox, "dovecot-uidlist", path), buf_str(&out),
		!mailbox->store->is_meeting)) {
		log_warning("%s: write %s: %m", mailbox->store->path, path);
		return false;
	}
	if (mailbox->store->is_meeting)
		mailbox_store_unflushed(mailbox->store, mailbox->name,
			MAILBOX_UIDS | MAILBOX_NAMED);
	mailbox->garbage = 0;
	mailbox->is_unlisted = false;
	/* A row that outlives a kill does not say what a power cut undoes. */
	mailbox->row.uidlist_ns = mailbox->store->is_meeting ? 0 :
		mailbox_uids_stamp(mailbox);
	return true;
}

struct listing {
	struct mailbox_store *store;
	struct arena *arena;
	struct buf out;
};

static void list_each_message(void *context,
	const struct index_message *message, struct str name)
{
	struct listing *l = context;
	const char *text = arena_cstr(l->arena, name);

	mailbox_uidlist_line_format(&l->out, message->uid,
		str_of(text, l->store->driver->key(text)));
}

bool mailbox_uids_settle(struct mailbox_store *store, struct index_txn *txn,
	const char *name, uint64_t *stamp)
{
	struct arena *arena auto_arena = arena_new(0);
	struct listing l = { .store = store, .arena = arena,
		.out = BUF_IN(arena) };
	const char *path = arena_fmt(arena, "%sdovecot-uidlist",
		layout_prefix(&store->place, arena, name)).p;
	uint64_t there = mailbox_uids_stamp_of(store, name);
	struct index_mailbox row;
	struct str text;

	*stamp = 0;
	if (!index_mailbox_find(txn, str_from(name), &row) ||
		row.uidlist_ns != 0)
		return true;
	mailbox_uidlist_header_format(&l.out, row.uidvalidity,
		row.uid_reserved, row.guid);
	index_messages_each(txn, row.id, list_each_message, &l);
	if (there != 0) {
		/* Ours, if somebody was killed before its flush; another
		 * program's is looked at when the mailbox is opened. */
		if (mailbox_store_read(store, arena, path, &text) &&
			str_eq(text, buf_str(&l.out)))
			*stamp = there;
		return true;
	}
	if (!mailbox_store_write(store, path, buf_str(&l.out), false)) {
		if (!layout_exists(&store->place, name))
			return true;
		log_warning("%s: write %s: %m", store->path, path);
		return false;
	}
	*stamp = mailbox_uids_stamp_of(store, name);
	return true;
}

bool mailbox_uids_settled(struct index_txn *txn, const char *name,
	uint64_t stamp)
{
	struct index_mailbox row;

	if (!index_mailbox_find(txn, str_from(name), &row) ||
		row.uidlist_ns != 0)
		return true;
	row.uidlist_ns = stamp;
	return index_mailbox_put(txn, str_from(name), &row);
}

uint32_t *mailbox_uids_all(const struct mailbox *mailbox, struct arena *arena)
{
	uint32_t *uids = arena_array(arena, mailbox->count + 1,
		sizeof(*uids));

	for (size_t i = 0; i < mailbox->count; i++)
		uids[i] = mailbox->messages[i].is.uid;
	return uids;
}

/* Whole lines at a time, as another program may append, too. */
static bool append_lines(struct mailbox *mailbox, int fd, size_t from,
	off_t *octets)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	for (size_t i = from; i < mailbox->count; i++) {
		const struct mailbox_message *m = &mailbox->messages[i];

		mailbox_uidlist_line_format(&out, m->is.uid,
			str_of(m->name, mailbox->store->driver->key(m->name)));
		if (out.len < APPENDED_AT_ONCE && i + 1 < mailbox->count)
			continue;
		if (write(fd, out.p, out.len) != (ssize_t)out.len)
			return false;
		*octets += (off_t)out.len;
		buf_clear(&out);
	}
	return true;
}

/* Only met: all of it is written later, from the index. */
static bool is_put_off(const struct mailbox *mailbox)
{
	return mailbox->is_met && mailbox->is_unlisted;
}

void mailbox_list_uids(struct mailbox *mailbox, size_t from)
{
	char path[MAILBOX_PATH_MOST];
	auto_close int fd = is_put_off(mailbox) ? -1 :
		openat(mailbox->store->dir,
			mailbox_file_of(mailbox, "dovecot-uidlist", path),
			O_WRONLY | O_APPEND | O_CLOEXEC);
	struct stat st;
	bool is_ours = fd >= 0 && fstat(fd, &st) == 0 &&
		stamp_of(&st) == mailbox->row.uidlist_ns;
	off_t size = is_ours ? st.st_size : 0;

	if (is_put_off(mailbox))
		return;
	if (fd < 0 || !append_lines(mailbox, fd, from, &size)) {
		mailbox_uids_write(mailbox);
		return;
	}
	mailbox_store_unflushed(mailbox->store, mailbox->name, MAILBOX_UIDS);
	/* Nobody else was there between the two looks. */
	if (is_ours && fstat(fd, &st) == 0 && st.st_size == size)
		mailbox->row.uidlist_ns = stamp_of(&st);
}

bool mailbox_reserve_uids(struct mailbox *mailbox, size_t count)
{
	struct index_mailbox *row = &mailbox->row;
	uint32_t was = row->uid_reserved;

	if (row->uidnext >= UINT32_MAX - 2 * MAILBOX_RESERVED ||
		count > UINT32_MAX - 2 * MAILBOX_RESERVED - row->uidnext)
		return false;
	if (row->uidnext + (uint32_t)count <= row->uid_reserved)
		return true;
	row->uid_reserved = row->uidnext + (uint32_t)count - 1 +
		MAILBOX_RESERVED;
	if (is_put_off(mailbox) || mailbox_uids_write(mailbox))
		return true;
	row->uid_reserved = was;
	return false;
}

uint32_t mailbox_next_uid(struct mailbox *mailbox)
{
	return mailbox_reserve_uids(mailbox, 1) ? mailbox->row.uidnext++ : 0;
}
