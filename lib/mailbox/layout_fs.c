/*
 * A tree of directories: the store is INBOX; "Sent/2024" in it is the mailbox
 * "Sent.2024", within the directory of "Sent", which may be a mailbox or not.
 *
 * A mailbox is a directory with cur/ in it; tmp/ and new/, uidlist and others
 * stand beside that, and directories of mailboxes below. So a level may not
 * be called as one of those.
 */
#include "mailbox/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* What a level may not be called, or begin with; on disk, in any directory. */
static const char *const taken[] = { "cur", "new", "tmp", "maildirfolder" };
static const char *const starts[] = { ".", "dovecot-", "dovecot.",
	"posthorn-" };

static bool is_good_level(struct str level)
{
	for (size_t i = 0; i < COUNT(taken); i++)
		if (str_is(level, taken[i]))
			return false;
	for (size_t i = 0; i < COUNT(starts); i++)
		if (str_starts(level, str_from(starts[i])))
			return false;
	return level.len > 0;
}

static bool is_good_path(struct str path)
{
	struct str level;

	if (str_is(path, "subscriptions") ||
		str_starts(path, STR("subscriptions/")))
		return false;
	do {
		level = str_take_until(&path, '/');
		if (!is_good_level(level))
			return false;
	} while (path.len > 0);
	return true;
}

static void directory(const struct mailbox_place *place, const char *mailbox,
	char path[LAYOUT_PATH])
{
	char swapped[LAYOUT_PATH];
	struct str left;
	size_t parent;

	snprintf(swapped, sizeof(swapped), "%s", mailbox);
	left = str_from(layout_swap(swapped));
	path[0] = 0;
	while (left.len > 0) {
		parent = strlen(path);
		if (parent)
			snprintf(path + parent, LAYOUT_PATH - parent, "/");
		name_find(place, str_take_until(&left, '/'), parent, path);
	}
}

static bool is_good(struct str name)
{
	char path[LAYOUT_PATH];

	if (name.len >= sizeof(path))
		return false;
	memcpy(path, name.p, name.len);
	path[name.len] = 0;
	return is_good_path(str_from(layout_swap(path)));
}

/* ---- looking ---- */

struct walk {
	int dir;
	void (*each)(void *context, const char *path);
	void *context;
};

/* Of something in `in`; links: a link to a directory counts too. */
static bool is_directory(DIR *in, const struct dirent *e, bool links)
{
	struct stat st;

	if (e->d_type == DT_DIR)
		return true;
	if (e->d_type != DT_UNKNOWN && e->d_type != DT_LNK)
		return false;
	return fstatat(dirfd(in), e->d_name, &st,
		links ? 0 : AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Each directory below `path`; no link is followed down, as it might lead up
 * again. */
static void walk_below(const struct walk *walk, const char *path,
	unsigned levels)
{
	DIR *dir = layout_open(walk->dir, path[0] ? path : ".");
	char below[LAYOUT_PATH];
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)) != NULL) {
		int len = snprintf(below, sizeof(below), "%s%s%s", path,
			path[0] ? "/" : "", e->d_name);

		if (len >= (int)sizeof(below) ||
			!is_good_level(str_from(e->d_name)) ||
			!is_directory(dir, e, true))
			continue;
		walk->each(walk->context, below);
		if (levels > 1 && is_directory(dir, e, false))
			walk_below(walk, below, levels - 1);
	}
	closedir(dir);
}

static void walk_all(int dir, void (*each)(void *context, const char *path),
	void *context)
{
	const struct walk walk = { dir, each, context };

	walk_below(&walk, "", LAYOUT_LEVELS_MOST);
}

struct listing {
	int dir;
	bool is_sure;
	struct layout_names names;
};

static void list_one(void *context, const char *path)
{
	struct listing *l = context;
	struct str name;

	if (strcasecmp(path, "INBOX") == 0 ||
		(l->is_sure && !layout_is_maildir(l->dir, path)))
		return;
	name = str_from(layout_swap(arena_cstr(l->names.arena,
		str_from(path))));
	name = name_read(l->names.arena, name);
	if (!str_is_none(name))
		layout_add(&l->names, name);
}

static enum mailbox_result list(const struct mailbox_place *place,
	struct arena *arena, bool is_sure, struct str **names, size_t *count)
{
	struct listing l = { .dir = place->dir, .is_sure = is_sure,
		.names = { .arena = arena } };

	if (faccessat(place->dir, ".", R_OK | X_OK, AT_EACCESS) < 0)
		return mailbox_failed("read", "maildir");
	layout_add(&l.names, STR("INBOX"));
	walk_all(place->dir, list_one, &l);
	*names = l.names.items;
	*count = l.names.count;
	return MAILBOX_OK;
}

/* ---- changing ---- */

/* "a/b" of "a/b/c", "." of "a". */
static const char *parent_of(const char *path, char parent[LAYOUT_PATH])
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	snprintf(parent, LAYOUT_PATH, "%.*s", (int)(slash - path), path);
	return parent;
}

/* The directories above a path, from the top; durable. */
static bool make_parents(int dir, const char *path)
{
	char part[LAYOUT_PATH], parent[LAYOUT_PATH];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part, '/'); slash;
		slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdirat(dir, part, 0700) == 0) {
			if (!layout_flush(dir, parent_of(part, parent)))
				return false;
		} else if (errno != EEXIST) {
			return false;
		}
		*slash = '/';
	}
	return true;
}

/* Directories that hold nothing any more, up from this one. */
static bool prune(int dir, const char *path)
{
	char at[LAYOUT_PATH], parent[LAYOUT_PATH];

	snprintf(at, sizeof(at), "%s", path);
	while (strcmp(at, ".") != 0 &&
		(unlinkat(dir, at, AT_REMOVEDIR) == 0 || errno == ENOENT))
		snprintf(at, sizeof(at), "%s", parent_of(at, parent));
	return layout_flush(dir, at);
}

/* A list that somebody left who died; mail and what is not ours may stay. */
static bool is_left_list(const char *name)
{
	return !layout_is_folder(name) && name[0] != '.' &&
		!is_good_level(str_from(name));
}

/* Uidlist, new/ and the like; a directory of a mailbox below stays. */
static bool strip_rest(int dir, const char *path, int away, bool left)
{
	DIR *in = layout_open(dir, path);
	struct dirent *e;
	bool ok = true;
	int error;

	if (!in)
		return false;
	while (ok && (e = readdir(in)) != NULL) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
			(!layout_is_folder(e->d_name) &&
				is_directory(in, e, true)) ||
			(left && !is_left_list(e->d_name)))
			continue;
		ok = renameat(dirfd(in), e->d_name, away, e->d_name) == 0 ||
			errno == ENOENT;
	}
	error = errno;
	closedir(in);
	errno = error;
	return ok;
}

/*
 * What makes a directory a mailbox goes away. cur/ goes first: without it
 * there is no mailbox. `left`: there is none, only what somebody died over.
 */
static bool strip(int dir, const char *path, bool left)
{
	char name[64], cur[LAYOUT_PATH + 8];
	int error;
	bool ok;

	layout_away_name(name);
	if (mkdirat(dir, name, 0700) < 0)
		return false;
	auto_close int away = openat(dir, name,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(cur, sizeof(cur), "%s/cur", path);
	ok = away >= 0 && (left || renameat(dir, cur, away, "cur") == 0) &&
		strip_rest(dir, path, away, left) && layout_flush(dir, path);
	error = errno;
	layout_remove_away(dir, name);
	errno = error;
	return ok;
}

static enum mailbox_result create(const struct mailbox_place *place,
	const char *mailbox)
{
	char path[LAYOUT_PATH], parent[LAYOUT_PATH];
	bool is_new;

	directory(place, mailbox, path);
	if (layout_is_maildir(place->dir, path))
		return MAILBOX_EXISTS;
	if (!make_parents(place->dir, path))
		return mailbox_failed("create", mailbox);
	is_new = mkdirat(place->dir, path, 0700) == 0;
	if (!is_new && errno != EEXIST)
		return mailbox_failed("create", mailbox);
	/* What is in it is flushed when its UIDVALIDITY is written there. */
	if ((!is_new && !strip(place->dir, path, true)) ||
		!layout_make_folders(place->dir, path) ||
		!layout_flush(place->dir, parent_of(path, parent)))
		return mailbox_failed("create", mailbox);
	return MAILBOX_OK;
}

static enum mailbox_result remove_mailbox(const struct mailbox_place *place,
	const char *mailbox)
{
	char path[LAYOUT_PATH];

	directory(place, mailbox, path);
	if (!strip(place->dir, path, false))
		return errno == ENOENT ? MAILBOX_NONEXISTENT :
			mailbox_failed("delete", mailbox);
	return prune(place->dir, path) ? MAILBOX_OK :
		mailbox_failed("delete", mailbox);
}

/* What a name ends as that cannot be had. */
static enum mailbox_result not_renamed(const char *from)
{
	switch (errno) {
	case ENOENT:
		return MAILBOX_NONEXISTENT;
	case EEXIST: /* a directory with mailboxes in it */
	case ENOTEMPTY:
		return MAILBOX_EXISTS;
	case EINVAL: /* below itself */
	case ENOTDIR:
		return MAILBOX_CANNOT;
	}
	return mailbox_failed("rename", from);
}

/* With all that is below, in one step. An empty directory gives way. */
static enum mailbox_result rename_mailbox(const struct mailbox_place *place,
	const char *from, const char *to)
{
	char old[LAYOUT_PATH], new[LAYOUT_PATH], parent[LAYOUT_PATH];
	enum mailbox_result result = MAILBOX_OK;

	directory(place, from, old);
	directory(place, to, new);
	if (layout_is_maildir(place->dir, new))
		return MAILBOX_EXISTS;
	if (!make_parents(place->dir, new))
		return not_renamed(from);
	if (renameat(place->dir, old, place->dir, new) < 0) {
		result = not_renamed(from);
		if (!prune(place->dir, parent_of(new, parent)))
			log_warning("rename %s: %m", from);
		return result;
	}
	if (!layout_flush(place->dir, parent_of(new, parent)) ||
		!prune(place->dir, parent_of(old, parent)))
		return mailbox_failed("rename", from);
	return MAILBOX_OK;
}

const struct mailbox_layout layout_fs = {
	.name = "fs",
	.separator = '/',
	.is_tree = true,
	.is_good = is_good,
	.directory = directory,
	.list = list,
	.create = create,
	.remove = remove_mailbox,
	.rename = rename_mailbox,
	.walk = walk_all,
};
