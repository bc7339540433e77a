/*
 * queue/spool - messages in files of their own.
 */
#include "queue/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/random.h"
#include "queue/marklog.h"

static const char *const names[QUEUE_NAMES_END] = {
	[QUEUE_JOURNAL] = "incoming",
	[QUEUE_DEFERRED] = "deferred",
	[QUEUE_HOLD] = "hold",
	[QUEUE_CORRUPT] = "corrupt",
};

const char *queue_name_text(enum queue_name queue)
{
	return names[queue];
}

/* Hashed by the first octet of the ID: for both forms a digit of a time. */
static void dir_path(char path[SPOOL_PATH_MOST], enum queue_name queue,
	struct str id)
{
	snprintf(path, SPOOL_PATH_MOST, "%s/%.1s", names[queue],
		id.len ? id.p : "0");
}

void spool_path(char path[SPOOL_PATH_MOST], enum queue_name queue,
	struct str id)
{
	snprintf(path, SPOOL_PATH_MOST, "%s/%.1s/%.*s", names[queue],
		id.len ? id.p : "0", (int)(id.len > QUEUE_ID_MOST
			? QUEUE_ID_MOST : id.len), id.p);
}

void spool_large_path(char path[SPOOL_PATH_MOST], uint64_t serial)
{
	snprintf(path, SPOOL_PATH_MOST, "large/%016jX", (uintmax_t)serial);
}

/* Files that this process is writing are told from those left by others. */
static const char *own_prefix(void)
{
	static char prefix[24];
	uint32_t number;

	if (!prefix[0]) {
		random_octets(&number, sizeof(number));
		snprintf(prefix, sizeof(prefix), "tmp-%08x-",
			(unsigned)number);
	}
	return prefix;
}

static bool make_dirs(struct disk *disk, enum queue_name queue, struct str id)
{
	char path[SPOOL_PATH_MOST];

	dir_path(path, queue, id);
	return disk_mkdir(disk, names[queue]) == 0 &&
		disk_mkdir(disk, path) == 0;
}

static bool fill(struct disk *disk, const char *path, struct str octets)
{
	int fd = disk_open_file(disk, path, O_WRONLY | O_CREAT | O_TRUNC);
	bool done;

	if (fd < 0)
		return false;
	done = disk_write_all(disk, fd, octets.p, octets.len, 0) &&
		disk_sync(disk, fd) == 0;
	disk_close(disk, &fd);
	return done;
}

bool spool_write(struct disk *disk, enum queue_name queue, struct str id,
	struct str octets)
{
	char fresh[SPOOL_PATH_MOST], path[SPOOL_PATH_MOST];
	int error;

	snprintf(fresh, sizeof(fresh), "%s/%.1s/%s%.*s", names[queue],
		id.len ? id.p : "0", own_prefix(), (int)(id.len > QUEUE_ID_MOST
			? QUEUE_ID_MOST : id.len), id.p);
	spool_path(path, queue, id);
	if (!make_dirs(disk, queue, id))
		return false;
	if (fill(disk, fresh, octets) && disk_rename(disk, fresh, path) == 0 &&
		spool_sync(disk, queue, id))
		return true;
	error = errno;
	(void)disk_unlink(disk, fresh);
	/* Else it would be there besides what it is a copy of. */
	if (disk_unlink(disk, path) == 0)
		(void)!spool_sync(disk, queue, id);
	errno = error;
	return false;
}

bool spool_read(struct disk *disk, struct arena *arena, enum queue_name queue,
	struct str id, struct str *octets)
{
	char path[SPOOL_PATH_MOST];
	int64_t size;
	char *into;
	bool done;
	int fd;

	spool_path(path, queue, id);
	fd = disk_open_file(disk, path, O_RDONLY);
	if (fd < 0)
		return false;
	size = disk->size(disk, fd);
	if (size < 0 || size > SPOOL_FILE_MOST) {
		disk_close(disk, &fd);
		errno = EFBIG;
		return false;
	}
	into = arena_alloc(arena, (size_t)size + 1);
	done = disk_read_all(disk, fd, into, (size_t)size, 0);
	disk_close(disk, &fd);
	*octets = str_of(into, (size_t)size);
	return done;
}

bool spool_append(struct disk *disk, enum queue_name queue, struct str id,
	struct str records, int64_t *end, bool flush)
{
	char path[SPOOL_PATH_MOST];
	bool done;
	int fd;

	spool_path(path, queue, id);
	fd = disk_open_file(disk, path, O_RDWR);
	if (fd < 0)
		return false;
	done = disk_write_all(disk, fd, records.p, records.len, *end);
	if (done)
		*end += (int64_t)records.len;
	if (done && flush) {
		done = disk_sync(disk, fd) == 0;
		*end = marklog_block_end(*end);
	}
	disk_close(disk, &fd);
	return done;
}

bool spool_flush(struct disk *disk, enum queue_name queue, struct str id)
{
	char path[SPOOL_PATH_MOST];
	bool done;
	int fd;

	spool_path(path, queue, id);
	fd = disk_open_file(disk, path, O_RDWR);
	if (fd < 0)
		return errno == ENOENT; /* gone since */
	done = disk_sync(disk, fd) == 0;
	disk_close(disk, &fd);
	return done;
}

bool spool_has(struct disk *disk, enum queue_name queue, struct str id)
{
	char path[SPOOL_PATH_MOST];
	int fd;

	spool_path(path, queue, id);
	fd = disk_open_file(disk, path, O_RDONLY);
	if (fd < 0)
		return false;
	disk_close(disk, &fd);
	return true;
}

bool spool_move(struct disk *disk, enum queue_name from, enum queue_name to,
	struct str id)
{
	char path[SPOOL_PATH_MOST], new_path[SPOOL_PATH_MOST];

	spool_path(path, from, id);
	spool_path(new_path, to, id);
	/* Not rename: a power cut could leave it under neither name. */
	return make_dirs(disk, to, id) &&
		(disk->link(disk, path, new_path) == 0 || errno == EEXIST) &&
		spool_sync(disk, to, id) && disk_unlink(disk, path) == 0 &&
		spool_sync(disk, from, id);
}

bool spool_remove(struct disk *disk, enum queue_name queue, struct str id)
{
	char path[SPOOL_PATH_MOST];

	spool_path(path, queue, id);
	return disk_unlink(disk, path) == 0;
}

bool spool_sync(struct disk *disk, enum queue_name queue, struct str id)
{
	char path[SPOOL_PATH_MOST];

	dir_path(path, queue, id);
	return disk_sync_dir(disk, path) == 0;
}

struct collect {
	struct disk *disk;
	struct arena *arena;
	struct spool_ids *ids;
	size_t capacity;
	bool tidy;
	char dir[SPOOL_PATH_MOST];
};

static void collect_file(struct collect *collect, const char *name)
{
	char path[2 * SPOOL_PATH_MOST];
	uint64_t serial;

	if (strncmp(name, "tmp-", 4) == 0) {
		snprintf(path, sizeof(path), "%s/%.80s", collect->dir, name);
		if (collect->tidy &&
			strncmp(name, own_prefix(), strlen(own_prefix())) != 0)
			(void)disk_unlink(collect->disk, path);
		return;
	}
	if (!queue_id_parse(str_from(name), &serial))
		return;
	arena_grow(collect->arena, &collect->ids->ids, &collect->capacity,
		collect->ids->count + 1, sizeof(struct str));
	collect->ids->ids[collect->ids->count++] = str_from(name);
}

bool spool_list(struct disk *disk, struct arena *arena, enum queue_name queue,
	bool tidy, struct spool_ids *ids)
{
	struct collect collect = { .disk = disk, .arena = arena, .ids = ids,
		.tidy = tidy };
	struct disk_names dirs, files;

	*ids = (struct spool_ids){ 0 };
	if (!disk_list(disk, arena, names[queue], &dirs))
		return errno == ENOENT;
	for (size_t i = 0; i < dirs.count; i++) {
		if (strlen(dirs.names[i]) != 1)
			continue;
		snprintf(collect.dir, sizeof(collect.dir), "%s/%s",
			names[queue], dirs.names[i]);
		if (!disk_list(disk, arena, collect.dir, &files))
			return false;
		for (size_t k = 0; k < files.count; k++)
			collect_file(&collect, files.names[k]);
	}
	return true;
}
