#include "master/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* A Postfix record file begins with a size record ('C') or, in maildrop, a
 * time record ('T'): type, length octet, then digits and blanks. */
static bool is_postfix_file(int folder, const char *name)
{
	unsigned char head[HEAD];
	auto_close int fd = openat(folder, name,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t len = fd < 0 ? -1 : read(fd, head, sizeof(head));

	if (len < 8 || (head[0] != 'C' && head[0] != 'T') || head[1] < 6 ||
		head[1] > 127)
		return false;
	for (ssize_t i = 2; i < len && i < 2 + head[1]; i++)
		if (!ascii_is_digit(head[i]) && head[i] != ' ')
			return false;
	return true;
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

bool foreign_check(void)
{
	auto_arena struct arena *arena = arena_new(0);
	const char *queue = arena_cstr(arena, state.conf->queue_directory);
	auto_close int top = open(queue, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0) {
		log_error("open queue_directory %s: %m; run `posthorn "
			"set-permissions`", queue);
		return false;
	}
	for (size_t i = 0; i < COUNT(folders); i++) {
		int looked = 0, fd = openat(top, folders[i].name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0 || !has_foreign(fd, folders[i].is_never_ours, 0,
				      &looked))
			continue;
		log_error("%s/%s holds messages of another mail system, which "
			"would never be delivered here: start that system "
			"once more until its queue is empty, or set "
			"queue_directory to a folder of its own and run "
			"`posthorn set-permissions`", queue, folders[i].name);
		return false;
	}
	return true;
}
