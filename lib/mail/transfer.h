/*
 * mail/transfer - content transfer encodings, in pieces.
 *
 * Source   RFC 2045 6
 * Memory   output goes to the buf given; the state is a value
 * Waits    no
 * Errors   malformed input is decoded as far as it makes sense (RFC 2045 6.8:
 *          foreign octets in base64 are ignored; a lone "=" stays)
 */
#ifndef MAIL_TRANSFER_H
#define MAIL_TRANSFER_H

#include "base/buf.h"

enum mail_encoding {
	MAIL_ENCODING_7BIT, /* and none */
	MAIL_ENCODING_8BIT,
	MAIL_ENCODING_BINARY,
	MAIL_ENCODING_QP,
	MAIL_ENCODING_BASE64,
	MAIL_ENCODING_UNKNOWN,
};

/* By name, without case; blanks and comments around it do not matter. */
enum mail_encoding mail_encoding_parse(struct str name);

struct mail_decoder {
	enum mail_encoding encoding;
	uint32_t bits;       /* base64: collected */
	unsigned bit_count;
	bool is_ended;       /* base64: after padding */
	char held[76];       /* quoted-printable: "=", hex, trailing blanks */
	size_t held_len;
};

void mail_decoder_init(struct mail_decoder *decoder,
	enum mail_encoding encoding);
/* Decode the next piece. 7bit, 8bit, binary, unknown: copied. */
void mail_decode(struct mail_decoder *decoder, struct str piece,
	struct buf *out);
/* What was held back at the end of the input. */
void mail_decode_end(struct mail_decoder *decoder, struct buf *out);

/* All of `in` at once. Lines of 76 characters that end in `line_end`. */
void mail_base64_format(struct buf *out, struct str in, const char *line_end);
/* Text with LF or CRLF line ends as quoted-printable; line ends stay. */
void mail_qp_format(struct buf *out, struct str in);

#endif
