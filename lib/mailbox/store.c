#include "mailbox/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "base/table.h"
#include "io/fiber.h"
#include "io/helper.h"
#include "mailbox/arrivals.h"
#include "mailbox/flush.h"
#include "mailbox/name.h"
#include "mailbox/remains.h"
#include "mailbox/uidlist.h"

enum {
	FILE_MOST = 64 * 1024 * 1024,
	SOON_MS = 400,     /* names of files follow flags after this */
};

bool mailbox_name_is_good(const struct mailbox_store *store, struct str name)
{
	return str_is_nocase(name, "INBOX") ||
		(name_is_good(name) && store->place.layout->is_good(name));
}

struct str mailbox_name_of(struct str name)
{
	return str_is_nocase(name, "INBOX") ? STR("INBOX") : name;
}

static bool read_all(struct arena *arena, int fd, struct str *text)
{
	struct buf out = BUF_IN(arena);
	struct stat st;
	ssize_t got = 0;

	if (fstat(fd, &st) < 0)
		return false;
	errno = EFBIG;
	if (st.st_size > FILE_MOST)
		return false;
	do {
		out.len += (size_t)got;
		if (!buf_room(&out, (size_t)st.st_size + 4096 - out.len))
			return false;
		got = read(fd, out.p + out.len,
			(size_t)st.st_size + 4095 - out.len);
	} while (got > 0 && out.len < (size_t)st.st_size + 4095);
	*text = buf_str(&out);
	return got >= 0;
}

bool mailbox_file_read(int dir, struct arena *arena, const char *path,
	struct str *text)
{
	auto_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	*text = STR_NONE;
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR;
	return read_all(arena, fd, text);
}

bool mailbox_store_read(struct mailbox_store *store, struct arena *arena,
	const char *path, struct str *text)
{
	if (mailbox_file_read(store->dir, arena, path, text))
		return true;
	log_warning("%s: read %s: %m", store->path, path);
	return false;
}

/* The directory that a path of the store lies in. */
static bool flush_dir_of(struct mailbox_store *store, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[1200];

	if (!slash)
		return fsync(store->dir) == 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	auto_close int fd = openat(store->dir, dir,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0;
}

bool mailbox_store_write(struct mailbox_store *store, const char *path,
	struct str text, bool durable)
{
	char temporary[1200];
	bool ok;

	if (store->temporaries == 0)
		store->temporaries = random_below(UINT32_MAX);
	snprintf(temporary, sizeof(temporary), "%s.%08x.tmp", path,
		(unsigned)++store->temporaries);
	auto_close int fd = openat(store->dir, temporary,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	ok = fd_write_all(fd, text.p, text.len) && (!durable || fsync(fd) == 0) &&
		renameat(store->dir, temporary, store->dir, path) == 0;
	if (!ok)
		unlinkat(store->dir, temporary, 0);
	return ok && (!durable || flush_dir_of(store, path));
}

static int by_name(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	bool x_inbox = str_is(*x, "INBOX"), y_inbox = str_is(*y, "INBOX");

	if (x_inbox != y_inbox)
		return x_inbox ? -1 : 1;
	return str_cmp(*x, *y);
}

static enum mailbox_result list(struct mailbox_store *store,
	struct arena *arena, bool is_sure, struct mailbox_names *names)
{
	enum mailbox_result result = store->place.layout->list(&store->place,
		arena, is_sure, &names->names, &names->count);
	size_t kept = 0;

	if (result != MAILBOX_OK)
		return result;
	qsort(names->names, names->count, sizeof(*names->names), by_name);
	/* What others made may have names that cannot be said; and one name
	 * may be there twice, spelled in two ways. */
	for (size_t i = 0; i < names->count; i++)
		if (mailbox_name_is_good(store, names->names[i]) &&
			(kept == 0 || !str_eq(names->names[kept - 1],
				names->names[i])))
			names->names[kept++] = names->names[i];
	names->count = kept;
	return MAILBOX_OK;
}

enum mailbox_result mailbox_store_list(struct mailbox_store *store,
	struct arena *arena, struct mailbox_names *names)
{
	return list(store, arena, true, names);
}

enum mailbox_result mailbox_store_list_unsure(struct mailbox_store *store,
	struct arena *arena, struct mailbox_names *names)
{
	return list(store, arena, false, names);
}

static bool read_subscriptions(struct mailbox_store *store,
	struct arena *arena, struct mailbox_subscriptions *in)
{
	*in = (struct mailbox_subscriptions){
		.separator = store->place.layout->separator,
	};
	return mailbox_store_read(store, arena, "subscriptions", &in->text);
}

enum mailbox_result mailbox_store_subscriptions(struct mailbox_store *store,
	struct arena *arena, struct mailbox_names *names)
{
	struct mailbox_subscriptions in;
	size_t capacity = 0;
	struct str name;

	*names = (struct mailbox_names){ 0 };
	if (!read_subscriptions(store, arena, &in))
		return MAILBOX_TRY_LATER;
	while (mailbox_subscription_take(arena, &in, &name)) {
		name = name_read(arena, name);
		if (str_is_none(name) || !mailbox_name_is_good(store, name))
			continue;
		arena_grow(arena, &names->names, &capacity, names->count + 1,
			sizeof(name));
		names->names[names->count++] = mailbox_name_of(name);
	}
	if (names->count)
		qsort(names->names, names->count, sizeof(name), by_name);
	return MAILBOX_OK;
}

enum mailbox_result mailbox_store_subscribe(struct mailbox_store *store,
	struct str name, bool on)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_subscriptions in;
	struct buf out = BUF_IN(arena);
	bool was_on = false;
	struct str line;

	if (!read_subscriptions(store, arena, &in))
		return MAILBOX_TRY_LATER;
	name = mailbox_name_of(name);
	while (mailbox_subscription_take(arena, &in, &line)) {
		if (in.is_version_2 && out.len == 0)
			buf_text(&out, "V\t2\n\n");
		if (str_eq(mailbox_name_of(name_read(arena, line)), name))
			was_on = true;
		else
			mailbox_subscription_format(&out, &in, line);
	}
	if (was_on == on)
		return MAILBOX_OK;
	if (on)
		mailbox_subscription_format(&out, &in,
			name_written(arena, name, store->place.utf8));
	if (!mailbox_store_write(store, "subscriptions", buf_str(&out),
		true))
		return mailbox_failed("write", "subscriptions");
	mailbox_tell(store, MAILBOX_EVENT_SUBSCRIPTIONS, STR_NONE, STR_NONE);
	return MAILBOX_OK;
}

/* A name in a buffer, for the driver. */
static const char *text_of(struct str name, char text[MAILBOX_NAME_MOST + 1])
{
	name = mailbox_name_of(name);
	memcpy(text, name.p, name.len);
	text[name.len] = 0;
	return text;
}

bool mailbox_store_has(struct mailbox_store *store, struct str name)
{
	char text[MAILBOX_NAME_MOST + 1];

	return mailbox_name_is_good(store, name) &&
		layout_exists(&store->place, text_of(name, text));
}

static struct mailbox *find_open(struct mailbox_store *store,
	struct str name)
{
	list_each (at, &store->open) {
		struct mailbox *m = CONTAINER(at, struct mailbox, link);

		if (str_is(name, m->name) && !m->is_removed)
			return m;
	}
	return NULL;
}

/* What is known of a mailbox whose files are gone. */
static bool forget(struct mailbox_store *store, struct str name)
{
	struct mailbox *open = find_open(store, name);
	struct index_txn *txn;

	if (open) {
		open->is_removed = true;
		mailbox_changed(open);
		if (open->users == 0)
			mailbox_drop(open);
	}
	txn = index_begin(store->index, true);
	if (!txn)
		return false;
	if (!index_mailbox_remove(txn, name)) {
		index_abort(txn);
		return false;
	}
	return index_commit(txn);
}

static bool is_known(struct mailbox_store *store, struct str name)
{
	struct index_txn *txn = index_begin(store->index, false);
	struct index_mailbox row;
	bool known = txn && index_mailbox_find(txn, name, &row);

	index_abort(txn);
	return known;
}

/* A row for it now, with its own uidvalidity, durable. */
static enum mailbox_result open_once(struct mailbox_store *store,
	struct str name)
{
	struct mailbox *mailbox;
	enum mailbox_result result = mailbox_open(store, name, &mailbox);

	if (result == MAILBOX_OK)
		mailbox_close(mailbox);
	return result;
}

enum mailbox_result mailbox_store_create(struct mailbox_store *store,
	struct str name)
{
	char text[MAILBOX_NAME_MOST + 1];
	enum mailbox_result result;

	if (!mailbox_name_is_good(store, name))
		return MAILBOX_CANNOT;
	if (str_is_nocase(name, "INBOX"))
		return MAILBOX_EXISTS;
	/* One of that name whose removal was cut off is another mailbox. */
	if (!mailbox_store_has(store, name) && is_known(store, name) &&
		!forget(store, name))
		return MAILBOX_TRY_LATER;
	result = store->place.layout->create(&store->place,
		text_of(name, text));
	if (result == MAILBOX_OK)
		result = open_once(store, name);
	if (result == MAILBOX_OK)
		mailbox_tell(store, MAILBOX_EVENT_NAMES, STR_NONE, STR_NONE);
	return result;
}

enum mailbox_result mailbox_store_remove(struct mailbox_store *store,
	struct str name)
{
	char text[MAILBOX_NAME_MOST + 1];
	enum mailbox_result result;
	bool ok;

	if (!mailbox_name_is_good(store, name) || str_is_nocase(name, "INBOX"))
		return MAILBOX_CANNOT;
	if (!mailbox_store_has(store, name))
		return MAILBOX_NONEXISTENT;
	if (!mailbox_arrivals_await(store) || !mailbox_arrivals_let_go(store))
		return MAILBOX_TRY_LATER;
	result = store->place.layout->remove(&store->place,
		text_of(name, text));
	if (result != MAILBOX_OK)
		return result;
	mailbox_watch_lose(store, text);
	ok = forget(store, name);
	mailbox_tell(store, MAILBOX_EVENT_NAMES, STR_NONE, STR_NONE);
	return ok ? MAILBOX_OK : MAILBOX_TRY_LATER;
}

/* What is known of it by name follows its files. */
static enum mailbox_result rename_known(struct mailbox_store *store,
	struct str from, struct str to)
{
	char old[MAILBOX_NAME_MOST + 1], new[MAILBOX_NAME_MOST + 1];
	struct mailbox *open = find_open(store, from);
	struct index_txn *txn = index_begin(store->index, true);

	if (!txn)
		return MAILBOX_TRY_LATER;
	if (!index_mailbox_rename(txn, from, to)) {
		index_abort(txn);
		return MAILBOX_TRY_LATER;
	}
	if (!index_commit(txn))
		return MAILBOX_TRY_LATER;
	text_of(from, old);
	text_of(to, new);
	mailbox_watch_rename(store, old, new);
	mailbox_flush_renamed(store, old, new);
	if (open) {
		free(open->name);
		open->name = strdup(new);
		if (!open->name)
			starved("out of memory");
	}
	return MAILBOX_OK;
}

static enum mailbox_result rename_files(struct mailbox_store *store,
	struct str from, struct str to)
{
	char old[MAILBOX_NAME_MOST + 1], new[MAILBOX_NAME_MOST + 1];

	return store->place.layout->rename(&store->place, text_of(from, old),
		text_of(to, new));
}

static enum mailbox_result rename_inbox(struct mailbox_store *store,
	struct str to)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox *inbox, *target;
	struct imap_set a, b;
	enum mailbox_result result = mailbox_store_create(store, to);
	uint32_t *uids;
	size_t count;

	if (result != MAILBOX_OK)
		return result;
	result = mailbox_open(store, STR("INBOX"), &inbox);
	if (result != MAILBOX_OK)
		return result;
	result = mailbox_open(store, to, &target);
	if (result == MAILBOX_OK) {
		count = inbox->count;
		uids = arena_array(arena, count + 1, sizeof(*uids));
		for (size_t i = 0; i < count; i++)
			uids[i] = inbox->messages[i].is.uid;
		result = mailbox_copy(arena, inbox, uids, count, target, true,
			&a, &b);
		mailbox_close(target);
	}
	mailbox_close(inbox);
	return result;
}

/* Old and new names of a mailbox and those below it. */
struct renames {
	struct str *from, *to;
	size_t count;
};

/* A mailbox has that name, and will not have got another one before. */
static bool is_taken(struct mailbox_store *store, struct str name,
	const struct renames *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (str_eq(plan->from[i], name))
			return false;
	return mailbox_store_has(store, name);
}

/* Nothing is renamed if one of them could not be. */
static enum mailbox_result plan_renames(struct mailbox_store *store,
	struct arena *arena, struct str from, struct str to,
	struct renames *plan)
{
	struct str below = arena_fmt(arena, "%.*s.", STR_ARG(from));
	struct mailbox_names all;
	char text[MAILBOX_NAME_MOST + 1];
	enum mailbox_result result = mailbox_store_list(store, arena, &all);

	if (result != MAILBOX_OK)
		return result;
	plan->from = arena_array(arena, all.count, sizeof(*plan->from));
	plan->to = arena_array(arena, all.count, sizeof(*plan->to));
	for (size_t i = 0; i < all.count; i++) {
		struct str name = all.names[i];

		if (!str_eq(name, from) && !str_starts(name, below))
			continue;
		plan->from[plan->count] = name;
		plan->to[plan->count] = arena_join(arena, to,
			str_skip(name, from.len));
		if (!mailbox_name_is_good(store, plan->to[plan->count]))
			return MAILBOX_LIMIT;
		if (is_taken(store, plan->to[plan->count], plan))
			return MAILBOX_EXISTS;
		plan->count++;
	}
	for (size_t i = 0; result == MAILBOX_OK && i < plan->count; i++)
		result = mailbox_store_flush(store,
			text_of(plan->from[i], text));
	return plan->count > 0 ? result : MAILBOX_NONEXISTENT;
}

static enum mailbox_result rename_others(struct mailbox_store *store,
	struct str from, struct str to)
{
	struct arena *arena auto_arena = arena_new(0);
	struct renames plan = { 0 };
	bool is_tree = store->place.layout->is_tree;
	enum mailbox_result result;
	size_t done = 0;

	result = plan_renames(store, arena, from, to, &plan);
	if (result == MAILBOX_OK && is_tree)
		result = rename_files(store, from, to);
	for (; result == MAILBOX_OK && done < plan.count; done++) {
		if (!is_tree)
			result = rename_files(store, plan.from[done],
				plan.to[done]);
		if (result == MAILBOX_OK)
			result = rename_known(store, plan.from[done],
				plan.to[done]);
	}
	if (done > 0)
		mailbox_tell(store, MAILBOX_EVENT_RENAMED, to, from);
	return result;
}

enum mailbox_result mailbox_store_rename(struct mailbox_store *store,
	struct str from, struct str to)
{
	struct arena *arena auto_arena = arena_new(0);
	enum mailbox_result result;

	if (!mailbox_name_is_good(store, to) || str_is_nocase(to, "INBOX") ||
		!mailbox_name_is_good(store, from) ||
		str_starts(to, arena_fmt(arena, "%.*s.", STR_ARG(from))))
		return MAILBOX_CANNOT;
	if (mailbox_store_has(store, to))
		return MAILBOX_EXISTS;
	if (str_is_nocase(from, "INBOX"))
		return rename_inbox(store, to);
	/* What is arriving is known by the old name. */
	if (!mailbox_arrivals_await(store) || !mailbox_arrivals_hold(store))
		return MAILBOX_TRY_LATER;
	result = rename_others(store, from, to);
	mailbox_arrivals_release(store);
	return result;
}

static bool rename_all(struct mailbox_store *store)
{
	bool done = true;

	list_each (at, &store->open) {
		struct mailbox *m = CONTAINER(at, struct mailbox, link);

		if (!mailbox_rename_pending(m))
			done = false;
		mailbox_keep_learned(m);
	}
	return done;
}

void mailbox_store_busy(struct mailbox_store *store)
{
	store->commands++;
}

void mailbox_store_idle(struct mailbox_store *store)
{
	store->commands--;
	store->last_command = moment_now();
}

void mailbox_store_settle(struct mailbox_store *store)
{
	if (store->arrivals && !mailbox_arrivals_retire(store))
		log_debug("%s: what arrives goes on", store->path);
	mailbox_remains_clear(store);
	while (!rename_all(store))
		;
	if (store->is_dirty && mailbox_flush_all(store) != MAILBOX_OK)
		log_warning("%s: the last changes may not be on the disk",
			store->path);
}

/* Fiber: until nothing is to be done. */
static void follow(void *context)
{
	struct mailbox_store *store = context;

	for (;;) {
		mailbox_remains_clear(store);
		if (!io_sleep(span_ms(SOON_MS)))
			break;
		while (!rename_all(store))
			io_yield();
		if (!store->is_dirty)
			break;
		if (mailbox_flush_all(store) != MAILBOX_OK)
			break;
	}
	store->is_flushing = false;
}

void mailbox_store_soon(struct mailbox_store *store)
{
	store->is_dirty = true;
	if (store->is_flushing || store->is_closing || !io_self())
		return;
	store->is_flushing = true;
	store->flusher = io_spawn("mailbox names", follow, store);
}

void mailbox_suspect(struct mailbox_store *store, const char *name)
{
	struct mailbox *m = find_open(store, str_from(name));

	if (!m || m->is_suspect)
		return;
	m->is_suspect = true;
	mailbox_changed(m);
}

struct mailbox_store *mailbox_store_open(const char *location)
{
	struct mailbox_place place = { .layout = &layout_plusplus };
	struct mailbox_store *store;
	struct str path;

	if (!layout_of_location(str_from(location), &path, &place)) {
		log_warning("%s: there is no such layout", location);
		return NULL;
	}
	store = mem_new(1, sizeof(*store));
	list_init(&store->open);
	store->unflushed = table_new();
	mailbox_observe_begin(store);
	store->driver = &mailbox_maildir;
	store->path = strndup(path.p, path.len);
	if (!store->path)
		starved("out of memory");
	for (size_t i = strlen(store->path); i > 1 &&
		store->path[i - 1] == '/'; i--)
		store->path[i - 1] = 0;
	if (mkdir(store->path, 0700) < 0 && errno != EEXIST)
		log_warning("make %s: %m", store->path);
	store->dir = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir < 0)
		log_warning("open %s: %m", store->path);
	place.dir = store->dir;
	store->place = place;
	store->driver->begin(&store->place);
	if (store->dir >= 0 && layout_prepare(&store->place) == MAILBOX_OK)
		store->index = index_open(store->dir, store->path);
	if (store->index) {
		mailbox_arrivals_begin(store);
		return store;
	}
	if (store->dir >= 0)
		close(store->dir);
	mailbox_observe_end(store);
	table_free(store->unflushed);
	free(store->path);
	free(store);
	return NULL;
}

void mailbox_store_close(struct mailbox_store *store)
{
	if (!store)
		return;
	store->is_closing = true;
	if (store->is_flushing)
		io_cancel(store->flusher);
	if (store->is_watching)
		io_cancel(store->listener);
	if (store->is_taking)
		io_cancel(store->taker);
	mailbox_arrivals_stop(store);
	while (store->is_flushing || store->is_watching || store->is_taking)
		io_yield();
	mailbox_arrivals_end(store);
	mailbox_store_settle(store);
	list_each (at, &store->open) {
		mailbox_keep(CONTAINER(at, struct mailbox, link));
		mailbox_drop(CONTAINER(at, struct mailbox, link));
	}
	index_close(store->index);
	mailbox_observe_end(store);
	close(store->dir);
	mailbox_flush_end(store);
	free(store->path);
	free(store);
}
