#include "mailbox/remains.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"
#include "io/fiber.h"
#include "io/helper.h"
#include "mailbox/store.h"

#define REMAINS_FILE "posthorn-expunged"

enum {
	AT_ONCE = 200, /* as many as names follow flags at once */
	ROUNDS = 4,    /* looks for those that others rename meanwhile */
};

enum state {
	WAITING,
	REMOVED,
	ELSEWHERE, /* not under that name: gone, or renamed by another */
	STUCK,     /* cannot be removed */
};

struct file {
	char *name;
	bool is_new;
	enum state state;
};

struct mailbox_remains {
	struct file *files;
	size_t count, capacity;
	size_t at;          /* all before it have been tried */
	size_t before;      /* count, while an expunge is under way */
	uint32_t octets;    /* of the list, of which this is all */
	struct table *keys; /* -> struct file; NULL: nobody has asked */
	bool is_durable;
	bool is_wanted;     /* that they are removed: there is news of them */
};

static const char *list_of(struct mailbox *m, char path[MAILBOX_PATH_MOST])
{
	return mailbox_file_of(m, REMAINS_FILE, path);
}

static struct str key_of(const struct mailbox *m, const char *name)
{
	return str_of(name, m->store->driver->key(name));
}

static struct mailbox_remains *remains_of(struct mailbox *m)
{
	if (!m->remains)
		m->remains = mem_new(1, sizeof(*m->remains));
	return m->remains;
}

static void forget_keys(struct mailbox_remains *r)
{
	table_free(r->keys);
	r->keys = NULL;
}

static void add(struct mailbox_remains *r, char *name, bool is_new)
{
	forget_keys(r);
	array_grow(&r->files, &r->capacity, r->count + 1, sizeof(*r->files));
	r->files[r->count++] = (struct file){ .name = name,
		.is_new = is_new };
}

void mailbox_remains_free(struct mailbox *m)
{
	struct mailbox_remains *r = m->remains;

	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++)
		free(r->files[i].name);
	forget_keys(r);
	free(r->files);
	free(r);
	m->remains = NULL;
}

static bool remove_some(struct mailbox *m);

static void want(struct mailbox *m)
{
	m->remains->is_wanted = true;
	mailbox_store_soon(m->store);
}

/* ---- the list ---- */

/* Behind what counts of it; if nothing does, a new one. */
static bool append(struct mailbox *m, struct str text)
{
	uint32_t known = m->row.remains;
	char path[MAILBOX_PATH_MOST];

	if (known == 0 && unlinkat(m->store->dir, list_of(m, path), 0) < 0 &&
		errno != ENOENT)
		return false;
	auto_close int fd = openat(m->store->dir, list_of(m, path),
		O_WRONLY | O_APPEND | O_CLOEXEC |
			(known ? 0 : O_CREAT | O_EXCL), 0600);

	return fd >= 0 && (!known || ftruncate(fd, known) == 0) &&
		fd_write_all(fd, text.p, text.len);
}

static bool confirm(struct mailbox *m)
{
	char path[MAILBOX_PATH_MOST];
	auto_close int fd = openat(m->store->dir, list_of(m, path),
		O_WRONLY | O_APPEND | O_CLOEXEC);

	return fd >= 0 && fd_write_all(fd, "+\n", 2);
}

bool mailbox_remains_begin(struct mailbox *m,
	const struct mailbox_message *const *messages, size_t count)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct mailbox_remains *r;
	size_t from = 0;

	if (!mailbox_remains_know(m))
		return false;
	if (m->row.remains > 0)
		departed_confirm_format(&out);
	from = out.len;
	for (size_t i = 0; i < count; i++) {
		if (!departed_can_say(messages[i]->name))
			return false;
		departed_line_format(&out, messages[i]->name,
			messages[i]->is.flags & MAILBOX_IN_NEW);
	}
	departed_end_format(&out, from);
	if (out.failed || out.len > DEPARTED_MOST - m->row.remains)
		return false;
	if (!append(m, buf_str(&out))) {
		log_warning("%s: write " REMAINS_FILE " of %s: %m",
			m->store->path, m->name);
		return false;
	}
	r = remains_of(m);
	r->before = r->count;
	m->row.remains += (uint32_t)out.len;
	return true;
}

void mailbox_remains_take(struct mailbox *m, struct mailbox_message *message)
{
	add(m->remains, message->name, message->is.flags & MAILBOX_IN_NEW);
	message->name = NULL;
}

void mailbox_remains_end(struct mailbox *m, bool committed)
{
	struct mailbox_remains *r = m->remains;

	if (!committed) {
		forget_keys(r);
		while (r->count > r->before)
			free(r->files[--r->count].name);
		return;
	}
	r->octets = m->row.remains;
	r->is_durable = false;
	want(m);
	if (confirm(m))
		return;
	log_warning("%s: write " REMAINS_FILE " of %s: %m", m->store->path,
		m->name);
	/* The names would not outlive the index: so they go at once. */
	while (remove_some(m))
		;
}

/* ---- what others left ---- */

bool mailbox_remains_read(struct mailbox_store *store, const char *mailbox,
	struct arena *arena, size_t known, struct departed *departed)
{
	struct str text;

	if (!mailbox_store_read(store, arena, arena_fmt(arena,
			"%s" REMAINS_FILE, layout_prefix(&store->place, arena,
				mailbox)).p, &text))
		return false;
	departed_parse(arena, text, known, departed);
	return true;
}

bool mailbox_remains_are_known(const struct mailbox *m)
{
	return m->remains ? m->remains->octets == m->row.remains :
			    m->row.remains == 0;
}

/* Another process was at it, or one that is no more. */
bool mailbox_remains_know(struct mailbox *m)
{
	struct arena *arena auto_arena = NULL;
	struct departed departed;

	if (mailbox_remains_are_known(m))
		return true;
	mailbox_remains_free(m);
	if (m->row.remains == 0)
		return true;
	arena = arena_new(0);
	if (!mailbox_remains_read(m->store, m->name, arena, m->row.remains,
		&departed))
		return false;
	if (departed.octets != m->row.remains)
		log_warning("%s: " REMAINS_FILE " of %s is damaged: expunged "
			"messages may come back", m->store->path, m->name);
	m->row.remains = (uint32_t)departed.octets;
	if (departed.count == 0)
		return true;
	remains_of(m)->octets = m->row.remains;
	for (size_t i = 0; i < departed.count; i++) {
		struct str name = departed.files[i].name;
		char *copy = strndup(name.p, name.len);

		if (!copy)
			starved("out of memory");
		add(m->remains, copy, departed.files[i].is_new);
	}
	want(m);
	return true;
}

bool mailbox_remains_find(struct mailbox *m)
{
	struct arena *arena auto_arena = arena_new(0);
	struct departed departed;

	if (!mailbox_remains_read(m->store, m->name, arena, 0, &departed))
		return false;
	m->row.remains = (uint32_t)departed.octets;
	return true;
}

bool mailbox_remains_may_be(int dir, struct arena *arena, const char *prefix)
{
	struct stat st;

	return fstatat(dir, arena_fmt(arena, "%s" REMAINS_FILE, prefix).p, &st,
		       0) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static struct table *keys_of(const struct mailbox *m)
{
	struct mailbox_remains *r = m->remains;

	if (r->keys)
		return r->keys;
	r->keys = table_new();
	for (size_t i = 0; i < r->count; i++)
		table_put(r->keys, key_of(m, r->files[i].name), &r->files[i]);
	return r->keys;
}

/* Also under another name, which it has then. Who puts a file back that we
 * have removed wants it there. */
bool mailbox_remains_have(struct mailbox *m, const struct mailbox_entry *entry)
{
	struct mailbox_remains *r = m->remains;
	struct file *f = r ? table_find(keys_of(m), key_of(m, entry->name)) :
			     NULL;

	if (!f || f->state == REMOVED)
		return false;
	if (strcmp(f->name, entry->name) == 0 && f->is_new == entry->is_new &&
		f->state != ELSEWHERE)
		return true;
	free(f->name);
	f->name = strdup(entry->name);
	if (!f->name)
		starved("out of memory");
	f->is_new = entry->is_new;
	f->state = WAITING;
	r->at = 0;
	want(m);
	return true;
}

/* ---- removing them ---- */

static void remove_file(struct mailbox *m, struct file *f)
{
	const struct mailbox_entry entry = { .name = f->name,
		.is_new = f->is_new };

	if (m->store->driver->unlink(&m->store->place, m->name, &entry)) {
		f->state = REMOVED;
		return;
	}
	f->state = errno == ENOENT ? ELSEWHERE : STUCK;
	if (f->state == STUCK)
		log_warning("%s: remove %s, which was expunged from %s: %m",
			m->store->path, f->name, m->name);
}

/* Under the lock of the index, as all that changes files of the mailbox.
 * False: there are no more, or not now. */
static bool remove_some(struct mailbox *m)
{
	struct mailbox_remains *r = m->remains;
	struct index_txn *txn;
	size_t tried = 0;
	bool known;

	if (r->at == r->count)
		return false;
	txn = index_begin(m->store->index, true);
	if (!txn)
		return false;
	known = mailbox_stamp_cur_is_known(m);
	for (; r->at < r->count && tried < AT_ONCE; r->at++) {
		if (r->files[r->at].state != WAITING)
			continue;
		remove_file(m, &r->files[r->at]);
		tried++;
	}
	mailbox_stamp_own(m, known);
	index_abort(txn);
	if (tried > 0)
		mailbox_store_unflushed(m->store, m->name,
			MAILBOX_CUR | MAILBOX_NEW);
	return true;
}

static size_t count_of(const struct mailbox_remains *r, enum state state)
{
	size_t count = 0;

	for (size_t i = 0; i < r->count; i++)
		count += r->files[i].state == state;
	return count;
}

/* Those that were elsewhere and that no look at the folders finds are gone. */
static bool look_again(struct mailbox *m)
{
	mailbox_stamp_forget(m);
	if (mailbox_refresh(m, false) != MAILBOX_OK || !m->remains)
		return false;
	return count_of(m->remains, WAITING) > 0;
}

/* Before anything else: a power cut does not undo the expunge any more. */
static void make_durable(struct mailbox *m)
{
	char path[MAILBOX_PATH_MOST], dir[LAYOUT_PATH];
	auto_close int fd = m->remains->is_durable ? -1 :
		openat(m->store->dir, list_of(m, path), O_RDONLY | O_CLOEXEC);

	if (m->remains->is_durable)
		return;
	m->remains->is_durable = true; /* or not: once is enough */
	if (fd < 0 || io_fdatasync(fd) < 0 || !layout_flush(m->store->dir,
		layout_path(&m->store->place, m->name, dir)))
		log_warning("%s: flush " REMAINS_FILE " of %s: %m",
			m->store->path, m->name);
}

/* The files are gone for good: so is their list. */
static void end_list(struct mailbox *m)
{
	struct index_txn *txn;
	char path[MAILBOX_PATH_MOST];
	uint32_t octets = m->remains->octets;

	if (mailbox_store_flush(m->store, m->name) != MAILBOX_OK ||
		m->is_removed || !m->remains || m->remains->octets != octets)
		return;
	txn = index_begin(m->store->index, true);
	if (!txn)
		return;
	/* More, of another process, is that one's; or ours, at the next look. */
	if (!mailbox_look(m, txn) || m->row.remains != octets) {
		index_abort(txn);
		mailbox_remains_free(m);
		return;
	}
	m->row.remains = 0;
	if (mailbox_commit(m, txn, true))
		unlinkat(m->store->dir, list_of(m, path), 0);
	mailbox_remains_free(m);
}

static bool is_over(const struct mailbox *m)
{
	return m->is_removed || !m->remains || io_is_cancelled();
}

static void remove_all(struct mailbox *m)
{
	while (!is_over(m)) {
		make_durable(m);
		if (is_over(m) || !remove_some(m))
			return;
		if (io_self())
			io_yield();
	}
}

static void clear(struct mailbox *m)
{
	bool more = true;

	m->remains->is_wanted = false;
	for (int round = 0; more && !is_over(m) && round < ROUNDS; round++) {
		remove_all(m);
		more = !is_over(m) && count_of(m->remains, ELSEWHERE) > 0 &&
			look_again(m);
	}
	if (!more && !is_over(m) && m->remains->at == m->remains->count &&
		count_of(m->remains, STUCK) == 0)
		end_list(m);
	/* Cut off at the end of the store, which does the rest itself. */
	if (io_is_cancelled() && m->remains)
		m->remains->is_wanted = true;
}

static struct mailbox *next_of(struct mailbox_store *store)
{
	list_each (at, &store->open) {
		struct mailbox *m = CONTAINER(at, struct mailbox, link);

		if (mailbox_remains_are_wanted(m) && !m->is_removed)
			return m;
	}
	return NULL;
}

bool mailbox_remains_are_wanted(const struct mailbox *m)
{
	return m->remains && m->remains->is_wanted;
}

void mailbox_remains_clear(struct mailbox_store *store)
{
	struct mailbox *m;

	while (!io_is_cancelled() && (m = next_of(store)) != NULL) {
		if (m->users++ == 0)
			store->unused--;
		clear(m);
		mailbox_close(m);
	}
}
