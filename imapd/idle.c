/*
 * IDLE, RFC 2177: wait for DONE, and tell at once what happens meanwhile. After
 * NOTIFY (RFC 5465) the same between commands.
 *
 * The fiber waits for the client; whoever has news cancels that wait
 * (session_wake), so the news are written by this fiber too.
 */
#include "session.h"

#include <errno.h>

#include "base/log.h"

enum {
	POLL_S = 2, /* where the system gives us no watch on the mailbox */
};

enum wait {
	CLIENT_SPEAKS,
	CLIENT_GONE, /* or silent for too long: errno */
	NEWS,
};

/* A mailbox cannot be watched (a limit of inotify): look at it. */
static bool must_poll(const struct session *s)
{
	return (s->view && !mailbox_watch_works(s->view->mailbox->watch)) ||
		notify_must_poll(s);
}

static void look(struct session *s)
{
	if (s->view && mailbox_refresh(s->view->mailbox,
		!s->view->read_only) == MAILBOX_TRY_LATER)
		log_debug("%s: not read", s->view->mailbox->name);
	notify_poll(s);
}

static bool has_news(const struct session *s, bool between)
{
	return (s->view && mailbox_view_has_news(s->view,
		notify_look(s, between))) || notify_has_news(s);
}

static enum wait wait_for_client(struct session *s, struct moment end,
	bool between)
{
	struct span left = moment_left(end);
	struct str octets;
	bool ready, poll = must_poll(s) && left.us > span_s(POLL_S).us;

	if (has_news(s, between))
		return NEWS; /* while the last ones were written */
	s->idler = io_self();
	s->poked = false;
	ready = io_peek(s->io, &octets, poll ? span_s(POLL_S) : left);
	s->idler = NULL;
	if (s->poked)
		io_uncancel();
	if (ready)
		return CLIENT_SPEAKS;
	if (s->poked)
		return NEWS;
	if (!poll || errno != ETIMEDOUT)
		return CLIENT_GONE;
	look(s);
	return NEWS;
}

/* What is told takes memory only until it was told. */
static bool tell(struct session *s, bool between)
{
	struct arena *command = s->command;

	s->command = arena_child(s->arena);
	if (s->view && s->stage == SELECTED)
		tell_news(s, notify_look(s, between));
	if (s->stage != GONE)
		notify_tell(s);
	arena_free(s->command);
	s->command = command;
	return io_flush(s->io, IDLE_LIMIT) && s->stage != GONE;
}

static enum wait tell_and_wait(struct session *s, bool between)
{
	struct moment end = moment_after(IDLE_LIMIT);
	enum wait wait;

	do {
		if (!tell(s, between))
			return CLIENT_GONE;
		wait = wait_for_client(s, end, between);
	} while (wait == NEWS);
	return wait;
}

enum input idle_between(struct session *s)
{
	if (!s->notify)
		return INPUT_COMMAND;
	s->is_uid = s->hold_expunges = false;
	if (tell_and_wait(s, true) == CLIENT_SPEAKS)
		return INPUT_COMMAND;
	return s->stage == GONE ? INPUT_END : input_end(s);
}

struct answer verb_idle(struct session *s, struct str args)
{
	struct str line;
	enum wait wait;

	(void)args;
	if (s->view && mailbox_refresh(s->view->mailbox,
		!s->view->read_only) == MAILBOX_TRY_LATER)
		return answer_of(MAILBOX_TRY_LATER, NULL);
	mailbox_store_idle(s->store); /* waiting is no work */
	wait = input_continue(s, "idling") ? tell_and_wait(s, false) :
					     CLIENT_GONE;
	mailbox_store_busy(s->store);
	if (wait == CLIENT_GONE) {
		if (s->stage != GONE)
			input_end(s);
		s->stage = GONE;
		return NO_("Idle ended");
	}
	if (!io_line(s->io, &line, IDLE_LIMIT)) {
		if (errno != EMSGSIZE)
			input_end(s);
		s->stage = GONE;
		return NO_("Idle ended");
	}
	return str_is_nocase(line, "DONE") ? OK_("Idle completed") :
					     BAD_("Expected DONE");
}
