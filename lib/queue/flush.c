/*
 * queue/flush - one fdatasync for all who wait at that moment.
 */
#include "queue/flush.h"

#include <errno.h>

void flush_init(struct flush *flush, struct disk *disk, int fd)
{
	*flush = (struct flush){ .disk = disk, .fd = fd };
	io_event_init(&flush->event);
}

/* Those who are about to write, write first: they share it. */
static void run(struct flush *flush)
{
	uint64_t number;

	flush->running = true;
	if (io_self())
		io_pause();
	number = ++flush->begun;
	if (disk_sync(flush->disk, flush->fd) < 0)
		flush->error = errno ? errno : EIO;
	else
		flush->done = number;
	flush->running = false;
	io_event_wake_all(&flush->event);
}

bool flush_wait(struct flush *flush)
{
	uint64_t mine = flush->begun + 1;

	while (flush->done < mine && !flush->error) {
		if (!flush->running)
			run(flush);
		else if (!io_event_wait(&flush->event, SPAN_FOREVER))
			io_uncancel();
	}
	if (flush->done >= mine)
		return true;
	errno = flush->error;
	return false;
}
