/*
 * qmgr/large - content in large/ that no message names: a session, or cleanup,
 * has died over it.
 *
 * What is younger than a day may still be being written. Whether a message
 * names the rest is asked of the disk: the slots first, then the files, as
 * messages go that way.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "queue/large.h"

enum {
	KEPT_S = 24 * 3600,
	FIRST_S = 5, /* what was found at the start has been looked at */
	EVERY_S = 3600,
};

struct serial_set {
	uint64_t *serials;
	size_t count, capacity;
};

static void add(struct serial_set *set, uint64_t serial)
{
	array_grow(&set->serials, &set->capacity, set->count + 1,
		sizeof(*set->serials));
	set->serials[set->count++] = serial;
}

static bool has(const struct serial_set *set, uint64_t serial)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->serials[i] == serial)
			return true;
	return false;
}

/* Those named, as far as they are among the old ones. */
struct search {
	const struct serial_set *old;
	struct serial_set *named;
};

static void note(struct search *search, uint64_t serial)
{
	if (has(search->old, serial) && !has(search->named, serial))
		add(search->named, serial);
}

/* A slot that is over names nothing: its message has gone, or has a file. */
static void note_place(void *context, const struct place *place)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct search *search = context;
	struct stored *stored;
	enum store_result result;

	if (!has(search->old, place->serial))
		return;
	result = store_load_slot(&qmgr.store, arena, place, false, &stored);
	if (result != STORE_OVER && result != STORE_GONE)
		note(context, place->serial);
}

static bool find_named(struct search *search)
{
	static const enum queue_name queues[] = { QUEUE_DEFERRED, QUEUE_HOLD,
		QUEUE_CORRUPT };
	auto_arena struct arena *arena = arena_new(0);

	if (!store_scan(&qmgr.store, true, note_place, search))
		return false;
	for (size_t i = 0; i < COUNT(queues); i++) {
		struct spool_ids ids;
		uint64_t serial;

		if (!spool_list(qmgr.disk, arena, queues[i], false, &ids))
			return false;
		for (size_t k = 0; k < ids.count; k++)
			if (queue_id_parse(ids.ids[k], &serial))
				note(search, serial);
	}
	return true;
}

static bool parse_name(const char *name, uint64_t *serial)
{
	char *end;

	errno = 0;
	*serial = strtoull(name, &end, 16);
	return errno == 0 && *name && *end == '\0' && strlen(name) == 16;
}

static bool is_old(uint64_t serial)
{
	char path[SPOOL_PATH_MOST];
	struct stat st;
	bool old;
	int fd;

	spool_large_path(path, serial);
	fd = disk_open_file(qmgr.disk, path, O_RDONLY);
	if (fd < 0)
		return false;
	old = fd_stat(fd, &st) &&
		st.st_mtime + KEPT_S < wall_us() / 1000000;
	disk_close(qmgr.disk, &fd);
	return old;
}

static void find_old(struct serial_set *old)
{
	auto_arena struct arena *arena = arena_new(0);
	struct disk_names names;
	uint64_t serial;

	if (!disk_list(qmgr.disk, arena, "large", &names))
		return;
	for (size_t i = 0; i < names.count; i++)
		if (parse_name(names.names[i], &serial) && is_old(serial))
			add(old, serial);
}

static void tidy(void)
{
	struct serial_set old = { 0 }, named = { 0 };
	struct search search = { &old, &named };

	find_old(&old);
	if (old.count > 0 && find_named(&search)) {
		for (size_t i = 0; i < old.count; i++) {
			if (has(&named, old.serials[i]) ||
				entry_find(old.serials[i]))
				continue;
			log_info("large/%016jX: belongs to no message: "
				"removed", (uintmax_t)old.serials[i]);
			large_drop(qmgr.disk, old.serials[i]);
		}
	}
	free(old.serials);
	free(named.serials);
}

void tidy_large(void *context)
{
	int pause_s = FIRST_S;

	(void)context;
	while (io_sleep(span_s(pause_s)) && !service_is_retiring()) {
		tidy();
		pause_s = EVERY_S;
	}
}
