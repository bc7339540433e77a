#include "agent/run_as.h"

#include "base/log.h"
#include "sandbox/sandbox.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

const char *run_as_parse(struct arena *arena, struct str value,
	struct run_as_names *names)
{
	struct str group = value;
	struct str user = str_take_until(&group, ':');

	*names = (struct run_as_names){ .name = arena_cstr(arena, user) };
	if (group.len > 0)
		names->group = arena_cstr(arena, group);
	return user.len > 0 ? NULL : "user= is empty";
}

const char *run_as_words(struct arena *arena, char *const *args,
	char *const **words)
{
	size_t count = 0;
	char **copy;

	while (args[count])
		count++;
	copy = arena_array(arena, count + 1, sizeof(*copy));
	memcpy(copy, args, count * sizeof(*copy));
	copy[0] = args[0] + strlen("argv=");
	*words = copy;
	return copy[0][0] ? NULL : "argv= is empty";
}

static void find_group(struct run_as *as)
{
	const char *name = as->names.group;
	struct group *group = name ? getgrnam(name) : NULL;

	if (name && !group)
		log_fatal("user=%s:%s: there is no such group",
			as->names.name, name);
	if (group)
		as->sys_gid = group->gr_gid;
}

void run_as_find(const struct conf *conf, struct run_as_names names,
	struct run_as *as)
{
	const char *name = names.name;
	struct passwd *entry = getpwnam(name);

	*as = (struct run_as){ .names = names };
	if (!entry)
		log_fatal("user=%s: there is no such user", name);
	if (entry->pw_uid == 0)
		log_fatal("user=%s: no command runs as root", name);
	if (str_is(conf->mail_owner, name))
		log_fatal("user=%s: the mail system's own user", name);
	as->sys_uid = entry->pw_uid;
	as->sys_gid = entry->pw_gid;
	find_group(as);
	if (as->sys_gid == 0)
		log_fatal("user=%s: no command runs with root's group", name);
	as->is_misplaced = geteuid() != 0 &&
		(geteuid() != as->sys_uid || getegid() != as->sys_gid);
}

void run_as_become(const struct run_as *as)
{
	const char *const no_paths[] = { NULL };
	const struct sandbox_child child = {
		.profile = PROFILE_DELIVER,
		.sys_uid = as->sys_uid,
		.sys_gid = as->sys_gid,
		.user = as->names.name,
		.paths = no_paths,
	};

	if (!sandbox_become(&child))
		log_fatal("user=%s: %m", as->names.name);
}

void run_as_warn(const struct run_as *as, const char *so)
{
	log_warning("user=%s: this process, started without root, can only be "
		"uid %u; %s", as->names.name, geteuid(), so);
}
