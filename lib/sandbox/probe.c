#include "sandbox/probe.h"

#include "base/arena.h"
#include "sandbox/profile.h"

#include <stdio.h>
#include <unistd.h>

static const struct {
	const char *name;
	bool (*try)(const struct probe *probe);
} acts[] = {
#define ACT(name, text) { #name, act_##name },
#include "sandbox/acts.def"
#undef ACT
};

/* "name" in the row's list: succeeds; "name@root": when started by root. */
static bool is_expected(const struct profile_row *row, const char *act,
	bool root)
{
	struct str rest = str_from(row->may), item;

	while (str_take_item(&rest, " ", &item)) {
		struct str name = str_take_until(&item, '@');

		if (str_is(name, act))
			return item.len == 0 || str_is(item, "root") == root;
	}
	return false;
}

void sandbox_probe(enum profile profile, const struct conf *conf, int report)
{
	const struct profile_row *row = profile_find(profile);
	struct arena *arena = arena_new(0);
	const struct probe probe = {
		.parent = getppid(),
		.queue_directory = arena_cstr(arena, conf->queue_directory),
		.config_directory = arena_cstr(arena, conf->config_directory),
		.mail_spool_directory =
			arena_cstr(arena, conf->mail_spool_directory),
	};
	bool root = sandbox_started_as_root();

	for (size_t i = 0; i < COUNT(acts); i++) {
		bool expected = is_expected(row, acts[i].name, root);
		bool succeeded = acts[i].try(&probe);

		dprintf(report, "%s %s %s\n", acts[i].name,
			succeeded ? "succeeded" : "refused",
			expected ? "may" : "must-not");
	}
	arena_free(arena);
}
