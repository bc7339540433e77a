#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_read_fd(struct arena *arena, int fd, struct str *text)
{
	struct stat st;
	char *p;
	size_t len = 0;
	ssize_t got = 1;

	if (fstat(fd, &st) < 0)
		return false;
	if (S_ISDIR(st.st_mode) || st.st_size > CONFIG_FILE_MOST) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EFBIG;
		return false;
	}
	p = arena_alloc(arena, (size_t)st.st_size + 1);
	while (len < (size_t)st.st_size && got > 0) {
		got = read(fd, p + len, (size_t)st.st_size - len);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			len += (size_t)got;
	}
	*text = str_of(p, len);
	return got >= 0;
}

bool file_read(struct arena *arena, const char *path, struct str *text)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && file_read_fd(arena, fd, text);
}
