/*
 * DATA and BDAT. Each recipient that was accepted gets a reply of its own
 * after the final dot or the last chunk (RFC 2033 4.2, 4.3).
 */
#include "lmtpd/session.h"

#include <errno.h>

#include "agent/deliver.h"
#include "base/log.h"
#include "mail/address.h"
#include "smtp/command.h"

static void answer_each(struct session *s)
{
	const struct recipients *to = &s->mail->accepted;

	for (size_t i = 0; i < to->count; i++) {
		const struct recipient *r = &to->all[i];

		answer(s, status_f(s->arena, r->status.code,
			r->status.subject, r->status.detail, "<%.*s> %.*s",
			STR_ARG(mail_address_external(s->arena, r->address)),
			STR_ARG(r->status.text)));
	}
}

static void refuse_each(struct session *s, struct status status)
{
	const struct recipients *to = &s->mail->accepted;

	for (size_t i = 0; i < to->count; i++)
		to->all[i].status = status;
}

static struct status finish(struct session *s)
{
	struct mail *m = s->mail;

	content_end(s);
	log_info("%.*s: client=%.*s, from=<%.*s>, size=%llu, nrcpt=%zu",
		STR_ARG(m->id), STR_ARG(s->label), STR_ARG(m->sender),
		(unsigned long long)m->octets, m->accepted.count);
	if (m->is_too_big)
		refuse_each(s, REPLY_TOO_BIG_DATA);
	else if (m->has_failed)
		refuse_each(s, REPLY_NO_SPACE);
	else
		hand_over(s, m, DELIVER_AT_ONCE, &m->accepted);
	report_success(s, m);
	answer_each(s);
	mail_end(s);
	return ANSWERED;
}

static struct status need_recipients(void)
{
	return STATUS(503, 5, 1, "Error: no valid recipients");
}

struct status verb_data(struct session *s, struct str arguments)
{
	if (arguments.len > 0)
		return REPLY_DATA_SYNTAX;
	if (s->mail->accepted.count == 0)
		return need_recipients();
	if (s->mail->is_spoiled)
		return REPLY_AFTER_BAD_CHUNK;
	answer(s, REPLY_GO_AHEAD);
	content_begin(s, false);
	return content_read(s) ? finish(s) : session_lost(s, errno);
}

/* ---- BDAT, RFC 3030 2 ---- */

/* A chunk that is refused is read all the same: what follows is the next
 * command. Without it the message would be another one. */
static struct status skip(struct session *s, const struct smtp_bdat *chunk,
	struct status status)
{
	struct mail *m = s->mail;

	if (m)
		m->is_spoiled = true;
	if (!content_read_chunk(s, chunk->octets, NULL))
		return session_lost(s, errno);
	if (!m || !chunk->is_last || m->accepted.count == 0)
		return status;
	refuse_each(s, status);
	answer_each(s);
	return ANSWERED;
}

struct status verb_bdat(struct session *s, struct str arguments)
{
	struct mail *m = s->mail;
	struct smtp_bdat chunk;

	if (!smtp_bdat_parse(arguments, &chunk)) {
		/* Where the next command begins is anybody's guess. */
		s->is_gone = true;
		return STATUS(421, 5, 4, "Error: malformed BDAT command");
	}
	if (!m || m->accepted.count == 0)
		return skip(s, &chunk, need_recipients());
	if (m->is_spoiled)
		return skip(s, &chunk, REPLY_AFTER_BAD_CHUNK);
	if (s->stage != AT_BDAT)
		content_begin(s, true);
	s->stage = AT_BDAT;
	if (!content_read_chunk(s, chunk.octets, m))
		return session_lost(s, errno);
	if (chunk.is_last)
		return finish(s);
	if (m->is_too_big || m->has_failed) {
		m->is_spoiled = true;
		return m->is_too_big ? REPLY_TOO_BIG_DATA : REPLY_NO_SPACE;
	}
	return status_f(s->arena, 250, 0, 0, "Ok: %llu bytes",
		(unsigned long long)chunk.octets);
}
