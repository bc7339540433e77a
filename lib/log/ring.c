#include "log/ring.h"

#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x70684c4f47313031u

enum {
	PAGE = 4096,
	ROOM_WAITS = 100, /* of 1 ms */
	LOCK_TRIES = 2000, /* then its holder is dead: the lock is taken over */
};

/* The first page; then the data. Counters only grow. */
struct shared {
	uint64_t magic;
	_Atomic uint64_t head; /* octets written so far */
	_Atomic uint64_t tail; /* octets read so far */
	_Atomic uint64_t lost; /* lines that found no room */
	_Atomic uint32_t sleeping; /* the reader waits for the eventfd */
	_Atomic uint32_t writing; /* a writer is at it */
	char tag[RING_TAG_MOST + 1];
};

struct record {
	uint32_t len; /* of the text */
	uint32_t level;
	int64_t wall_us;
	int64_t pid;
};

struct log_ring {
	struct shared *shared;
	char *data;
	uint64_t lost_before;
	char line[RING_LINE_MOST];
};

int log_ring_create(void)
{
	auto_close int fd = memfd_create("posthorn-log", MFD_CLOEXEC);
	const uint64_t magic = MAGIC;

	if (fd < 0 || ftruncate(fd, PAGE + RING_OCTETS) < 0 ||
		pwrite(fd, &magic, sizeof(magic), 0) != sizeof(magic))
		return -1;
	return fd_keep(&fd);
}

struct log_ring *log_ring_map(int fd)
{
	struct stat st;
	struct log_ring *ring;
	void *memory;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || st.st_size != PAGE + RING_OCTETS) {
		errno = EINVAL;
		return NULL;
	}
	memory = mmap(NULL, PAGE + RING_OCTETS, PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return NULL;
	ring = mem_new(1, sizeof(*ring));
	ring->shared = memory;
	ring->data = (char *)memory + PAGE;
	return ring;
}

void log_ring_unmap(struct log_ring *ring)
{
	if (!ring)
		return;
	munmap(ring->shared, PAGE + RING_OCTETS);
	free(ring);
}

void log_ring_tag(struct log_ring *ring, struct str tag)
{
	tag = str_first(tag, RING_TAG_MOST);
	memset(ring->shared->tag, 0, sizeof(ring->shared->tag));
	memcpy(ring->shared->tag, tag.p, tag.len);
}

static void copy_in(struct log_ring *ring, uint64_t at, const void *from,
	size_t len)
{
	size_t offset = at % RING_OCTETS;
	size_t first = RING_OCTETS - offset;

	if (first > len)
		first = len;
	memcpy(ring->data + offset, from, first);
	memcpy(ring->data, (const char *)from + first, len - first);
}

static void copy_out(const struct log_ring *ring, uint64_t at, void *into,
	size_t len)
{
	size_t offset = at % RING_OCTETS;
	size_t first = RING_OCTETS - offset;

	if (first > len)
		first = len;
	memcpy(into, ring->data + offset, first);
	memcpy((char *)into + first, ring->data, len - first);
}

static void wake(int fd)
{
	const uint64_t one = 1;
	int saved = errno;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}

static bool has_room(struct shared *shared, size_t len)
{
	uint64_t head = atomic_load_explicit(&shared->head,
		memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&shared->tail,
		memory_order_acquire);

	return head - tail + len <= RING_OCTETS;
}

static bool wait_for_room(struct shared *shared, int wake_fd, size_t len)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < ROOM_WAITS; i++) {
		wake(wake_fd);
		nanosleep(&ms, NULL);
		if (has_room(shared, len))
			return true;
	}
	return false;
}

static void lock(struct shared *shared)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!atomic_exchange(&shared->writing, 1))
			return;
		sched_yield();
	}
}

static void put(struct log_ring *ring, int wake_fd,
	const struct record *record, struct str text)
{
	struct shared *shared = ring->shared;
	size_t len = sizeof(*record) + text.len;
	uint64_t head;

	if (!has_room(shared, len) && !wait_for_room(shared, wake_fd, len)) {
		atomic_fetch_add(&shared->lost, 1);
		return;
	}
	head = atomic_load_explicit(&shared->head, memory_order_relaxed);
	copy_in(ring, head, record, sizeof(*record));
	copy_in(ring, head + sizeof(*record), text.p, text.len);
	atomic_store(&shared->head, head + len);
}

void log_ring_put(struct log_ring *ring, int wake_fd, enum log_level level,
	int64_t pid, struct str text)
{
	struct shared *shared = ring->shared;
	struct record record = {
		.level = level,
		.wall_us = wall_us(),
		.pid = pid,
	};

	text = str_first(text, RING_LINE_MOST);
	record.len = (uint32_t)text.len;
	lock(shared);
	put(ring, wake_fd, &record, text);
	atomic_store(&shared->writing, 0);
	if (level >= LOG_LEVEL_WARNING ||
		atomic_exchange(&shared->sleeping, 0))
		wake(wake_fd);
}

static bool give_up(struct shared *shared, uint64_t head)
{
	atomic_store(&shared->tail, head);
	atomic_fetch_add(&shared->lost, 1);
	return false;
}

bool log_ring_take(struct log_ring *ring, struct log_line *line)
{
	struct shared *shared = ring->shared;
	uint64_t tail = atomic_load_explicit(&shared->tail,
		memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&shared->head,
		memory_order_acquire);
	uint64_t have = head - tail;
	struct record record;

	if (have == 0)
		return false;
	if (have > RING_OCTETS || have < sizeof(record))
		return give_up(shared, head);
	copy_out(ring, tail, &record, sizeof(record));
	if (record.len > RING_LINE_MOST || record.level > LOG_LEVEL_PANIC ||
		record.len > have - sizeof(record))
		return give_up(shared, head);
	copy_out(ring, tail + sizeof(record), ring->line, record.len);
	for (size_t i = 0; i < record.len; i++)
		if ((unsigned char)ring->line[i] < 0x20)
			ring->line[i] = '?';
	line->level = (enum log_level)record.level;
	line->wall_us = record.wall_us;
	line->pid = record.pid;
	line->text = str_of(ring->line, record.len);
	atomic_store_explicit(&shared->tail,
		tail + sizeof(record) + record.len, memory_order_release);
	return true;
}

static bool is_tag_octet(unsigned char c)
{
	return ascii_is_alnum(c) || c == '/' || c == '-' || c == '_' ||
		c == '.';
}

struct str log_ring_read_tag(struct log_ring *ring,
	char into[RING_TAG_MOST + 1])
{
	size_t len = 0;

	memcpy(into, ring->shared->tag, RING_TAG_MOST);
	into[RING_TAG_MOST] = '\0';
	while (len < RING_TAG_MOST && is_tag_octet((unsigned char)into[len]))
		len++;
	return str_of(into, len);
}

uint64_t log_ring_lost(struct log_ring *ring)
{
	uint64_t now = atomic_load(&ring->shared->lost);
	uint64_t more = now - ring->lost_before;

	ring->lost_before = now;
	return more;
}

bool log_ring_sleep(struct log_ring *ring)
{
	struct shared *shared = ring->shared;

	atomic_store(&shared->sleeping, 1);
	if (atomic_load(&shared->head) == atomic_load(&shared->tail))
		return true;
	atomic_store(&shared->sleeping, 0);
	return false;
}
