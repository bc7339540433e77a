#include "auth/place.h"

#include "maps/address.h"
#include "maps/match.h"

/* Opened once, in prepare. */
static struct {
	const struct conf *conf;
	struct match *local_domains, *virtual_domains;
	struct maps *mailboxes, *uids, *gids;
} tables;

void place_open(struct arena *arena, const struct conf *conf)
{
	const unsigned flags = MAPS_NO_SUBSTITUTION | MAPS_DIRECT;

	tables.conf = conf;
	tables.local_domains = match_open(arena, conf, "mydestination",
		conf->mydestination);
	tables.virtual_domains = match_open(arena, conf,
		"virtual_mailbox_domains", conf->virtual_mailbox_domains);
	tables.mailboxes = maps_open(arena, conf, "virtual_mailbox_maps",
		conf->virtual_mailbox_maps, flags);
	tables.uids = maps_open(arena, conf, "virtual_uid_maps",
		conf->virtual_uid_maps, flags);
	tables.gids = maps_open(arena, conf, "virtual_gid_maps",
		conf->virtual_gid_maps, flags);
}

enum place_class place_class(struct arena *arena, struct str user,
	struct str *account)
{
	size_t at = str_rfind_char(user, '@');
	struct str domain = str_skip(user, at == SIZE_MAX ? user.len : at + 1);
	enum maps_result local, found;

	*account = str_first(user, at == SIZE_MAX ? user.len : at);
	if (at == SIZE_MAX)
		return PLACE_LOCAL;
	local = match_domain(tables.local_domains, arena, domain);
	if (local == MAPS_FOUND)
		return PLACE_LOCAL;
	found = match_domain(tables.virtual_domains, arena, domain);
	if (local == MAPS_ERROR || found == MAPS_ERROR)
		return PLACE_UNKNOWN;
	return found == MAPS_FOUND ? PLACE_VIRTUAL : PLACE_NOWHERE;
}

static bool fail(struct arena *arena, struct str *why, struct str user,
	const char *what, struct str value)
{
	*why = arena_fmt(arena, "user %.*s: %s%.*s", STR_ARG(user), what,
		STR_ARG(value));
	return false;
}

static bool find(struct maps *maps, struct arena *arena, struct str user,
	const char *what, struct str *value, struct str *why)
{
	const struct address_how how = { .conf = tables.conf,
		.forms = ADDRESS_MAILBOX };

	switch (maps_find_address(maps, arena, user, &how, value, NULL, NULL)) {
	case MAPS_FOUND:
		*value = str_trim(*value);
		return true;
	case MAPS_ABSENT:
		return fail(arena, why, user, what, STR(" does not have it"));
	case MAPS_ERROR:
		break;
	}
	return fail(arena, why, user, "cannot read ", maps_failed(maps));
}

static bool find_id(struct maps *maps, struct arena *arena, struct str user,
	const char *what, uint64_t least, uint32_t *id, struct str *why)
{
	struct str value = STR("");
	uint64_t number;

	if (!find(maps, arena, user, what, &value, why))
		return false;
	if (!str_parse_u64(value, UINT32_MAX - 1, &number) || number < least)
		return fail(arena, why, user, "bad id in the tables: ", value);
	*id = (uint32_t)number;
	return true;
}

/* No way out of the base. */
static bool is_safe(struct str path)
{
	struct str part;

	if (memchr(path.p ? path.p : "", 0, path.len))
		return false;
	while (str_take_item(&path, "/", &part))
		if (str_is(part, ".."))
			return false;
	return true;
}

/* A Maildir has a "/" at its end, as for delivery. */
static struct str location(struct arena *arena, struct str path)
{
	bool is_maildir = str_ends(path, STR("/"));

	while (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return arena_fmt(arena, "%s:%.*s", is_maildir ? "maildir" : "mbox",
		STR_ARG(path));
}

static struct str folder_of(struct str path)
{
	while (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return str_first(path, str_rfind_char(path, '/'));
}

bool place_find_virtual(struct arena *arena, struct str user,
	struct place *place, struct str *why)
{
	struct str path = STR("");

	if (!find(tables.mailboxes, arena, user, "virtual_mailbox_maps", &path,
		    why) ||
		!find_id(tables.uids, arena, user, "virtual_uid_maps",
			(uint64_t)tables.conf->virtual_minimum_uid,
			&place->sys_uid, why) ||
		!find_id(tables.gids, arena, user, "virtual_gid_maps", 1,
			&place->sys_gid, why))
		return false;
	while (str_take_char(&path, '/'))
		;
	if (path.len == 0 || !is_safe(path))
		return fail(arena, why, user,
			"bad path in virtual_mailbox_maps: ", path);
	path = arena_fmt(arena, "%.*s/%.*s",
		STR_ARG(tables.conf->virtual_mailbox_base), STR_ARG(path));
	place->home = folder_of(path);
	place->mail = location(arena, path);
	return true;
}

bool place_find_local(struct arena *arena, struct str account,
	struct place *place, struct str *why)
{
	const struct conf *conf = tables.conf;
	struct str spool = conf->mail_spool_directory, path;

	if (place->sys_uid < (uint64_t)conf->virtual_minimum_uid)
		return fail(arena, why, account,
			"uid is below virtual_minimum_uid", STR(""));
	if (conf->home_mailbox.len > 0)
		path = arena_fmt(arena, "%.*s/%.*s", STR_ARG(place->home),
			STR_ARG(conf->home_mailbox));
	else
		path = arena_fmt(arena, "%.*s/%.*s%s", STR_ARG(spool),
			STR_ARG(account), str_ends(spool, STR("/")) ? "/" : "");
	if (!str_starts(path, STR("/")) || !is_safe(path) ||
		str_find_char(account, '/') != SIZE_MAX)
		return fail(arena, why, account, "bad path of mail: ", path);
	place->mail = location(arena, path);
	return true;
}
