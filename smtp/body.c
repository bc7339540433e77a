#include "smtp/body.h"

#include "base/log.h"
#include "smtp/data.h"
#include "content/downgrade.h"

#include <errno.h>

enum {
	PIECE = 128 * 1024, /* collected before it is written */
};

struct body {
	struct session *session;
	struct smtp_encoder encoder;
	struct downgrade downgrade;
	struct buf text, wire;
	bool to_7bit;
};

static bool write_out(struct body *body, size_t least)
{
	bool fine = true;

	if (body->wire.len >= least) {
		fine = io_write(body->session->talk.io, buf_str(&body->wire));
		buf_clear(&body->wire);
	}
	return fine;
}

static bool add(struct body *body, struct str octets)
{
	if (body->to_7bit) {
		downgrade(&body->downgrade, octets, &body->text);
		octets = buf_str(&body->text);
	}
	smtp_encode(&body->encoder, octets, &body->wire);
	buf_clear(&body->text);
	return write_out(body, PIECE);
}

/* The end of data in a packet of its own, some time after the rest. */
static bool pause_before_end(struct body *body)
{
	const struct settings *set = body->session->set;

	return write_out(body, 0) &&
		io_flush(body->session->talk.io, set->data_xfer_timeout) &&
		io_sleep(set->pix_workaround_delay_time);
}

static bool end(struct body *body)
{
	if (body->to_7bit) {
		downgrade_end(&body->downgrade, &body->text);
		smtp_encode(&body->encoder, buf_str(&body->text), &body->wire);
	}
	if (body->session->slow_dot && !pause_before_end(body))
		return false;
	smtp_encode_end(&body->encoder, &body->wire);
	return write_out(body, 0) &&
		io_flush(body->session->talk.io,
			body->session->set->data_xfer_timeout);
}

static bool send_all(struct body *body, const struct delivery *delivery)
{
	struct content_reader reader;
	struct str octets;

	content_open(&reader, delivery->arena, &delivery->content);
	for (;;) {
		if (!content_next(&reader, &octets)) {
			log_warning("%.*s: reading the content: %m",
				STR_ARG(delivery->m.queue_id));
			return false;
		}
		if (octets.len == 0)
			return end(body);
		if (!add(body, octets))
			return false;
	}
}

bool body_send(struct session *session, const struct delivery *delivery,
	bool to_7bit)
{
	struct body body = {
		.session = session,
		.encoder.line_most = (size_t)session->set->line_length_limit,
		.to_7bit = to_7bit,
	};
	bool fine;
	int error;

	stream_write_timeout(session->talk.io, session->set->data_xfer_timeout);
	if (to_7bit)
		downgrade_init(&body.downgrade, delivery->arena);
	fine = send_all(&body, delivery);
	error = errno;
	if (body.encoder.broken > 0)
		log_info("%.*s: breaking line > %lld bytes with "
			 "<CR><LF>SPACE",
			STR_ARG(delivery->m.queue_id),
			(long long)session->set->line_length_limit);
	buf_free(&body.text);
	buf_free(&body.wire);
	errno = error;
	return fine;
}
