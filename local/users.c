/*
 * local/users - who a name is. The system is asked by a child; what it said is
 * believed for a second, so that a burst for the same users asks once.
 */
#include "local/local.h"

#include "base/table.h"

#include <limits.h>
#include <stdlib.h>

enum {
	LOOKUP_S = 120,
	BELIEVED_MS = 1000,
	KNOWN_MOST = 1000,
};

struct known {
	struct arena *arena;
	struct moment until;
	struct user user;
};

static struct table *known;

static struct user copy(struct arena *arena, const struct user *user)
{
	struct user own = *user;

	own.name = arena_copy(arena, user->name);
	own.home = arena_copy(arena, user->home);
	own.shell = arena_copy(arena, user->shell);
	return own;
}

static void forget(struct str name)
{
	struct known *entry = table_remove(known, name);

	if (!entry)
		return;
	arena_free(entry->arena);
	free(entry);
}

static void forget_all(void)
{
	for (struct table_walk walk = { 0 }; table_next(known, &walk);)
		forget(walk.key);
}

static void remember(struct str name, const struct user *user)
{
	struct known *entry;

	forget(name);
	if (table_count(known) >= KNOWN_MOST)
		forget_all();
	entry = mem_new(1, sizeof(*entry));
	entry->arena = arena_new(0);
	entry->until = moment_after(span_ms(BELIEVED_MS));
	entry->user = copy(entry->arena, user);
	table_put(known, name, entry);
}

static enum maps_result ask(struct arena *arena, struct str name,
	struct user *user)
{
	struct call *call =
		child_call(arena, CHILD_LOOKUP, &room.defaults, STR(""));
	const struct msg_local_user question = { .name = name };
	struct msg_local_user_is is;

	if (!call || !msg_local_user_send(call, &question) ||
		!msg_local_user_is_recv(call, &is, span_s(LOOKUP_S)))
		return MAPS_ERROR;
	call_close(call);
	if (is.result == 0)
		return MAPS_ABSENT;
	if (is.result != 1 || is.sys_uid >= UINT32_MAX ||
		is.sys_gid >= UINT32_MAX || is.home_error > INT_MAX ||
		is.name.len == 0)
		return MAPS_ERROR;
	*user = (struct user){ is.name, is.home, is.shell,
		(uint32_t)is.sys_uid, (uint32_t)is.sys_gid, (int)is.home_error };
	return MAPS_FOUND;
}

enum maps_result users_find(struct arena *arena, struct str name,
	struct user *user)
{
	struct known *entry;
	enum maps_result result;

	if (!known)
		known = table_new();
	entry = table_find(known, name);
	if (entry && moment_left(entry->until).us > 0) {
		*user = copy(arena, &entry->user);
		return MAPS_FOUND;
	}
	result = ask(arena, name, user);
	if (result == MAPS_FOUND)
		remember(name, user);
	return result;
}
