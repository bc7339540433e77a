#include "mailbox/observe.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/table.h"
#include "io/fiber.h"
#include "mailbox/store.h"

enum {
	TOGETHER_MS = 20, /* news that are taken in at once */
	OF_FILES = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE,
	OF_NAMES = OF_FILES | IN_CLOSE_WRITE,
};

void mailbox_tell(struct mailbox_store *store, enum mailbox_event_kind kind,
	struct str name, struct str other)
{
	const struct mailbox_event event = { kind, name, other };

	list_each (at, &store->observers) {
		struct mailbox_observer *o =
			CONTAINER(at, struct mailbox_observer, link);

		o->hear(o->context, &event);
	}
}

/* ---- what others do ---- */

/* What one batch of news says about the store itself. */
struct news {
	bool names, subscriptions, all;
};

static void take_root(const struct inotify_event *event, const char *name,
	struct news *news)
{
	if (event->mask & IN_ISDIR)
		news->names = true;
	else if (strcmp(name, "subscriptions") == 0)
		news->subscriptions = true;
}

static void take_files(struct mailbox_store *store, struct mailbox_watch *w)
{
	mailbox_suspect(store, w->name);
	mailbox_tell(store, MAILBOX_EVENT_MESSAGES, str_from(w->name),
		STR_NONE);
}

static void lose(struct mailbox_store *store, struct mailbox_watch *w)
{
	if (!w->is_lost)
		table_remove(store->watches, str_from(w->name));
	w->is_lost = true;
	w->numbers[0] = w->numbers[1] = -1;
}

static struct mailbox_watch *find(struct mailbox_store *store, int number)
{
	for (struct table_walk t = { 0 }; table_next(store->watches, &t);) {
		struct mailbox_watch *w = t.value;

		if (w->numbers[0] == number || w->numbers[1] == number)
			return w;
	}
	return NULL;
}

/* A directory of a tree. */
static bool take_level(struct mailbox_store *store,
	const struct inotify_event *event, struct news *news)
{
	size_t at = 0;

	while (at < store->level_count && store->levels[at] != event->wd)
		at++;
	if (at == store->level_count)
		return false;
	if (event->mask & IN_IGNORED)
		store->levels[at] = store->levels[--store->level_count];
	if (event->mask & (IN_ISDIR | IN_IGNORED))
		news->names = true;
	return true;
}

static void watch_level(void *context, const char *path)
{
	struct mailbox_store *store = context;
	struct arena *arena auto_arena = arena_new(0);
	int number = inotify_add_watch(store->inotify,
		arena_fmt(arena, "%s/%s", store->path, path).p,
		OF_FILES | IN_ONLYDIR);

	for (size_t i = 0; i < store->level_count; i++)
		if (store->levels[i] == number)
			return;
	if (number < 0)
		return;
	array_grow(&store->levels, &store->level_capacity,
		store->level_count + 1, sizeof(*store->levels));
	store->levels[store->level_count++] = number;
}

/* Each is watched before it is read: what comes later is heard of. */
static void watch_levels(struct mailbox_store *store)
{
	if (store->root >= 0 && store->place.layout->walk)
		store->place.layout->walk(store->dir, watch_level, store);
}

static void take_event(struct mailbox_store *store,
	const struct inotify_event *event, const char *name,
	struct news *news)
{
	struct mailbox_watch *w;

	if (event->mask & IN_Q_OVERFLOW) {
		news->all = true;
		return;
	}
	if (event->wd == store->root) {
		take_root(event, name, news);
		return;
	}
	if (take_level(store, event, news))
		return;
	w = find(store, event->wd);
	if (!w)
		return;
	take_files(store, w);
	if (event->mask & IN_IGNORED)
		lose(store, w);
}

static void tell_store(struct mailbox_store *store, const struct news *news)
{
	if (news->all || news->names)
		watch_levels(store);
	if (news->all) {
		list_each (at, &store->open)
			mailbox_suspect(store, CONTAINER(at, struct mailbox,
				link)->name);
		mailbox_tell(store, MAILBOX_EVENT_ALL, STR_NONE, STR_NONE);
		return;
	}
	if (news->names)
		mailbox_tell(store, MAILBOX_EVENT_NAMES, STR_NONE, STR_NONE);
	if (news->subscriptions)
		mailbox_tell(store, MAILBOX_EVENT_SUBSCRIPTIONS, STR_NONE,
			STR_NONE);
}

/* False: the system gives no news any more. */
static bool take_news(struct mailbox_store *store)
{
	union {
		struct inotify_event event;
		char octets[8192];
	} in;
	struct news news = { 0 };
	ssize_t got = read(store->inotify, &in, sizeof(in));
	int last = -1;

	for (ssize_t at = 0; at + (ssize_t)sizeof(in.event) <= got;) {
		struct inotify_event event;

		memcpy(&event, in.octets + at, sizeof(event));
		/* Many files at once are one piece of news. */
		if (event.wd != last || event.wd == store->root ||
			(event.mask & (IN_ISDIR | IN_IGNORED)))
			take_event(store, &event, event.len ? in.octets + at +
				sizeof(event) : "", &news);
		last = event.wd;
		at += (ssize_t)(sizeof(event) + event.len);
	}
	tell_store(store, &news);
	return got >= 0 || errno == EAGAIN || errno == EINTR;
}

static void listen(void *context)
{
	struct mailbox_store *store = context;

	while (io_wait(store->inotify, POLLIN, SPAN_FOREVER))
		if (!take_news(store) || !io_sleep(span_ms(TOGETHER_MS)))
			break;
	store->is_watching = false;
}

static void begin_listening(struct mailbox_store *store)
{
	if (store->inotify < 0)
		store->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (store->inotify < 0 || store->is_watching || !io_self())
		return;
	store->is_watching = true;
	store->listener = io_spawn("mailbox news", listen, store);
}

void mailbox_observe(struct mailbox_store *store,
	struct mailbox_observer *observer)
{
	list_append(&store->observers, &observer->link);
	begin_listening(store);
	if (store->inotify >= 0 && store->root < 0)
		store->root = inotify_add_watch(store->inotify, store->path,
			OF_NAMES | IN_ONLYDIR);
	watch_levels(store);
}

void mailbox_unobserve(struct mailbox_observer *observer)
{
	list_remove(&observer->link);
}

/* ---- files of mailboxes ---- */

static void watch_files(struct mailbox_store *store, struct mailbox_watch *w)
{
	struct arena *arena auto_arena = arena_new(0);
	const char *paths[2];

	store->driver->watched(&store->place, w->name, arena, paths);
	for (size_t i = 0; i < COUNT(paths); i++)
		w->numbers[i] = inotify_add_watch(store->inotify,
			arena_fmt(arena, "%s/%s", store->path, paths[i]).p,
			OF_FILES | IN_ONLYDIR);
}

struct mailbox_watch *mailbox_watch_begin(struct mailbox_store *store,
	const char *name)
{
	struct mailbox_watch *w = table_find(store->watches, str_from(name));

	begin_listening(store);
	if (!w) {
		w = mem_new(1, sizeof(*w));
		w->name = strdup(name);
		if (!w->name)
			starved("out of memory");
		w->numbers[0] = w->numbers[1] = -1;
		table_put(store->watches, str_from(name), w);
		if (store->inotify >= 0)
			watch_files(store, w);
	}
	w->users++;
	return w;
}

bool mailbox_watch_works(const struct mailbox_watch *w)
{
	return w && w->numbers[0] >= 0 && w->numbers[1] >= 0;
}

void mailbox_watch_end(struct mailbox_store *store, struct mailbox_watch *w)
{
	if (!w || --w->users > 0)
		return;
	for (size_t i = 0; i < COUNT(w->numbers); i++)
		if (w->numbers[i] >= 0)
			inotify_rm_watch(store->inotify, w->numbers[i]);
	lose(store, w);
	free(w->name);
	free(w);
}

void mailbox_watch_lose(struct mailbox_store *store, const char *name)
{
	struct mailbox_watch *w = table_find(store->watches, str_from(name));

	if (!w)
		return;
	for (size_t i = 0; i < COUNT(w->numbers); i++)
		if (w->numbers[i] >= 0)
			inotify_rm_watch(store->inotify, w->numbers[i]);
	lose(store, w);
}

void mailbox_watch_rename(struct mailbox_store *store, const char *from,
	const char *to)
{
	struct mailbox_watch *w = table_remove(store->watches,
		str_from(from));

	if (!w)
		return;
	free(w->name);
	w->name = strdup(to);
	if (!w->name)
		starved("out of memory");
	table_put(store->watches, str_from(to), w);
}

void mailbox_observe_begin(struct mailbox_store *store)
{
	list_init(&store->observers);
	store->watches = table_new();
	store->inotify = store->root = -1;
}

/* The listener has ended. */
void mailbox_observe_end(struct mailbox_store *store)
{
	if (store->inotify >= 0)
		io_close(store->inotify);
	for (struct table_walk t = { 0 }; table_next(store->watches, &t);) {
		struct mailbox_watch *w = t.value;

		free(w->name);
		free(w);
	}
	table_free(store->watches);
	free(store->levels);
}
