/*
 * The content: in memory up to 64 KiB, then in a memfd that is sealed before
 * it is given away.
 */
#include "lmtpd/session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "mail/address.h"
#include "mail/date.h"

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
	if (m->text.len > INLINE_MOST && !to_file(m))
		m->has_failed = true;
}

static void keep_received(struct session *s)
{
	struct mail *m = s->mail;
	struct buf out = BUF_IN(s->arena);

	buf_fmt(&out, "Received: from %.*s (%.*s)\n\tby %.*s (%.*s) with %s "
		"id %.*s", STR_ARG(s->hello), STR_ARG(s->label),
		STR_ARG(s->conf->myhostname), STR_ARG(s->conf->mail_name),
		m->flags ? "UTF8LMTP" : "LMTP", STR_ARG(m->id));
	if (m->count == 1) {
		buf_text(&out, "\n\tfor <");
		mail_address_format(&out, m->recipients[0].address);
		buf_text(&out, ">; ");
	} else {
		buf_text(&out, ";\n\t");
	}
	mail_date_format(&out, m->arrival_us / 1000000);
	buf_char(&out, '\n');
	keep(s, buf_str(&out));
	m->octets = 0; /* counts what the client sends */
}

/* Nobody can change it from here on: virtual checks that. */
static bool seal(struct mail *m)
{
	if (m->file < 0)
		return true;
	return to_file(m) && fcntl(m->file, F_ADD_SEALS, F_SEAL_WRITE |
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

bool content_read(struct session *s)
{
	struct mail *m = s->mail;
	auto_buf struct buf text = { 0 };
	bool done = false;

	smtp_decoder_init(&m->decoder, SMTP_NEWLINE_NORMALIZE, false, false);
	keep_received(s);
	while (!done) {
		struct str octets;
		size_t len;

		if (!io_peek(s->io, &octets, s->conf->smtpd_timeout))
			return false;
		len = octets.len;
		buf_clear(&text);
		done = smtp_decode(&m->decoder, &octets, &text);
		keep(s, buf_str(&text));
		stream_consume(s->io, len - octets.len);
	}
	if (!m->is_too_big && !m->has_failed && !seal(m))
		m->has_failed = true;
	return true;
}
