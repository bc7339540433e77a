/*
 * queue/mark - what became of a message, as self-checking records.
 *
 * On disk: magic, octets of what follows the CRC, CRC-32C of that (four octets
 * each, little endian), then kind, slot, serial, recipient, time, and for
 * MARK_STATUS and MARK_NEXT code, subject, detail and three texts with their
 * lengths; zeroes up to a multiple of eight.
 */
#include "queue/mark.h"

#include "base/crc.h"
#include "queue/message.h"

enum {
	MAGIC = 0x4b4d4850, /* PHMK */
	FRAME_OCTETS = 12,
	PAYLOAD_MOST = 64 + 3 * (MARK_TEXT_MOST + 4),
	NO_TEXT = 0xffffffff,
};

static bool has_status(enum mark_kind kind)
{
	return kind == MARK_STATUS || kind == MARK_NEXT;
}

static void put_text(struct buf *out, struct str text)
{
	struct str cut = str_first(text, MARK_TEXT_MOST);

	disk_u32(out, str_is_none(text) ? NO_TEXT : (uint32_t)cut.len);
	buf_add(out, cut);
}

void mark_format(struct buf *out, const struct mark *mark)
{
	auto_buf struct buf payload = { 0 };

	disk_u32(&payload, (uint32_t)mark->kind);
	disk_u32(&payload, mark->slot);
	disk_u64(&payload, mark->serial);
	disk_u64(&payload, (uint64_t)mark->wall_us);
	disk_u32(&payload, mark->recipient);
	if (has_status(mark->kind)) {
		disk_u32(&payload, mark->code);
		disk_u32(&payload, mark->subject);
		disk_u32(&payload, mark->detail);
		put_text(&payload, mark->text);
		put_text(&payload, mark->mta);
		put_text(&payload, mark->diagnostic);
	}
	disk_u32(out, MAGIC);
	disk_u32(out, (uint32_t)payload.len);
	disk_u32(out, crc32c(0, buf_str(&payload)));
	buf_add(out, buf_str(&payload));
	for (size_t len = FRAME_OCTETS + payload.len; len % 8 != 0; len++)
		buf_char(out, 0);
}

static bool take_text(struct str *in, struct str *text)
{
	uint32_t len;

	if (!disk_take_u32(in, &len))
		return false;
	*text = STR_NONE;
	if (len == NO_TEXT)
		return true;
	if (len > in->len || len > MARK_TEXT_MOST)
		return false;
	*text = str_first(*in, len);
	*in = str_skip(*in, len);
	return true;
}

static bool parse_payload(struct str in, struct mark *mark)
{
	uint32_t kind;
	uint64_t wall_us;

	*mark = (struct mark){ 0 };
	if (!disk_take_u32(&in, &kind) || kind == 0 ||
		kind >= MARK_KINDS_END || !disk_take_u32(&in, &mark->slot) ||
		!disk_take_u64(&in, &mark->serial) ||
		!disk_take_u64(&in, &wall_us) ||
		!disk_take_u32(&in, &mark->recipient))
		return false;
	mark->kind = (enum mark_kind)kind;
	mark->wall_us = (int64_t)wall_us;
	if (!has_status(mark->kind))
		return true;
	return disk_take_u32(&in, &mark->code) &&
		disk_take_u32(&in, &mark->subject) &&
		disk_take_u32(&in, &mark->detail) &&
		take_text(&in, &mark->text) && take_text(&in, &mark->mta) &&
		take_text(&in, &mark->diagnostic);
}

/* One record exactly at the front. */
static bool take_here(struct str *in, struct mark *mark)
{
	struct str rest = *in, payload;
	uint32_t magic, len, crc;

	if (!disk_take_u32(&rest, &magic) || magic != MAGIC ||
		!disk_take_u32(&rest, &len) || len > PAYLOAD_MOST ||
		!disk_take_u32(&rest, &crc) || len > rest.len)
		return false;
	payload = str_first(rest, len);
	if (crc32c(0, payload) != crc || !parse_payload(payload, mark))
		return false;
	*in = str_skip(*in, mark_align(FRAME_OCTETS + (uint64_t)len));
	return true;
}

bool mark_take(struct str *in, struct mark *mark, uint64_t *damaged)
{
	while (in->len > 0) {
		if (take_here(in, mark))
			return true;
		if (damaged)
			*damaged += in->len < 8 ? in->len : 8;
		*in = str_skip(*in, 8);
	}
	return false;
}
