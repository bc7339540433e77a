#include "queue/foreign.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	DEPTH_MOST = 4,  /* of hashed subfolders */
	LOOK_MOST = 2000, /* files looked at per folder of the queue */
	HEAD = 24,
};

/* Where Postfix keeps messages. We have no files in the first two. */
static const struct {
	const char *name;
	bool is_never_ours;
} folders[] = {
	{ "incoming", true },
	{ "active", true },
	{ "deferred", false },
	{ "hold", false },
	{ "maildrop", false },
	{ "corrupt", false },
};

bool foreign_is_head(const unsigned char *octets, size_t len)
{
	if (len < 8 || (octets[0] != 'C' && octets[0] != 'T') ||
		octets[1] < 6 || octets[1] > 127)
		return false;
	for (size_t i = 2; i < len && i < 2u + octets[1]; i++)
		if (!ascii_is_digit(octets[i]) && octets[i] != ' ')
			return false;
	return true;
}

static bool is_postfix_file(int folder, const char *name)
{
	unsigned char head[HEAD];
	auto_close int fd = openat(folder, name,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t len = fd < 0 ? -1 : read(fd, head, sizeof(head));

	return len > 0 && foreign_is_head(head, (size_t)len);
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* True if there is a message of another system in it. */
static bool has_foreign(int folder, bool is_never_ours, int depth, int *looked)
{
	DIR *entries = fdopendir(folder);
	struct dirent *entry;
	bool found = false;

	if (!entries) {
		close(folder);
		return false;
	}
	while (!found && *looked < LOOK_MOST && (entry = readdir(entries))) {
		int at = dirfd(entries);
		struct stat st;

		if (is_dots(entry->d_name) || fstatat(at, entry->d_name, &st,
						      AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		++*looked;
		if (S_ISREG(st.st_mode)) {
			found = is_never_ours ||
				is_postfix_file(at, entry->d_name);
		} else if (S_ISDIR(st.st_mode) && depth < DEPTH_MOST) {
			int inner = openat(at, entry->d_name, O_RDONLY |
				O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

			found = inner >= 0 && has_foreign(inner, is_never_ours,
						      depth + 1, looked);
		}
	}
	closedir(entries);
	return found;
}

static int open_folder(int top, const char *name)
{
	return openat(top, name,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

struct str foreign_find(struct arena *arena, struct str queue_directory)
{
	const char *queue = arena_cstr(arena, queue_directory);
	auto_close int top = open(queue, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int looked = 0, fd = top < 0 ? -1 : open_folder(top, "import");

	if (fd >= 0 && has_foreign(fd, true, 0, &looked))
		return arena_fmt(arena, "%s/import holds messages of an import "
			"that was interrupted: run `posthorn queue import` "
			"with the same directory again", queue);
	for (size_t i = 0; top >= 0 && i < COUNT(folders); i++) {
		looked = 0;
		fd = open_folder(top, folders[i].name);
		if (fd < 0 || !has_foreign(fd, folders[i].is_never_ours, 0,
				      &looked))
			continue;
		return arena_fmt(arena, "%s/%s holds messages of another mail "
			"system, which would never be delivered here: take "
			"them over with `posthorn queue import %s`, or let "
			"that system deliver them", queue, folders[i].name,
			queue);
	}
	return STR_NONE;
}
