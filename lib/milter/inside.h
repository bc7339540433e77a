/*
 * milter/inside - what the files of lib/milter share.
 */
#ifndef MILTER_INSIDE_H
#define MILTER_INSIDE_H

#include "io/stream.h"
#include "milter/milter.h"

/* What has been said about a client or a message. */
enum opinion_kind {
	UNDECIDED, /* ask on */
	PASSES,    /* all that follows is fine */
	REFUSES,   /* all that follows gets the status */
};

struct opinion {
	enum opinion_kind kind;
	struct status status;
};

struct milter {
	struct milter_place place;
	struct arena *arena;   /* of the connection; NULL: there is none */
	struct stream *io;
	struct milter_options options;
	struct opinion client, message;
	struct str eoh_macros, end_macros; /* as received; NONE: find them */
	bool in_message; /* has heard of it, not yet of its end */
	bool was_passed;
	bool holds;      /* every message, since it cannot be asked */
};

struct milters {
	struct arena *arena;
	struct milter_plan plan;
	struct milter *all;
	size_t count;
	bool discard;
	struct str hold; /* why; NONE: not held */
};

enum event_id {
	ON_CONNECT,
	ON_HELO,
	ON_MAIL,
	ON_RCPT,
	ON_DATA,
	ON_UNKNOWN,
	ON_HEADER,
	ON_END_OF_HEADER,
	ON_FIRST_BODY,
	ON_BODY,
	ON_END,
	EVENTS,
};

/* What an answer is about. */
enum scope {
	OF_CLIENT,
	OF_MESSAGE,
	OF_COMMAND, /* refusing is about no more than this command */
};

struct event {
	char kind;
	const char *name; /* in the log */
	uint32_t left_out, silent; /* bits of the filter's steps */
	unsigned version;  /* since */
	int stage;         /* of macros; -1: none go with it */
	enum scope scope;
	bool is_content;   /* which limit of time */
};

extern const struct event milter_events[EVENTS];

/* The filter takes part in the message or client so far. */
static inline bool milter_is_asked(const struct milter *m)
{
	return m->io && m->client.kind == UNDECIDED &&
		m->message.kind == UNDECIDED;
}

/* It has the event in its protocol, and wants it. */
bool milter_hears(const struct milter *m, const struct event *event);
/* Macros and event. False with errno. */
must_check bool milter_say(struct milters *ms, struct milter *m,
	const struct event *event, struct str data);
/* The next answer, past those that only want more time. False with errno;
 * EPROTO: nonsense. Slices until the next read. */
must_check bool milter_listen(struct milter *m, const struct event *event,
	struct milter_reply *reply);
/* Its answer to an event did not come (errno) or is nonsense (EPROTO): its
 * default action, as status, and one line in the log. */
struct status milter_fail(struct milters *ms, struct milter *m,
	const char *what);
/* An answer to anything but the end of a message. */
struct status milter_take_reply(struct milters *ms, struct milter *m,
	const struct event *event, const struct milter_reply *reply);
/* Those that have heard of the message and not of its end are told. */
void milter_end_message(struct milters *ms);
/* Say, listen, take; fails by itself. */
struct status milter_run(struct milters *ms, struct milter *m,
	const struct event *event, struct str data);

#endif
