/*
 * Who may begin a session: the lock of the mailbox (RFC 1939 4), and the time
 * between two logins (RFC 2449 6.5). Both are files beside the mail, so that
 * they hold between processes, too.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"

static const char lock_file[] = "posthorn-pop3-lock";
static const char login_file[] = "posthorn-pop3-login";

/* What cannot be locked at all is no reason to keep the mail from its owner. */
static bool take_lock(struct session *s)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (!settings.conf->pop3_lock_session)
		return true;
	s->lock = openat(s->store->dir, lock_file,
		O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0) {
		log_warning("%.*s: %s: %m", STR_ARG(s->user), lock_file);
		return true;
	}
	return fcntl(s->lock, F_OFD_SETLK, &whole) == 0 ||
		(errno != EAGAIN && errno != EACCES);
}

/* A clock that was set back lets in. */
static bool is_too_soon(struct session *s, int64_t now)
{
	int64_t delay = settings.conf->pop3_login_delay.us;
	struct str text;
	uint64_t last;

	return mailbox_store_read(s->store, s->command, login_file, &text) &&
		str_parse_u64(str_trim(text), INT64_MAX, &last) &&
		(int64_t)last <= now && now - (int64_t)last < delay;
}

static bool take_turn(struct session *s)
{
	int64_t now = wall_us();

	if (settings.conf->pop3_login_delay.us == 0)
		return true;
	if (is_too_soon(s, now))
		return false;
	if (!mailbox_store_write(s->store, login_file,
		arena_fmt(s->command, "%lld\n", (long long)now), false))
		log_warning("%.*s: %s: %m", STR_ARG(s->user), login_file);
	return true;
}

bool enter(struct session *s, enum pop3_text *why)
{
	*why = POP3_IN_USE;
	if (!take_lock(s))
		return false;
	*why = POP3_TOO_SOON;
	return take_turn(s);
}

void leave(struct session *s)
{
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}
