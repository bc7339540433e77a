#include "session.h"

#include <errno.h>

#include "base/log.h"
#include "mailbox/background.h"

enum {
	USES_SEQ = 1, /* no EXPUNGE while it runs, RFC 3501 7.4.1 */
	ARGS = 2,     /* has arguments */
	MAY_UID = 4,  /* may stand behind UID */
	ONLY_UID = 8, /* with arguments only there: UID EXPUNGE */
};

#define BOTH (AUTHENTICATED | SELECTED)

/* RFC 3501 6 unless noted. */
static const struct verb {
	const char *name;
	struct answer (*run)(struct session *, struct str args);
	unsigned when, flags;
} verbs[] = {
	/* clang-format off */
	{ "CAPABILITY",   verb_capability,  BOTH,     0                          },
	{ "NOOP",         verb_noop,        BOTH,     0                          },
	{ "LOGOUT",       verb_logout,      BOTH,     0                          },
	{ "LOGIN",        verb_again,       BOTH,     ARGS                       },
	{ "AUTHENTICATE", verb_again,       BOTH,     ARGS                       },
	{ "STARTTLS",     verb_again,       BOTH,     0                          },
	{ "ID",           verb_id,          BOTH,     ARGS                       }, /* RFC 2971 */
	{ "ENABLE",       verb_enable,      BOTH,     ARGS                       }, /* RFC 5161 */
	{ "NAMESPACE",    verb_namespace,   BOTH,     0                          }, /* RFC 2342 */
	{ "SELECT",       verb_select,      BOTH,     ARGS                       },
	{ "EXAMINE",      verb_examine,     BOTH,     ARGS                       },
	{ "CREATE",       verb_create,      BOTH,     ARGS                       },
	{ "DELETE",       verb_delete,      BOTH,     ARGS                       },
	{ "RENAME",       verb_rename,      BOTH,     ARGS                       },
	{ "SUBSCRIBE",    verb_subscribe,   BOTH,     ARGS                       },
	{ "UNSUBSCRIBE",  verb_unsubscribe, BOTH,     ARGS                       },
	{ "LIST",         verb_list,        BOTH,     ARGS                       },
	{ "LSUB",         verb_lsub,        BOTH,     ARGS                       },
	{ "STATUS",       verb_status,      BOTH,     ARGS                       },
	{ "APPEND",       verb_append,      BOTH,     ARGS                       },
	{ "GETMETADATA",  verb_get_metadata, BOTH,    ARGS                       }, /* RFC 5464 */
	{ "SETMETADATA",  verb_set_metadata, BOTH,    ARGS                       },
	{ "COMPRESS",     verb_compress,    BOTH,     ARGS                       }, /* RFC 4978 */
	{ "REPLACE",      verb_replace,     SELECTED, ARGS | MAY_UID             }, /* RFC 8508 */
	{ "IDLE",         verb_idle,        BOTH,     0                          }, /* RFC 2177 */
	{ "UIDBATCHES",   verb_uidbatches,  SELECTED, ARGS                       }, /* RFC 10022 */
	{ "NOTIFY",       verb_notify,      BOTH,     ARGS                       }, /* RFC 5465 */
	{ "CHECK",        verb_noop,        SELECTED, 0                          },
	{ "CLOSE",        verb_close,       SELECTED, 0                          },
	{ "UNSELECT",     verb_unselect,    SELECTED, 0                          }, /* RFC 3691 */
	{ "EXPUNGE",      verb_expunge,     SELECTED, MAY_UID | ONLY_UID         },
	{ "SEARCH",       verb_search,      SELECTED, ARGS | USES_SEQ | MAY_UID  },
	{ "SORT",         verb_sort,        SELECTED, ARGS | USES_SEQ | MAY_UID  }, /* RFC 5256 */
	{ "THREAD",       verb_thread,      SELECTED, ARGS | USES_SEQ | MAY_UID  },
	{ "FETCH",        verb_fetch,       SELECTED, ARGS | USES_SEQ | MAY_UID  },
	{ "STORE",        verb_store,       SELECTED, ARGS | USES_SEQ | MAY_UID  },
	{ "COPY",         verb_copy,        SELECTED, ARGS | MAY_UID             },
	{ "MOVE",         verb_move,        SELECTED, ARGS | MAY_UID             }, /* RFC 6851 */
	/* clang-format on */
};

static const struct verb *find_verb(struct str name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (str_is_nocase(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

static struct answer run_verb(struct session *s, struct str args)
{
	const struct verb *verb = NULL;
	struct str name;

	s->is_uid = s->hold_expunges = s->issued_expunge = false;
	if (!imap_take_atom(&args, &name))
		return BAD_("No command");
	if (str_is_nocase(name, "UID") && str_take_char(&args, ' ') &&
		imap_take_atom(&args, &name)) {
		s->is_uid = true;
		verb = find_verb(name);
		if (verb && !(verb->flags & MAY_UID))
			verb = NULL;
	} else {
		verb = find_verb(name);
	}
	if (!verb)
		return BAD_("Unknown command");
	if (!(verb->when & s->stage))
		return BAD_("No mailbox selected");
	/* RFC 9586 3 */
	if (s->uid_only && !s->is_uid &&
		(verb->flags & (MAY_UID | ONLY_UID)) == MAY_UID)
		return BAD_("[UIDREQUIRED] Only with UID");
	if ((verb->flags & ARGS) || ((verb->flags & ONLY_UID) && s->is_uid)) {
		if (!str_take_char(&args, ' '))
			return BAD_("Missing arguments");
	} else if (args.len > 0) {
		return BAD_("Unexpected arguments");
	}
	s->limited_from = 0;
	s->hold_expunges = (verb->flags & USES_SEQ) && !s->is_uid;
	return limit_answer(s, verb->run(s, args));
}

/* What was not read of messages that their verb refused. Whoever sends without
 * waiting sends them all: none of them may be taken for a command. */
static bool drop_literals(struct session *s)
{
	struct str octets;

	while (s->has_literal && s->literal_plus) {
		while (s->literal > 0) {
			if (!io_peek(s->io, &octets, IDLE_LIMIT))
				return false;
			octets = str_first(octets, s->literal > octets.len ?
				octets.len : (size_t)s->literal);
			s->literal -= octets.len;
			stream_consume(s->io, octets.len);
		}
		if (!input_rest(s, &octets))
			return false;
		s->has_literal = imap_literal_follows(octets, &s->literal,
			&s->literal_plus);
	}
	return true;
}

static void run_command(struct session *s, struct str command)
{
	struct answer answer;

	if (!imap_take_tag(&command, &s->tag) ||
		!str_take_char(&command, ' ')) {
		s->tag = STR("*");
		answer = BAD_("Malformed command");
	} else {
		mailbox_store_busy(s->store);
		answer = run_verb(s, command);
		mailbox_store_idle(s->store);
	}
	if (!drop_literals(s)) {
		s->stage = GONE;
		return;
	}
	if (!answer.word)
		return;
	s->bad = answer.word[0] == 'B' ? s->bad + 1 : 0;
	if (s->view && s->stage == SELECTED)
		tell_news(s, notify_look(s, false));
	notify_tell(s);
	reply(s, answer);
	if (s->bad > BAD_MOST) {
		io_text(s->io, "* BYE Too many malformed commands\r\n");
		s->stage = GONE;
	}
}

static void greet(struct session *s, struct str tag)
{
	if (str_is_none(tag))
		io_fmt(s->io, "* PREAUTH [CAPABILITY %s MESSAGELIMIT=%u] "
			"Logged in as %.*s\r\n", capabilities, s->limit,
			STR_ARG(s->user));
	else
		io_fmt(s->io, "%.*s OK [CAPABILITY %s MESSAGELIMIT=%u] "
			"Logged in\r\n", STR_ARG(tag), capabilities,
			s->limit);
}

void session_wake(struct session *s)
{
	if (!s->idler || s->poked)
		return;
	s->poked = true;
	io_cancel(s->idler);
}

void session_run(struct mailbox_store *store, struct stream *io,
	struct arena *arena, struct str user, struct str tag,
	const struct session_conf *conf)
{
	struct session s = { .store = store, .io = io, .arena = arena,
		.command = arena_child(arena), .user = user,
		.stage = AUTHENTICATED, .limit = conf->limit, .ns = &conf->ns,
		.progress = span_s(conf->progress_s) };
	struct str command;
	enum input input = INPUT_COMMAND;

	mailbox_background_inbox(store);
	stream_line_limit(io, LINE_MOST);
	greet(&s, tag);
	while (s.stage != GONE && input != INPUT_END) {
		arena_reset(s.command);
		s.has_literal = false;
		input = idle_between(&s);
		if (input == INPUT_COMMAND)
			input = input_command(&s, &command);
		if (input == INPUT_COMMAND)
			run_command(&s, command);
	}
	notify_end(&s);
	close_view(&s);
	arena_free(s.command); /* an APPEND that was cut off */
	if (!io_shutdown(io, span_s(10)))
		log_debug("goodbye: %m");
}
