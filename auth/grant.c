/*
 * A token for a mailbox: the parent of imapd or pop3d learns from us whose it
 * is, before login learns it at all.
 */
#include "auth.h"

#include <errno.h>

#include "auth/place.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/random.h"
#include "service/service.h"

enum {
	TOKEN_OCTETS = 24,
	CONNECT_S = 10,
};

static bool find_account(struct exchange *x, struct str name,
	struct place *place, struct str *why)
{
	struct msg_auth_account_is is;

	if (!workers_account(x->arena, name, &is) ||
		(is.status && is.status != ENOENT)) {
		*why = STR("system accounts cannot be looked up now");
		return false;
	}
	if (is.status) {
		*why = arena_fmt(x->arena, "user %.*s: there is no system "
			"account of that name", STR_ARG(x->user));
		return false;
	}
	place->home = arena_copy(x->arena, is.home);
	place->sys_uid = (uint32_t)is.sys_uid;
	place->sys_gid = (uint32_t)is.sys_gid;
	return place_find_local(x->arena, name, place, why);
}

static bool find_place(struct exchange *x, struct place *place,
	struct str *why)
{
	struct str account;

	switch (place_class(x->arena, x->user, &account)) {
	case PLACE_VIRTUAL:
		return place_find_virtual(x->arena, x->user, place, why);
	case PLACE_LOCAL:
		return find_account(x, account, place, why);
	case PLACE_NOWHERE:
		*why = arena_fmt(x->arena, "user %.*s: the domain is neither "
			"in mydestination nor in virtual_mailbox_domains",
			STR_ARG(x->user));
		return false;
	case PLACE_UNKNOWN:
		break;
	}
	*why = STR("mydestination or virtual_mailbox_domains cannot be read");
	return false;
}

static struct str new_token(struct arena *arena)
{
	uint8_t octets[TOKEN_OCTETS];
	struct buf out = BUF_IN(arena);

	random_octets(octets, sizeof(octets));
	hex_format(&out, str_of(octets, sizeof(octets)));
	return buf_str(&out);
}

/* No answer is waited for: this leaves before the verdict does, so it comes
 * before the connection that the token is for, or in the same moment. */
static bool tell(struct exchange *x, const struct msg_auth_grant *m)
{
	const char *service = str_is(x->start.service, "pop3") ? "pop3d" :
								 "imapd";
	struct call *call = service_call(x->arena, service, span_s(CONNECT_S));
	bool good = call && msg_auth_grant_send(call, m);

	if (!good)
		log_warning("user %.*s: %s does not answer: %m",
			STR_ARG(x->user), service);
	if (call)
		call_close(call);
	return good;
}

struct str grant_token(struct exchange *x)
{
	struct place place = { .home = STR("") };
	struct str why = STR("");
	struct msg_auth_grant m = { .user = x->user };

	if (!find_place(x, &place, &why)) {
		log_warning("%.*s", STR_ARG(why));
		return STR_NONE;
	}
	m.token = new_token(x->arena);
	m.home = place.home;
	m.mail = place.mail;
	m.sys_uid = place.sys_uid;
	m.sys_gid = place.sys_gid;
	return tell(x, &m) ? m.token : STR_NONE;
}
