/*
 * queue/message - a message as octets on disk.
 */
#include "queue/message.h"

#include <endian.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/crc.h"

static const char magic[8] = { 'P', 'H', 'M', 'S', 'G', '\r', '\n', 1 };

enum {
	FORMAT_VERSION = 1,
	CRC_AT = MESSAGE_HEAD_OCTETS - 4,
};

void disk_u32(struct buf *out, uint32_t value)
{
	uint32_t wire = htole32(value);

	buf_add(out, str_of(&wire, sizeof(wire)));
}

void disk_u64(struct buf *out, uint64_t value)
{
	uint64_t wire = htole64(value);

	buf_add(out, str_of(&wire, sizeof(wire)));
}

bool disk_take_u32(struct str *in, uint32_t *value)
{
	uint32_t wire;

	if (in->len < sizeof(wire))
		return false;
	memcpy(&wire, in->p, sizeof(wire));
	*value = le32toh(wire);
	*in = str_skip(*in, sizeof(wire));
	return true;
}

bool disk_take_u64(struct str *in, uint64_t *value)
{
	uint64_t wire;

	if (in->len < sizeof(wire))
		return false;
	memcpy(&wire, in->p, sizeof(wire));
	*value = le64toh(wire);
	*in = str_skip(*in, sizeof(wire));
	return true;
}

/* ---- the envelope ---- */

static void put_text(struct buf *out, char tag, struct str value)
{
	if (str_is_none(value))
		return;
	buf_char(out, tag);
	disk_u32(out, (uint32_t)value.len);
	buf_add(out, value);
}

static void put_number(struct buf *out, char tag, uint64_t value)
{
	if (value == 0)
		return;
	buf_char(out, tag);
	disk_u32(out, sizeof(value));
	disk_u64(out, value);
}

void envelope_format(struct buf *out, const struct envelope *envelope)
{
#define MESSAGE_TEXT(field, tag, doc) put_text(out, tag, envelope->field);
#define MESSAGE_NUMBER(field, tag, doc) put_number(out, tag, envelope->field);
#include "queue/records.def"
#undef MESSAGE_TEXT
#undef MESSAGE_NUMBER
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		const struct recipient *recipient = &envelope->recipients[i];

#define RECIPIENT_TEXT(field, tag, doc) put_text(out, tag, recipient->field);
#define RECIPIENT_NUMBER(field, tag, doc) \
	put_number(out, tag, recipient->field);
#include "queue/records.def"
#undef RECIPIENT_TEXT
#undef RECIPIENT_NUMBER
	}
}

/* Where the records of one part go. */
struct field {
	char tag;
	bool is_number;
	size_t offset;
};

/* clang-format off */
static const struct field message_fields[] = {
#define MESSAGE_TEXT(field, tag, doc) \
	{ tag, false, offsetof(struct envelope, field) },
#define MESSAGE_NUMBER(field, tag, doc) \
	{ tag, true, offsetof(struct envelope, field) },
#include "queue/records.def"
#undef MESSAGE_TEXT
#undef MESSAGE_NUMBER
};

static const struct field recipient_fields[] = {
#define RECIPIENT_TEXT(field, tag, doc) \
	{ tag, false, offsetof(struct recipient, field) },
#define RECIPIENT_NUMBER(field, tag, doc) \
	{ tag, true, offsetof(struct recipient, field) },
#include "queue/records.def"
#undef RECIPIENT_TEXT
#undef RECIPIENT_NUMBER
};
/* clang-format on */

bool envelope_take_record(struct str *in, char *tag, struct str *value)
{
	struct str rest = str_skip(*in, 1);
	uint32_t len;

	if (in->len == 0 || !disk_take_u32(&rest, &len) || len > rest.len)
		return false;
	*tag = in->p[0];
	*value = str_first(rest, len);
	*in = str_skip(rest, len);
	return true;
}

static bool set_field(const struct field *fields, size_t count, void *into,
	char tag, struct str value)
{
	for (size_t i = 0; i < count; i++) {
		char *at = (char *)into + fields[i].offset;

		if (fields[i].tag != tag)
			continue;
		if (!fields[i].is_number) {
			memcpy(at, &value, sizeof(value));
			return true;
		}
		return value.len == sizeof(uint64_t) &&
			disk_take_u64(&value, (uint64_t *)(void *)at);
	}
	return tag >= 'a' && tag <= 'z'; /* of a later version */
}

bool envelope_parse(struct arena *arena, struct str in,
	struct envelope *envelope)
{
	size_t capacity = 0;
	struct str value;
	char tag;

	*envelope = (struct envelope){ 0 };
	while (in.len > 0) {
		size_t count = envelope->recipient_count;
		bool taken;

		if (!envelope_take_record(&in, &tag, &value))
			return false;
		if (tag == 'R') {
			if (count == MESSAGE_RECIPIENTS_MOST)
				return false;
			arena_grow(arena, &envelope->recipients, &capacity,
				count + 1, sizeof(struct recipient));
			envelope->recipients[count] =
				(struct recipient){ .address = value };
			envelope->recipient_count++;
			continue;
		}
		taken = count == 0
			? set_field(message_fields, COUNT(message_fields),
				  envelope, tag, value)
			: set_field(recipient_fields, COUNT(recipient_fields),
				  &envelope->recipients[count - 1], tag, value);
		if (!taken)
			return false;
	}
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (str_is_none(envelope->recipients[i].orig))
			envelope->recipients[i].orig =
				envelope->recipients[i].address;
	return envelope->recipient_count > 0 &&
		!str_is_none(envelope->sender) &&
		!str_is_none(envelope->queue_id);
}

/* Each text of an envelope once: where one is the same as another by its
 * place, as an address without aliases is, the copies are the same too. */
static struct str pack(char **at, struct str s)
{
	char *copy = *at;

	if (str_is_none(s))
		return STR_NONE;
	if (s.len)
		memcpy(copy, s.p, s.len);
	*at += s.len;
	return str_of(copy, s.len);
}

static size_t text_octets(const struct envelope *envelope)
{
	size_t octets = 1; /* an empty text is not none */

#define MESSAGE_TEXT(field, tag, doc) octets += envelope->field.len;
#define MESSAGE_NUMBER(field, tag, doc)
#include "queue/records.def"
#undef MESSAGE_TEXT
#undef MESSAGE_NUMBER
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		const struct recipient *recipient = &envelope->recipients[i];

#define RECIPIENT_TEXT(field, tag, doc) octets += recipient->field.len;
#define RECIPIENT_NUMBER(field, tag, doc)
#include "queue/records.def"
#undef RECIPIENT_TEXT
#undef RECIPIENT_NUMBER
		if (recipient->orig.p == recipient->address.p)
			octets -= recipient->orig.len;
	}
	return octets;
}

static void pack_recipient(char **at, const struct recipient *from,
	struct recipient *to)
{
	*to = *from;
	to->address = pack(at, from->address);
	to->orcpt = pack(at, from->orcpt);
	to->orig = from->orig.p == from->address.p
		? str_first(to->address, from->orig.len)
		: pack(at, from->orig);
}

void envelope_copy(struct arena *arena, const struct envelope *envelope,
	struct envelope *copy)
{
	size_t list = envelope->recipient_count * sizeof(struct recipient);
	char *memory = arena_alloc(arena, list + text_octets(envelope));
	char *at = memory + list;

	*copy = *envelope;
	copy->recipients = (void *)memory;
#define MESSAGE_TEXT(field, tag, doc) copy->field = pack(&at, envelope->field);
#define MESSAGE_NUMBER(field, tag, doc)
#include "queue/records.def"
#undef MESSAGE_TEXT
#undef MESSAGE_NUMBER
	for (size_t i = 0; i < envelope->recipient_count; i++)
		pack_recipient(&at, &envelope->recipients[i],
			&copy->recipients[i]);
}

/* ---- the header block ---- */

/* Exactly MESSAGE_HEAD_OCTETS at the place `at`. */
static void put_head(char *at, const struct message_head *head)
{
	auto_buf struct buf block = { 0 };

	buf_add(&block, str_of(magic, sizeof(magic)));
	disk_u32(&block, FORMAT_VERSION);
	disk_u32(&block, MESSAGE_HEAD_OCTETS);
	disk_u64(&block, head->serial);
	disk_u64(&block, head->nonce);
	disk_u64(&block, (uint64_t)head->commit_us);
	disk_u64(&block, head->content_octets);
	disk_u64(&block, head->large_octets);
	disk_u32(&block, head->envelope_octets);
	disk_u32(&block, head->recipients);
	disk_u32(&block, head->body_crc);
	buf_add(&block, str_of(head->boot_id, MESSAGE_BOOT_OCTETS));
	while (block.len < CRC_AT)
		buf_char(&block, 0);
	disk_u32(&block, crc32c(0, str_of(block.p, CRC_AT)));
	memcpy(at, block.p, MESSAGE_HEAD_OCTETS);
}

void message_format(struct buf *out, struct message_head *head,
	const struct envelope *envelope, struct str content)
{
	size_t start = out->len;
	static const char nothing[MESSAGE_HEAD_OCTETS];
	struct str body;

	buf_add(out, str_of(nothing, sizeof(nothing)));
	envelope_format(out, envelope);
	head->envelope_octets =
		(uint32_t)(out->len - start - MESSAGE_HEAD_OCTETS);
	buf_add(out, content);
	if (out->failed)
		return;
	head->content_octets = content.len;
	head->recipients = (uint32_t)envelope->recipient_count;
	body = str_skip(buf_str(out), start + MESSAGE_HEAD_OCTETS);
	head->body_crc = crc32c(0, body);
	put_head(out->p + start, head);
}

bool message_head_parse(struct str in, struct message_head *head)
{
	struct str at = in;
	uint32_t version, len, crc;
	uint64_t commit_us;

	if (in.len < MESSAGE_HEAD_OCTETS ||
		!str_take_prefix(&at, str_of(magic, sizeof(magic))))
		return false;
	if (!disk_take_u32(&at, &version) || version != FORMAT_VERSION ||
		!disk_take_u32(&at, &len) || len != MESSAGE_HEAD_OCTETS ||
		!disk_take_u64(&at, &head->serial) ||
		!disk_take_u64(&at, &head->nonce) ||
		!disk_take_u64(&at, &commit_us) ||
		!disk_take_u64(&at, &head->content_octets) ||
		!disk_take_u64(&at, &head->large_octets) ||
		!disk_take_u32(&at, &head->envelope_octets) ||
		!disk_take_u32(&at, &head->recipients) ||
		!disk_take_u32(&at, &head->body_crc))
		return false;
	head->commit_us = (int64_t)commit_us;
	memcpy(head->boot_id, at.p, MESSAGE_BOOT_OCTETS);
	at = str_skip(in, CRC_AT);
	return disk_take_u32(&at, &crc) &&
		crc == crc32c(0, str_first(in, CRC_AT)) && head->serial > 0 &&
		head->envelope_octets <= MESSAGE_ENVELOPE_MOST &&
		head->content_octets <= INT64_MAX / 2 &&
		head->large_octets <= INT64_MAX / 2;
}

bool message_body_is_intact(const struct message_head *head, struct str body)
{
	return body.len == head->envelope_octets + head->content_octets &&
		crc32c(0, body) == head->body_crc;
}

/* ---- the boot ---- */

static bool read_boot_id(unsigned char boot_id[MESSAGE_BOOT_OCTETS])
{
	auto_close int fd = open("/proc/sys/kernel/random/boot_id",
		O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
	size_t digits = 0;

	for (ssize_t i = 0; i < len && digits < 2 * MESSAGE_BOOT_OCTETS; i++) {
		int digit = ascii_hex((unsigned char)text[i]);

		if (digit < 0)
			continue;
		boot_id[digits / 2] =
			(unsigned char)(boot_id[digits / 2] << 4 | digit);
		digits++;
	}
	return digits == 2 * MESSAGE_BOOT_OCTETS;
}

void message_boot_id(unsigned char boot_id[MESSAGE_BOOT_OCTETS])
{
	static unsigned char kept[MESSAGE_BOOT_OCTETS];
	static bool is_read;

	if (!is_read && !read_boot_id(kept))
		memset(kept, 0, sizeof(kept));
	is_read = true;
	memcpy(boot_id, kept, MESSAGE_BOOT_OCTETS);
}

bool message_is_of_this_boot(const struct message_head *head)
{
	static const unsigned char unknown[MESSAGE_BOOT_OCTETS];
	unsigned char now[MESSAGE_BOOT_OCTETS];

	message_boot_id(now);
	return memcmp(now, unknown, sizeof(now)) != 0 &&
		memcmp(now, head->boot_id, sizeof(now)) == 0;
}
