/*
 * showq - shows the queue to postqueue(1).
 *
 * Room       a fiber per client; user posthorn, empty root; opens nothing
 * Gets       clients on public/showq: a line `text`, `json` or `raw`; answers "+" or
 *            "-denied", then the listing, ended by a NUL octet
 * Calls      qmgr; pickup, for maildrop/
 */
#include "base/log.h"
#include "ipc/messages.h"
#include "queue/listing.h"
#include "queue/part.h"
#include "queue/users.h"
#include "service/service.h"

enum {
	CONNECT_S = 60,
	PICKUP_S = 10,
	ANSWER_S = 600,
	LINE_S = 60,
	SEND_AT = 32 * 1024,
};

static const enum param params[] = {
	authorized_mailq_users, enable_long_queue_ids, PARAMS_END
};

static struct users viewers;

static void prepare(const struct conf *conf)
{
	users_open(&viewers, "authorized_mailq_users",
		conf->authorized_mailq_users);
}

/* ---- from qmgr ---- */

static void show_entry(struct listing *list, const struct msg_queue_entry *m,
	bool *is_open)
{
	struct listed listed = { .queue_name = m->queue_name,
		.queue_id = m->queue_id, .sender = m->sender,
		.arrival_us = (int64_t)m->arrival_us, .size = m->size,
		.forced_expire = m->forced_expire };

	if (*is_open)
		listing_end_message(list);
	*is_open = true;
	listing_begin(list, &listed);
}

static bool take_part(struct call *call, struct listing *list, bool *is_open)
{
	struct msg_queue_part m;
	struct part_item item;

	if (!msg_queue_part_recv(call, &m, span_s(1)))
		return false;
	while (part_take(&m.frames, &item)) {
		const struct msg_queue_recipient *r = &item.recipient;

		if (item.kind == MSG_queue_entry)
			show_entry(list, &item.entry, is_open);
		else if (*is_open)
			listing_recipient(list, r->address, r->orig,
				r->reason);
	}
	call_forget(call); /* all of it is in the listing */
	return m.frames.len == 0;
}

static bool send_some(struct stream *io, struct buf *out, bool all)
{
	bool sent;

	if (out->len == 0 || (!all && out->len < SEND_AT))
		return true;
	sent = io_write(io, buf_str(out));
	buf_clear(out);
	return sent;
}

/* Up to the end of what one of them has. False: it, or the client, is gone. */
static bool relay(struct call *call, struct stream *io, struct listing *list)
{
	struct msg_queue_list question = { .queue_id = STR_NONE };
	struct msg_queue_end end;
	enum msg_kind kind;
	bool is_open = false;

	if (!msg_queue_list_send(call, &question))
		return false;
	while (call_peek(call, &kind, span_s(ANSWER_S)) &&
		kind != MSG_queue_end) {
		if (!take_part(call, list, &is_open) ||
			!send_some(io, list->out, false))
			return false;
	}
	if (is_open)
		listing_end_message(list);
	return msg_queue_end_recv(call, &end, span_s(1));
}

static bool list_of(struct client *client, struct listing *list,
	const char *source, int seconds)
{
	struct call *call = service_call(client->arena, source,
		span_s(seconds));

	if (call && relay(call, client->io, list))
		return true;
	log_warning("no list of %s: %m", source);
	return false;
}

/* In Postfix's order. True: the client has all of it; but maildrop/ is no
 * reason to show nothing. */
static bool list_all(struct client *client, struct listing *list)
{
	(void)!list_of(client, list, "pickup", PICKUP_S);
	if (!list_of(client, list, "qmgr", CONNECT_S))
		return false;
	listing_end(list);
	return send_some(client->io, list->out, true);
}

static void session(const struct conf *conf, struct client *client)
{
	auto_buf struct buf out = { 0 };
	struct listing list = { .out = &out,
		.long_ids = conf->enable_long_queue_ids };
	struct str line;

	if (!io_line(client->io, &line, span_s(LINE_S)))
		return;
	list.is_json = str_is(line, "json");
	list.is_raw = str_is(line, "raw");
	if (!users_has(&viewers, client->sys_uid)) {
		io_text(client->io, "-denied\n");
		return;
	}
	io_text(client->io, "+\n");
	/* Without the NUL the client knows that something is missing. */
	if (list_all(client, &list))
		io_write(client->io, str_of("", 1));
	io_flush(client->io, span_s(LINE_S));
}

static const struct service service = {
	.name = "showq", .fibers = 20, .profile = PROFILE_WORKER,
	.calls = "qmgr pickup", .params = params, .prepare = prepare,
	.session = session,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
