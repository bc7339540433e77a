#include "mailbox/spread.h"

#include <stdatomic.h>

#include "io/helper.h"

enum {
	COUNT_LEAST = 64, /* for fewer it is not worth its while */
	TAKEN = 16,       /* at a time */
};

struct spread {
	void (*each)(void *context, size_t i);
	void *context;
	size_t count;
	atomic_size_t next;
};

static int take_some(void *context)
{
	struct spread *spread = context;
	size_t from;

	while ((from = atomic_fetch_add(&spread->next, TAKEN)) < spread->count)
		for (size_t i = from; i < spread->count && i < from + TAKEN; i++)
			spread->each(spread->context, i);
	return 0;
}

void mailbox_spread(size_t count, void (*each)(void *context, size_t i),
	void *context)
{
	struct spread spread = { .each = each, .context = context,
		.count = count };
	struct io_job job;
	bool is_shared = count >= COUNT_LEAST && io_has_helpers();

	if (is_shared)
		io_job_begin(&job, take_some, &spread);
	take_some(&spread);
	if (is_shared)
		io_job_end(&job);
}
