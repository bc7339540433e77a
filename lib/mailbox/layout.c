#include "mailbox/layout.h"
#include "mailbox/tidy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "io/helper.h"

/* What is made last makes it a mailbox. */
static const char *const folders[] = { "tmp", "new", "cur" };

static const struct mailbox_layout *const layouts[] = {
	&layout_plusplus, &layout_fs,
};

enum mailbox_result mailbox_failed(const char *what, const char *name)
{
	int error = errno;

	switch (error) {
	case ENOSPC:
	case EDQUOT:
		return MAILBOX_NO_SPACE;
	case EACCES:
	case EPERM:
	case EROFS:
		log_warning("%s %s: %m", what, name);
		return MAILBOX_NO_PERMISSION;
	case ENAMETOOLONG:
		return MAILBOX_LIMIT;
	}
	log_warning("%s %s: %m", what, name);
	return MAILBOX_TRY_LATER;
}

const struct mailbox_layout *layout_find(struct str name)
{
	for (size_t i = 0; i < COUNT(layouts); i++)
		if (str_is_nocase(name, layouts[i]->name))
			return layouts[i];
	return NULL;
}

/* False: it says nothing about the place. */
static bool take_option(struct str option, struct mailbox_place *place)
{
	if (str_is(option, "UTF-8"))
		place->utf8 = true;
	else if (str_take_prefix(&option, STR("LAYOUT=")))
		place->layout = layout_find(option);
	else
		return false;
	return true;
}

bool layout_of_location(struct str location, struct str *path,
	struct mailbox_place *place)
{
	size_t colon;

	str_take_prefix(&location, STR("maildir:"));
	while ((colon = str_rfind_char(location, ':')) != SIZE_MAX &&
		take_option(str_skip(location, colon + 1), place))
		location = str_first(location, colon);
	*path = location;
	return place->layout != NULL;
}

struct str layout_location(struct arena *arena, struct str path,
	const struct mailbox_place *place)
{
	return arena_fmt(arena, "%.*s:LAYOUT=%s%s", STR_ARG(path),
		place->layout->name, place->utf8 ? ":UTF-8" : "");
}

const char *layout_path(const struct mailbox_place *place,
	const char *mailbox, char path[LAYOUT_PATH])
{
	if (strcmp(mailbox, "INBOX") == 0)
		return ".";
	place->layout->directory(place, mailbox, path);
	return path;
}

const char *layout_prefix(const struct mailbox_place *place,
	struct arena *arena, const char *mailbox)
{
	char path[LAYOUT_PATH];

	if (strcmp(mailbox, "INBOX") == 0)
		return "";
	return arena_fmt(arena, "%s/", layout_path(place, mailbox, path)).p;
}

bool layout_is_maildir(int dir, const char *path)
{
	char cur[LAYOUT_PATH + 8];
	struct stat st;

	snprintf(cur, sizeof(cur), "%s/cur", path);
	return fstatat(dir, cur, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

bool layout_exists(const struct mailbox_place *place, const char *mailbox)
{
	char path[LAYOUT_PATH];

	return layout_is_maildir(place->dir,
		layout_path(place, mailbox, path));
}

enum mailbox_result layout_prepare(const struct mailbox_place *place)
{
	if (!layout_make_folders(place->dir, "."))
		return mailbox_failed("make maildir", "INBOX");
	maildir_tidy_removed(place->dir);
	return MAILBOX_OK;
}

char *layout_swap(char *name)
{
	for (char *p = name; *p; p++)
		if (*p == '.')
			*p = '/';
		else if (*p == '/')
			*p = '.';
	return name;
}

DIR *layout_open(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *opened = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !opened)
		close(fd);
	return opened;
}

bool layout_flush(int dir, const char *path)
{
	auto_close int fd =
		openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && io_fsync(fd) == 0;
}

bool layout_make_folders(int dir, const char *path)
{
	char folder[LAYOUT_PATH + 8];

	for (size_t i = 0; i < COUNT(folders); i++) {
		snprintf(folder, sizeof(folder), "%s/%s", path, folders[i]);
		if (mkdirat(dir, folder, 0700) < 0 && errno != EEXIST)
			return false;
	}
	return true;
}

bool layout_is_folder(const char *name)
{
	for (size_t i = 0; i < COUNT(folders); i++)
		if (strcmp(name, folders[i]) == 0)
			return true;
	return false;
}

const char *layout_away_name(char name[64])
{
	snprintf(name, 64, MAILDIR_REMOVED "%08x",
		(unsigned)random_below(UINT32_MAX));
	return name;
}

static bool empty(int dir, const char *path)
{
	DIR *opened = layout_open(dir, path);
	struct dirent *e;
	bool ok = true;

	if (!opened)
		return errno == ENOENT;
	while (ok && (e = readdir(opened)) != NULL)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
			unlinkat(dirfd(opened), e->d_name, 0) < 0 &&
			errno != EISDIR)
			ok = errno == ENOENT;
	closedir(opened);
	return ok;
}

void layout_remove_away(int dir, const char *away)
{
	char path[128];

	for (size_t i = 0; i < COUNT(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", away, folders[i]);
		if (!empty(dir, path) ||
			(unlinkat(dir, path, AT_REMOVEDIR) < 0 &&
				errno != ENOENT))
			log_warning("remove %s: %m", path);
	}
	if (!empty(dir, away) || unlinkat(dir, away, AT_REMOVEDIR) < 0)
		log_warning("remove %s: %m", away);
}

void layout_add(struct layout_names *names, struct str name)
{
	arena_grow(names->arena, &names->items, &names->capacity,
		names->count + 1, sizeof(*names->items));
	names->items[names->count++] = arena_copy(names->arena, name);
}
