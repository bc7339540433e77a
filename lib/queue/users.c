/*
 * queue/users - who may ask for what.
 */
#include "queue/users.h"

#include <pwd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"

void users_open(struct users *users, const char *parameter, struct str list)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str name;

	*users = (struct users){ 0 };
	while (str_take_item(&list, ", \t\r\n", &name)) {
		const struct passwd *user;

		if (str_starts(name, STR("static:"))) {
			users->everybody = true;
			continue;
		}
		user = getpwnam(arena_cstr(arena, name));
		if (user && users->count < USERS_MOST)
			users->ids[users->count++] = user->pw_uid;
		else
			log_warning("%s: %.*s: no such user", parameter,
				STR_ARG(name));
	}
}

bool users_has(const struct users *users, uint32_t sys_uid)
{
	if (users->everybody || sys_uid == 0 || sys_uid == geteuid())
		return true;
	for (size_t i = 0; i < users->count; i++)
		if (users->ids[i] == sys_uid)
			return true;
	return false;
}
