/*
 * A whole LMDB file that is damaged at some places: whatever passes for whole
 * can be read and written.
 */
#include "maps/pages_lab.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* Four octets each: a place, far or in the first pages, and what is there. */
static void damage(struct str *file, const uint8_t *octets, size_t len)
{
	union {
		const char *p;
		char *to;
	} u = { file->p };

	for (size_t i = 0; i + 4 <= len; i += 4) {
		size_t at = octets[i] | (size_t)octets[i + 1] << 8 |
			(size_t)octets[i + 2] << 16;

		u.to[at % file->len] = (char)octets[i + 3];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static char *whole;
	static size_t size;
	struct str file;
	char *copy;
	int fd;

	if (!whole) {
		fd = lab_new();
		size = (size_t)lseek(fd, 0, SEEK_END);
		whole = malloc(size);
		if (!whole || pread(fd, whole, size, 0) != (ssize_t)size)
			abort();
		close(fd);
	}
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, whole, size);
	file = str_of(copy, size);
	damage(&file, octets, len);
	if (!pages_wrong(file)) {
		fd = memfd_create("pages", MFD_CLOEXEC);
		if (fd >= 0 && write(fd, copy, size) == (ssize_t)size)
			lab_use(fd);
		close(fd);
	}
	free(copy);
	return 0;
}
