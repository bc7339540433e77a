#include "queue/part.h"

#include "ipc/frame.h"

static void put(struct buf *out, enum msg_kind kind, struct str body)
{
	struct frame frame = { .call = 1, .kind = (uint16_t)kind,
		.body = body };

	frame_format(out, &frame);
}

void part_put_entry(struct buf *out, const struct msg_queue_entry *m)
{
	auto_buf struct buf body = { 0 };

	msg_queue_entry_format(&body, m);
	put(out, MSG_queue_entry, buf_str(&body));
}

void part_put_recipient(struct buf *out, const struct msg_queue_recipient *m)
{
	auto_buf struct buf body = { 0 };

	msg_queue_recipient_format(&body, m);
	put(out, MSG_queue_recipient, buf_str(&body));
}

/* As many whole frames as one message carries, at least one. */
static struct str take_message(struct str *all)
{
	struct str rest = *all, part = STR("");
	struct frame frame;

	while (frame_take(&rest, &frame) &&
		(part.len == 0 || all->len - rest.len <= PART_ENOUGH))
		part = str_first(*all, all->len - rest.len);
	*all = str_skip(*all, part.len);
	return part;
}

bool part_send(struct call *call, struct buf *out)
{
	struct str all = buf_str(out);
	bool sent = true;

	while (sent && all.len > 0) {
		struct msg_queue_part m = { .frames = all };

		if (all.len > 2 * PART_ENOUGH)
			m.frames = take_message(&all);
		else
			all = STR("");
		sent = m.frames.len > 0 && msg_queue_part_send(call, &m);
	}
	buf_clear(out);
	return sent;
}

bool part_take(struct str *part, struct part_item *item)
{
	struct frame frame;

	if (!frame_take(part, &frame))
		return false;
	item->kind = (enum msg_kind)frame.kind;
	if (item->kind == MSG_queue_entry)
		return msg_queue_entry_parse(frame.body, &item->entry);
	return item->kind == MSG_queue_recipient &&
		msg_queue_recipient_parse(frame.body, &item->recipient);
}
