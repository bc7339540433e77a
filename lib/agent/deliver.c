#include "agent/deliver.h"

#include "base/log.h"
#include "mail/address.h"
#include "maps/maps.h"
#include "service/service.h"
#include "smtp/reply.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RECEIVE_TIMEOUT_S = 300,
	RECIPIENTS_MOST = 100000,
};

/* The content must be what was announced: a short file is never delivered. */
static bool take_content(struct delivery *delivery)
{
	struct content *content = &delivery->content;
	const struct msg_deliver *m = &delivery->m;
	struct stat st;

	content->head = str_is_none(m->content) ? STR("") : m->content;
	content->fd = delivery->large;
	content->skip = m->skip;
	if (content->fd < 0) {
		content->size = content->head.len;
		return true;
	}
	if (!fd_stat(content->fd, &st) || st.st_size < 0 ||
		(uint64_t)st.st_size < content->skip)
		return false;
	content->file_size = (uint64_t)st.st_size;
	content->size =
		content->file_size - content->skip + content->head.len;
	return true;
}

bool deliver_send(struct call *call, const struct msg_deliver *m,
	struct deliver_recipient *const *recipients, size_t count, int large)
{
	const struct msg_deliver_go go = { .large = large };

	if (!msg_deliver_send(call, m))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct msg_deliver_recipient r = {
			.number = recipients[i]->number,
			.address = recipients[i]->address,
			.orig = recipients[i]->orig,
			.orcpt = recipients[i]->orcpt,
			.notify = recipients[i]->notify,
		};

		if (!msg_deliver_recipient_send(call, &r))
			return false;
	}
	return msg_deliver_go_send(call, &go);
}

static bool take_recipient(struct delivery *delivery, size_t *capacity)
{
	struct msg_deliver_recipient m;
	struct deliver_recipient *recipient;

	if (delivery->count == RECIPIENTS_MOST ||
		!msg_deliver_recipient_recv(delivery->call, &m,
			span_s(RECEIVE_TIMEOUT_S)))
		return false;
	arena_grow(delivery->arena, &delivery->recipients, capacity,
		delivery->count + 1, sizeof(*recipient));
	recipient = &delivery->recipients[delivery->count++];
	recipient->number = m.number;
	recipient->address = m.address;
	recipient->orig = m.orig;
	recipient->orcpt = m.orcpt;
	recipient->notify = m.notify;
	return true;
}

static bool receive(struct delivery *delivery)
{
	struct msg_deliver_go go;
	enum msg_kind kind;
	size_t capacity = 0;

	if (!msg_deliver_recv(delivery->call, &delivery->m,
		    span_s(RECEIVE_TIMEOUT_S)))
		return false;
	while (call_peek(delivery->call, &kind, span_s(RECEIVE_TIMEOUT_S)) &&
		kind == MSG_deliver_recipient)
		if (!take_recipient(delivery, &capacity))
			return false;
	delivery->received_us = wall_us();
	if (!msg_deliver_go_recv(delivery->call, &go,
		    span_s(RECEIVE_TIMEOUT_S)))
		return false;
	delivery->large = go.large;
	if (!take_content(delivery))
		log_warning("%.*s: content is not as announced",
			STR_ARG(delivery->m.queue_id));
	return true;
}

bool deliver_receive(struct delivery *delivery, const struct conf *conf,
	struct call *call)
{
	*delivery = (struct delivery){
		.conf = conf,
		.arena = call_arena(call),
		.call = call,
		.large = -1,
		.content = { .fd = -1 },
	};
	return receive(delivery);
}

void deliver_serve(const struct conf *conf, struct call *call,
	void (*deliver)(struct delivery *delivery))
{
	static const struct deliver_report left_out = {
		.status = { 451, 3, 0, { "delivery was not completed", 26 } },
	};
	struct delivery delivery;
	auto_close int fd = -1;
	bool good = deliver_receive(&delivery, conf, call);

	fd = delivery.large;
	if (!good)
		return;
	deliver(&delivery);
	deliver_report_rest(&delivery, &left_out);
	if (!delivery.done)
		deliver_done(&delivery, true, DELIVER_SITE_REACHED, STR(""));
}

void deliver_delay_format(struct buf *out, int64_t us, int decimals)
{
	static const int64_t powers[] = { 1, 10, 100, 1000, 10000, 100000,
		1000000 };
	int64_t unit = us >= 10000000 ? 0 : us >= 1000000 ? 1 : 2;
	int64_t scaled;
	size_t places;

	if (us < 0)
		us = 0;
	/* two significant digits: more decimals the smaller it is */
	for (int64_t limit = 100000; unit >= 2 && us < limit && unit < 6;
		limit /= 10)
		unit++;
	if (unit > decimals)
		unit = decimals < 0 ? 0 : decimals;
	places = (size_t)unit;
	scaled = (us + powers[6 - places] / 2) / powers[6 - places];
	while (places > 0 && scaled % 10 == 0) {
		scaled /= 10;
		places--;
	}
	buf_fmt(out, "%lld", (long long)(scaled / powers[places]));
	if (places > 0)
		buf_fmt(out, ".%0*lld", (int)places,
			(long long)(scaled % powers[places]));
}

static const char *status_word(const struct delivery *delivery,
	struct status status)
{
	if (delivery->m.flags & DELIVER_VERIFY)
		return status_is_ok(status) ? "deliverable" : "undeliverable";
	if (status_is_ok(status))
		return "sent";
	if (status_class(status) != 5)
		return "deferred";
	return delivery->conf->soft_bounce ? "SOFTBOUNCE" : "bounced";
}

static void format_delays(struct buf *out, const struct delivery *delivery,
	const struct deliver_report *report)
{
	int decimals =
		(int)delivery->conf->delay_logging_resolution_limit;
	int64_t now = wall_us();
	int64_t arrival = (int64_t)delivery->m.arrival_us;
	int64_t active = (int64_t)delivery->m.active_us;
	int64_t connected = report->connected_us ? report->connected_us :
						   delivery->received_us;

	buf_text(out, ", delay=");
	deliver_delay_format(out, now - arrival, decimals);
	buf_text(out, ", delays=");
	deliver_delay_format(out, active - arrival, decimals);
	buf_char(out, '/');
	deliver_delay_format(out, delivery->received_us - active, decimals);
	buf_char(out, '/');
	deliver_delay_format(out, connected - delivery->received_us, decimals);
	buf_char(out, '/');
	deliver_delay_format(out, now - connected, decimals);
}

static void write_line(const struct delivery *delivery,
	const struct deliver_report *report, struct str address,
	struct str orig, struct status status)
{
	struct buf line = BUF_IN(delivery->arena);
	struct str how = delivery->conf->info_log_address_format;

	buf_fmt(&line, "%.*s: to=<", STR_ARG(delivery->m.queue_id));
	buf_add(&line, mail_address_logged(delivery->arena, how, address));
	buf_char(&line, '>');
	if (!str_eq(address, orig) && orig.len > 0) {
		buf_text(&line, ", orig_to=<");
		buf_add(&line, mail_address_logged(delivery->arena, how, orig));
		buf_char(&line, '>');
	}
	buf_text(&line, ", relay=");
	buf_add(&line,
		str_is_none(report->relay) ? service_row() : report->relay);
	if (report->conn_use > 1)
		buf_fmt(&line, ", conn_use=%u", report->conn_use);
	format_delays(&line, delivery, report);
	if (!str_is_none(report->tls))
		buf_fmt(&line, ", tls=%.*s", STR_ARG(report->tls));
	buf_fmt(&line, ", dsn=%d.%d.%d, status=%s (", status_class(status),
		status.subject, status.detail, status_word(delivery, status));
	buf_add(&line, status.text);
	buf_char(&line, ')');
	log_info("%.*s", STR_ARG(buf_str(&line)));
}

/* Opened once, before the sandbox closes. */
static struct maps *filter;

void deliver_filter_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str list)
{
	if (list.len > 0)
		filter = maps_open(arena, conf, parameter, list, 0);
}

static struct status filtered(struct arena *arena, struct status status)
{
	struct str key = arena_fmt(arena, "%d.%u.%u %.*s",
		status_class(status), status.subject, status.detail,
		STR_ARG(status.text));
	struct str value = STR("");
	struct status other = status;
	unsigned class;

	switch (maps_find(filter, arena, key, &value)) {
	case MAPS_ABSENT:
		return status;
	case MAPS_ERROR:
		log_warning("%.*s: delivery status filter failed",
			STR_ARG(maps_failed(filter)));
		return status;
	case MAPS_FOUND:
		break;
	}
	class = smtp_enhanced_take(&value, &other);
	if (class == 0 || (class == 2) != status_is_ok(status)) {
		log_warning("delivery status filter: \"%.*s\" cannot stand "
			    "for \"%.*s\"",
			STR_ARG(value), STR_ARG(key));
		return status;
	}
	if ((int)class != status_class(status))
		other.code = class == 4 ? 450 : 550;
	return other;
}

static void write_lines(const struct delivery *delivery,
	const struct deliver_recipient *recipient,
	const struct deliver_report *report)
{
	struct str orig = recipient->orig.len > 0 ? recipient->orig :
						    recipient->address;

	if (report->line_count == 0)
		write_line(delivery, report, recipient->address,
			recipient->orig, report->status);
	for (size_t i = 0; i < report->line_count; i++)
		write_line(delivery, report, report->lines[i].address, orig,
			filter ? filtered(delivery->arena,
					 report->lines[i].status) :
				 report->lines[i].status);
}

void deliver_report(struct delivery *delivery,
	struct deliver_recipient *recipient,
	const struct deliver_report *given)
{
	struct deliver_report copy = *given, *report = &copy;
	struct status status = report->status = filter ?
		filtered(delivery->arena, given->status) :
		given->status;
	struct msg_delivered m = {
		.number = recipient->number,
		.subject = status.subject,
		.detail = status.detail,
		.text = status.text,
		.action = report->action,
		.mta = report->mta,
		.diagnostic = report->diagnostic,
		.unsettled = report->unsettled,
	};

	if (recipient->reported)
		panic("%.*s: a recipient is reported twice",
			STR_ARG(delivery->m.queue_id));
	recipient->reported = true;
	write_lines(delivery, recipient, report);
	m.code = status_class(status) == 5 && delivery->conf->soft_bounce &&
			!(delivery->m.flags & DELIVER_VERIFY) ?
		(uint64_t)(status.code - 100) :
		status.code;
	if (status_is_ok(status) && report->action == DSN_ACTION_NONE)
		m.action = DSN_ACTION_DELIVERED;
	if (!msg_delivered_send(delivery->call, &m))
		log_warning("%.*s: qmgr does not hear of it: %m",
			STR_ARG(delivery->m.queue_id));
}

void deliver_report_rest(struct delivery *delivery,
	const struct deliver_report *report)
{
	for (size_t i = 0; i < delivery->count; i++)
		if (!delivery->recipients[i].reported)
			deliver_report(
				delivery, &delivery->recipients[i], report);
}

void deliver_done(struct delivery *delivery, bool settled,
	enum deliver_site site, struct str why)
{
	const struct msg_deliver_done m = {
		.settled = settled,
		.site = site,
		.why = why,
	};

	delivery->done = true;
	if (!msg_deliver_done_send(delivery->call, &m))
		log_warning("%.*s: qmgr does not hear the end: %m",
			STR_ARG(delivery->m.queue_id));
}

void deliver_pass_rest(struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->count; i++)
		delivery->recipients[i].reported = true;
	deliver_done(delivery, true, DELIVER_SITE_OWN, STR(""));
}

void deliver_settled(struct delivery *delivery)
{
	const struct msg_settled m = { 0 };

	if (!msg_settled_send(delivery->call, &m))
		log_debug("%.*s: qmgr has gone before all was settled",
			STR_ARG(delivery->m.queue_id));
}

bool deliver_is_orphan(const struct delivery *delivery)
{
	return delivery->call && !call_is_alive(delivery->call);
}
