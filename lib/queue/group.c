#include "queue/group.h"

#include <errno.h>

enum {
	SLOW_FLUSH_MS = 100,
	ONE_BY_ONE_S = 5,
	SETTLE_PAUSE_MS = 200,
	REST_MS = 5,    /* between flushes of data */
	GATHER_MS = 20, /* for who is known to come */
};

/* Timed: a slow one means that others write much. */
static int sync_all(struct disk *disk, int fd)
{
	struct flush_group *group = CONTAINER(disk, struct flush_group, disk);
	struct moment begin = moment_now();
	int result = group->sync(group);

	(void)fd;
	if (result < 0 ||
		span_to_ms(moment_between(begin, moment_now())) >
			SLOW_FLUSH_MS)
		group->one_by_one = moment_after(span_s(ONE_BY_ONE_S));
	return result;
}

void group_init(struct flush_group *group, int (*sync)(struct flush_group *group))
{
	*group = (struct flush_group){ .sync = sync,
		.share_from = GROUP_SHARE_FROM,
		.disk = { .sync = sync_all } };
	flush_init(&group->flush, &group->disk, -1);
	io_event_init(&group->all_came);
	io_event_init(&group->all_back);
}

void group_forgive(struct flush_group *group)
{
	group->flush.error = 0;
}

static bool may_share(const struct flush_group *group)
{
	return !group->flush.error && moment_left(group->one_by_one).us == 0;
}

bool group_is_busy(const struct flush_group *group)
{
	return may_share(group) && (group->flush.running ||
		group->waiting + 1 >= group->share_from);
}

void group_expect(struct flush_group *group)
{
	group->coming++;
}

void group_came(struct flush_group *group)
{
	if (--group->coming == 0)
		io_event_wake_all(&group->all_came);
}

static void await_others(struct flush_group *group)
{
	struct moment end = moment_after(span_ms(GATHER_MS));

	while (group->coming > 0 && moment_left(end).us > 0)
		if (!io_event_wait(&group->all_came, moment_left(end)) &&
			errno == ECANCELED)
			io_uncancel();
}

static bool is_covered(const struct flush_group *group, uint64_t mark)
{
	return group->flush.done >= mark;
}

/*
 * Flushes that follow each other closely carry hardly more than one message
 * each, at a third of a millisecond of CPU: under load there is a rest in
 * between. Clients that wait rest only until as many are back as shared the
 * flush before; those who come alone, one after the other, wait for nobody.
 */
static bool rests(const struct flush_group *group, bool at_once)
{
	return moment_left(group->rest_until).us > 0 &&
		(!at_once || group->clients < group->clients_before);
}

static void wait_for(struct io_event *event, struct span most)
{
	if (!io_event_wait(event, most) && errno == ECANCELED)
		io_uncancel();
}

/*
 * Let others gather, for a flush that is shared costs each a fraction: who is
 * about to write, and, while a flush runs, who comes until its end. True: a
 * flush that began after `mark` is over.
 */
static bool await_turn(struct flush_group *group, uint64_t mark, bool at_once)
{
	if (io_self())
		io_pause();
	await_others(group);
	while (!is_covered(group, mark)) {
		if (group->flush.running)
			wait_for(&group->flush.event, SPAN_FOREVER);
		else if (rests(group, at_once))
			wait_for(&group->all_back,
				moment_left(group->rest_until));
		else
			return false;
	}
	return true;
}

uint64_t group_mark(const struct flush_group *group)
{
	return group->flush.begun + 1;
}

/* One or two are quicker by themselves, and gain nothing by waiting. */
static void count_clients(struct flush_group *group)
{
	group->clients_before = group->clients >= group->share_from ?
		group->clients : 0;
}

bool group_data(struct flush_group *group, size_t count, bool shares,
	bool at_once)
{
	uint64_t mark = group_mark(group);

	group->waiting += (unsigned)count;
	group->clients += at_once;
	if (group->clients >= group->clients_before)
		io_event_wake_all(&group->all_back);
	if (await_turn(group, mark, at_once))
		return shares;
	count_clients(group);
	return shares && group->waiting >= group->share_from &&
		may_share(group) && flush_wait(&group->flush);
}

void group_data_end(struct flush_group *group, size_t count, bool at_once)
{
	group->waiting -= (unsigned)count;
	group->clients -= at_once;
	group->rest_until = moment_after(span_ms(REST_MS));
}

/* Others have been let go by the same flush, and are about to come. */
static bool share_at_once(struct flush_group *group, uint64_t mark,
	size_t count)
{
	bool is_shared;

	group->naming += (unsigned)count;
	io_pause();
	/* One or two that cannot wait: a directory each is cheaper. */
	is_shared = is_covered(group, mark) ||
		(group->waiting + group->naming >= group->share_from &&
			may_share(group) && flush_wait(&group->flush));
	group->naming -= (unsigned)count;
	return is_shared;
}

bool group_names(struct flush_group *group, uint64_t mark, size_t count,
	bool at_once)
{
	/* That of others' data, or names, was after ours were there? */
	if (is_covered(group, mark))
		return true;
	if (at_once)
		return share_at_once(group, mark, count);
	(void)!io_sleep(span_ms(SETTLE_PAUSE_MS));
	return is_covered(group, mark) ||
		(may_share(group) && flush_wait(&group->flush));
}
