/*
 * queue/disk_model - a file system in memory that knows what a power cut
 * leaves.
 */
#include "queue/disk_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BLOCK = 4096,
	FDS_MOST = 1024,
	PATH_MOST = 128,
};

/* An inode. */
struct file {
	char *now, *safe; /* contents; safe: as of the last flush */
	size_t size, safe_size, capacity, safe_capacity;
};

/* A name; of the operations on it only the last flushed state is safe. */
struct name {
	char path[PATH_MOST];
	struct file *now, *safe;
};

struct open_file {
	struct file *file;
	char path[PATH_MOST];
	bool locked;
};

struct model {
	struct disk disk;
	struct file **files; /* all that there ever were */
	size_t file_count, file_capacity;
	struct name *names;
	size_t name_count, name_capacity;
	struct open_file fds[FDS_MOST];
	uint64_t random;
	bool disabled[FLUSH_KINDS_END];
	int fail_in, die_in;
};

static struct model *model_of(struct disk *disk)
{
	return CONTAINER(disk, struct model, disk);
}

static unsigned pick(struct model *model, unsigned below)
{
	model->random = model->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(model->random >> 33) % below;
}

static struct name *find_name(struct model *model, const char *path)
{
	for (size_t i = 0; i < model->name_count; i++)
		if (strcmp(model->names[i].path, path) == 0)
			return &model->names[i];
	return NULL;
}

static struct name *add_name(struct model *model, const char *path)
{
	struct name *name = find_name(model, path);

	if (name)
		return name;
	array_grow(&model->names, &model->name_capacity,
		model->name_count + 1, sizeof(*model->names));
	name = &model->names[model->name_count++];
	snprintf(name->path, sizeof(name->path), "%s", path);
	name->now = name->safe = NULL;
	return name;
}

static bool is_in_dir(const char *path, const char *dir)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (strcmp(dir, ".") == 0)
		return len == 0;
	return len == strlen(dir) && memcmp(path, dir, len) == 0;
}

/* Is the disk dead by now? */
static bool die(struct model *model)
{
	if (model->die_in < 0 || model->die_in-- > 0)
		return false;
	model->die_in = 0;
	errno = EIO;
	return true;
}

static struct open_file *fd_of(struct model *model, int fd)
{
	if (fd < 0 || fd >= FDS_MOST || !model->fds[fd].file)
		panic("disk_model: bad descriptor %d", fd);
	return &model->fds[fd];
}

static struct file *new_file(struct model *model)
{
	struct file *file = mem_new(1, sizeof(*file));

	array_grow(&model->files, &model->file_capacity,
		model->file_count + 1, sizeof(struct file *));
	model->files[model->file_count++] = file;
	return file;
}

static int model_open(struct disk *disk, const char *path, int flags)
{
	struct model *model = model_of(disk);
	struct name *name = find_name(model, path);

	if (die(model))
		return -1;
	if ((!name || !name->now) && !(flags & O_CREAT)) {
		errno = ENOENT;
		return -1;
	}
	if (name && name->now && (flags & O_EXCL)) {
		errno = EEXIST;
		return -1;
	}
	name = add_name(model, path);
	if (!name->now)
		name->now = new_file(model);
	if (flags & O_TRUNC)
		name->now->size = 0;
	for (int fd = 0; fd < FDS_MOST; fd++)
		if (!model->fds[fd].file) {
			model->fds[fd].file = name->now;
			model->fds[fd].locked = false;
			snprintf(model->fds[fd].path, PATH_MOST, "%s", path);
			return fd;
		}
	errno = EMFILE;
	return -1;
}

static void model_close(struct disk *disk, int fd)
{
	fd_of(model_of(disk), fd)->file = NULL;
}

static ssize_t model_pread(struct disk *disk, int fd, void *into, size_t len,
	off_t at)
{
	struct file *file = fd_of(model_of(disk), fd)->file;

	if (at >= (off_t)file->size)
		return 0;
	if (len > file->size - (size_t)at)
		len = file->size - (size_t)at;
	memcpy(into, file->now + at, len);
	return (ssize_t)len;
}

static ssize_t model_pwrite(struct disk *disk, int fd, const void *from,
	size_t len, off_t at)
{
	struct file *file = fd_of(model_of(disk), fd)->file;
	size_t end = (size_t)at + len;

	if (die(model_of(disk)))
		return -1;
	array_grow(&file->now, &file->capacity, end, 1);
	if ((size_t)at > file->size)
		memset(file->now + file->size, 0, (size_t)at - file->size);
	memcpy(file->now + at, from, len);
	if (end > file->size)
		file->size = end;
	return (ssize_t)len;
}

static int64_t model_size(struct disk *disk, int fd)
{
	return (int64_t)fd_of(model_of(disk), fd)->file->size;
}

static enum flush_kind kind_of(const char *path, bool is_dir)
{
	bool is_journal = strncmp(path, "journal", 7) == 0;

	if (strncmp(path, "large", 5) == 0)
		return is_dir ? FLUSH_LARGE_DIR : FLUSH_LARGE;
	if (is_dir)
		return is_journal ? FLUSH_JOURNAL_DIR : FLUSH_QUEUE_DIR;
	if (!is_journal)
		return FLUSH_FILE;
	if (strstr(path, "serial"))
		return FLUSH_SERIAL;
	return strstr(path, ".marks") ? FLUSH_MARKS : FLUSH_SLOT;
}

/* 0: go on, 1: do nothing, -1: fail. */
static int check_flush(struct model *model, enum flush_kind kind)
{
	if (die(model))
		return -1;
	if (model->fail_in == 0) {
		model->fail_in = -1;
		errno = EIO;
		return -1;
	}
	if (model->fail_in > 0)
		model->fail_in--;
	return model->disabled[kind];
}

static void make_safe(struct file *file)
{
	array_grow(&file->safe, &file->safe_capacity, file->size, 1);
	if (file->size)
		memcpy(file->safe, file->now, file->size);
	file->safe_size = file->size;
}

static int model_sync(struct disk *disk, int fd)
{
	struct model *model = model_of(disk);
	struct open_file *open = fd_of(model, fd);
	/* Making a segment is flushed under its first name. */
	int what = check_flush(model, kind_of(open->path, false));

	if (what)
		return what < 0 ? -1 : 0;
	make_safe(open->file);
	return 0;
}

static int model_sync_dir(struct disk *disk, const char *path)
{
	struct model *model = model_of(disk);
	int what = check_flush(model, kind_of(path, true));

	if (what)
		return what < 0 ? -1 : 0;
	for (size_t i = 0; i < model->name_count; i++)
		if (is_in_dir(model->names[i].path, path))
			model->names[i].safe = model->names[i].now;
	return 0;
}

static int model_sync_all(struct disk *disk)
{
	struct model *model = model_of(disk);
	int what = check_flush(model, FLUSH_ALL);

	if (what)
		return what < 0 ? -1 : 0;
	for (size_t i = 0; i < model->file_count; i++)
		make_safe(model->files[i]);
	for (size_t i = 0; i < model->name_count; i++)
		model->names[i].safe = model->names[i].now;
	return 0;
}

static bool model_is_covered(struct disk *disk, int fd)
{
	(void)disk;
	(void)fd;
	return true;
}

static int model_rename(struct disk *disk, const char *from, const char *to)
{
	struct model *model = model_of(disk);
	struct name *name = find_name(model, from);
	struct file *file = name ? name->now : NULL;

	if (die(model))
		return -1;
	if (!file) {
		errno = ENOENT;
		return -1;
	}
	name->now = NULL;
	add_name(model, to)->now = file;
	for (int fd = 0; fd < FDS_MOST; fd++)
		if (model->fds[fd].file == file)
			snprintf(model->fds[fd].path, PATH_MOST, "%s", to);
	return 0;
}

static int model_link(struct disk *disk, const char *from, const char *to)
{
	struct model *model = model_of(disk);
	struct name *name = find_name(model, from);
	struct file *file = name ? name->now : NULL;

	if (die(model))
		return -1;
	if (!file || (find_name(model, to) && find_name(model, to)->now)) {
		errno = file ? EEXIST : ENOENT;
		return -1;
	}
	add_name(model, to)->now = file;
	return 0;
}

static int model_unlink(struct disk *disk, const char *path)
{
	struct name *name = find_name(model_of(disk), path);

	if (die(model_of(disk)))
		return -1;
	if (!name || !name->now) {
		errno = ENOENT;
		return -1;
	}
	name->now = NULL;
	return 0;
}

static int model_mkdir(struct disk *disk, const char *path)
{
	(void)disk;
	(void)path;
	errno = EEXIST; /* directories are always there */
	return -1;
}

static int model_list(struct disk *disk, const char *path,
	void (*each)(void *context, const char *name), void *context)
{
	struct model *model = model_of(disk);
	bool dirs[256] = { 0 };
	size_t len = strlen(path);

	for (size_t i = 0; i < model->name_count; i++) {
		const struct name *name = &model->names[i];
		const char *rest = name->path + len + 1;
		const char *slash;

		if (!name->now || strncmp(name->path, path, len) != 0 ||
			name->path[len] != '/')
			continue;
		slash = strchr(rest, '/');
		if (!slash)
			each(context, rest);
		else if (slash == rest + 1)
			dirs[(unsigned char)rest[0]] = true;
	}
	for (int c = 1; c < 256; c++)
		if (dirs[c])
			each(context, (char[]){ (char)c, '\0' });
	return 0;
}

static int model_lock(struct disk *disk, int fd)
{
	struct model *model = model_of(disk);
	struct open_file *open = fd_of(model, fd);

	for (int i = 0; i < FDS_MOST; i++)
		if (i != fd && model->fds[i].file == open->file &&
			model->fds[i].locked) {
			errno = EAGAIN;
			return -1;
		}
	open->locked = true;
	return 0;
}

static int model_is_sealed(struct disk *disk, int fd)
{
	(void)disk;
	(void)fd;
	return 0;
}

static int model_is_alone(struct disk *disk, int fd)
{
	struct model *model = model_of(disk);

	for (int i = 0; i < FDS_MOST; i++)
		if (i != fd && model->fds[i].file == fd_of(model, fd)->file) {
			errno = EAGAIN;
			return -1;
		}
	return 0;
}

static int model_truncate(struct disk *disk, int fd, off_t size)
{
	struct file *file = fd_of(model_of(disk), fd)->file;

	if (die(model_of(disk)))
		return -1;
	if ((size_t)size > file->size)
		panic("disk_model: truncate makes nothing longer");
	file->size = (size_t)size;
	return 0;
}

static int64_t model_space(struct disk *disk)
{
	(void)disk;
	return INT64_MAX;
}

struct disk *disk_model_new(unsigned seed)
{
	struct model *model = mem_new(1, sizeof(*model));

	model->random = seed;
	model->fail_in = model->die_in = -1;
	model->disk = (struct disk){
		.open = model_open, .close = model_close,
		.pread = model_pread, .pwrite = model_pwrite,
		.size = model_size, .sync = model_sync,
		.sync_dir = model_sync_dir, .sync_all = model_sync_all,
		.is_covered = model_is_covered, .rename = model_rename,
		.link = model_link, .is_sealed = model_is_sealed,
		.is_alone = model_is_alone, .truncate = model_truncate,
		.unlink = model_unlink, .mkdir = model_mkdir,
		.list = model_list, .lock = model_lock, .space = model_space,
	};
	return &model->disk;
}

void disk_model_free(struct disk *disk)
{
	struct model *model = model_of(disk);

	for (size_t i = 0; i < model->file_count; i++) {
		free(model->files[i]->now);
		free(model->files[i]->safe);
		free(model->files[i]);
	}
	free(model->files);
	free(model->names);
	free(model);
}

void disk_model_disable(struct disk *disk, enum flush_kind kind)
{
	model_of(disk)->disabled[kind] = true;
}

void disk_model_die_in(struct disk *disk, int count)
{
	model_of(disk)->die_in = count;
}

void disk_model_fail_flush(struct disk *disk, int count)
{
	model_of(disk)->fail_in = count;
}

void disk_model_kill(struct disk *disk)
{
	struct model *model = model_of(disk);

	for (int fd = 0; fd < FDS_MOST; fd++)
		model->fds[fd].file = NULL;
}

/* Each block that differs from what is safe: old, new or zero. */
static void cut_file(struct model *model, struct file *file)
{
	size_t size = pick(model, 2) ? file->size : file->safe_size;
	size_t most = file->size > file->safe_size ? file->size
						   : file->safe_size;

	array_grow(&file->safe, &file->safe_capacity, most + 1, 1);
	array_grow(&file->now, &file->capacity, most + 1, 1);
	memset(file->safe + file->safe_size, 0, most - file->safe_size);
	for (size_t at = 0; at < file->size; at += BLOCK) {
		size_t len = file->size - at < BLOCK ? file->size - at : BLOCK;

		if (memcmp(file->now + at, file->safe + at, len) == 0)
			continue;
		switch (pick(model, 3)) {
		case 0:
			memcpy(file->safe + at, file->now + at, len);
			break;
		case 1:
			memset(file->safe + at, 0, len);
			break;
		default:
			break;
		}
	}
	memcpy(file->now, file->safe, most);
	file->size = file->safe_size = size;
}

void disk_model_power_cut(struct disk *disk)
{
	struct model *model = model_of(disk);

	disk_model_kill(disk);
	model->die_in = -1;
	/* Names first; a renamed file may be left under both or no name. */
	for (size_t i = 0; i < model->name_count; i++) {
		struct name *name = &model->names[i];

		if (name->now != name->safe && pick(model, 2))
			name->now = name->safe;
		name->safe = name->now;
	}
	for (size_t i = 0; i < model->name_count; i++)
		if (model->names[i].now)
			cut_file(model, model->names[i].now);
}
