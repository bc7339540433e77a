/*
 * bounce - writes delivery status notifications and submits them.
 *
 * Room       user posthorn, empty root; opens nothing
 * Gets       from qmgr: a message, and what became of its recipients
 * Calls      cleanup
 * RFC        3461, 3464, 6522, 6533
 */
#include "bounce/bounce.h"

#include "base/log.h"
#include "mail/address.h"
#include "mail/date.h"
#include "queue/submission.h"
#include "service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
	RECEIVE_TIMEOUT_S = 300,
	RECIPIENTS_MOST = 100000,
	TEMPLATES_MOST = 256 * 1024,
};

static const enum param params[] = { p2bounce_notice_recipient,
	bounce_notice_recipient, bounce_queue_lifetime, bounce_size_limit,
	bounce_template_file, delay_notice_recipient, delay_warning_time,
	double_bounce_sender, enable_long_queue_ids, header_size_limit,
	mail_name, maximal_queue_lifetime, myhostname, myorigin, notify_classes,
	enable_threaded_bounces, internal_mail_filter_classes, PARAMS_END };

/* Read before the sandbox closes. */
static struct dsn_template templates[DSN_KINDS];

static bool read_file(struct arena *arena, const char *path, struct str *text)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *octets = arena_alloc(arena, TEMPLATES_MOST);
	ssize_t len = fd < 0 ? -1 : read(fd, octets, TEMPLATES_MOST);

	if (len < 0)
		return false;
	*text = str_of(octets, (size_t)len);
	errno = EFBIG;
	return (size_t)len < TEMPLATES_MOST;
}

/* A file that is of no use is no reason to tell nobody. */
static void read_templates(const struct conf *conf)
{
	struct arena *arena = arena_new(0); /* of the process */
	const char *path = arena_cstr(arena, conf->bounce_template_file);
	struct dsn_template read[DSN_KINDS];
	struct str text, error;

	dsn_templates_init(templates);
	if (!*path)
		return;
	memcpy(read, templates, sizeof(read));
	if (!read_file(arena, path, &text))
		log_warning("bounce_template_file: %s: %m; the built-in texts "
			    "are used",
			path);
	else if (!dsn_templates_parse(arena, text, read, &error))
		log_warning("bounce_template_file: %s: %.*s; the built-in "
			    "texts are used",
			path, STR_ARG(error));
	else
		memcpy(templates, read, sizeof(read));
}

static void prepare(const struct conf *conf)
{
	mail_date_ready();
	read_templates(conf);
}

static bool take_recipient(struct notice *notice, size_t *capacity)
{
	struct msg_bounce_recipient m;
	struct notice_recipient *recipient;

	if (notice->count == RECIPIENTS_MOST ||
		!msg_bounce_recipient_recv(notice->call, &m,
			span_s(RECEIVE_TIMEOUT_S)))
		return false;
	arena_grow(notice->arena, &notice->recipients, capacity,
		notice->count + 1, sizeof(*recipient));
	recipient = &notice->recipients[notice->count++];
	recipient->notify = m.notify;
	recipient->dsn = (struct dsn_recipient){
		.address = m.address,
		.orig = m.orig,
		.orcpt = m.orcpt,
		.status = { (uint16_t)m.code, (uint16_t)m.subject,
			(uint16_t)m.detail, m.text },
		.action = (enum dsn_action)m.action,
		.mta = m.mta,
		.diagnostic = m.diagnostic,
		.attempt_us = (int64_t)m.attempt_us,
	};
	return true;
}

static bool receive(struct notice *notice)
{
	struct msg_bounce_go go;
	enum msg_kind kind;
	size_t capacity = 0;

	if (!msg_bounce_recv(notice->call, &notice->m,
		    span_s(RECEIVE_TIMEOUT_S)))
		return false;
	while (call_peek(notice->call, &kind, span_s(RECEIVE_TIMEOUT_S)) &&
		kind == MSG_bounce_recipient)
		if (!take_recipient(notice, &capacity))
			return false;
	return msg_bounce_go_recv(
		       notice->call, &go, span_s(RECEIVE_TIMEOUT_S)) &&
		notice->m.kind < DSN_KINDS && notice->count > 0;
}

static void answer(struct notice *notice, struct status status)
{
	const struct msg_bounced m = {
		.code = status.code,
		.queue_id = notice->last_id,
		.text = status.text,
	};

	if (!msg_bounced_send(notice->call, &m))
		log_warning("%.*s: qmgr does not hear of the notification: %m",
			STR_ARG(notice->m.queue_id));
}

static void serve(const struct conf *conf, struct call *call)
{
	struct notice notice = {
		.conf = conf,
		.templates = templates,
		.arena = call_arena(call),
		.call = call,
		.m = { .large = -1 },
		.last_id = STR_NONE,
	};
	auto_close int fd = -1;
	bool good = receive(&notice);

	fd = notice.m.large;
	if (good && notice_take_content(&notice))
		answer(&notice, notice_send(&notice));
	else if (good)
		answer(&notice, STATUS(451, 3, 0, "content cannot be read"));
}

static const struct service service = {
	.name = "bounce",
	.fibers = 100,
	.profile = PROFILE_WORKER,
	.calls = "cleanup",
	.params = params,
	.prepare = prepare,
	.serve = serve,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
