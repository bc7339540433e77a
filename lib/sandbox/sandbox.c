#include "sandbox/sandbox.h"

#include "base/log.h"
#include "sandbox/profile.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	EXIT_TEMPFAIL = 75,
};

/* Set before the sandbox closes, read-only afterwards. */
static struct {
	struct path_rule *rules; /* of sandbox_allow */
	size_t count, capacity;
	bool root;
} state;

void sandbox_allow(char rights, const char *path)
{
	struct path_rule *rule;

	array_grow(&state.rules, &state.capacity, state.count + 1,
		sizeof(*state.rules));
	rule = &state.rules[state.count++];
	rule->rights = rights;
	if ((size_t)snprintf(rule->path, sizeof(rule->path), "%s", path) >=
		sizeof(rule->path))
		log_fatal("sandbox: path is too long: %s", path);
}

bool sandbox_started_as_root(void)
{
	return state.root;
}

static bool keeps_root(const struct profile_row *row)
{
	return str_is(str_from(row->user), "root");
}

static const struct passwd *find_user(const char *name)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (!user)
		log_fatal("there is no user \"%s\": make the accounts of "
			  "posthorn's sysusers.d file, for instance with "
			  "systemd-sysusers",
			name);
	return user;
}

static void drop_to(uint32_t sys_uid, uint32_t sys_gid, const char *name)
{
	if ((name ? initgroups(name, sys_gid) : setgroups(0, NULL)) < 0)
		log_fatal("sandbox: groups of uid %u: %m", sys_uid);
	if (setresgid(sys_gid, sys_gid, sys_gid) < 0)
		log_fatal("sandbox: setgid %u: %m", sys_gid);
	if (setresuid(sys_uid, sys_uid, sys_uid) < 0)
		log_fatal("sandbox: setuid %u: %m", sys_uid);
	if (sys_uid != 0 && setresuid(0, 0, 0) == 0)
		panic("sandbox: root came back");
}

/* An empty directory of root's, below the queue. */
static void enter_empty_root(const struct conf *conf)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%.*s/empty",
		STR_ARG(conf->queue_directory));
	if (mkdir(path, 0555) < 0 && errno != EEXIST)
		log_fatal("sandbox: mkdir %s: %m", path);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0 ||
		(st.st_mode & 022) != 0)
		log_fatal("sandbox: %s must be a directory that only root can "
			  "write to; try: posthorn set-permissions",
			path);
	if (chroot(path) < 0 || chdir("/") < 0)
		log_fatal("sandbox: chroot %s: %m", path);
}

static void allow_paths(struct landlock *landlock, const char *paths,
	const struct conf *conf)
{
	struct str rest = str_from(paths), item;

	while (str_take_item(&rest, " ", &item)) {
		struct path_rule rule;

		if (!path_rule_parse(item, conf, &rule))
			panic("sandbox: profiles.def: bad path %.*s",
				STR_ARG(item));
		landlock_allow(landlock, &rule);
	}
	for (size_t i = 0; i < state.count; i++)
		landlock_allow(landlock, &state.rules[i]);
}

static void no_new_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_fatal("sandbox: NO_NEW_PRIVS: %m");
}

/* Sockets of the Internet are in reach of these alone. */
static bool has_network(const struct profile_row *row)
{
	return str_find(str_from(row->calls), STR("socket")) != SIZE_MAX ||
		str_is(str_from(row->calls), "refused");
}

void sandbox_close(enum profile profile, const struct conf *conf)
{
	const struct profile_row *row = profile_find(profile);
	bool files = !str_is(str_from(row->paths), "*");
	struct landlock landlock;

	tzset();
	state.root = geteuid() == 0;
	landlock = landlock_begin(files, has_network(row));
	if (landlock.level == 0)
		log_warning("sandbox: this kernel has no Landlock: file access "
			    "of this process is limited by its user only");
	if (files)
		allow_paths(&landlock, row->paths, conf);
	if (state.root) {
		const struct passwd *user =
			keeps_root(row) ? NULL : find_user(row->user);

		if (row->root == ROOT_EMPTY)
			enter_empty_root(conf);
		if (user)
			drop_to(user->pw_uid, user->pw_gid, user->pw_name);
	}
	no_new_privileges();
	landlock_close(&landlock);
	if (state.root && keeps_root(row))
		capabilities_close(row->capabilities);
	filter_close(row->calls);
}

static bool become(const struct sandbox_child *child)
{
	const struct profile_row *row = profile_find(child->profile);
	bool files = child->paths[0] != NULL;
	struct landlock landlock = landlock_begin(files, has_network(row));

	for (size_t i = 0; child->paths[i]; i++) {
		struct path_rule rule;

		if (!path_rule_parse(str_from(child->paths[i]), NULL, &rule))
			return false;
		landlock_allow(&landlock, &rule);
	}
	if (geteuid() == 0)
		drop_to(child->sys_uid, child->sys_gid, child->user);
	no_new_privileges();
	landlock_close(&landlock);
	filter_close(row->calls);
	return true;
}

bool sandbox_prepare(enum profile profile)
{
	return filter_prepare(profile_find(profile)->calls);
}

bool sandbox_become(const struct sandbox_child *child)
{
	if (geteuid() != 0 &&
		(geteuid() != child->sys_uid || getegid() != child->sys_gid)) {
		errno = EPERM;
		return false;
	}
	log_fatal_status(EXIT_TEMPFAIL);
	if (!become(child))
		_exit(EXIT_TEMPFAIL);
	log_fatal_status(EXIT_FAILURE);
	return true;
}
