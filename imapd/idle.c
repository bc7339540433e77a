/*
 * IDLE, RFC 2177: wait for DONE, and tell at once what happens meanwhile.
 *
 * The fiber waits for the client; whoever changes the mailbox cancels that
 * wait (select.c: wake), so the news are written by this fiber too.
 */
#include "session.h"

#include <errno.h>

#include "base/log.h"

enum {
	POLL_S = 2, /* where the system gives us no watch on the mailbox */
};

/* The mailbox cannot be watched (a limit of inotify): look at it. */
static bool must_poll(const struct session *s)
{
	return s->view && s->view->mailbox->watches[0] < 0;
}

/* True: there is something to read, or the client is gone. */
static bool wait_for_client(struct session *s, struct moment end)
{
	struct span left = moment_left(end);
	struct str octets;
	bool ready, poll = must_poll(s) && left.us > span_s(POLL_S).us;

	if (s->view && mailbox_view_has_news(s->view))
		return false; /* while the last ones were written */
	s->idler = io_self();
	s->poked = false;
	ready = io_peek(s->io, &octets, poll ? span_s(POLL_S) : left);
	s->idler = NULL;
	if (!ready && poll && !s->poked && errno == ETIMEDOUT) {
		if (mailbox_refresh(s->view->mailbox, !s->view->read_only) ==
			MAILBOX_TRY_LATER)
			log_debug("%s: not read", s->view->mailbox->name);
		return false;
	}
	if (!s->poked)
		return true; /* also for errors: reading finds them */
	io_uncancel();
	s->poked = false;
	return ready;
}

struct answer verb_idle(struct session *s, struct str args)
{
	struct moment end = moment_after(IDLE_LIMIT);
	struct str line;

	(void)args;
	if (s->view && mailbox_refresh(s->view->mailbox,
		!s->view->read_only) == MAILBOX_TRY_LATER)
		return answer_of(MAILBOX_TRY_LATER, NULL);
	if (!input_continue(s, "idling"))
		s->stage = GONE;
	do {
		if (s->view && s->stage == SELECTED)
			tell_news(s);
		if (!io_flush(s->io, IDLE_LIMIT))
			s->stage = GONE;
	} while (s->stage != GONE && !wait_for_client(s, end));
	if (s->stage == GONE)
		return NO_("Idle ended");
	if (!io_line(s->io, &line, IDLE_LIMIT)) {
		if (errno != EMSGSIZE)
			input_end(s);
		s->stage = GONE;
		return NO_("Idle ended");
	}
	return str_is_nocase(line, "DONE") ? OK_("Idle completed") :
					     BAD_("Expected DONE");
}
