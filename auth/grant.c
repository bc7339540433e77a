/*
 * The way to a mailbox: the parent of imapd or pop3d has from us whose it is,
 * and with it the client's connection, which login gave us. We pass the socket
 * on and read nothing from it.
 */
#include "auth.h"

#include <errno.h>
#include <limits.h>

#include "auth/place.h"
#include "base/log.h"
#include "service/service.h"

enum {
	CONNECT_S = 10,
	ANSWER_S = 30,
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

bool grant_find(struct exchange *x)
{
	struct place place = { .home = STR("") };
	struct str why = STR("");

	if (!find_place(x, &place, &why)) {
		log_warning("%.*s", STR_ARG(why));
		return false;
	}
	x->grant = (struct msg_auth_grant){ .user = x->user,
		.home = place.home, .mail = place.mail,
		.sys_uid = place.sys_uid, .sys_gid = place.sys_gid };
	return true;
}

void grant_drop(struct exchange *x)
{
	auto_close int fd = fd_keep(&x->handover.socket);

	(void)fd;
}

/* Both in one packet. Our copy of the socket is closed as soon as it is under
 * way: the parent's answer may take a while. */
static bool send_both(struct exchange *x, struct call *call)
{
	bool good = call && msg_auth_grant_send(call, &x->grant) &&
		msg_handover_send(call, &x->handover);

	grant_drop(x);
	return good;
}

int grant_pass(struct exchange *x)
{
	const char *service = str_is(x->start.service, "pop3") ? "pop3d" :
								 "imapd";
	struct call *call = service_call(x->arena, service, span_s(CONNECT_S));
	struct msg_handed_over done = { .status = EPIPE };

	if (!send_both(x, call) ||
		!msg_handed_over_recv(call, &done, span_s(ANSWER_S))) {
		log_warning("user %.*s: %s does not answer: %m",
			STR_ARG(x->user), service);
		done.status = EPIPE;
	}
	if (call)
		call_close(call);
	return done.status <= INT_MAX ? (int)done.status : EPROTO;
}
