#include "mailbox/pack.h"

#include "mailbox/mailbox.h"

enum {
	PACK_VERSION = 1,
	FLAGS_LOW = 0x3f,  /* IMAP_*; MAILBOX_* are moved down to them */
	FLAGS_MOVED = 2,
};

struct header {
	uint32_t version, id;
	uint64_t modseq;
	uint32_t uidvalidity, uidnext, names, count;
};

static struct header header_of(const struct index_mailbox *row, uint32_t count)
{
	return (struct header){ .version = PACK_VERSION, .id = row->id,
		.modseq = row->modseq, .uidvalidity = row->uidvalidity,
		.uidnext = row->uidnext, .names = row->names,
		.count = count };
}

static void add_number(struct buf *out, uint64_t n)
{
	char octets[10];
	size_t len = 0;

	for (; n > 0x7f; n >>= 7)
		octets[len++] = (char)(n | 0x80);
	octets[len++] = (char)n;
	buf_add(out, str_of(octets, len));
}

static bool take_number(struct str *in, uint64_t *n)
{
	const unsigned char *p = (const unsigned char *)in->p;
	size_t at = 0;

	*n = 0;
	for (unsigned shift = 0; at < in->len && shift < 64; shift += 7) {
		*n |= (uint64_t)(p[at] & 0x7f) << shift;
		if (!(p[at++] & 0x80)) {
			*in = str_skip(*in, at);
			return true;
		}
	}
	return false;
}

/* Small for small differences, whatever their sign. */
static uint64_t fold(uint64_t difference)
{
	return difference << 1 ^ (uint64_t)((int64_t)difference >> 63);
}

static uint64_t unfold(uint64_t n)
{
	return n >> 1 ^ (0 - (n & 1));
}

void pack_begin(struct buf *out, const struct index_mailbox *row,
	uint32_t count)
{
	struct header h = header_of(row, count);

	buf_add(out, str_of(&h, sizeof(h)));
}

void pack_add(struct buf *out, const struct index_message *last,
	const struct index_message *message)
{
	uint32_t flags = message->flags;

	add_number(out, message->uid - last->uid);
	add_number(out, (flags & FLAGS_LOW) |
		(flags & ~(uint32_t)FLAGS_LOW) >> FLAGS_MOVED);
	add_number(out, message->keywords);
	add_number(out, fold(message->modseq - last->modseq));
}

bool pack_open(struct str octets, const struct index_mailbox *row,
	struct pack *pack)
{
	struct header h, wanted;

	if (octets.len < sizeof(h))
		return false;
	memcpy(&h, octets.p, sizeof(h));
	wanted = header_of(row, h.count);
	if (memcmp(&h, &wanted, sizeof(h)) != 0)
		return false;
	*pack = (struct pack){ .left = str_skip(octets, sizeof(h)),
		.count = h.count, .last.modseq = row->modseq };
	/* Four octets a message at least. */
	return h.count <= pack->left.len / 4;
}

/* Most are of one octet each. */
static bool take_four(struct str *in, uint64_t numbers[4])
{
	const unsigned char *p = (const unsigned char *)in->p;

	if (in->len >= 4 && !((p[0] | p[1] | p[2] | p[3]) & 0x80)) {
		for (size_t i = 0; i < 4; i++)
			numbers[i] = p[i];
		*in = str_skip(*in, 4);
		return true;
	}
	for (size_t i = 0; i < 4; i++)
		if (!take_number(in, &numbers[i]))
			return false;
	return true;
}

bool pack_take(struct pack *pack, const struct index_mailbox *row,
	struct index_message *message)
{
	uint64_t numbers[4], uid, flags, keywords, modseq;

	if (!take_four(&pack->left, numbers))
		return false;
	uid = numbers[0];
	flags = numbers[1];
	keywords = numbers[2];
	modseq = numbers[3];
	if (uid == 0 || uid >= row->uidnext - pack->last.uid ||
		flags > UINT32_MAX >> FLAGS_MOVED)
		return false;
	*message = (struct index_message){
		.uid = pack->last.uid + (uint32_t)uid,
		.flags = ((uint32_t)flags & FLAGS_LOW) |
			((uint32_t)flags & ~(uint32_t)FLAGS_LOW)
				<< FLAGS_MOVED,
		.keywords = keywords,
		.modseq = pack->last.modseq + unfold(modseq),
		.size = MAILBOX_SIZE_UNKNOWN,
		.internal_s = MAILBOX_DATE_UNKNOWN,
		.saved_s = MAILBOX_DATE_UNKNOWN,
	};
	pack->last = *message;
	pack->taken++;
	return message->modseq <= row->modseq;
}
