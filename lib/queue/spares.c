/*
 * queue/spares - files of large/ whose messages are over, to be used again.
 */
#include "queue/spares.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "queue/spool.h"

enum {
	LOOK_MS = 1000,
	DROPPED_AT_ONCE = 50, /* in one job of a helper thread */
};

void spares_init(struct spares *spares, struct disk *disk)
{
	*spares = (struct spares){ .disk = disk };
	io_event_init(&spares->news);
	io_event_init(&spares->full);
}

void spares_add(struct spares *spares, uint64_t serial)
{
	array_grow(&spares->serials, &spares->capacity, spares->count + 1,
		sizeof(*spares->serials));
	spares->serials[spares->count++] = serial;
	if (spares->count == 1)
		io_event_wake_all(&spares->news);
	if (spares->count > SPARES_MOST)
		io_event_wake_all(&spares->full);
}

bool spares_take(struct spares *spares, uint64_t *serial)
{
	if (spares->count == 0)
		return false;
	*serial = spares->serials[--spares->count];
	if (spares->least > spares->count)
		spares->least = spares->count;
	return true;
}

/* The oldest, at most DROPPED_AT_ONCE. They are nobody's before it waits. */
static void drop_some(struct spares *spares, size_t count)
{
	char paths[DROPPED_AT_ONCE][SPOOL_PATH_MOST];
	const char *pointers[DROPPED_AT_ONCE];

	for (size_t i = 0; i < count; i++) {
		spool_large_path(paths[i], spares->serials[i]);
		pointers[i] = paths[i];
	}
	spares->count -= count;
	memmove(spares->serials, spares->serials + count,
		spares->count * sizeof(*spares->serials));
	if (spares->least > spares->count)
		spares->least = spares->count;
	if (disk_unlink_all(spares->disk, pointers, count) < 0)
		log_warning("%s%s: %m", paths[0],
			count > 1 ? " or another one" : "");
}

static void drop(struct spares *spares, size_t count)
{
	while (count > 0 && spares->count > 0) {
		size_t some = count < DROPPED_AT_ONCE ? count : DROPPED_AT_ONCE;

		if (some > spares->count)
			some = spares->count;
		drop_some(spares, some);
		count -= some;
	}
}

void spares_tidy(struct spares *spares)
{
	drop(spares, spares->least);
	spares->least = spares->count;
}

static void drop_excess(struct spares *spares)
{
	if (spares->count > SPARES_MOST)
		drop(spares, spares->count - SPARES_MOST);
}

static void run(void *context)
{
	struct spares *spares = context;

	for (;;) {
		while (spares->count == 0)
			if (!io_event_wait(&spares->news, SPAN_FOREVER))
				return;
		if (io_event_wait(&spares->full, span_ms(LOOK_MS)))
			drop_excess(spares);
		else if (errno == ETIMEDOUT)
			spares_tidy(spares);
		else
			return;
	}
}

void spares_start(struct spares *spares)
{
	io_spawn("spares", run, spares);
}

void spares_close(struct spares *spares)
{
	drop(spares, spares->count);
	free(spares->serials);
	spares->serials = NULL;
	spares->capacity = 0;
}
