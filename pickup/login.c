/*
 * pickup/login - which senders a user may be: local_login_sender_maps, by
 * login name ("uid:1000" for one without), has patterns of addresses.
 */
#include "pickup/pickup.h"

#include <pwd.h>

#include "base/log.h"
#include "mail/address.h"
#include "maps/maps.h"

static struct {
	struct table *names; /* by uid as text; NULL: everybody may */
	struct maps *senders;
} logins; /* set once, by login_open */

void login_open(const struct conf *conf)
{
	struct arena *arena;
	const struct passwd *user;

	if (str_is(conf->local_login_sender_maps, "static:*"))
		return;
	arena = arena_new(0); /* as long as the process */
	logins.names = table_new();
	logins.senders = maps_open(arena, conf, "local_login_sender_maps",
		conf->local_login_sender_maps, 0);
	setpwent();
	while ((user = getpwent())) {
		struct str key = arena_fmt(arena, "%u", user->pw_uid);

		if (!table_find(logins.names, key))
			table_put(logins.names, key, arena_cstr(arena,
				str_from(user->pw_name)));
	}
	endpwent();
}

static struct str login_of(struct arena *arena, uint32_t sys_uid)
{
	const char *name = table_find(logins.names,
		arena_fmt(arena, "%u", sys_uid));

	return name ? str_from(name) : arena_fmt(arena, "uid:%u", sys_uid);
}

/* "*", the word for the null sender, "@domain", or an address with any
 * extension. */
static bool matches(const struct conf *conf, struct str pattern,
	struct str sender)
{
	struct str rest = pattern;
	struct mail_address parts;

	if (str_is(pattern, "*"))
		return true;
	if (sender.len == 0)
		return str_eq(pattern, conf->
			empty_address_local_login_sender_maps_lookup_key);
	if (str_take_char(&rest, '@'))
		return str_eq_nocase(rest, mail_address_domain(sender));
	if (str_eq_nocase(pattern, sender))
		return true;
	mail_address_split(sender, conf->recipient_delimiter,
		conf->owner_request_special, &parts);
	return str_starts(pattern, parts.user) &&
		str_eq_nocase(str_skip(pattern, parts.user.len),
			str_skip(sender, mail_address_local(sender).len));
}

struct status login_may_send(const struct conf *conf, struct arena *arena,
	uint32_t sys_uid, struct str sender)
{
	struct str login, patterns, pattern;

	if (!logins.names)
		return STATUS_OK;
	login = login_of(arena, sys_uid);
	switch (maps_find(logins.senders, arena, login, &patterns)) {
	case MAPS_ERROR:
		log_warning("%.*s: lookup error for %.*s",
			STR_ARG(maps_failed(logins.senders)), STR_ARG(login));
		return STATUS(451, 3, 0, "sender table lookup error");
	case MAPS_ABSENT:
		break;
	case MAPS_FOUND:
		while (str_take_item(&patterns, ", \t\r\n", &pattern))
			if (matches(conf, pattern, sender))
				return STATUS_OK;
	}
	return status_f(arena, 550, 7, 1,
		"%.*s(%u): not authorized to use sender='%.*s'",
		STR_ARG(login), sys_uid, STR_ARG(sender));
}
