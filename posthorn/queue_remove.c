/*
 * posthorn/queue_remove - an instance's folders go, when no mail is in them.
 */
#include "posthorn/postmulti.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "queue/foreign.h"
#include "queue/look.h"

enum { DEPTH_MOST = 8 }; /* of hashed folders */

static const char *const folders[] = {
#define QUEUE(name, user, group, mode, doc) #name,
#include "posthorn/directories.def"
#undef QUEUE
	"empty", /* the root of those that touch no files */
};

/* Those with a file per message: no file may be in them. The journal's slots
 * are looked at by what knows their form. */
static const char *const holds_mail[] = {
	"maildrop", "deferred", "hold", "corrupt", "large", "incoming",
	"active", "saved",
};

/* What the suite writes in data_directory; Postfix's caches too. */
static const char *const data_files[] = {
	"master.lock", "prng_exch", "smtpd_scache", "smtp_scache",
	"lmtp_scache", "verify_cache", "postscreen_cache",
};

static DIR *open_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
		O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !folder)
		close(fd);
	return folder;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool is_folder(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode);
}

/* Anything that is no folder. */
static bool has_file(int at, const char *name, int depth)
{
	DIR *folder = open_folder(at, name);
	const struct dirent *entry;
	bool found = false;

	if (!folder)
		return errno != ENOENT;
	while (!found && (entry = readdir(folder)))
		found = !is_dots(entry->d_name) &&
			(depth == 0 || !is_folder(dirfd(folder),
					       entry->d_name) ||
				has_file(dirfd(folder), entry->d_name,
					depth - 1));
	closedir(folder);
	return found;
}

static void note(void *context, const struct listed_message *message)
{
	(void)message;
	++*(size_t *)context;
}

struct str queue_in_the_way(struct arena *arena, const struct conf *conf)
{
	struct str queue = conf->queue_directory, foreign;
	auto_close int at = open(arena_cstr(arena, queue),
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t count = 0;

	if (at < 0 && errno == ENOENT)
		return STR_NONE;
	foreign = foreign_find(arena, queue);
	if (!str_is_none(foreign))
		return foreign;
	for (size_t i = 0; i < COUNT(holds_mail); i++)
		if (has_file(at, holds_mail[i], DEPTH_MOST))
			return arena_fmt(arena, "%.*s/%s is not empty: "
				"deliver, move or delete its mail first",
				STR_ARG(queue), holds_mail[i]);
	if (!is_folder(at, "journal"))
		return STR_NONE;
	if (look_each(arena, conf, note, &count) != LOOK_DONE)
		return arena_fmt(arena, "%.*s: cannot be looked at",
			STR_ARG(queue));
	return count == 0 ? STR_NONE : arena_fmt(arena, "%.*s has %zu "
		"messages: deliver, move or delete them first",
		STR_ARG(queue), count);
}

/* The files in a folder, and it; mail that came meanwhile (`files` false)
 * stays, and so does the folder. */
static bool remove_folder(int at, const char *name, bool files, int depth)
{
	DIR *folder = open_folder(at, name);
	const struct dirent *entry;

	if (!folder)
		return errno == ENOENT;
	while (depth > 0 && (entry = readdir(folder))) {
		if (is_dots(entry->d_name))
			continue;
		if (is_folder(dirfd(folder), entry->d_name))
			(void)remove_folder(dirfd(folder), entry->d_name,
				files, depth - 1);
		else if (files)
			(void)unlinkat(dirfd(folder), entry->d_name, 0);
	}
	closedir(folder);
	return unlinkat(at, name, AT_REMOVEDIR) == 0;
}

static bool is_mail(const char *name)
{
	for (size_t i = 0; i < COUNT(holds_mail); i++)
		if (strcmp(name, holds_mail[i]) == 0)
			return true;
	return false;
}

static bool remove_top(const char *path)
{
	if (rmdir(path) == 0 || errno == ENOENT)
		return true;
	log_warning("%s stays: %m", path);
	return false;
}

static bool remove_queue(const char *path)
{
	auto_close int at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return errno == ENOENT;
	for (size_t i = 0; i < COUNT(folders); i++)
		if (!remove_folder(at, folders[i], !is_mail(folders[i]),
			    DEPTH_MOST))
			log_warning("%s/%s stays: %m", path, folders[i]);
	return remove_top(path);
}

static bool is_data_file(const char *name)
{
	static const char *const ends[] = { "", ".db", ".lmdb", ".lmdb-lock" };

	for (size_t i = 0; i < COUNT(data_files); i++)
		for (size_t k = 0; k < COUNT(ends); k++) {
			struct str rest = str_from(name);

			if (str_take_prefix(&rest, str_from(data_files[i])) &&
				str_is(rest, ends[k]))
				return true;
		}
	return false;
}

static bool remove_data(const char *path)
{
	DIR *folder = open_folder(AT_FDCWD, path);
	const struct dirent *entry;

	if (!folder)
		return errno == ENOENT;
	while ((entry = readdir(folder)))
		if (is_data_file(entry->d_name))
			(void)unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
	return remove_top(path);
}

bool queue_remove(struct arena *arena, const struct conf *conf)
{
	bool queue = remove_queue(arena_cstr(arena, conf->queue_directory));

	return remove_data(arena_cstr(arena, conf->data_directory)) && queue;
}
