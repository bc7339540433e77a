#include "posthorn/posthorn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posthorn/in_place.h"
#include "service/command.h"

static const struct folder {
	const char *name, *user, *group;
	mode_t mode;
} folders[] = {
#define QUEUE(name, user, group, mode, doc) { #name, user, group, mode },
#include "posthorn/directories.def"
#undef QUEUE
};

/* Accounts that daemons take; all must be there when root starts them. */
static const char *const accounts[] = {
	"posthorn", "posthorn-in", "posthorn-intake", "posthorn-out",
	"posthorn-net", "posthorn-map", "posthorn-auth", "posthorn-login",
	"posthorn-log",
};

enum how { LOOK, CREATE, REPAIR };

struct owner {
	uid_t sys_uid;
	gid_t sys_gid;
};

static bool has_accounts(struct command_line *line)
{
	struct buf missing = BUF_IN(line->arena);

	if (geteuid() != 0)
		return true;
	for (size_t i = 0; i < COUNT(accounts); i++)
		if (!getpwnam(accounts[i]))
			buf_fmt(&missing, "%s%s", missing.len ? ", " : "",
				accounts[i]);
	if (missing.len == 0)
		return true;
	log_error("these accounts are missing: %.*s; create them with "
		"`systemd-sysusers %s/posthorn.conf`, or see there for their "
		"names", STR_ARG(buf_str(&missing)), SYSUSERS_DIRECTORY);
	return false;
}

/* Without root everything is ours. */
static struct owner find_owner(const char *user, const char *group)
{
	const struct passwd *pw;
	const struct group *gr;
	struct owner owner = { geteuid(), getegid() };

	if (geteuid() != 0)
		return owner;
	pw = getpwnam(user);
	gr = getgrnam(group);
	if (pw)
		owner = (struct owner){ pw->pw_uid, pw->pw_gid };
	if (gr)
		owner.sys_gid = gr->gr_gid;
	return owner;
}

static const char *user_name(uid_t sys_uid)
{
	const struct passwd *pw = getpwuid(sys_uid);

	return pw ? pw->pw_name : "?";
}

static const char *group_name(gid_t sys_gid)
{
	const struct group *gr = getgrgid(sys_gid);

	return gr ? gr->gr_name : "?";
}

static bool create(const char *path, mode_t mode, struct owner owner)
{
	mode_t old = umask(0);
	int error = 0;

	if (mkdir(path, mode) < 0 || (geteuid() == 0 &&
			chown(path, owner.sys_uid, owner.sys_gid) < 0) ||
		chmod(path, mode) < 0)
		error = errno;
	umask(old);
	errno = error;
	if (error)
		log_error("%s: cannot be created: %m", path);
	return error == 0;
}

/* One folder; a line for each difference that stays. */
static bool see_to(const char *path, mode_t mode, struct owner owner,
	enum how how)
{
	struct stat st;
	bool is_fine = true;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT && how != LOOK)
			return create(path, mode, owner);
		log_warning("%s: %m", path);
		return false;
	}
	if (!S_ISDIR(st.st_mode)) {
		log_warning("%s: not a folder", path);
		return false;
	}
	if (how == REPAIR && geteuid() == 0 &&
		(st.st_uid != owner.sys_uid || st.st_gid != owner.sys_gid) &&
		lchown(path, owner.sys_uid, owner.sys_gid) == 0) {
		st.st_uid = owner.sys_uid;
		st.st_gid = owner.sys_gid;
		st.st_mode &= ~(mode_t)07000; /* chown drops them */
	}
	if (how == REPAIR && (st.st_mode & 07777) != mode &&
		chmod(path, mode) == 0)
		st.st_mode = S_IFDIR | mode;
	if (st.st_uid != owner.sys_uid) {
		log_warning("not owned by %s: %s", user_name(owner.sys_uid),
			path);
		is_fine = false;
	}
	if (geteuid() == 0 && st.st_gid != owner.sys_gid) {
		log_warning("not owned by group %s: %s",
			group_name(owner.sys_gid), path);
		is_fine = false;
	}
	if ((st.st_mode & 07777) != mode) {
		if ((st.st_mode & 022 & ~mode) != 0)
			log_warning("group or other writable: %s", path);
		else
			log_warning("%s: mode %04o, not %04o", path,
				(unsigned)(st.st_mode & 07777),
				(unsigned)mode);
		is_fine = false;
	}
	return is_fine;
}

/* Parents that a fresh system lacks: only when asked to repair. */
static bool make_parents(char *path)
{
	for (char *at = path + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST) {
			log_error("%s: cannot be created: %m", path);
			return false;
		}
		*at = '/';
	}
	return true;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* The journal's way of being written is chosen when it is made, and its
 * administrator's since. */
static bool see_to_folder(const struct folder *f, const char *path,
	enum how how)
{
	bool is_made = how != LOOK && !is_there(path);
	bool is_fine = see_to(path, f->mode, find_owner(f->user, f->group),
		how);

	if (is_made && is_fine && strcmp(f->name, "journal") == 0 &&
		!write_in_place(path))
		log_warning("%s: cannot be written in place: %m", path);
	return is_fine;
}

static bool see_to_all(struct command_line *line, enum how how)
{
	char *queue = arena_cstr(line->arena, line->conf->queue_directory);
	char *data = arena_cstr(line->arena, line->conf->data_directory);
	bool is_fine = true;

	if (how == REPAIR && (!make_parents(queue) || !make_parents(data)))
		return false;
	is_fine = see_to(queue, 0755, find_owner("root", "root"), how) &&
		is_fine;
	is_fine = see_to(data, 0750, find_owner("posthorn", "posthorn"), how) &&
		is_fine;
	for (size_t i = 0; i < COUNT(folders); i++) {
		const struct folder *f = &folders[i];
		const char *path = arena_cstr(line->arena,
			arena_fmt(line->arena, "%s/%s", queue, f->name));

		is_fine = see_to_folder(f, path, how) && is_fine;
	}
	return is_fine;
}

static bool is_dir(struct str path)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stat st;

	return stat(arena_cstr(arena, path), &st) == 0 && S_ISDIR(st.st_mode);
}

/* Differences of owner or mode are warnings; what is missing after this stops
 * a start. */
bool folders_set(struct command_line *line, bool repair)
{
	bool is_fine;

	if (!has_accounts(line))
		return false;
	is_fine = see_to_all(line, repair ? REPAIR : CREATE);
	if (repair)
		return is_fine;
	return is_dir(line->conf->queue_directory) &&
		is_dir(line->conf->data_directory);
}

bool folders_check(struct command_line *line)
{
	bool is_fine = has_accounts(line), is_set = see_to_all(line, LOOK);

	if (!is_set)
		log_warning("`posthorn set-permissions` makes and repairs these "
			"folders");
	return is_set && is_fine;
}

int run_set_permissions(struct command_line *line)
{
	command_log(line->conf, "postfix-script");
	return settings_take(line) && folders_set(line, true) ? 0 : 1;
}
