/*
 * smtp/reply - replies: what a server answers, as text and as a struct.
 *
 *	550-5.1.1 <x@example.org>: Recipient address rejected:
 *	550 5.1.1 User unknown
 *
 * Source   RFC 5321 4.2, RFC 2034 4, RFC 3463 2
 * Memory   a reply that is read grows in the arena given
 * Waits    no
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/buf.h"
#include "base/status.h"

enum {
	SMTP_REPLY_LINES_MOST = 1000, /* of one reply */
	SMTP_REPLY_OCTETS_MOST = 64 * 1024,
	SMTP_REPLY_LINE_MOST = 512, /* that we send, RFC 5321 4.5.3.1.5 */
};

/* One line. */
struct smtp_reply_line {
	uint16_t code;            /* 200 to 599 */
	bool more;                /* "-": another line follows */
	uint16_t class, subject, detail; /* enhanced; class 0: none there */
	struct str text;          /* behind the codes */
	struct str after_code;    /* behind the reply code and its separator */
};

/* False: no reply line (RFC 5321 4.2: three digits, then "-", " " or the
 * end). */
must_check bool smtp_reply_line_parse(struct str line,
	struct smtp_reply_line *parsed);

/* A whole reply, to be collected line by line; zeroed at the start. */
struct smtp_reply {
	uint16_t code;            /* of its last line */
	uint16_t subject, detail; /* enhanced, of the first line that has one;
				     has_enhanced says so */
	bool has_enhanced;
	size_t line_count;
	struct str whole;         /* all lines as received, LF between them */
	struct str text;          /* of all lines without their codes, a space
				     between them */
	struct buf lines_, text_; /* where they grow */
};

enum smtp_reply_state {
	SMTP_REPLY_MORE, /* go on with the next line */
	SMTP_REPLY_DONE,
	SMTP_REPLY_BAD,  /* no SMTP reply, or beyond the limits */
};

/* Add a line (without its end). Control octets become "?". */
enum smtp_reply_state smtp_reply_add(struct arena *arena,
	struct smtp_reply *reply, struct str line);
/* Code, enhanced code (x.0.0 by the class of the code if there was none, or if
 * it contradicts the code) and text. */
struct status smtp_reply_status(const struct smtp_reply *reply);
/* Next line of reply.whole behind its code: "SIZE 10240000". */
must_check bool smtp_reply_take_line(struct str *whole, struct str *after_code);

/*
 * Append a status as reply lines that end in CRLF. LF in the text starts a new
 * line. The enhanced code (of the class of the code, RFC 3463 2) stands in each
 * line if `enhanced` and detail is not SMTP_NO_ENHANCED (class 3 never has
 * one).
 */
void smtp_reply_format(struct buf *out, struct status status, bool enhanced);
/* "550 5.1.1 text": one line without its end, for the log. */
void smtp_reply_format_line(struct buf *out, struct status status,
	bool enhanced);

/* The fixed replies of smtp/replies.def: REPLY_<name>. */
enum {
	SMTP_NO_ENHANCED = 999, /* .detail of a status without enhanced code */
};

/* clang-format off */
#define REPLY(name, code, subject, detail, text) \
	static const struct status REPLY_##name __attribute__((unused)) = \
		{ (code), (subject), (detail), { "" text, sizeof(text) - 1 } };
#include "smtp/replies.def"
#undef REPLY
/* clang-format on */

/* Read "5.7.1 text": sets subject, detail and text of the status, and gives the
 * class; 0: no enhanced code in front, nothing changed. */
unsigned smtp_enhanced_take(struct str *in, struct status *status);

#endif
