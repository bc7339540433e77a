/*
 * queue/flush - one fdatasync for all who wait at that moment.
 */
#include "queue/flush.h"

#include <errno.h>

enum {
	ALONE_LEAST = 8,
	QUICK_US = 1000,
};

void flush_init(struct flush *flush, struct disk *disk, int fd)
{
	*flush = (struct flush){ .disk = disk, .fd = fd };
	io_event_init(&flush->event);
}

/* A helper costs two wake-ups, which pay only if somebody else can use the
 * time. */
static int sync_file(struct flush *flush)
{
	struct moment quick = moment_after(span_us(QUICK_US));
	bool here = flush->waiting == 1 && flush->alone >= ALONE_LEAST;
	int result = here ? disk_sync_here(flush->disk, flush->fd) :
			    disk_sync(flush->disk, flush->fd);

	if (flush->waiting > 1 || moment_left(quick).us == 0)
		flush->alone = 0;
	else if (flush->alone < ALONE_LEAST)
		flush->alone++;
	return result;
}

/* Those who are about to write, write first: they share it. */
static void run(struct flush *flush)
{
	uint64_t number;

	flush->running = true;
	if (io_self())
		io_pause();
	number = ++flush->begun;
	if (sync_file(flush) < 0)
		flush->error = errno ? errno : EIO;
	else
		flush->done = number;
	flush->running = false;
	io_event_wake_all(&flush->event);
}

bool flush_wait(struct flush *flush)
{
	uint64_t mine = flush->begun + 1;

	flush->waiting++;
	while (flush->done < mine && !flush->error) {
		if (!flush->running)
			run(flush);
		else if (!io_event_wait(&flush->event, SPAN_FOREVER))
			io_uncancel();
	}
	flush->waiting--;
	if (flush->done >= mine)
		return true;
	errno = flush->error;
	return false;
}
