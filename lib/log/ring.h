/*
 * log/ring - lines of a process in shared memory, drained by postlogd.
 *
 * Each process has a ring of its own, made by master: one writer (the
 * process and the children that it forks without exec, one at a time under a
 * lock), one reader (postlogd). Writing a line is a copy and no system
 * call, unless the reader sleeps or the line is a warning: then an eventfd
 * that all rings share is written. What a process wrote survives its crash,
 * and what postlogd had not read survives postlogd's. The reader treats the
 * ring as bytes of a stranger.
 *
 * Memory   a memfd mapping of RING_OCTETS and one page
 * Waits    log_ring_put waits up to 100 ms for room (the process, not a
 *          fiber), then counts the line as lost
 */
#ifndef LOG_RING_H
#define LOG_RING_H

#include "base/log.h"
#include "base/str.h"

struct log_ring;

enum {
	RING_OCTETS = 128 * 1024,
	RING_TAG_MOST = 63,
	RING_LINE_MOST = 4096,
};

struct log_line {
	enum log_level level;
	int64_t wall_us;
	int64_t pid; /* of the writer */
	struct str text; /* borrowed until the next log_ring_take */
};

/* master: a new ring's memfd (CLOEXEC), or -1. */
int log_ring_create(void);
/* Map a ring; the descriptor may be closed afterwards. NULL with errno, also
 * when it is not a memfd of the right size. */
struct log_ring *log_ring_map(int fd);
void log_ring_unmap(struct log_ring *ring);

/* Writer. The tag is what stands before the pid: "postfix/smtpd". */
void log_ring_tag(struct log_ring *ring, struct str tag);
void log_ring_put(struct log_ring *ring, int wake_fd, enum log_level level,
	int64_t pid, struct str text);

/* Reader. False: empty. Malformed records empty the ring, as lost lines. */
bool log_ring_take(struct log_ring *ring, struct log_line *line);
/* The writer's tag, checked; copied into `into`. */
struct str log_ring_read_tag(struct log_ring *ring,
	char into[RING_TAG_MOST + 1]);
/* Lines lost since the last call. */
uint64_t log_ring_lost(struct log_ring *ring);
/* Say that the reader will sleep; false: there are lines, do not. */
bool log_ring_sleep(struct log_ring *ring);

#endif
