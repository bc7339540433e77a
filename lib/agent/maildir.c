#include "agent/maildir.h"

#include "base/log.h"
#include "io/filesystem.h"
#include "io/helper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int real_open_new(int base, const char *path)
{
	return openat(base, path,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int real_open_unnamed(int base, const char *folder)
{
	return openat(base, folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
}

/* By the descriptor, which Linux 6.10 allows everybody; else by /proc. */
static int real_link(int fd, int base, const char *path)
{
	char name[32];

	if (linkat(fd, "", base, path, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, name, base, path, AT_SYMLINK_FOLLOW);
}

static int real_sync_folder(int base, const char *path)
{
	auto_close int fd =
		openat(base, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : io_fsync(fd);
}

static int real_sync_path(int base, const char *path)
{
	auto_close int fd = openat(base, path,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -1 : io_fsync(fd);
}

static int real_rename(int base, const char *from, const char *to)
{
	return renameat(base, from, base, to);
}

static uint64_t real_device(int fd)
{
	struct stat st;

	return fd_stat(fd, &st) ? st.st_dev : 0;
}

static const struct maildir_calls real_calls = {
	.open_new = real_open_new,
	.open_unnamed = real_open_unnamed,
	.link = real_link,
	.write = write,
	.sync_file = io_fsync,
	.sync_all = io_syncfs,
	.sync_folder = real_sync_folder,
	.sync_path = real_sync_path,
	.rename = real_rename,
	.share_from = io_syncfs_from,
	.device = real_device,
};

static int sync_all(struct flush_group *group)
{
	const struct maildir_store *store =
		CONTAINER(group, struct maildir_store, group);

	return store->calls->sync_all(store->base);
}

void maildir_store_open(struct maildir_store *store, int base,
	const struct maildir_calls *calls)
{
	unsigned from;

	*store = (struct maildir_store){
		.calls = calls ? calls : &real_calls,
		.base = base,
	};
	store->device = store->calls->device(base);
	group_init(&store->group, sync_all);
	from = store->calls->share_from(base);
	store->shares = from > 0;
	if (store->shares)
		store->group.share_from = from;
}

static bool is_host_octet(unsigned char c)
{
	return c != '/' && c != ':' && c != ',' && c > ' ';
}

struct str maildir_name(struct arena *arena, struct str host,
	const struct delivery *delivery, uint64_t number, uint64_t size)
{
	struct str plain = str_take_while(&host, is_host_octet);

	return arena_fmt(arena, "%llu.V%llxN%llu.%.*s,S=%llu",
		(unsigned long long)delivery->m.arrival_us / 1000000,
		(unsigned long long)delivery->m.nonce,
		(unsigned long long)number,
		STR_ARG(plain),
		(unsigned long long)size);
}

static const char *path_of(struct arena *arena,
	const struct maildir_item *item, const char *sub)
{
	return arena_fmt(arena, "%.*s/%s/%.*s", STR_ARG(item->folder), sub,
		STR_ARG(item->name))
		.p;
}

static struct status failure(struct arena *arena, const char *what)
{
	int code = 451, subject = 2, detail = 0;

	if (errno == EDQUOT) {
		code = 552;
		detail = 2;
	} else if (errno == ENOSPC) {
		code = 452;
		subject = 3;
	}
	return status_f(arena, code, subject, detail,
		"maildir delivery failed: %s: %m", what);
}

/* cur/ names have flags behind the name. */
static bool is_in_cur(struct arena *arena, int base,
	const struct maildir_item *item)
{
	const char *path =
		arena_fmt(arena, "%.*s/cur", STR_ARG(item->folder)).p;
	int fd = openat(base, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found = false;

	if (!folder)
		return false;
	while (!found && (entry = readdir(folder)) != NULL)
		found = str_starts(str_from(entry->d_name), item->name);
	closedir(folder);
	return found;
}

/* All of `octets` stands at the front of the rest of the file. */
static bool has_next(int fd, struct str octets)
{
	char block[16 * 1024];

	while (octets.len > 0) {
		size_t want = octets.len < sizeof(block) ? octets.len :
							   sizeof(block);
		ssize_t len = read(fd, block, want);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0 || memcmp(block, octets.p, (size_t)len) != 0)
			return false;
		octets = str_skip(octets, (size_t)len);
	}
	return true;
}

/* The file has what would be written. */
static bool has_message(struct arena *arena, int fd,
	const struct maildir_item *item)
{
	struct content_reader reader;
	struct str octets;
	char more;

	if (!has_next(fd, item->head))
		return false;
	content_open(&reader, arena, item->content);
	do {
		if (!content_next(&reader, &octets) || !has_next(fd, octets))
			return false;
	} while (octets.len > 0);
	return read(fd, &more, 1) == 0;
}

/* In new/ octet by octet; what is in cur/ has been seen by a reader. */
static bool is_delivered(struct maildir_store *store, struct arena *arena,
	const struct maildir_item *item)
{
	auto_close int fd = openat(store->base, path_of(arena, item, "new"),
		O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 ? has_message(arena, fd, item) :
			 is_in_cur(arena, store->base, item);
}

/* Each part of the path that is missing; what exists stays as it is. */
static bool make_folders(struct maildir_store *store, struct arena *arena,
	struct str folder)
{
	static const char *const subs[] = { "tmp", "new", "cur" };

	for (size_t i = 1; i <= folder.len; i++) {
		if (i < folder.len && folder.p[i] != '/')
			continue;
		if (mkdirat(store->base,
			    arena_cstr(arena, str_first(folder, i)),
			    0700) < 0 &&
			errno != EEXIST)
			return false;
	}
	for (size_t i = 0; i < COUNT(subs); i++)
		if (mkdirat(store->base,
			    arena_fmt(arena, "%.*s/%s", STR_ARG(folder),
				    subs[i])
				    .p,
			    0700) < 0 &&
			errno != EEXIST)
			return false;
	return true;
}

static int open_tmp(struct maildir_store *store, struct arena *arena,
	struct maildir_item *item)
{
	const char *path = path_of(arena, item, "tmp");
	int fd = store->calls->open_new(store->base, path);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	item->made = true;
	if (!make_folders(store, arena, item->folder))
		return -1;
	return store->calls->open_new(store->base, path);
}

/* Others write at this moment: the flush will be shared. */
static bool may_be_unnamed(const struct maildir_store *store,
	const struct maildir_item *item)
{
	return store->shares && !store->needs_names && !item->look &&
		(item->shares || group_is_busy(&store->group));
}

/* What it says on file systems, and kernels, that have no such files. */
static bool means_never(int error)
{
	return error == EOPNOTSUPP || error == EISDIR || error == EINVAL;
}

static int open_file(struct maildir_store *store, struct arena *arena,
	struct maildir_item *item)
{
	int fd = -1;

	if (may_be_unnamed(store, item)) {
		fd = store->calls->open_unnamed(store->base,
			arena_fmt(arena, "%.*s/new", STR_ARG(item->folder)).p);
		if (fd < 0 && means_never(errno))
			store->needs_names = true;
	}
	item->is_unnamed = fd >= 0;
	return fd >= 0 ? fd : open_tmp(store, arena, item);
}

static bool write_all(const struct maildir_store *store, int fd,
	struct str octets)
{
	while (octets.len > 0) {
		ssize_t len = store->calls->write(fd, octets.p, octets.len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return false;
		octets = str_skip(octets, (size_t)len);
	}
	return true;
}

static bool write_message(const struct maildir_store *store,
	struct arena *arena, const struct maildir_item *item)
{
	const struct content *content = item->content;
	struct content_reader reader;
	struct str octets;

	if (!content_open_behind(&reader, arena, content, item->head, &octets))
		return false;
	while (octets.len > 0)
		if (!write_all(store, item->fd, octets) ||
			!content_next(&reader, &octets))
			return false;
	return true;
}

static void drop_tmp(const struct maildir_store *store, struct arena *arena,
	const struct maildir_item *item)
{
	if (!item->is_unnamed)
		unlinkat(store->base, path_of(arena, item, "tmp"), 0);
}

void maildir_write(struct maildir_store *store, struct arena *arena,
	struct maildir_item *item)
{
	item->status = STATUS(250, 0, 0, "delivered to maildir");
	item->fd = -1;
	item->is_unnamed = item->is_linked = false;
	/* The attempt before made them, perhaps. */
	item->made = item->look || item->fresh;
	item->elsewhere = !store->shares;
	item->is_there = item->look && is_delivered(store, arena, item);
	if (item->is_there) { /* an attempt after that one may have died */
		drop_tmp(store, arena, item);
		return;
	}
	item->fd = open_file(store, arena, item);
	if (item->fd < 0) {
		item->status = failure(arena, path_of(arena, item, "tmp"));
		return;
	}
	if (store->device == 0 ||
		store->calls->device(item->fd) != store->device)
		item->elsewhere = true;
	if (!write_message(store, arena, item)) {
		item->status = failure(arena, "write");
		close(item->fd);
		item->fd = -1;
		drop_tmp(store, arena, item);
	}
}

static void close_file(struct maildir_item *item)
{
	if (item->fd >= 0)
		close(item->fd);
	item->fd = -1;
}

void maildir_drop(const struct maildir_store *store, struct arena *arena,
	struct maildir_item *item)
{
	if (item->fd >= 0)
		drop_tmp(store, arena, item);
	close_file(item);
}

uint64_t maildir_device(const struct maildir_store *store,
	const struct maildir_item *item)
{
	return item->elsewhere ? 0 : store->device;
}

static bool link_to(struct maildir_store *store, struct maildir_item *item,
	const char *path)
{
	if (store->calls->link(item->fd, store->base, path) < 0)
		return false;
	item->is_unnamed = false;
	item->is_linked = true;
	return true;
}

/* What an attempt that died has left there gives way. */
static bool name_in_tmp(struct maildir_store *store, struct arena *arena,
	struct maildir_item *item)
{
	const char *path = path_of(arena, item, "tmp");

	if (link_to(store, item, path) ||
		(errno == EEXIST && unlinkat(store->base, path, 0) == 0 &&
			link_to(store, item, path)))
		return true;
	store->needs_names = true; /* the next attempt has one at once */
	return false;
}

static bool flush_alone(struct maildir_store *store, struct arena *arena,
	struct maildir_item *item)
{
	if ((item->is_unnamed && !name_in_tmp(store, arena, item)) ||
		store->calls->sync_file(item->fd) < 0)
		return false;
	item->is_linked = false;
	return true;
}

/* Data of the items is durable, or their status says why not. */
static void flush_data(struct maildir_store *store, struct arena *arena,
	struct maildir_item *items, size_t count, bool at_once)
{
	bool shared = group_data(&store->group, count, store->shares, at_once);

	for (size_t i = 0; i < count; i++) {
		if (items[i].fd >= 0 && (!shared || items[i].elsewhere) &&
			!flush_alone(store, arena, &items[i])) {
			items[i].status = failure(arena, "flush");
			/* Who comes over LMTP comes again under another name. */
			drop_tmp(store, arena, &items[i]);
		}
		if (!items[i].is_unnamed)
			close_file(&items[i]);
	}
	group_data_end(&store->group, count, at_once);
}

/* In new/ in place of what an attempt that nobody heard of may have left. */
static bool give_name(struct maildir_store *store, struct arena *arena,
	struct maildir_item *item)
{
	const char *path = path_of(arena, item, "new");

	if (item->is_unnamed && link_to(store, item, path))
		return true;
	return (!item->is_unnamed || name_in_tmp(store, arena, item)) &&
		store->calls->rename(store->base, path_of(arena, item, "tmp"),
			path) == 0;
}

void maildir_rename(struct maildir_store *store, struct arena *arena,
	struct maildir_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct maildir_item *item = &items[i];

		if (!item->is_there && status_is_ok(item->status) &&
			!give_name(store, arena, item)) {
			item->status = failure(arena, "rename");
			drop_tmp(store, arena, item);
		}
		close_file(item);
	}
}

void maildir_publish(struct maildir_store *store, struct arena *arena,
	struct maildir_item *items, size_t count, bool at_once)
{
	if (count > 0)
		flush_data(store, arena, items, count, at_once);
	maildir_rename(store, arena, items, count);
}

static bool sync_folder(const struct maildir_store *store,
	struct arena *arena, struct str folder, const char *sub)
{
	return store->calls->sync_folder(store->base,
		       arena_fmt(arena, "%.*s%s", STR_ARG(folder), sub).p) ==
		0;
}

/* The names on the way to a new Maildir: each in the folder above. */
static bool sync_each_above(const struct maildir_store *store,
	struct arena *arena, struct str folder)
{
	if (!sync_folder(store, arena, folder, ""))
		return false;
	for (size_t i = folder.len; i-- > 1;)
		if (folder.p[i] == '/' &&
			!sync_folder(store, arena, str_first(folder, i), ""))
			return false;
	return folder.p[0] == '/' ||
		sync_folder(store, arena, STR("."), "");
}

/* A folder above may be one that this user passes and cannot read: then the
 * whole file system is flushed. */
static bool sync_way(const struct maildir_store *store, struct arena *arena,
	struct str folder)
{
	if (sync_each_above(store, arena, folder))
		return true;
	return errno == EACCES && store->calls->sync_all(store->base) == 0;
}

/* Where a reader has moved it to is not known. */
static bool sync_count(const struct maildir_store *store, struct arena *arena,
	const struct maildir_item *item)
{
	return store->calls->sync_path(store->base,
		       path_of(arena, item, "new")) == 0 ||
		(errno == ENOENT && store->calls->sync_all(store->base) == 0);
}

static bool settle_one(const struct maildir_store *store, struct arena *arena,
	const struct maildir_item *item)
{
	return (!item->is_linked || sync_count(store, arena, item)) &&
		sync_folder(store, arena, item->folder, "/new") &&
		(!item->made || sync_way(store, arena, item->folder));
}

static bool is_all_here(const struct maildir_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].elsewhere)
			return false;
	return true;
}

/* A flush that failed may not be repeated on what is in memory: the queue
 * delivers again, to a file that is written afresh. */
static bool withdraw(const struct maildir_store *store, struct arena *arena,
	const struct maildir_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (status_is_ok(items[i].status))
			unlinkat(store->base, path_of(arena, &items[i], "new"),
				0);
	log_warning("maildir delivery is withdrawn: its names could not be "
		    "made durable");
	return false;
}

bool maildir_settle_alone(struct maildir_store *store, struct arena *arena,
	struct maildir_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (status_is_ok(items[i].status) &&
			!settle_one(store, arena, &items[i]))
			return withdraw(store, arena, items, count);
	return true;
}

bool maildir_settle(struct maildir_store *store, struct arena *arena,
	struct maildir_item *items, size_t count, bool at_once)
{
	bool shares = store->shares && is_all_here(items, count);

	return (shares && group_names(&store->group, group_mark(&store->group),
				  count, at_once)) ||
		maildir_settle_alone(store, arena, items, count);
}
