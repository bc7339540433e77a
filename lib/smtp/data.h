/*
 * smtp/data - the octets of DATA and BDAT: line ends and leading dots.
 *
 * On the wire lines end in CRLF, a line that begins with a dot gets another
 * one, and CRLF.CRLF ends the message. Inside, lines end in LF.
 *
 * Source   RFC 5321 2.3.8, 4.1.1.4, 4.5.2; RFC 3030 2 (chunks)
 * Memory   output is appended to the buf given; the state is a value
 * Waits    no
 */
#ifndef SMTP_DATA_H
#define SMTP_DATA_H

#include "base/buf.h"

/* smtpd_forbid_bare_newline. */
enum smtp_newline {
	SMTP_NEWLINE_NORMALIZE, /* LF ends a line; only CRLF.CRLF ends data */
	SMTP_NEWLINE_REJECT,    /* the same; the caller refuses by bare_lf */
	SMTP_NEWLINE_SAME,      /* for trusted clients: LF.LF ends data in which
				   no line has ended in CRLF */
	SMTP_NEWLINE_ANY,       /* "no": LF.LF and LF.CRLF end data, too */
};

enum smtp_decoder_state { /* for smtp/data.c */
	SMTP_AT_START, /* of a line */
	SMTP_AT_TEXT,
	SMTP_AT_DOT,    /* "." at the start of a line */
	SMTP_AT_DOT_CR, /* then CR */
	SMTP_AT_CR,     /* CR in a line */
};

struct smtp_decoder {
	enum smtp_newline newline;
	bool keep_stray_cr;  /* cleanup_replace_stray_cr_lf = no */
	bool is_chunked;     /* BDAT: no dots, no terminator */
	/* What was seen so far. */
	bool bare_lf;        /* a LF without CR before it */
	bool has_crlf;       /* a line that ended in CRLF */
	bool is_done;        /* CRLF.CRLF was taken */
	size_t nuls;         /* NUL octets dropped */
	enum smtp_decoder_state state;
	bool after_crlf;     /* the line before ended in CRLF */
};

void smtp_decoder_init(struct smtp_decoder *decoder, enum smtp_newline newline,
	bool keep_stray_cr, bool is_chunked);
/*
 * Take octets from the front of `in` and append what they mean to `out`. All
 * of `in` is taken, or what stands up to and with the terminator: then it
 * returns true. NUL is dropped, but stands where it stood: it keeps a dot from
 * being the first of its line, a CR from its LF. CR without LF becomes a space.
 */
bool smtp_decode(struct smtp_decoder *decoder, struct str *in, struct buf *out);
/* End of the last chunk: what was held back; a last line without end gets
 * one. */
void smtp_decode_end(struct smtp_decoder *decoder, struct buf *out);

struct smtp_encoder {
	size_t line_most; /* octets; longer lines are broken by CRLF SPACE
			     (smtp_line_length_limit); 0: none */
	size_t column;    /* octets of the current line so far */
	size_t broken;    /* lines that were broken */
};

/* Text with LF line ends to wire form; any piece size. A CR in it becomes a
 * space: only line ends have one on the wire (RFC 5321 2.3.8). */
void smtp_encode(struct smtp_encoder *encoder, struct str text,
	struct buf *out);
/* The end of the last line if it has none, then "." CRLF. */
void smtp_encode_end(struct smtp_encoder *encoder, struct buf *out);

#endif
