#include "resolver/file.h"

#include <sys/stat.h>

int64_t state_of_file(const char *path, int64_t *number)
{
	struct stat st;

	*number = 0;
	if (stat(path, &st) < 0)
		return -1;
	*number = (int64_t)st.st_ino;
	return (int64_t)st.st_mtim.tv_sec * 1000000 +
		st.st_mtim.tv_nsec / 1000;
}
