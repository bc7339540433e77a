/*
 * Maildir++: the store is INBOX; ".Sent.2024" in it is the mailbox
 * "Sent.2024", beside that of "Sent".
 */
#include "mailbox/name.h"
#include "mailbox/tidy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_good(struct str name)
{
	return memchr(name.p, '/', name.len) == NULL;
}

static void directory(const struct mailbox_place *place, const char *mailbox,
	char path[LAYOUT_PATH])
{
	snprintf(path, LAYOUT_PATH, ".");
	name_find(place, str_from(mailbox), 0, path);
}

static enum mailbox_result list(const struct mailbox_place *place,
	struct arena *arena, bool is_sure, struct str **names, size_t *count)
{
	struct layout_names found = { .arena = arena };
	DIR *dir = layout_open(place->dir, ".");
	struct dirent *e;
	struct str name;

	if (!dir)
		return mailbox_failed("read", "maildir");
	layout_add(&found, STR("INBOX"));
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] == '.' && e->d_name[1] != 0 &&
			e->d_name[1] != '.' &&
			(!is_sure || layout_is_maildir(place->dir,
				e->d_name)) &&
			strcasecmp(e->d_name + 1, "INBOX") != 0) {
			name = name_read(arena, str_from(e->d_name + 1));
			if (!str_is_none(name))
				layout_add(&found, name);
		}
	closedir(dir);
	*names = found.items;
	*count = found.count;
	return MAILBOX_OK;
}

/* The file "maildirfolder" tells delivery programs what this is. */
static bool mark_folder(int dir, const char *path)
{
	char mark[LAYOUT_PATH + 16];
	int fd;

	snprintf(mark, sizeof(mark), "%s/maildirfolder", path);
	fd = openat(dir, mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static enum mailbox_result create(const struct mailbox_place *place,
	const char *mailbox)
{
	char path[LAYOUT_PATH];

	directory(place, mailbox, path);
	if (layout_is_maildir(place->dir, path))
		return MAILBOX_EXISTS;
	if (mkdirat(place->dir, path, 0700) < 0 && errno != EEXIST)
		return mailbox_failed("create", mailbox);
	/* What is in it is flushed when its UIDVALIDITY is written there. */
	if (!layout_make_folders(place->dir, path) ||
		!mark_folder(place->dir, path) ||
		!layout_flush(place->dir, "."))
		return mailbox_failed("create", mailbox);
	return MAILBOX_OK;
}

/* It leaves its name first, so that a half-removed mailbox is none. */
static enum mailbox_result remove_mailbox(const struct mailbox_place *place,
	const char *mailbox)
{
	char path[LAYOUT_PATH], away[64];

	directory(place, mailbox, path);
	layout_away_name(away);
	if (renameat(place->dir, path, place->dir, away) < 0)
		return errno == ENOENT ? MAILBOX_NONEXISTENT :
			mailbox_failed("delete", mailbox);
	if (!layout_flush(place->dir, "."))
		return mailbox_failed("delete", mailbox);
	layout_remove_away(place->dir, away);
	return MAILBOX_OK;
}

static enum mailbox_result rename_mailbox(const struct mailbox_place *place,
	const char *from, const char *to)
{
	char old[LAYOUT_PATH], new[LAYOUT_PATH];

	directory(place, from, old);
	directory(place, to, new);
	if (layout_is_maildir(place->dir, new))
		return MAILBOX_EXISTS;
	if (renameat(place->dir, old, place->dir, new) < 0)
		return errno == ENOENT ? MAILBOX_NONEXISTENT :
			mailbox_failed("rename", from);
	return layout_flush(place->dir, ".") ? MAILBOX_OK :
		mailbox_failed("rename", from);
}

const struct mailbox_layout layout_plusplus = {
	.name = "maildir++",
	.separator = '.',
	.is_good = is_good,
	.directory = directory,
	.list = list,
	.create = create,
	.remove = remove_mailbox,
	.rename = rename_mailbox,
};
