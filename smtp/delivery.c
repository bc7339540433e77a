#include "smtp/delivery.h"

#include "agent/deliver.h"
#include "base/log.h"
#include "mail/address.h"

#include <unistd.h>

static void take_recipient(struct delivery *d,
	const struct msg_deliver_recipient *m, size_t *capacity)
{
	arena_grow(d->arena, &d->recipients, capacity, d->count + 1,
		sizeof(struct recipient));
	d->recipients[d->count++] = (struct recipient){
		.number = m->number,
		.address = m->address,
		.orig = m->orig,
		.orcpt = m->orcpt,
		.notify = (unsigned)m->notify,
	};
}

bool delivery_recv(struct call *call, const struct settings *set,
	struct delivery *delivery)
{
	struct delivery d = { .set = set, .arena = call_arena(call),
		.call = call, .relay = STR("none") };
	struct msg_deliver_recipient recipient;
	struct msg_deliver_go go;
	enum msg_kind kind = MSG_NONE;
	size_t capacity = 0;

	if (!msg_deliver_recv(call, &d.m, SPAN_FOREVER))
		return false;
	*delivery = d; /* whoever sees false closes what was received */
	while (call_peek(call, &kind, SPAN_FOREVER) &&
		kind == MSG_deliver_recipient) {
		if (d.count == DELIVERY_RECIPIENTS_MOST ||
			!msg_deliver_recipient_recv(call, &recipient,
				SPAN_FOREVER))
			return false;
		take_recipient(&d, &recipient, &capacity);
	}
	if (kind != MSG_deliver_go ||
		!msg_deliver_go_recv(call, &go, SPAN_FOREVER) || d.count == 0)
		return false;
	d.left = d.count;
	d.began_us = wall_us();
	*delivery = d;
	return true;
}

struct outcome outcome_f(struct arena *arena, int code, int subject,
	int detail, const char *format, ...)
{
	struct outcome outcome = { .diagnostic = STR_NONE, .mta = STR_NONE };
	va_list args;

	va_start(args, format);
	outcome.status = (struct status){ .code = (uint16_t)code,
		.subject = (uint16_t)subject, .detail = (uint16_t)detail,
		.text = arena_vfmt(arena, format, args) };
	va_end(args);
	return outcome;
}

void delay_format(struct buf *out, int64_t us, int decimals)
{
	static const int64_t units[] = { 1000000, 100000, 10000, 1000, 100, 10,
		1 };
	int most = us >= 10000000 ? 0 :
		us >= 1000000     ? 1 :
		us >= 100000      ? 2 :
		us >= 10000       ? 3 :
		us >= 1000        ? 4 :
				    5;
	int64_t fraction;

	if (us < 0)
		us = 0;
	if (most > decimals)
		most = decimals < 0 ? 0 : decimals;
	us = (us + units[most] / 2) / units[most] * units[most];
	buf_fmt(out, "%lld", (long long)(us / 1000000));
	fraction = us % 1000000;
	if (fraction == 0)
		return;
	buf_char(out, '.');
	for (int64_t unit = 100000; fraction > 0; unit /= 10) {
		buf_char(out, (char)('0' + fraction / unit));
		fraction %= unit;
	}
}

/* ---- the log line, as Postfix writes it ---- */

static const char *status_word(const struct delivery *d,
	const struct status *status)
{
	bool probe = d->m.flags & DELIVER_VERIFY;

	switch (status->code / 100) {
	case 2:
		return probe ? "deliverable" : "sent";
	case 5:
		return probe                 ? "undeliverable" :
			d->set->conf->soft_bounce ? "SOFTBOUNCE" :
						    "bounced";
	default:
		return probe ? "undeliverable" : "deferred";
	}
}

static void format_delays(struct buf *line, const struct delivery *d)
{
	int64_t now = wall_us();
	int64_t ready = d->ready_us ? d->ready_us : now;
	int decimals = (int)d->set->conf->delay_logging_resolution_limit;
	int64_t parts[] = {
		d->m.active_us ? (int64_t)(d->m.active_us - d->m.arrival_us) :
				 0,
		d->m.active_us ? d->began_us - (int64_t)d->m.active_us : 0,
		ready - d->began_us,
		now - ready,
	};

	buf_text(line, ", delay=");
	delay_format(line, now - (int64_t)d->m.arrival_us, decimals);
	buf_text(line, ", delays=");
	for (size_t i = 0; i < COUNT(parts); i++) {
		if (i > 0)
			buf_char(line, '/');
		delay_format(line, parts[i], decimals);
	}
}

static void log_outcome(const struct delivery *d, const struct recipient *r,
	const struct status *status)
{
	struct buf line = BUF_IN(d->arena);

	buf_fmt(&line, "%.*s: to=<", STR_ARG(d->m.queue_id));
	mail_address_format(&line, r->address);
	buf_char(&line, '>');
	if (!str_is_none(r->orig) && r->orig.len > 0 &&
		!str_eq(r->orig, r->address)) {
		buf_text(&line, ", orig_to=<");
		mail_address_format(&line, r->orig);
		buf_char(&line, '>');
	}
	buf_fmt(&line, ", relay=%.*s", STR_ARG(d->relay));
	if (d->uses > 1)
		buf_fmt(&line, ", conn_use=%u", d->uses);
	format_delays(&line, d);
	buf_fmt(&line, ", dsn=%u.%u.%u, status=%s (%.*s)", status->code / 100,
		status->subject, status->detail, status_word(d, status),
		STR_ARG(status->text));
	log_info("%.*s", STR_ARG(buf_str(&line)));
}

void delivery_report(struct delivery *d, struct recipient *recipient,
	const struct outcome *outcome, enum dsn_action action)
{
	struct status status = outcome->status;
	struct msg_delivered m;

	if (recipient->is_done)
		return;
	if (status.code < 200 || status.code / 100 == 3 || status.code > 599)
		status.code = 451; /* doubt */
	log_outcome(d, recipient, &status);
	if (status.code / 100 == 5 && d->set->conf->soft_bounce)
		status.code = (uint16_t)(status.code - 100);
	m = (struct msg_delivered){
		.number = recipient->number,
		.code = status.code,
		.subject = status.subject,
		.detail = status.detail,
		.text = status.text,
		.action = action,
		.mta = outcome->mta,
		.diagnostic = outcome->diagnostic,
	};
	recipient->is_done = true;
	d->left--;
	if (!msg_delivered_send(d->call, &m))
		log_warning("%.*s: cannot tell qmgr about <%.*s>: %m",
			STR_ARG(d->m.queue_id), STR_ARG(recipient->address));
}

void delivery_report_all(struct delivery *d, const struct outcome *outcome)
{
	for (size_t i = 0; i < d->count; i++)
		if (!d->recipients[i].is_done)
			delivery_report(d, &d->recipients[i], outcome,
				DSN_ACTION_NONE);
}

void delivery_done(struct delivery *d, const struct outcome *last)
{
	struct msg_deliver_done m = { .settled = true,
		.site = DELIVER_SITE_REACHED, .why = STR_NONE };

	if (last->status.code && last->is_site) {
		m.site = DELIVER_SITE_UNREACHABLE;
		m.why = last->status.text;
	}
	(void)!msg_deliver_done_send(d->call, &m);
}
