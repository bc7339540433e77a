/*
 * qmgr/logline - lines about recipients that no agent has seen.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "mail/address.h"

struct str logline_address(struct arena *arena, struct str address)
{
	return mail_address_logged(arena, qmgr.conf->info_log_address_format,
		address);
}

/* Of a probe: there was never anything to send. */
static const char *word_of(const struct message *message, const char *status)
{
	if (!(message->stored->envelope.flags & SUBMIT_VERIFY_ONLY))
		return status;
	return strcmp(status, "sent") == 0 ? "deliverable" : "undeliverable";
}

/* Seconds with two significant digits, as Postfix has them. */
static void put_delay(struct buf *out, int64_t us)
{
	double s = us < 0 ? 0 : (double)us / 1e6;

	if (s >= 10)
		buf_fmt(out, "%.0f", s);
	else if (s >= 1)
		buf_fmt(out, "%.2g", s);
	else if (s >= 0.01)
		buf_fmt(out, "%.2g", s);
	else
		buf_text(out, "0");
}

void logline(const struct message *message, uint32_t recipient,
	const char *status)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct stored *stored = message->stored;
	const struct recipient *r = &stored->envelope.recipients[recipient];
	const struct reason *reason = &stored->reasons[recipient];
	int64_t arrival = (int64_t)stored->envelope.arrival_us;
	int64_t now = wall_us();
	struct buf line = BUF_IN(arena);

	buf_fmt(&line, "%s: to=<", message->entry->id);
	buf_add(&line, logline_address(arena,
		message->rcpts[recipient].address));
	buf_text(&line, ">, ");
	if (!str_eq_nocase(r->orig, message->rcpts[recipient].address)) {
		buf_text(&line, "orig_to=<");
		buf_add(&line, logline_address(arena, r->orig));
		buf_text(&line, ">, ");
	}
	buf_text(&line, "relay=none, delay=");
	put_delay(&line, now - arrival);
	buf_text(&line, ", delays=");
	put_delay(&line, message->active_us - arrival);
	buf_char(&line, '/');
	put_delay(&line, now - message->active_us);
	buf_fmt(&line, "/0/0, dsn=%u.%u.%u, status=%s (%.*s)",
		reason->status.code / 100, reason->status.subject,
		reason->status.detail, word_of(message, status),
		STR_ARG(reason->status.text));
	log_info("%.*s", STR_ARG(buf_str(&line)));
}
