/*
 * The content: in memory up to 64 KiB, then in a memfd that is sealed before
 * it is given away.
 */
#include "lmtpd/session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/deliver.h"
#include "base/log.h"
#include "mail/address.h"
#include "mail/date.h"

/* What all connections of this process hold of HELD_MOST. */
static uint64_t held;

/* What travels inside a message is not counted. */
bool content_reserve(struct mail *m, uint64_t octets)
{
	uint64_t more = octets > m->held ? octets - m->held : 0;

	if (octets <= INLINE_MOST || more == 0)
		return true;
	if (held > m->held && more > HELD_MOST - (held < HELD_MOST ? held :
		HELD_MOST))
		return false;
	m->held += more;
	held += more;
	return true;
}

void content_free(struct mail *m)
{
	if (m->file >= 0)
		close(m->file);
	m->file = -1;
	held -= m->held;
	m->held = 0;
}

static bool to_file(struct mail *m)
{
	if (m->file < 0)
		m->file = memfd_create("message", MFD_CLOEXEC |
			MFD_ALLOW_SEALING);
	if (m->file < 0 || !fd_write_all(m->file, m->text.p, m->text.len)) {
		log_warning("%.*s: memory for a message: %m", STR_ARG(m->id));
		return false;
	}
	buf_clear(&m->text);
	return true;
}

/* What is over the limit is read, but not kept. */
static void keep(struct session *s, struct str octets)
{
	struct mail *m = s->mail;
	int64_t most = s->conf->message_size_limit;

	m->octets += octets.len;
	if (most > 0 && m->octets > (uint64_t)most)
		m->is_too_big = true;
	if (m->is_too_big || m->has_failed)
		return;
	buf_add(&m->text, octets);
	if (m->text.len > INLINE_MOST &&
		(!content_reserve(m, m->octets) || !to_file(m)))
		m->has_failed = true;
}

/* RFC 3848, RFC 6531 4.3. */
static void protocol_format(const struct session *s, struct buf *out)
{
	buf_fmt(out, "%s%s", s->mail->flags & DELIVER_SMTPUTF8 ? "UTF8LMTP" :
		"LMTP", s->has_tls ? "S" : "");
}

static void keep_received(struct session *s)
{
	struct mail *m = s->mail;
	struct buf out = BUF_IN(s->arena);

	buf_fmt(&out, "Received: from %.*s (%.*s)\n\tby %.*s (%.*s) with ",
		STR_ARG(str_is_none(s->helo) ? s->hello : s->helo),
		STR_ARG(s->label), STR_ARG(s->conf->myhostname),
		STR_ARG(s->conf->mail_name));
	protocol_format(s, &out);
	buf_fmt(&out, " id %.*s", STR_ARG(m->id));
	if (m->accepted.count == 1) {
		buf_text(&out, "\n\tfor <");
		mail_address_format(&out, m->accepted.all[0].address);
		buf_text(&out, ">; ");
	} else {
		buf_text(&out, ";\n\t");
	}
	mail_date_format(&out, m->arrival_us / 1000000);
	buf_char(&out, '\n');
	keep(s, buf_str(&out));
	m->octets = 0; /* counts what the client sends */
}

void content_begin(struct session *s, bool is_chunked)
{
	smtp_decoder_init(&s->mail->decoder, SMTP_NEWLINE_NORMALIZE, false,
		is_chunked);
	keep_received(s);
}

bool content_read(struct session *s)
{
	auto_buf struct buf text = { 0 };
	bool done = false;

	while (!done) {
		struct str octets;
		size_t len;

		if (!io_peek(s->io, &octets, s->conf->smtpd_timeout))
			return false;
		len = octets.len;
		buf_clear(&text);
		done = smtp_decode(&s->mail->decoder, &octets, &text);
		keep(s, buf_str(&text));
		stream_consume(s->io, len - octets.len);
	}
	return true;
}

bool content_read_chunk(struct session *s, uint64_t len, struct mail *m)
{
	auto_buf struct buf text = { 0 };

	while (len > 0) {
		struct str octets;

		if (!io_peek(s->io, &octets, s->conf->smtpd_timeout))
			return false;
		octets = str_first(octets, len < SIZE_MAX ? (size_t)len :
			SIZE_MAX);
		len -= octets.len;
		stream_consume(s->io, octets.len);
		if (!m)
			continue;
		buf_clear(&text);
		(void)smtp_decode(&m->decoder, &octets, &text);
		keep(s, buf_str(&text));
	}
	return true;
}

/* Nobody can change it from here on: virtual checks that. */
static bool seal(struct mail *m)
{
	if (m->file < 0)
		return true;
	return to_file(m) && fcntl(m->file, F_ADD_SEALS, F_SEAL_WRITE |
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

void content_end(struct session *s)
{
	struct mail *m = s->mail;
	struct buf text = BUF_IN(m->arena);

	if (m->decoder.is_chunked) {
		smtp_decode_end(&m->decoder, &text);
		keep(s, buf_str(&text));
	}
	if (!m->is_too_big && !m->has_failed && !seal(m))
		m->has_failed = true;
}
