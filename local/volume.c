/*
 * local/volume - file systems that mailboxes are on, and children that flush
 * them.
 *
 * The parent opens nothing that users have made: a child does, before it drops
 * root, and only the folders above a mailbox that nobody but root can have
 * put there (/, /home). What it knows of errors begins with that moment; so it
 * is there before anybody writes, and `born` tells it from its successor.
 */
#include "local/local.h"

#include "agent/pool.h"
#include "base/log.h"
#include "base/table.h"
#include "io/filesystem.h"
#include "io/helper.h"
#include "service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	IDLE_S = 60,
	ASK_AGAIN_S = 20, /* well within the child's idle time */
	FLUSH_S = 3600,
	VOLUMES_MOST = 100,
	SHARE_FROM_MOST = 1000,
};

/* ---- in the child ---- */

struct flusher {
	const char *way;
	int fd; /* -1: none */
	uint64_t device, born;
	unsigned share_from;
};

/* The one below, if no user can have put it there. */
static int step(int above, const char *name)
{
	auto_close int fd = openat(
		above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || !fd_stat(fd, &st) ||
		(st.st_uid != 0 && st.st_uid != geteuid()))
		return -1;
	return fd_keep(&fd);
}

/* The last of the way that is fine. */
static int walk(struct arena *arena, struct str way)
{
	auto_close int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct str part;
	int next;

	while (str_take_item(&way, "/", &part)) {
		next = step(at, arena_cstr(arena, part));
		if (next < 0)
			break;
		close(at);
		at = next;
	}
	return openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void open_way(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct flusher *flusher = context;
	struct timespec now = { 0 };
	struct stat st;

	clock_gettime(CLOCK_MONOTONIC, &now);
	flusher->born = ((uint64_t)now.tv_sec * 1000000000 +
				(uint64_t)now.tv_nsec) ^
		((uint64_t)getpid() << 40);
	flusher->fd = walk(arena, str_from(flusher->way));
	if (flusher->fd >= 0 && fd_stat(flusher->fd, &st)) {
		flusher->share_from = io_syncfs_from(flusher->fd);
		flusher->device = flusher->share_from ? st.st_dev : 0;
	}
}

static void serve_flush(struct call *call, void *context)
{
	const struct flusher *flusher = context;
	struct msg_local_flush m;
	struct msg_local_flushed answer = {
		.device = flusher->device,
		.share_from = flusher->share_from,
		.born = flusher->born,
	};

	if (!msg_local_flush_recv(call, &m, span_s(FLUSH_S)))
		return;
	/* In place: it has nothing else to do. */
	if (!m.only_asks && syncfs(flusher->fd) < 0)
		answer.error = (uint64_t)errno;
	if (!msg_local_flushed_send(call, &answer))
		log_debug("the parent has gone: %m");
}

/* ---- in the parent ---- */

static struct table *by_way;

static struct peer *find_child(struct arena *arena, const struct volume *volume)
{
	struct flusher flusher = { .way = arena_cstr(arena, volume->way),
		.fd = -1 };
	const char *const paths[] = { NULL, NULL };
	const struct child_plan plan = {
		.name = STR("local"),
		.sandbox = { .profile = PROFILE_MAILBOX,
			.sys_uid = room.defaults.sys_uid,
			.sys_gid = room.defaults.sys_gid,
			.paths = paths },
		.idle = span_s(IDLE_S),
		.prepare = open_way,
		.serve = serve_flush,
		.context = &flusher,
	};

	return pool_find(arena_fmt(arena, "flush/%.*s", STR_ARG(volume->way)),
		&plan);
}

static bool ask(struct volume *volume, bool only_asks,
	struct msg_local_flushed *answer)
{
	auto_arena struct arena *arena = arena_new(0);
	struct peer *child = find_child(arena, volume);
	struct call *call = child ? peer_call(child, arena) : NULL;
	const struct msg_local_flush m = { .only_asks = only_asks };

	if (!call || !msg_local_flush_send(call, &m) ||
		!msg_local_flushed_recv(call, answer, span_s(FLUSH_S)))
		return false;
	if (volume->born != answer->born)
		group_forgive(&volume->group); /* this one can still tell */
	volume->device = answer->device;
	if (answer->share_from > 0 && answer->share_from <= SHARE_FROM_MOST)
		volume->group.share_from = (unsigned)answer->share_from;
	volume->born = answer->born;
	volume->ask_again = moment_after(span_s(ASK_AGAIN_S));
	return true;
}

static int sync_volume(struct flush_group *group)
{
	struct volume *volume = CONTAINER(group, struct volume, group);
	struct msg_local_flushed answer;

	if (!ask(volume, false, &answer))
		return -1;
	errno = (int)answer.error;
	return answer.error ? -1 : 0;
}

/* Know its device and its child, and have the child alive for a while. */
static bool refresh(struct volume *volume)
{
	struct msg_local_flushed answer;

	while (volume->is_asking)
		if (!io_event_wait(&volume->known, SPAN_FOREVER))
			return false;
	if (moment_left(volume->ask_again).us > 0)
		return true;
	volume->is_asking = true;
	if (!ask(volume, true, &answer))
		volume->device = 0;
	volume->ask_again = moment_after(span_s(ASK_AGAIN_S));
	volume->is_asking = false;
	io_event_wake_all(&volume->known);
	return true;
}

static struct volume *volume_new(struct str way)
{
	struct arena *arena = arena_new(0); /* of the process */
	struct volume *volume = arena_new_of(arena, struct volume);

	volume->way = arena_copy(arena, way);
	io_event_init(&volume->known);
	group_init(&volume->group, sync_volume);
	table_put(by_way, way, volume);
	return volume;
}

struct volume *volume_find(struct str base)
{
	size_t slash = str_rfind_char(base, '/');
	struct str way = slash == SIZE_MAX ? STR("") : str_first(base, slash);
	struct volume *volume;

	if (!by_way)
		by_way = table_new();
	volume = table_find(by_way, way);
	if (!volume && table_count(by_way) >= VOLUMES_MOST)
		return NULL;
	if (!volume)
		volume = volume_new(way);
	return refresh(volume) && volume->device != 0 ? volume : NULL;
}
