#include "commands/requeue.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/drop.h"

enum {
	BLOCK = 64 * 1024,
};

static bool add_large(struct drop *drop, struct store *store,
	const struct stored *stored)
{
	auto_arena struct arena *arena = arena_new(0);
	char *block = arena_alloc(arena, BLOCK);
	uint64_t at = stored->envelope.skip;
	auto_close int fd = store_large(store, stored);

	while (fd >= 0 && at < stored->head.large_octets) {
		ssize_t got = pread(fd, block, BLOCK, (off_t)at);

		if (got <= 0)
			return false;
		drop_content(drop, str_of(block, (size_t)got));
		at += (uint64_t)got;
	}
	return fd >= 0;
}

bool requeue_offline(const struct conf *conf, struct store *store,
	struct stored *stored)
{
	auto_arena struct arena *arena = arena_new(0);
	struct drop drop;

	if (str_is_none(stored->content) &&
		!store_content(store, arena, stored))
		return false;
	drop_open_file(&drop, conf);
	drop_envelope(&drop, &stored->envelope, stored->done);
	drop_content(&drop, stored->content);
	if (stored->head.large_octets && !add_large(&drop, store, stored)) {
		drop_cancel(&drop);
		return false;
	}
	if (drop_commit(&drop, (int64_t)stored->envelope.arrival_us))
		return store_over(store, stored, true);
	log_warning("%.*s: not requeued: %s",
		STR_ARG(stored->envelope.queue_id), drop.answer);
	errno = 0;
	return false;
}
