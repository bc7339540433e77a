#include "ipc/frame.h"

#include "ipc/peer.h"

/* Flags that exclude each other, and how the frame must look then. */
static const struct shape {
	uint16_t flag;
	uint32_t length;
	bool of_call, of_opener; /* has a call number; may have FRAME_OPENER */
} shapes[] = {
	{ FRAME_END, 0, true, true },
	{ FRAME_CREDIT, sizeof(uint32_t), true, true },
	{ FRAME_RETIRE, 0, false, false },
	{ FRAME_RETIRED, 0, false, false },
};

static bool is_well_formed(const struct frame *frame)
{
	unsigned what = frame->flags & ~(unsigned)FRAME_OPENER;

	if (!(what & ~(unsigned)FRAME_FDS_MASK))
		return frame->kind != MSG_NONE && frame->call != 0 &&
			frame_fds(frame) <= CALL_FDS_MOST &&
			frame->body.len <= CALL_MESSAGE_MOST;
	for (size_t i = 0; i < COUNT(shapes); i++)
		if (what == shapes[i].flag)
			return frame->kind == MSG_NONE &&
				frame->body.len == shapes[i].length &&
				(frame->call != 0) == shapes[i].of_call &&
				(shapes[i].of_opener ||
					!(frame->flags & FRAME_OPENER));
	return false;
}

bool frame_take(struct str *packet, struct frame *frame)
{
	uint32_t length;

	if (packet->len < FRAME_HEADER)
		return false;
	memcpy(&frame->call, packet->p, 4);
	memcpy(&frame->kind, packet->p + 4, 2);
	memcpy(&frame->flags, packet->p + 6, 2);
	memcpy(&length, packet->p + 8, 4);
	if (length > packet->len - FRAME_HEADER)
		return false;
	frame->body = str_of(packet->p + FRAME_HEADER, length);
	if (!is_well_formed(frame))
		return false;
	*packet = str_skip(*packet, FRAME_HEADER + (size_t)length);
	return true;
}

void frame_format(struct buf *out, const struct frame *frame)
{
	uint32_t length = (uint32_t)frame->body.len;

	if (!buf_room(out, FRAME_HEADER + frame->body.len))
		return;
	buf_add(out, str_of(&frame->call, 4));
	buf_add(out, str_of(&frame->kind, 2));
	buf_add(out, str_of(&frame->flags, 2));
	buf_add(out, str_of(&length, 4));
	buf_add(out, frame->body);
}
