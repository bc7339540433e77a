/*
 * virtual/lookup - whose mailbox is it, and where.
 */
#include "virtual/virtual.h"

#include "maps/address.h"

/* Opened once, in prepare. */
static struct {
	const struct conf *conf;
	struct maps *mailboxes, *uids, *gids;
} tables;

void lookup_open(struct arena *arena, const struct conf *conf)
{
	const unsigned flags = MAPS_NO_SUBSTITUTION | MAPS_DIRECT;

	tables.conf = conf;
	tables.mailboxes = maps_open(arena, conf, "virtual_mailbox_maps",
		conf->virtual_mailbox_maps, flags);
	tables.uids = maps_open(arena, conf, "virtual_uid_maps",
		conf->virtual_uid_maps, flags);
	tables.gids = maps_open(arena, conf, "virtual_gid_maps",
		conf->virtual_gid_maps, flags);
}

void lookup_watch(void)
{
	maps_watch();
}

static struct status find(struct maps *maps, struct arena *arena,
	struct str address, struct str *value, struct str *extension)
{
	const struct address_how how = {
		.conf = tables.conf,
		.forms = ADDRESS_MAILBOX,
	};

	switch (maps_find_address(maps, arena, address, &how, value, NULL,
		extension)) {
	case MAPS_FOUND:
		return STATUS_OK;
	case MAPS_ABSENT:
		return status_f(arena, 550, 1, 1, "unknown user: \"%.*s\"",
			STR_ARG(address));
	case MAPS_ERROR:
		break;
	}
	return status_f(arena, 451, 3, 5, "%.*s: table lookup problem",
		STR_ARG(maps_failed(maps)));
}

static struct status find_id(struct maps *maps, struct arena *arena,
	struct str address, const char *what, uint64_t least, uint32_t *id)
{
	struct str value = STR("");
	struct status status = find(maps, arena, address, &value, NULL);
	uint64_t number;

	if (status_class(status) == 5)
		return status_f(arena, 451, 3, 5,
			"recipient %.*s: no %s in the tables",
			STR_ARG(address), what);
	if (!status_is_ok(status))
		return status;
	if (!str_parse_u64(str_trim(value), UINT32_MAX - 1, &number) ||
		number < least)
		return status_f(arena, 451, 3, 5,
			"recipient %.*s: bad %s \"%.*s\" in the tables",
			STR_ARG(address), what, STR_ARG(value));
	*id = (uint32_t)number;
	return STATUS_OK;
}

/* No way out of the base. */
static bool is_safe(struct str path)
{
	struct str part;

	while (str_take_item(&path, "/", &part))
		if (str_is(part, ".."))
			return false;
	return true;
}

struct status lookup(struct arena *arena, struct str address,
	struct place *place)
{
	struct str path = STR("");
	struct status status =
		find(tables.mailboxes, arena, address, &path,
			&place->extension);

	if (!status_is_ok(status))
		return status;
	path = str_trim(path);
	place->is_maildir = str_ends(path, STR("/"));
	while (path.len > 0 && path.p[path.len - 1] == '/')
		path.len--;
	while (str_take_char(&path, '/'))
		;
	if (path.len == 0 || !is_safe(path))
		return status_f(arena, 451, 3, 5,
			"recipient %.*s: bad mailbox path in the tables",
			STR_ARG(address));
	place->path = path;
	status = find_id(tables.uids, arena, address, "uid",
		(uint64_t)tables.conf->virtual_minimum_uid, &place->sys_uid);
	if (!status_is_ok(status))
		return status;
	return find_id(tables.gids, arena, address, "gid", 1,
		&place->sys_gid);
}
