/*
 * smtp_sink - what the files of smtp-sink tell each other.
 */
#ifndef COMMANDS_SMTP_SINK_H
#define COMMANDS_SMTP_SINK_H

#include "base/buf.h"
#include "io/stream.h"

/* What the command line says of one verb. */
struct verb_rule {
	bool soft, hard, hang_up, close, show; /* -r -f -q -Q -s */
	uint64_t delay, odds;                  /* -W; odds 0: a fixed delay */
};

enum {
	VERBS_MOST = 16,
};

struct sink {
	struct arena *arena;
	int family;
	bool no_8bitmime, no_auth, no_ehlo, no_enhanced, no_xforward, lmtp;
	bool no_dsn, no_pipelining, is_pix, no_xclient, show_count, verbose;
	bool aborts;
	struct str hard_reply, soft_reply, host, root, user, start;
	struct str single, multiple; /* -d, -D: templates of dump files */
	uint64_t abort_delay, read_delay, timeout, window;
	uint64_t clients_most, messages_most, sessions_most;
	struct verb_rule rules[VERBS_MOST]; /* as the table of verbs */

	const int *listeners; /* -1 ends */
	uint64_t sessions, quits, messages;
};

/* A connection, and the message that it is sending. */
struct client {
	struct sink *sink;
	struct arena *arena; /* of the connection */
	struct arena *mail;  /* of the message */
	struct stream *io;
	struct str address, protocol, helo;

	bool has_sender, is_over;
	struct str sender; /* as given to MAIL */
	struct buf recipients; /* dump lines */
	uint64_t recipient_count;
};

bool dump_is_wanted(const struct sink *sink);
/* Write the message, with what stands before it, to the dump file. What fails
 * ends the process. */
void dump_write(struct client *client, struct str content);
/* "\n" and the other escapes of C become what they mean. */
struct str dump_unescape(struct arena *arena, struct str text);

#endif
