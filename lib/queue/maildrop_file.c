#include "queue/maildrop_file.h"

#include "queue/maildrop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	NAME_MOST = 200,
};

static bool is_submission(const char *name)
{
	return name[0] != '.' && strncmp(name, "tmp-", 4) != 0 &&
		strncmp(name, "corrupt-", 8) != 0 && strlen(name) < NAME_MOST;
}

bool maildrop_each(int folder, void (*each)(void *context, const char *name),
	void *context)
{
	struct dirent *entry;
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (!list) {
		base_close(&fd);
		return false;
	}
	while ((entry = readdir(list)) != NULL)
		if (is_submission(entry->d_name))
			each(context, entry->d_name);
	closedir(list);
	return true;
}

int maildrop_open_file(int folder, const char *name, struct stat *st)
{
	auto_close int fd = openat(folder, name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || !fd_stat(fd, st))
		return -1;
	if (!S_ISREG(st->st_mode) || st->st_nlink != 1) {
		errno = EBADMSG;
		return -1;
	}
	return fd_keep(&fd);
}

static bool read_head(struct arena *arena, int fd, size_t len,
	struct str *head)
{
	char *octets = arena_alloc(arena, len + 1);
	size_t at = 0;

	while (at < len) {
		ssize_t got = pread(fd, octets + at, len - at, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		at += (size_t)got;
	}
	*head = str_of(octets, at);
	return at == len;
}

static void add_recipient(struct arena *arena, struct maildrop_file *file,
	size_t *room, struct str address)
{
	arena_grow(arena, &file->recipients, room, file->recipient_count + 1,
		sizeof(*file->recipients));
	file->recipients[file->recipient_count++] = address;
}

/* Up to the content. */
static bool parse_head(struct arena *arena, struct str head,
	struct maildrop_file *file)
{
	struct maildrop_line line;
	struct str text;
	size_t room = 0;

	while (str_take_line(&head, &text)) {
		if (!maildrop_line_parse(arena, text, &line))
			return false;
		if (line.kind == MAILDROP_SENDER)
			file->sender = line.text;
		else if (line.kind == MAILDROP_RECIPIENT)
			add_recipient(arena, file, &room, line.text);
		else if (line.kind == MAILDROP_CONTENT)
			return !str_is_none(file->sender);
	}
	return false;
}

bool maildrop_read(struct arena *arena, int folder, const char *name,
	struct maildrop_file *file)
{
	struct stat st;
	auto_close int fd = maildrop_open_file(folder, name, &st);
	struct str head;
	size_t len;

	*file = (struct maildrop_file){ .sender = STR_NONE };
	if (fd < 0)
		return false;
	file->arrival_us = (int64_t)st.st_mtim.tv_sec * 1000000;
	file->octets = (uint64_t)st.st_size;
	len = st.st_size < MAILDROP_HEAD_MOST ? (size_t)st.st_size :
		MAILDROP_HEAD_MOST;
	if (!read_head(arena, fd, len, &head))
		return false;
	errno = EBADMSG;
	return parse_head(arena, head, file);
}
