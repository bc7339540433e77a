/*
 * ipc/frame - what a packet between two peers consists of.
 *
 * A packet is a sequence of frames: a header {call u32, kind u16, flags u16,
 * length u32} in the machine's order, then `length` octets. A call is numbered
 * by the side that opened it, upwards from 1; FRAME_OPENER tells whose number
 * it is. The descriptors of a packet belong to its frames in order, as many to
 * each as its flags say.
 *
 * Memory   slices of the packet
 * Waits    no
 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include "base/buf.h"

enum {
	FRAME_HEADER = 12,
	FRAME_OPENER = 0x01,  /* sent by the side that opened the call */
	FRAME_END = 0x02,     /* the call is over; no body */
	FRAME_CREDIT = 0x04,  /* body: u32, octets that may be sent again */
	FRAME_RETIRE = 0x08,  /* call 0: open no more calls; no body */
	FRAME_RETIRED = 0x10, /* call 0: the answer; no body */
	FRAME_FDS_SHIFT = 8,  /* three bits: number of descriptors */
	FRAME_FDS_MASK = 0x700,
};

struct frame {
	uint32_t call;
	uint16_t kind, flags;
	struct str body;
};

static inline size_t frame_fds(const struct frame *frame)
{
	return (frame->flags & FRAME_FDS_MASK) >> FRAME_FDS_SHIFT;
}

/*
 * Take the frame at the front of a packet. False, and `packet` has not moved:
 * nothing left (packet->len is 0) or malformed: a length beyond the packet,
 * unknown or contradicting flags, a wrong size for its flags.
 */
must_check bool frame_take(struct str *packet, struct frame *frame);
/* Append header and body. */
void frame_format(struct buf *out, const struct frame *frame);

#endif
