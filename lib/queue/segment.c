/*
 * queue/segment - a file of the journal.
 */
#include "queue/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/crc.h"
#include "queue/message.h"

static const char magic[8] = { 'P', 'H', 'S', 'E', 'G', '\r', '\n', 1 };

/* Most mail is under 8 KiB with its envelope; 128 KiB holds the largest
 * content that travels in a packet; the last is for long recipient lists. */
const struct slot_class slot_classes[] = {
	{ 8 * 1024, 1024 },
	{ 32 * 1024, 256 },
	{ 128 * 1024, 64 },
	{ 1024 * 1024, 8 },
};
const size_t slot_class_count = COUNT(slot_classes);

enum {
	SHAPE_OCTETS = 16, /* magic, octets, slots */
	/* At a time: the page cache keeps what is written at once as one piece,
	 * and each later write and flush of a slot walks over all of its piece. */
	FILL_OCTETS = 16 * 1024,
	PATH_MOST = SEGMENT_NAME_MOST + 16,
};

void segment_name(char name[SEGMENT_NAME_MOST], unsigned class,
	uint64_t number)
{
	snprintf(name, SEGMENT_NAME_MOST, "%u-%ju", class % 10,
		(uintmax_t)(number % 1000000000000000));
}

bool segment_parse_name(struct str name, unsigned *class, uint64_t *number)
{
	uint64_t digit, value;

	if (name.len >= SEGMENT_NAME_MOST ||
		!str_take_u64(&name, 9, &digit) || !str_take_char(&name, '-') ||
		!str_parse_u64(name, 999999999999999, &value))
		return false;
	*class = (unsigned)digit;
	*number = value;
	return true;
}

static bool fill(struct disk *disk, int fd, const struct slot_class *class)
{
	int64_t end = segment_slot_at(class->octets, class->slots);
	auto_buf struct buf block = { 0 };

	buf_add(&block, str_of(magic, sizeof(magic)));
	disk_u32(&block, class->octets);
	disk_u32(&block, class->slots);
	disk_u32(&block, crc32c(0, buf_str(&block)));
	if (!buf_room(&block, FILL_OCTETS))
		return false;
	memset(block.p + block.len, 0, FILL_OCTETS - block.len);
	for (int64_t at = 0; at < end; at += FILL_OCTETS) {
		size_t len = end - at < FILL_OCTETS ? (size_t)(end - at)
						    : FILL_OCTETS;

		if (!disk_write_all(disk, fd, block.p, len, at))
			return false;
		memset(block.p, 0, SHAPE_OCTETS + sizeof(uint32_t));
	}
	return disk_sync(disk, fd) == 0;
}

/* It gets its name only when it is whole. */
static bool publish(struct disk *disk, const char *from, const char *to)
{
	int fd = disk_open_file(disk, to, O_RDONLY);

	if (fd >= 0) {
		disk_close(disk, &fd);
		errno = EEXIST;
		return false;
	}
	return disk_rename(disk, from, to) == 0 &&
		disk_sync_dir(disk, "journal") == 0;
}

int segment_create(struct disk *disk, const char *name,
	const struct slot_class *class)
{
	char path[PATH_MOST], fresh[PATH_MOST];
	int fd, error;

	snprintf(path, sizeof(path), "journal/%s", name);
	snprintf(fresh, sizeof(fresh), "journal/tmp-%s", name);
	fd = disk_open_file(disk, fresh, O_RDWR | O_CREAT);
	if (fd < 0)
		return -1;
	if (disk->lock(disk, fd) < 0) {
		disk_close(disk, &fd);
		errno = EEXIST; /* another process makes this one */
		return -1;
	}
	if (fill(disk, fd, class) && publish(disk, fresh, path))
		return fd;
	error = errno;
	(void)disk_unlink(disk, fresh);
	disk_close(disk, &fd);
	errno = error;
	return -1;
}

int segment_open(struct disk *disk, const char *name, int flags,
	struct segment_shape *shape)
{
	char path[PATH_MOST], octets[SHAPE_OCTETS + sizeof(uint32_t)];
	struct str at = str_of(octets, sizeof(octets));
	uint32_t crc;
	int fd;

	snprintf(path, sizeof(path), "journal/%s", name);
	fd = disk_open_file(disk, path, flags);
	if (fd < 0)
		return -1;
	if (disk_read_all(disk, fd, octets, sizeof(octets), 0) &&
		str_take_prefix(&at, str_of(magic, sizeof(magic))) &&
		disk_take_u32(&at, &shape->octets) &&
		disk_take_u32(&at, &shape->slots) &&
		disk_take_u32(&at, &crc) &&
		crc == crc32c(0, str_of(octets, SHAPE_OCTETS)) &&
		shape->octets > MESSAGE_HEAD_OCTETS &&
		shape->octets <= SEGMENT_SLOT_MOST && shape->slots > 0 &&
		shape->slots <= SEGMENT_SLOTS_MOST &&
		disk->size(disk, fd) >=
			segment_slot_at(shape->octets, shape->slots))
		return fd;
	disk_close(disk, &fd);
	errno = EINVAL;
	return -1;
}

void place_format(struct buf *out, const struct place *place)
{
	buf_fmt(out, "%s/%u/%jX", place->segment, place->slot,
		(uintmax_t)place->serial);
}

static bool parse_hex(struct str in, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < in.len; i++) {
		int digit = ascii_hex((unsigned char)in.p[i]);

		if (digit < 0)
			return false;
		*value = *value << 4 | (unsigned)digit;
	}
	return in.len > 0 && in.len <= 16;
}

bool place_parse(struct str text, struct place *place)
{
	struct str name = str_take_until(&text, '/');
	struct str slot = str_take_until(&text, '/');
	uint64_t number, index;
	unsigned class;

	if (!segment_parse_name(name, &class, &number) ||
		!str_parse_u64(slot, SEGMENT_SLOTS_MOST, &index) ||
		!parse_hex(text, &place->serial))
		return false;
	memcpy(place->segment, name.p, name.len);
	place->segment[name.len] = '\0';
	place->slot = (uint32_t)index;
	return true;
}
