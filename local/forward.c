/*
 * local/forward - new messages for the addresses that a recipient stands for;
 * durable in the queue before the recipient is reported.
 */
#include "local/local.h"

#include "base/log.h"
#include "base/span.h"
#include "config/list.h"
#include "mail/date.h"
#include "queue/submit.h"

static struct forward *find(struct task *task, struct str sender, bool is_list)
{
	struct forward *forward;

	list_each(link, &task->forwards) {
		forward = CONTAINER(link, struct forward, link);
		if (forward->is_list == is_list &&
			str_eq(forward->sender, sender) &&
			str_eq(forward->delivered_to, task->delivered_to))
			return forward;
	}
	forward = arena_new_of(task->arena, struct forward);
	forward->sender = sender;
	forward->delivered_to = task->delivered_to;
	forward->is_list = is_list;
	list_append(&task->forwards, &forward->link);
	return forward;
}

void forward_add(struct task *task, struct str sender, bool is_list,
	struct str address)
{
	struct forward *forward;

	if (!task_is_new(task, ALIAS_ADDRESS, address))
		return;
	forward = find(task, sender, is_list);
	arena_grow(task->arena, &forward->addresses, &forward->capacity,
		forward->count + 1, sizeof(*forward->addresses));
	forward->addresses[forward->count++] = address;
}

static uint64_t flags_of(const struct delivery *delivery)
{
	static const struct {
		uint64_t deliver, submit;
	} same[] = {
		{ DELIVER_SMTPUTF8, SUBMIT_SMTPUTF8 },
		{ DELIVER_REQUIRETLS, SUBMIT_REQUIRETLS },
		{ DELIVER_TLS_OPTIONAL, SUBMIT_TLS_OPTIONAL },
		{ DELIVER_TRACE, SUBMIT_TRACE },
	};
	uint64_t flags = SUBMIT_FORWARDED;

	for (size_t i = 0; i < COUNT(same); i++)
		if (delivery->m.flags & same[i].deliver)
			flags |= same[i].submit;
	return flags;
}

static struct submission *begin(const struct task *task,
	const struct forward *forward, struct str id)
{
	const struct msg_deliver *m = &task->delivery->m;
	const struct msg_submission facts = {
		.queue_id = id,
		.sender = forward->sender,
		.arrival_us = (uint64_t)wall_us(),
		.flags = flags_of(task->delivery),
		.dsn_envid = forward->is_list ? STR_NONE : m->dsn_envid,
		.dsn_ret = forward->is_list ? 0 : m->dsn_ret,
		.encoding = m->encoding,
		.client_name = m->client_name,
		.client_address = m->client_address,
		.client_port = m->client_port,
		.helo = m->helo,
		.protocol = m->protocol,
		.sasl_method = m->sasl_method,
		.sasl_username = m->sasl_username,
		.sasl_sender = m->sasl_sender,
	};

	return submission_open(task->arena, &facts);
}

/* RFC 3461 5.2.7: one address takes over what the sender asked for; of several
 * the success is told here, as "expanded"; an owner is asked nothing. */
static void add_recipients(const struct task *task,
	const struct forward *forward, struct submission *submission)
{
	const struct deliver_recipient *from = task->recipient;
	bool is_one = forward->count == 1 && !forward->is_list;
	uint64_t notify = from->notify;

	if (!is_one && notify) {
		notify &= ~(uint64_t)DSN_NOTIFY_SUCCESS;
		if (notify == 0)
			notify = DSN_NOTIFY_NEVER;
	}
	if (forward->is_list)
		notify = 0;
	for (size_t i = 0; i < forward->count; i++) {
		const struct msg_recipient recipient = {
			.address = forward->addresses[i],
			/* a list with an owner is a sender of its own */
			.orig = !str_eq(forward->sender,
					task->delivery->m.sender) ? STR_NONE :
				from->orig.len ? from->orig : from->address,
			.orcpt = is_one ? from->orcpt : STR_NONE,
			.notify = notify,
		};

		submission_recipient(submission, &recipient);
	}
}

static void write_head(const struct task *task, const struct forward *forward,
	struct submission *submission, struct str id)
{
	const struct conf *conf = task->delivery->conf;
	struct buf head = BUF_IN(task->arena);

	if (list_has_word(conf->prepend_delivered_header, "forward")) {
		buf_text(&head, "Delivered-To: ");
		mail_address_format(&head, forward->delivered_to);
		buf_char(&head, '\n');
	}
	buf_fmt(&head, "Received: by %.*s (%.*s)\n\tid %.*s; ",
		STR_ARG(conf->myhostname), STR_ARG(conf->mail_name),
		STR_ARG(id));
	mail_date_format(&head, wall_us() / 1000000);
	buf_char(&head, '\n');
	submission_write(submission, buf_str(&head));
}

/* Blocks are passed on as they are. */
static bool write_content(const struct task *task,
	struct submission *submission)
{
	struct content_reader reader;
	struct str octets;

	content_open(&reader, task->arena, &task->delivery->content);
	do {
		if (!content_next(&reader, &octets))
			return false;
		if (octets.len > 0)
			submission_write(submission, octets);
	} while (octets.len > 0);
	return true;
}

static struct status commit(const struct task *task,
	const struct forward *forward)
{
	struct submission *submission;
	struct str id = STR("");
	struct status status = submit_id(task->arena,
		task->delivery->conf->enable_long_queue_ids, &id);

	if (!status_is_ok(status))
		return status;
	submission = begin(task, forward, id);
	add_recipients(task, forward, submission);
	write_head(task, forward, submission, id);
	if (!write_content(task, submission)) {
		submission_cancel(submission);
		return STATUS(451, 3, 0, "queue file read error");
	}
	status = submission_commit(submission);
	if (!status_is_ok(status))
		return status;
	return status_f(task->arena, 250, 0, 0, "forwarded as %.*s",
		STR_ARG(id));
}

void forward_commit(struct task *task)
{
	size_t count = 0;

	list_each(link, &task->forwards) {
		const struct forward *forward =
			CONTAINER(link, struct forward, link);

		count += forward->count;
		if (forward->is_list)
			count = 2;
	}
	if (count == 0)
		return;
	list_each(link, &task->forwards)
		task_add(task,
			commit(task, CONTAINER(link, struct forward, link)));
	if (task->action == DSN_ACTION_NONE)
		task->action = count == 1 ? DSN_ACTION_PASSED :
					    DSN_ACTION_EXPANDED;
}
