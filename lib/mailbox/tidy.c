/*
 * What a process left behind that died over it: messages half written in
 * tmp/, lists half written beside them, and mailboxes half removed.
 */
#include "mailbox/tidy.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum {
	/* As maildir(5) has it; nobody takes so long to write a message. */
	OLD_S = 36 * 3600,
	PATH_OCTETS = 1200,
};

static DIR *open_folder(int at, const char *path)
{
	int fd = openat(at, path,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

static bool is_old(int at, const char *name)
{
	struct stat st;

	/* The date of a file may be set; when that was done may not. */
	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(st.st_mode) && st.st_mtime + OLD_S < time(NULL) &&
		st.st_ctime + OLD_S < time(NULL);
}

/* "dovecot-uidlist.0badcafe.tmp", of mailbox_store_write. */
static bool is_temporary(const char *name)
{
	struct str left = str_from(name);

	return (str_starts(left, STR("dovecot-")) ||
		str_starts(left, STR("subscriptions."))) &&
		str_ends(left, STR(".tmp"));
}

static bool is_any(const char *name)
{
	return name[0] != '.';
}

static void tidy_folder(int at, const char *path,
	bool (*is_ours)(const char *name))
{
	DIR *dir = open_folder(at, path);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)) != NULL)
		if (is_ours(e->d_name) && is_old(dirfd(dir), e->d_name)) {
			log_info("%s/%s: left by a process that died: removed",
				path, e->d_name);
			unlinkat(dirfd(dir), e->d_name, 0);
		}
	closedir(dir);
}

void maildir_tidy(int store, const char *folder)
{
	char path[PATH_OCTETS];

	snprintf(path, sizeof(path), "%s/tmp", folder);
	tidy_folder(store, path, is_any);
	tidy_folder(store, folder, is_temporary);
}

/* All that is in it, `depth` levels down. */
static void remove_folder(int at, const char *name, int depth)
{
	DIR *dir = open_folder(at, name);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)) != NULL) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) < 0 && depth > 0)
			remove_folder(dirfd(dir), e->d_name, depth - 1);
	}
	closedir(dir);
	if (unlinkat(at, name, AT_REMOVEDIR) < 0)
		log_warning("remove %s: %m", name);
}

void maildir_tidy_removed(int store)
{
	DIR *dir = open_folder(store, ".");
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)) != NULL)
		if (str_starts(str_from(e->d_name), STR(MAILDIR_REMOVED)))
			remove_folder(store, e->d_name, 1);
	closedir(dir);
}
