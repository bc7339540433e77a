#include "queue/stand.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/stand.h"

enum {
	WAIT_S = 20,
};

static void grant_ids(const struct stand_queue *queue, struct call *call)
{
	static uint64_t next = 1;
	struct msg_ids_want want;
	struct msg_ids_grant grant = { .first = next, .count = 32,
		.space = queue->space };

	next += 32;
	if (msg_ids_want_recv(call, &want, span_s(WAIT_S)))
		(void)!msg_ids_grant_send(call, &grant);
}

/* The file, to read it later. */
static int grant_large(struct call *call)
{
	struct msg_large_want want;
	struct msg_large_grant grant = { 0 };
	int fd = memfd_create("large", MFD_CLOEXEC);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	grant.file = open(path, O_WRONLY | O_CLOEXEC);
	if (msg_large_want_recv(call, &want, span_s(WAIT_S)))
		(void)!msg_large_grant_send(call, &grant);
	base_close(&grant.file);
	return fd;
}

static void read_large(struct call *call, int fd, struct stand_message *m)
{
	struct msg_large_done done;
	char *text;
	ssize_t got;

	if (fd < 0 || !msg_large_done_recv(call, &done, span_s(WAIT_S)))
		return;
	text = arena_alloc(call_arena(call), done.octets + 1);
	got = pread(fd, text, done.octets, 0);
	m->content = str_of(text, got > 0 ? (size_t)got : 0);
	if (m->content.len != done.octets)
		panic("a large content is not as long as was said");
}

static void add_recipient(struct call *call, struct stand_message *m)
{
	struct msg_recipient recipient;

	if (!msg_recipient_recv(call, &recipient, span_s(WAIT_S)))
		return;
	arena_grow(call_arena(call), &m->recipients, &m->recipient_capacity,
		m->recipient_count + 1, sizeof(*m->recipients));
	m->recipients[m->recipient_count++] = recipient;
}

static bool add_milter(struct call *call, struct stand_message *m)
{
	struct msg_milter milter;

	if (!msg_milter_recv(call, &milter, span_s(WAIT_S)))
		return false;
	arena_grow(call_arena(call), &m->milters, &m->milter_capacity,
		m->milter_count + 1, sizeof(*m->milters));
	m->milters[m->milter_count++] = milter;
	return true;
}

static void end_milters(struct stand_message *m)
{
	for (size_t i = 0; i < m->milter_count; i++)
		base_close(&m->milters[i].socket);
}

static void commit(struct stand_queue *queue, struct call *call,
	struct stand_message *m)
{
	struct msg_submit submit;
	struct msg_submitted answer = { .text = STR("") };
	struct status status = STATUS_OK;

	if (!msg_submit_recv(call, &submit, span_s(WAIT_S)))
		return;
	queue->in_step = 0;
	if (queue->take)
		status = queue->take(queue->context, m);
	queue->taken += status_is_ok(status);
	answer.code = status_is_ok(status) ? 250 : status.code;
	answer.subject = status.subject;
	answer.detail = status.detail;
	answer.milters = queue->in_step;
	(void)!msg_submitted_send(call, &answer);
}

static void take_all(struct stand_queue *queue, struct call *call,
	struct stand_message *m)
{
	struct msg_content content;
	auto_close int large = -1;
	enum msg_kind kind;

	while (call_peek(call, &kind, span_s(WAIT_S))) {
		if (kind == MSG_ids_want)
			grant_ids(queue, call);
		else if (kind == MSG_large_want)
			large = grant_large(call);
		else if (kind == MSG_large_done)
			read_large(call, large, m);
		else if (kind == MSG_recipient)
			add_recipient(call, m);
		else if (kind == MSG_milter) {
			if (!add_milter(call, m))
				return;
		} else if (kind == MSG_submission) {
			if (!msg_submission_recv(call, &m->facts,
				    span_s(WAIT_S)))
				return;
		} else if (kind == MSG_content) {
			if (!msg_content_recv(call, &content, span_s(WAIT_S)))
				return;
			m->content = content.octets;
		} else {
			commit(queue, call, m);
			return;
		}
	}
}

static void serve(struct call *call, void *context)
{
	struct stand_message m = { 0 };

	take_all(context, call, &m);
	end_milters(&m);
}

void stand_queue_open(struct stand_queue *queue)
{
	stand_peer("cleanup", serve, queue);
}
