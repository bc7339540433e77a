#include "commands/import_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "queue/large.h"
#include "queue/spool.h"

enum {
	PATH_MOST = 512,
};

static const char from_file[] = "import/from"; /* the other's path */

/* ---- names ---- */

const char *stage_name(struct stage *stage, const struct staged *s)
{
	return arena_cstr(stage->arena, arena_fmt(stage->arena,
		"%.*s-%.*s-%.*s-%.*s", STR_ARG(s->queue),
		STR_ARG(s->queue_id), STR_ARG(s->from), STR_ARG(s->name)));
}

static bool parse_name(struct str name, struct staged *s)
{
	*s = (struct staged){ 0 };
	s->queue = str_take_until(&name, '-');
	s->queue_id = str_take_until(&name, '-');
	s->from = str_take_until(&name, '-');
	s->name = name;
	return s->queue.len && s->queue_id.len && s->from.len && s->name.len;
}

static const char *staged_path(struct stage *stage, const struct staged *s)
{
	return arena_cstr(stage->arena, arena_fmt(stage->arena, "import/%s",
		stage_name(stage, s)));
}

static const char *retired_path(struct stage *stage, const struct staged *s)
{
	return arena_cstr(stage->arena, arena_fmt(stage->arena,
		"imported/%.*s/%.*s.%.*s", STR_ARG(s->from), STR_ARG(s->name),
		STR_ARG(s->queue_id)));
}

/* ---- the other queue ---- */

static bool sync_folder(int top, const char *path)
{
	auto_close int fd = openat(top, path,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && fsync(fd) == 0;
}

static bool sync_parent(int top, const char *path)
{
	char parent[PATH_MOST];
	const char *slash = strrchr(path, '/');

	snprintf(parent, sizeof(parent), "%.*s",
		slash ? (int)(slash - path) : 1, slash ? path : ".");
	return sync_folder(top, parent);
}

static bool make_folder(int top, const char *path)
{
	if (mkdirat(top, path, 0700) < 0 && errno != EEXIST)
		return false;
	return sync_parent(top, path);
}

bool stage_retire(struct stage *stage, const struct staged *s,
	const char *path)
{
	const char *to = retired_path(stage, s);
	const char *folder = arena_cstr(stage->arena, arena_fmt(stage->arena,
		"imported/%.*s", STR_ARG(s->from)));

	return make_folder(stage->source, "imported") &&
		make_folder(stage->source, folder) &&
		renameat(stage->source, path, stage->source, to) == 0 &&
		sync_folder(stage->source, folder) &&
		sync_parent(stage->source, path);
}

/* ---- ours ---- */

/* As root: a folder's owner is that of deferred/, and so is that of what will
 * be made in it. Postfix may have left one of its own. */
static bool give(struct stage *stage, const char *folder)
{
	struct stat st;

	if (geteuid() != 0)
		return true;
	return fstatat(stage->queue, "deferred", &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		fchownat(stage->queue, folder, st.st_uid, st.st_gid,
			AT_SYMLINK_NOFOLLOW) == 0;
}

static bool make_queue(struct stage *stage, const struct staged *s,
	char path[SPOOL_PATH_MOST])
{
	char folder[SPOOL_PATH_MOST];

	if (str_is(s->queue, "maildrop")) {
		snprintf(path, SPOOL_PATH_MOST, "maildrop/%.*s",
			STR_ARG(s->queue_id));
		return true;
	}
	spool_path(path, str_is(s->queue, "hold") ? QUEUE_HOLD
						  : QUEUE_DEFERRED,
		s->queue_id);
	snprintf(folder, sizeof(folder), "%.*s", STR_ARG(s->queue));
	if (disk_mkdir(stage->disk, folder) < 0)
		return false;
	snprintf(folder, sizeof(folder), "%.*s/%.1s", STR_ARG(s->queue),
		s->queue_id.p);
	return disk_mkdir(stage->disk, folder) == 0 && give(stage, folder);
}

static bool sync_ours(struct stage *stage, const char *path)
{
	char parent[SPOOL_PATH_MOST];

	snprintf(parent, sizeof(parent), "%.*s",
		(int)(strrchr(path, '/') - path), path);
	return disk_sync_dir(stage->disk, parent) == 0;
}

/* Not rename: a power cut could leave it under neither name. */
static bool publish(struct stage *stage, const struct staged *s)
{
	char path[SPOOL_PATH_MOST];
	const char *from = staged_path(stage, s);

	return make_queue(stage, s, path) &&
		(stage->disk->link(stage->disk, from, path) == 0 ||
			errno == EEXIST) &&
		sync_ours(stage, path) &&
		disk_unlink(stage->disk, from) == 0 &&
		disk_sync_dir(stage->disk, "import") == 0;
}

bool stage_commit(struct stage *stage, const struct staged *s,
	const char *path)
{
	return stage_retire(stage, s, path) && publish(stage, s);
}

void stage_drop(struct stage *stage, const struct staged *s)
{
	uint64_t serial;

	(void)disk_unlink(stage->disk, staged_path(stage, s));
	if (queue_id_parse(s->queue_id, &serial))
		large_drop(stage->disk, serial);
}

static bool fill(struct stage *stage, const char *path, struct str octets)
{
	int fd = disk_open_file(stage->disk, path,
		O_WRONLY | O_CREAT | O_TRUNC);
	bool done;

	if (fd < 0)
		return false;
	done = disk_write_all(stage->disk, fd, octets.p, octets.len, 0) &&
		disk_sync(stage->disk, fd) == 0;
	disk_close(stage->disk, &fd);
	return done && disk_sync_dir(stage->disk, "import") == 0;
}

static bool make_import(struct stage *stage)
{
	return disk_mkdir(stage->disk, "deferred") == 0 &&
		disk_mkdir(stage->disk, "import") == 0 &&
		give(stage, "import");
}

bool stage_write(struct stage *stage, const struct staged *s,
	struct str octets)
{
	return fill(stage, staged_path(stage, s), octets);
}

/* ---- after an interruption ---- */

static bool is_retired(struct stage *stage, const struct staged *s)
{
	struct stat st;

	return fstatat(stage->source, retired_path(stage, s), &st,
		AT_SYMLINK_NOFOLLOW) == 0;
}

static bool settle(struct stage *stage, const char *name)
{
	struct staged s;
	char path[PATH_MOST];

	if (strcmp(name, "from") == 0)
		return true;
	if (!parse_name(str_from(name), &s)) {
		snprintf(path, sizeof(path), "import/%.200s", name);
		return disk_unlink(stage->disk, path) == 0;
	}
	if (!is_retired(stage, &s)) {
		stage_drop(stage, &s);
		return true;
	}
	stage->finished++;
	return publish(stage, &s);
}

/* The interrupted one was of the same directory: else its end is unknown. */
static bool is_same_source(struct stage *stage, struct str source_path)
{
	char was[PATH_MOST];
	int fd = disk_open_file(stage->disk, from_file, O_RDONLY);
	int64_t size = fd < 0 ? 0 : stage->disk->size(stage->disk, fd);
	bool same = true;

	if (size > 0 && size < (int64_t)sizeof(was) &&
		disk_read_all(stage->disk, fd, was, (size_t)size, 0))
		same = str_eq(str_of(was, (size_t)size), source_path);
	if (!same)
		log_error("an import of %.*s was interrupted: run `posthorn "
			"queue import %.*s` first", (int)size, was, (int)size,
			was);
	disk_close(stage->disk, &fd);
	errno = EBUSY;
	return same;
}

bool stage_open(struct stage *stage, struct disk *disk, int queue, int source,
	struct str source_path)
{
	struct disk_names names;
	bool fine = true;

	*stage = (struct stage){ .disk = disk, .queue = queue, .source = source,
		.arena = arena_new(0) };
	if (!make_import(stage) || !is_same_source(stage, source_path) ||
		!disk_list(disk, stage->arena, "import", &names))
		return false;
	for (size_t i = 0; i < names.count && fine; i++)
		fine = settle(stage, names.names[i]);
	return fine && fill(stage, from_file, source_path);
}

void stage_close(struct stage *stage)
{
	(void)disk_unlink(stage->disk, from_file);
	(void)disk_sync_dir(stage->disk, "import");
	arena_free(stage->arena);
}
