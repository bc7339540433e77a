/*
 * cleanup/cleanup - what the files of cleanup share.
 */
#ifndef CLEANUP_CLEANUP_H
#define CLEANUP_CLEANUP_H

#include "base/status.h"
#include "content/walk.h"
#include "ipc/messages.h"
#include "milter/content.h"
#include "queue/journal.h"
#include "queue/large.h"
#include "queue/message.h"
#include "queue/serial.h"
#include "queue/spares.h"
#include "queue/submission.h"
#include "rewrite/resolve.h"
#include "rewrite/rewrite.h"
#include "service/service.h"

/* This process. */
struct cleanup {
	const struct conf *conf;
	struct disk *disk;
	struct large_folder large;
	struct spares spares; /* files for it */
	struct serials serials;
	struct journal *journal;
};

/* A submission on its way into the queue; all of it in `arena`. */
struct intake {
	struct cleanup *cleanup;
	const struct conf *conf;
	struct arena *arena;
	struct call *call;
	struct msg_submission facts;
	uint64_t serial;
	struct msg_recipient *recipients;
	size_t recipient_count, recipient_capacity;
	bool has_content;
	struct str content;  /* header and body, or only what replaces the
				first `skip` octets of the large file */
	uint64_t skip;
	bool is_large;
	bool is_again;       /* its file was another message's */
	uint64_t large_mark; /* when the file was made */
	int file;            /* large content, to read; -1 */
	struct milters *milters; /* NULL: there are none */
	bool began_milters;  /* here, not in smtpd */
	uint64_t octets;     /* as submitted */
	struct str message_id; /* "<...>", empty: none */
	struct str extra; /* header lines that the checks put in front */
	bool hold, discard;
	bool passed; /* PASS: no filter is told of the rest */
	struct foreseen *foreseen; /* checks.c: what is said of the header */
	struct status refusal; /* code 0: none */
};

/* intake.c: from the first message of a call to `submitted`. */
void intake_run(struct cleanup *cleanup, struct call *call);
/* Other content in place of the one that was submitted. */
must_check struct status intake_replace(struct intake *intake,
	struct str content);

/* header.c: the rules for the header; `content` holds at least all of it.
 * Replaces intake->content (and sets skip) if anything changed. */
struct status header_apply(struct intake *intake, struct str content);

/* envelope.c: rewriting, copies, aliases, duplicates. */
struct status envelope_apply(struct intake *intake);

/* probe.c: one of verify(8) is answered here: it has several recipients. */
bool probe_is_known(const struct intake *intake);
struct status probe_answer(const struct intake *intake);

/* rewriting.c: tables and address rewriting. */
void rewriting_prepare(const struct conf *conf);
/* Complete and rewrite the addresses of a header field (header_where): the new
 * body (without the name), or STR_NONE when nothing changes. */
struct status rewriting_header(struct intake *intake,
	enum rewrite_context context, unsigned where, struct str body,
	struct str *changed);
/* Where mail from the sender to the address goes. */
void rewriting_resolve(struct intake *intake, struct str address,
	struct resolved *resolved);
struct status rewriting_sender(struct intake *intake, struct str *sender);
struct status rewriting_recipient(struct intake *intake, struct str *address);
/* Copies that the configuration asks for: addresses, comma separated. */
struct status rewriting_copies(struct intake *intake);
/* virtual_alias_maps, recursively; calls add for each result. */
struct status rewriting_aliases(struct intake *intake,
	const struct msg_recipient *recipient,
	struct status (*add)(struct intake *intake,
		const struct msg_recipient *recipient));

/* checks.c: header_checks, mime_header_checks, nested_header_checks and
 * body_checks. What ends or moves the whole message is noted in *intake. */
void checks_prepare(const struct conf *conf);
/* True for mail that rules about its content concern. */
static inline bool checks_inspect(const struct intake *intake)
{
	uint64_t flags = intake->facts.flags;

	return !(flags & SUBMIT_NO_CHECKS) &&
		(!(flags & SUBMIT_INTERNAL) || (flags & SUBMIT_INSPECT));
}
struct walk checks_walk(struct intake *intake); /* for its header */
bool checks_have_parts(struct intake *intake);
/* Behind the header; the content as it shall be. */
struct str checks_parts(struct intake *intake, struct str content);

/* A line of the log about a line of the message: "reject: header Subject: x
 * from client[192.0.2.1]; from=<..> to=<..> ...: argument". */
void checks_log(const struct intake *intake, const char *action,
	const char *what, struct str line, struct str argument);
struct str checks_client(const struct intake *intake); /* name[address] */
/* "from=<..> to=<..> proto=.. helo=<..>". */
struct str checks_envelope(const struct intake *intake);
/* milter_header_checks: a line that a filter wants in the header. */
enum milter_line checks_milter_line(struct intake *intake, struct str *line);
struct str checks_address(const struct intake *intake, struct str address);

/* strict.c: rules about octets and MIME structure; what is refused is noted in
 * *intake. */
void strict_prepare(const struct conf *conf);
bool strict_concerns(const struct intake *intake);
struct str strict_apply(struct intake *intake, struct str content);

/* utf8.c: what makes a message need SMTPUTF8 is noted in *intake. */
void utf8_header(struct intake *intake, struct str content);
void utf8_envelope(struct intake *intake);

/* milter.c: the mail filters, which go on where smtpd ended, or begin here for
 * mail that did not come by SMTP. */
void milter_prepare(const struct conf *conf);
must_check bool milter_take(struct intake *intake); /* MSG_milter */
/* The message as it is after its header's rules; `head`: of large content, at
 * least its header. Changes content, envelope, hold and discard. */
must_check struct status milter_apply(struct intake *intake, struct str head);
/* All is said; bits of msg_submitted.milters. */
uint64_t milter_end(struct intake *intake);

/* announce.c: qmgr is told, and says what is free. */
void announce_start(struct cleanup *cleanup);
void announce(struct cleanup *cleanup, const struct place *place,
	struct str queue_id);

/* space.c: how much room there is: 0 enough, 1 only for our own, 2 none. */
uint64_t space_left(const struct cleanup *cleanup);

#endif
