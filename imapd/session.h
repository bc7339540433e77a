/*
 * session - one connection of a user who has logged in.
 */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include "base/span.h"
#include "imap/returns.h"
#include "imap/take.h"
#include "io/fiber.h"
#include "io/stream.h"
#include "mailbox/namespace.h"
#include "mailbox/store.h"
#include "mailbox/view.h"

enum {
	AUTHENTICATED = 1,
	SELECTED = 2,
	GONE = 4,
};

enum {
	LINE_MOST = 64 * 1024,        /* of one line of a command */
	COMMAND_MOST = 1024 * 1024,   /* with its literals, APPEND's apart */
	LITERAL_MOST = 256 * 1024,
	APPEND_MOST = 1024 * 1024 * 1024,
	BAD_MOST = 20,                /* malformed commands in a row */
	SESSION_CEILING = 256 * 1024 * 1024,
};

#define IMAP_MESSAGE_LIMIT 1000000 /* RFC 9738 */
#define IDLE_LIMIT span_s(30 * 60) /* RFC 3501 5.4 */
#define PROGRESS_S 10 /* a long command tells how far it is, RFC 9585 */

/* What a command comes to: OK, NO, BAD; text with its response code. */
struct answer {
	const char *word; /* NULL: it was given already */
	struct str text;
};

/* What main.cf says to every connection. */
struct session_conf {
	uint32_t limit; /* messages that one command may work on */
	struct mailbox_namespace ns;
	unsigned progress_s;
};

#define SESSION_USUAL { IMAP_MESSAGE_LIMIT, { STR(""), '.' }, PROGRESS_S }

/* The last that UIDBATCHES told of the selected mailbox, RFC 10022 3.1.1. */
struct batches {
	uint32_t size, first, last; /* 0: nothing yet */
	size_t count;      /* messages that there were */
	uint32_t last_uid; /* of them */
};

struct session {
	const struct mailbox_namespace *ns;
	struct mailbox_store *store;
	struct stream *io;
	struct arena *arena;   /* until the end of the connection */
	struct arena *command; /* until the end of the command */
	struct str user;
	unsigned stage;
	struct mailbox_view *view; /* when SELECTED */
	bool condstore;        /* RFC 7162 3.1: MODSEQ is told */
	bool qresync;          /* RFC 7162 3.2: VANISHED, not EXPUNGE */
	bool utf8;             /* RFC 6855: names are UTF-8 */
	bool uid_only;         /* RFC 9586: no sequence numbers */
	uint32_t limit;        /* RFC 9738: messages of one command */
	struct span progress;  /* from one piece of news of a long command
				  to the next */
	uint32_t limited_from; /* the lowest uid that it came to; 0: all */
	bool rev2;             /* RFC 9051: no RECENT, ESEARCH */
	bool is_compressed;
	bool is_uid;           /* the command is UID ... */
	bool hold_expunges;    /* it uses sequence numbers */
	bool issued_expunge;   /* some message of it was gone */
	struct batches batches;
	unsigned bad;
	struct str tag;

	/* APPEND's message is still to be read. */
	bool has_literal, literal_plus;
	uint64_t literal;

	/* Waiting in IDLE or between commands: others poke it. */
	struct mailbox_watcher watcher;
	struct fiber *idler;   /* NULL: not waiting */
	bool poked;
	struct notify *notify; /* NULL: NOTIFY was never said */
};

#define OK_(text_) ((struct answer){ "OK", STR(text_) })
#define NO_(text_) ((struct answer){ "NO", STR(text_) })
#define BAD_(text_) ((struct answer){ "BAD", STR(text_) })
#define BAD_SYNTAX BAD_("Syntax error in arguments")

/*
 * Serve until LOGOUT, the end of input or a timeout. tag: of the command that
 * login left unanswered, NONE: greet with PREAUTH.
 */
void session_run(struct mailbox_store *store, struct stream *io,
	struct arena *arena, struct str user, struct str tag,
	const struct session_conf *conf);

/* Somebody has news for it. */
void session_wake(struct session *s);

/* ---- input.c ---- */

enum input {
	INPUT_COMMAND,
	INPUT_REFUSED, /* said so already; read on */
	INPUT_END,
};

/* A whole command with its literals, in s->command. */
enum input input_command(struct session *s, struct str *command);
/* After a read that failed: say goodbye if that is possible. */
enum input input_end(struct session *s);
/* "+ text". */
bool input_continue(struct session *s, const char *text);
/* The line of what follows a literal that was read apart. */
bool input_rest(struct session *s, struct str *line);

/* ---- output.c ---- */

/* Without MESSAGELIMIT, which is the session's. */
extern const char capabilities[];
/* "* 3 FETCH (", or "* 17 UIDFETCH (". */
void fetch_begin(struct session *s, struct buf *out, uint32_t seq,
	uint32_t uid);

void reply(struct session *s, struct answer answer);
/* An answer to what became of an action on a mailbox. */
struct answer answer_of(enum mailbox_result result, const char *done);
struct answer answer_f(struct session *s, const char *word,
	const char *format, ...) printf_like(3, 4);
/* What the client has not heard yet about its mailbox, of MAILBOX_LOOK_*. */
void tell_news(struct session *s, unsigned look);
void flags_format(struct session *s, struct buf *out,
	const struct index_message *message, bool recent);
/* EXISTS, and RECENT to those who want it. */
void tell_count(struct session *s);
/* FLAGS and PERMANENTFLAGS. */
void tell_flags(struct session *s);
/* "* 3 FETCH (FLAGS (...))"; with uid, with modseq if asked for. */
void tell_message_flags(struct session *s, uint32_t seq, bool with_flags);
void close_view(struct session *s);
/* CONDSTORE is on from now on; a mailbox that is open tells its modseq. */
void use_condstore(struct session *s);

/* ---- qresync.c ---- */

/* What stands behind QRESYNC in SELECT. */
struct qresync {
	bool is_given;
	uint32_t uidvalidity;
	uint64_t modseq;
	struct imap_set known;      /* empty: all */
	struct imap_set seqs, uids; /* message sequence match data */
};

/* "QRESYNC (67890007 20050715194045000 41,43:211 (1 2))", behind QRESYNC. */
must_check bool qresync_take(struct session *s, struct str *in,
	struct qresync *qresync);
/* What happened since then, RFC 7162 3.2.5. */
void qresync_tell(struct session *s, const struct qresync *qresync);
/* "* VANISHED (EARLIER) 41": those of the set after that modseq; from: see
 * mailbox_vanished. False: an error. */
must_check bool tell_vanished(struct session *s, const struct imap_set *set,
	uint64_t after, uint32_t from);
/* A part of a message's octets in CRLF form. */
void write_crlf(struct session *s, struct str text, uint64_t from,
	uint64_t most);

/* ---- name.c ---- */

/* A mailbox's name, as it is inside: in modified UTF-7; without prefix and
 * separator of the namespace. */
struct str name_of_wire(struct session *s, struct str wire);
/* In modified UTF-7, but with those: as LIST and patterns know it. */
struct str name_shown_of_wire(struct session *s, struct str wire);
struct str name_shown(struct session *s, struct str name);
struct str shown_on_wire(struct session *s, struct str shown);
void shown_format(struct session *s, struct buf *out, struct str shown);
must_check bool name_take(struct session *s, struct str *in, struct str *name);
/* said: the same, but in the form of normalization that the client used. */
must_check bool name_take_said(struct session *s, struct str *in,
	struct str *name, struct str *said);
/* As it is compared with names on the wire. */
struct str pattern_of_wire(struct session *s, struct str wire);
void name_format(struct session *s, struct buf *out, struct str name);

/* ---- special.c ---- */

struct special_uses {
	const struct mailbox_names *names;
	struct str *said; /* of each name; NONE: nothing */
	size_t count;
};

/* "\Drafts \Sent": all of them are uses that a mailbox may have. */
bool special_is_good(struct str value);
/* met: see mailbox_metadata_have. False: they cannot be read just now. */
must_check bool special_read(struct session *s,
	const struct mailbox_names *names, const enum mailbox_met *met,
	struct special_uses *special);
/* Of name number i; empty: none. */
struct str special_find(const struct special_uses *special, size_t i);

/* ---- metadata.c ---- */

enum {
	METADATA_ENTRIES_MOST = 100, /* that one command asks for */
};

struct metadata_query {
	struct str names[METADATA_ENTRIES_MOST];
	size_t count;
	unsigned depth;
	bool has_most;
	uint32_t most;
};

/* An entry, or several in parentheses. */
must_check bool metadata_take(struct session *s, struct str *in,
	struct metadata_query *query);
/* The untagged response; how long the longest value is that was too long.
 * False: nothing was said, for it cannot be read. */
must_check bool metadata_tell(struct session *s, struct str mailbox,
	const struct metadata_query *query, size_t *longest);

/* ---- search.c, result.c ---- */

/* Numbers of messages as the client is told them: sequence numbers, or uids
 * after UID. Until the view changes; `count`: so many will be asked for. */
struct numbers {
	struct session *s;
	uint32_t first, *seqs; /* of uids from the first on; NULL: looked for */
	size_t count;
};

struct numbers numbers_of(struct session *s, size_t count);
/* 0: there is none. */
uint32_t number_of(const struct numbers *numbers, uint32_t uid);

/* What a search found: uids in the order of the answer. */
struct found {
	uint32_t *uids;
	size_t count;
	bool has_modseq; /* it was asked about, so it is told */
	uint8_t *scores; /* RFC 6203 4, of each uid; NULL: none */
};

/* Run a search program, with scores if they are wanted. False: *answer tells
 * why not. */
must_check bool search_find(struct session *s, struct str charset,
	struct str keys, const struct imap_returns *returns, bool scores,
	struct found *found, struct answer *answer);
/* Save it for "$" and tell it; word: "SEARCH" or "SORT", without RETURN. */
void result_tell(struct session *s, const char *word,
	const struct imap_returns *returns, const struct found *found);

/* ---- fuzzy.c ---- */

struct imap_search;
/* A text that was folded becomes its words. */
void fuzzy_expand(struct arena *arena, struct imap_search *node);
/* 1 to 100, of a message that the program finds. */
uint8_t fuzzy_score(const struct imap_search *program,
	bool (*match)(void *context, const struct imap_search *),
	void *context);

/* ---- verbs, one file for those that belong together ---- */

struct answer verb_capability(struct session *s, struct str args);
struct answer verb_noop(struct session *s, struct str args);
struct answer verb_logout(struct session *s, struct str args);
struct answer verb_id(struct session *s, struct str args);
struct answer verb_enable(struct session *s, struct str args);
struct answer verb_namespace(struct session *s, struct str args);
struct answer verb_again(struct session *s, struct str args);

struct answer verb_select(struct session *s, struct str args);
struct answer verb_examine(struct session *s, struct str args);
struct answer verb_close(struct session *s, struct str args);
struct answer verb_unselect(struct session *s, struct str args);
struct answer verb_status(struct session *s, struct str args);
enum {
	STATUS_MESSAGES = 1,
	STATUS_RECENT = 2,
	STATUS_UIDNEXT = 4,
	STATUS_UIDVALIDITY = 8,
	STATUS_UNSEEN = 16,
	STATUS_SIZE = 32,
	STATUS_HIGHESTMODSEQ = 64,
	STATUS_DELETED = 128,
	STATUS_APPENDLIMIT = 256,
	STATUS_MAILBOXID = 512,
};

/* "(MESSAGES UIDNEXT)": bits; status_tell writes the response; is_met: the
 * mailbox was, for this command (mailbox_store_meet). */
bool status_items_take(struct str *in, unsigned *items);
enum mailbox_result status_tell(struct session *s, struct str name,
	unsigned items, bool is_met);

struct answer verb_create(struct session *s, struct str args);
struct answer verb_delete(struct session *s, struct str args);
struct answer verb_rename(struct session *s, struct str args);
struct answer verb_subscribe(struct session *s, struct str args);
struct answer verb_unsubscribe(struct session *s, struct str args);

struct answer verb_list(struct session *s, struct str args);
struct answer verb_lsub(struct session *s, struct str args);
/* LIST of one name. */
void list_tell(struct session *s, struct str name);
/* The same for NOTIFY, also of one that is gone; old: its name before, NONE. */
void list_tell_event(struct session *s, struct str name, struct str old);
/* The client said the name in another form of normalization: RFC 9051
 * 6.3.9.7. Otherwise, or in IMAP4rev1, nothing. */
void list_tell_said(struct session *s, struct str name, struct str said);

struct answer verb_append(struct session *s, struct str args);
struct answer verb_replace(struct session *s, struct str args);
/* True: `command` is all of APPEND or REPLACE up to its message. */
bool append_is_complete(struct session *s, struct str command);

struct answer verb_fetch(struct session *s, struct str args);
/* FETCH responses about messages that are new, RFC 5465 5.2. */
struct imap_fetch;
void fetch_tell(struct session *s, const struct imap_fetch *fetch,
	const uint32_t *uids, size_t count);
struct answer verb_store(struct session *s, struct str args);
struct answer verb_search(struct session *s, struct str args);
struct answer verb_sort(struct session *s, struct str args);
struct answer verb_thread(struct session *s, struct str args);
struct answer verb_copy(struct session *s, struct str args);
struct answer verb_move(struct session *s, struct str args);
struct answer verb_expunge(struct session *s, struct str args);
struct answer verb_get_metadata(struct session *s, struct str args);
struct answer verb_set_metadata(struct session *s, struct str args);
struct answer verb_compress(struct session *s, struct str args);
struct answer verb_uidbatches(struct session *s, struct str args);
struct answer verb_idle(struct session *s, struct str args);
/* Until a command comes, tell what NOTIFY asked for. */
enum input idle_between(struct session *s);

/* ---- batches.c ---- */

/* What one command may do of these (ascending) uids. */
void limit_uids(struct session *s, uint32_t **uids, size_t *count);
/* from: the lowest uid that it could come to; 0: not known. */
struct answer limit_refusal(struct session *s, uint32_t from);
/* With how far the command came. */
struct answer limit_answer(struct session *s, struct answer answer);

/* ---- notify.c ---- */

struct answer verb_notify(struct session *s, struct str args);
void notify_end(struct session *s);
/* What may be told of the selected mailbox; between: no command is there. */
unsigned notify_look(const struct session *s, bool between);
/* Something is to be told that is not about the selected mailbox. */
bool notify_has_news(const struct session *s);
void notify_tell(struct session *s);
/* Some mailbox cannot be watched: look at it now and then. */
bool notify_must_poll(const struct session *s);
void notify_poll(struct session *s);
/* What to tell of new messages; NULL: nothing. */
const struct imap_fetch *notify_fetch(const struct session *s);

/* What this connection did itself is not told to it. */
void notify_own(struct session *s, enum mailbox_event_kind kind,
	struct str name, struct str other);
void notify_own_name(struct session *s, struct str name, bool there);
void notify_own_subscription(struct session *s, struct str name, bool there);
void notify_own_messages(struct session *s, const struct mailbox *m,
	uint32_t from, uint32_t count);
/* The mailbox is not selected any more; what was not told of it is news. */
void notify_left(struct session *s);
bool notify_is_own_message(const struct session *s, uint32_t uid);
void notify_forget_own_messages(struct session *s);

#endif
