/*
 * Names of mailboxes from a client to a directory: whatever it says, no path
 * leads out of the store or into what is no mailbox, and the way back gives
 * the same name.
 */
#include "mailbox/name.h"
#include "mailbox/namespace.h"
#include "mailbox/store.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static const struct mailbox_namespace namespaces[] = {
	{ STR(""), '.' }, { STR(""), '/' },
	{ STR("INBOX."), '.' }, { STR("Mail/"), '/' },
};

static const struct mailbox_layout *const layouts[] = {
	&layout_plusplus, &layout_fs,
};

static void must(bool good, const char *what)
{
	if (!good)
		panic("%s", what);
}

static void check_path(struct arena *arena, const struct mailbox_layout *layout,
	struct str name)
{
	const struct mailbox_place place = { -1, layout };
	char path[LAYOUT_PATH];
	struct str left = str_from(layout_path(&place,
		arena_cstr(arena, mailbox_name_of(name)), path));
	struct str level;

	if (str_is(left, "."))
		return;
	must(left.len > 0 && left.p[0] != '/', "absolute");
	if (!layout->is_tree) {
		must(str_starts(left, STR(".")) &&
			!memchr(left.p, '/', left.len), "deep");
		return;
	}
	while (left.len > 0) {
		level = str_take_until(&left, '/');
		must(level.len > 0 && level.p[0] != '.', "hidden");
		must(!layout_is_folder(arena_cstr(arena, level)), "folder");
		must(!str_starts(level, STR("dovecot-")) &&
			!str_starts(level, STR("posthorn-")), "file");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena auto_arena = arena_new(0);
	const struct mailbox_namespace *ns;
	struct mailbox_store store = { 0 };
	struct str inner, shown;

	if (len == 0)
		return 0;
	ns = &namespaces[octets[0] % COUNT(namespaces)];
	store.place.layout = layouts[octets[0] / COUNT(namespaces) %
		COUNT(layouts)];
	inner = mailbox_namespace_inner(arena, ns, str_of(octets + 1, len - 1));
	if (!mailbox_name_is_good(&store, inner))
		return 0;
	check_path(arena, store.place.layout, inner);
	for (int utf8 = 0; utf8 < 2; utf8++) {
		struct str disk = name_written(arena, inner, utf8);

		must(str_eq(name_read(arena, disk), inner) ||
			!str_eq(name_read(arena, inner), inner), "misread");
		must(!memchr(disk.p, 0, disk.len), "NUL");
	}
	shown = mailbox_namespace_shown(arena, ns, inner);
	must(str_eq(mailbox_namespace_inner(arena, ns, shown), inner),
		"another name");
	return 0;
}
