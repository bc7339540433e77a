/*
 * queue/serial - serials that are never given out twice.
 */
#include "queue/serial.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buf.h"
#include "base/crc.h"
#include "base/log.h"
#include "io/fiber.h"
#include "queue/message.h"

enum {
	BLOCK = 4096, /* the two copies never share a disk block */
	COPY_OCTETS = 24,
	PER_SECOND = 4096,
	FIRST = 0x1000,
	LOCK_TRIES = 500,
};

static const char magic[8] = { 'P', 'H', 'S', 'E', 'R', '\r', '\n', 1 };

bool serials_open(struct serials *serials, struct disk *disk)
{
	*serials = (struct serials){ .disk = disk };
	serials->fd = disk_open_file(disk, "journal/serial", O_RDWR | O_CREAT);
	if (serials->fd < 0)
		return false;
	return disk_sync_dir(disk, "journal") == 0;
}

void serials_close(struct serials *serials)
{
	disk_close(serials->disk, &serials->fd);
}

/* The number in copy 0 or 1; 0: none that is whole. */
static uint64_t read_copy(struct serials *serials, int which)
{
	char octets[COPY_OCTETS];
	struct str at = str_of(octets, sizeof(octets));
	uint64_t value;
	uint32_t crc;

	if (!disk_read_all(serials->disk, serials->fd, octets, sizeof(octets),
		    which * BLOCK) ||
		!str_take_prefix(&at, str_of(magic, sizeof(magic))) ||
		!disk_take_u64(&at, &value) || !disk_take_u32(&at, &crc) ||
		crc != crc32c(0, str_of(octets, sizeof(magic) + 8)))
		return 0;
	return value;
}

static bool write_copy(struct serials *serials, int which, uint64_t value)
{
	auto_buf struct buf copy = { 0 };

	buf_add(&copy, str_of(magic, sizeof(magic)));
	disk_u64(&copy, value);
	disk_u32(&copy, crc32c(0, buf_str(&copy)));
	disk_u32(&copy, 0);
	return disk_write_all(serials->disk, serials->fd, copy.p, copy.len,
		       which * BLOCK) &&
		disk_sync(serials->disk, serials->fd) == 0;
}

/* Nothing was ever queued here. */
static bool is_new_queue(struct disk *disk)
{
	/* cleanup may see no others. */
	static const char *const dirs[] = { "journal", "large" };
	auto_arena struct arena *arena = arena_new(0);

	for (size_t i = 0; i < COUNT(dirs); i++) {
		struct disk_names names;

		if (!disk_list(disk, arena, dirs[i], &names)) {
			if (errno == ENOENT)
				continue;
			return false;
		}
		for (size_t k = 0; k < names.count; k++)
			if (strcmp(names.names[k], "serial") != 0 &&
				strcmp(names.names[k], "lock") != 0)
				return false;
	}
	return true;
}

/* Move the number up by a range; the caller holds the lock. */
static bool reserve(struct serials *serials)
{
	uint64_t copies[2] = { read_copy(serials, 0), read_copy(serials, 1) };
	uint64_t next = copies[0] > copies[1] ? copies[0] : copies[1];
	int older = copies[0] <= copies[1] ? 0 : 1;

	if (next == 0) {
		next = is_new_queue(serials->disk)
			? FIRST : (uint64_t)(wall_us() / 1000000) * PER_SECOND;
		log_info("journal/serial: begins at %ju", (uintmax_t)next);
	}
	if (!write_copy(serials, older, next + SERIAL_RANGE))
		return false;
	serials->next = next;
	serials->end = next + SERIAL_RANGE;
	return true;
}

/* The lock is shared with other cleanup processes, for a flush at a time. */
static bool reserve_locked(struct serials *serials)
{
	int fd = disk_open_file(serials->disk, "journal/serial", O_RDWR);
	int tries = LOCK_TRIES;
	bool done;

	if (fd < 0)
		return false;
	while (serials->disk->lock(serials->disk, fd) < 0) {
		if (--tries == 0 || !io_sleep(span_ms(10))) {
			disk_close(serials->disk, &fd);
			errno = EAGAIN;
			return false;
		}
	}
	done = reserve(serials);
	disk_close(serials->disk, &fd);
	return done;
}

bool serials_take(struct serials *serials, unsigned count, uint64_t *first)
{
	while (serials->end - serials->next < count) {
		bool done;

		if (serials->reserving) {
			if (!io_sleep(span_ms(1)))
				return false;
			continue;
		}
		serials->reserving = true;
		done = reserve_locked(serials);
		serials->reserving = false;
		if (!done)
			return false;
	}
	*first = serials->next;
	serials->next += count;
	return true;
}
