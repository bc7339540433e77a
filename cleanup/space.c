/*
 * cleanup/space - is there room for more mail?
 *
 * queue_minfree, or one and a half times message_size_limit if that is more,
 * is kept free of new mail; half of it is for our own notifications and for
 * what has to be deferred.
 */
#include "cleanup/cleanup.h"

uint64_t space_left(const struct cleanup *cleanup)
{
	int64_t least = cleanup->conf->message_size_limit;
	int64_t space = cleanup->disk->space(cleanup->disk);

	if (least > INT64_MAX / 4 || least < 0)
		least = 0;
	least += least / 2;
	if (cleanup->conf->queue_minfree > least)
		least = cleanup->conf->queue_minfree;
	if (space >= least)
		return 0;
	return space >= least / 2 ? 1 : 2;
}
