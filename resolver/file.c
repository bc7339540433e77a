#include "resolver/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_read(struct arena *arena, const char *path, size_t most,
	struct str *text)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *octets;
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return false;
	octets = arena_alloc(arena, most);
	while (len < most && (got = read(fd, octets + len, most - len)) > 0)
		len += (size_t)got;
	*text = str_of(octets, len);
	return true;
}

int64_t file_state(const char *path, int64_t *number)
{
	struct stat st;

	*number = 0;
	if (stat(path, &st) < 0)
		return -1;
	*number = (int64_t)st.st_ino;
	return (int64_t)st.st_mtim.tv_sec * 1000000 +
		st.st_mtim.tv_nsec / 1000;
}
