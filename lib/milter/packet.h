/*
 * milter/packet - the packets of the mail filter (milter) protocol.
 *
 *	length (4 octets, big end first) kind (1 octet) data (length - 1)
 *
 * Source   the protocol of Sendmail's libmilter, versions 2 to 6, as client
 *          libraries document it
 * Memory   what is read are slices of the packet; what is formatted is appended
 * Waits    no
 * Errors   false: malformed; nothing can be said about the rest of the
 *          conversation then
 */
#ifndef MILTER_PACKET_H
#define MILTER_PACKET_H

#include "base/buf.h"
#include "base/status.h"

enum {
	MILTER_LENGTH_OCTETS = 4,
	MILTER_BODY_MOST = 65535, /* octets of a body in one packet */
	MILTER_DATA_MOST = 64 * 1024, /* octets behind the kind */
	MILTER_VERSION = 6,       /* ours, and the least: */
	MILTER_VERSION_LEAST = 2,
};

/* What we say. */
enum milter_command {
	MILTER_ABORT = 'A',
	MILTER_BODY = 'B',
	MILTER_CONNECT = 'C',
	MILTER_MACRO = 'D',
	MILTER_END = 'E', /* of the message */
	MILTER_HELO = 'H',
	MILTER_HEADER = 'L',
	MILTER_MAIL = 'M',
	MILTER_END_OF_HEADER = 'N',
	MILTER_OPTIONS = 'O',
	MILTER_QUIT = 'Q',
	MILTER_RCPT = 'R',
	MILTER_DATA = 'T',
	MILTER_UNKNOWN = 'U',
};

/* What filters answer; and with MILTER_OPTIONS. */
enum milter_answer {
	MILTER_ADD_RECIPIENT = '+',
	MILTER_ADD_RECIPIENT_WITH = '2', /* arguments */
	MILTER_DELETE_RECIPIENT = '-',
	MILTER_SHUTDOWN = '4',
	MILTER_ACCEPT = 'a',
	MILTER_REPLACE_BODY = 'b',
	MILTER_CONTINUE = 'c',
	MILTER_DISCARD = 'd',
	MILTER_CHANGE_SENDER = 'e',
	MILTER_CONNECTION_FAILED = 'f',
	MILTER_ADD_HEADER = 'h',
	MILTER_INSERT_HEADER = 'i',
	MILTER_CHANGE_HEADER = 'm',
	MILTER_PROGRESS = 'p',
	MILTER_QUARANTINE = 'q',
	MILTER_REJECT = 'r',
	MILTER_SKIP = 's',
	MILTER_TEMPFAIL = 't',
	MILTER_REPLY = 'y',
};

/* Bits of milter_options.steps: what is left out, and what gets no answer. */
enum {
	MILTER_NO_CONNECT = 0x01,
	MILTER_NO_HELO = 0x02,
	MILTER_NO_MAIL = 0x04,
	MILTER_NO_RCPT = 0x08,
	MILTER_NO_BODY = 0x10,
	MILTER_NO_HEADERS = 0x20,
	MILTER_NO_END_OF_HEADER = 0x40,
	MILTER_SILENT_HEADER = 0x80,
	MILTER_NO_UNKNOWN = 0x100,
	MILTER_NO_DATA = 0x200,
	MILTER_MAY_SKIP = 0x400,
	MILTER_WANTS_REFUSED = 0x800, /* recipients */
	MILTER_SILENT_CONNECT = 0x1000,
	MILTER_SILENT_HELO = 0x2000,
	MILTER_SILENT_MAIL = 0x4000,
	MILTER_SILENT_RCPT = 0x8000,
	MILTER_SILENT_DATA = 0x10000,
	MILTER_SILENT_UNKNOWN = 0x20000,
	MILTER_SILENT_END_OF_HEADER = 0x40000,
	MILTER_SILENT_BODY = 0x80000,
	MILTER_LEADING_SPACE = 0x100000, /* header values come and go with it */
};

/* Bits of milter_options.actions. */
enum {
	MILTER_MAY_SET_SYMBOLS = 0x100,
};

/* Which macros are sent when; the numbers of the protocol. */
enum milter_stage {
	MILTER_AT_CONNECT,
	MILTER_AT_HELO,
	MILTER_AT_MAIL,
	MILTER_AT_RCPT,
	MILTER_AT_DATA,
	MILTER_AT_END,
	MILTER_AT_END_OF_HEADER,
	MILTER_STAGES,
};

struct milter_packet {
	char kind;
	struct str data;
};

/* The first four octets: of kind and data together. */
must_check bool milter_length_parse(struct str four, size_t *len);
/* Kind and data, as many as the length said. */
must_check bool milter_packet_parse(struct str octets,
	struct milter_packet *packet);
/* What stands before `len` octets of data. */
void milter_head_format(struct buf *out, char kind, size_t len);
/* Append text and the NUL that ends it; NULs in it become blanks. */
void milter_text_format(struct buf *out, struct str text);
void milter_number_format(struct buf *out, uint32_t number);

/* What both sides can and want. */
struct milter_options {
	uint32_t version, actions, steps;
	/* Names of macros, as asked for; NONE: as configured here. */
	struct str symbols[MILTER_STAGES];
};

/* Everything that this version of the protocol has. */
struct milter_options milter_options_of(unsigned version);
void milter_options_format(struct buf *out,
	const struct milter_options *options);
/* The filter's answer to `offered`: nothing that was not offered remains. */
must_check bool milter_options_parse(struct str data,
	const struct milter_options *offered, struct milter_options *options);

/* An answer; what it has not is NONE. */
struct milter_reply {
	char kind;         /* one of enum milter_answer */
	uint32_t index;    /* of headers */
	struct str name;   /* header, address, text, octets */
	struct str value;  /* header, ESMTP arguments */
};

must_check bool milter_reply_parse(const struct milter_packet *packet,
	struct milter_reply *reply);
/* True for what changes the message: only at its end. */
bool milter_reply_is_edit(const struct milter_reply *reply);

/* The text of MILTER_REPLY: "550 5.7.1 no", also of several lines; class 4 or
 * 5. The status in the arena, LF between its lines. */
must_check bool milter_status_parse(struct arena *arena, struct str text,
	struct status *status);

#endif
