/*
 * torture/record - LD_PRELOAD: what a process does to the files of one file
 * system, for torture/replay.
 *
 * POWER_LOG names the log (a file, as large as it may become), POWER_ROOT a
 * directory on the file system that is watched. No call of ours is one that
 * the sandbox of a daemon would have to allow, but for fstat and lseek.
 *
 * Flushes are made in helper threads (lib/io/helper.c): the stack of the fiber
 * that asks is taken in sem_post, and the thread that takes the job finds it
 * by counting, as jobs are taken in order under a lock.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

enum {
	WAITING = 1024, /* jobs that helpers have not taken yet */
};

static struct {
	char *map;
	uint64_t room;
	dev_t dev;
	uint64_t base, top; /* of the program in memory */
	uint64_t stacks[WAITING][RECORD_STACK];
	atomic_uint posted, taken;
} log;

static __thread bool has_job, is_waiting;
static __thread uint64_t job_stack[RECORD_STACK];

#define REAL(name) \
	static __typeof__(name) *real; \
	if (!real) \
		real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int find_program(struct dl_phdr_info *info, size_t size, void *nothing)
{
	(void)size;
	(void)nothing;
	log.base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			log.top = info->dlpi_addr +
				info->dlpi_phdr[i].p_vaddr +
				info->dlpi_phdr[i].p_memsz;
	return 1; /* the first is the program */
}

static struct record *begin(uint32_t len)
{
	_Atomic uint64_t *end = (_Atomic uint64_t *)log.map;
	uint64_t size = (sizeof(struct record) + len + 7) & ~7ull;
	uint64_t at = log.map ? atomic_fetch_add(end, size) : log.room;
	struct record *r = (struct record *)(log.map + at);
	struct timespec now;

	if (at + size > log.room)
		return NULL;
	clock_gettime(CLOCK_MONOTONIC, &now);
	r->size = (uint32_t)size;
	r->len = len;
	r->pid = (uint32_t)getpid();
	r->when_us = (uint64_t)now.tv_sec * 1000000 +
		(uint64_t)now.tv_nsec / 1000;
	strncpy(r->program, program_invocation_short_name,
		sizeof(r->program) - 1);
	return r;
}

static void end(struct record *r, enum record_op op)
{
	atomic_thread_fence(memory_order_release);
	*(volatile uint32_t *)&r->op = op;
}

static void take_stack(uint64_t stack[RECORD_STACK])
{
	void *frames[40];
	int count = backtrace(frames, 40), kept = 0;

	memset(stack, 0, RECORD_STACK * sizeof(*stack));
	for (int i = 0; i < count && kept < RECORD_STACK; i++) {
		uint64_t at = (uint64_t)frames[i];

		if (at >= log.base && at < log.top)
			stack[kept++] = at - log.base;
	}
}

/* The inode of a file of ours; 0: something else. Not fstat(), which makes
 * another call that not every daemon may make. */
static uint64_t inode_of(int fd, mode_t kind)
{
	int saved = errno;
	struct stat st;
	bool ours = log.map && fd >= 0 && syscall(SYS_fstat, fd, &st) == 0 &&
		st.st_dev == log.dev && (st.st_mode & S_IFMT) == kind;

	errno = saved;
	return ours ? st.st_ino : 0;
}

static uint64_t dir_of(int dir, const char *path)
{
	int saved = errno;
	struct stat st;
	uint64_t inode = 0;

	if (!log.map || path[0] == '/')
		return 0;
	if (dir != AT_FDCWD)
		return inode_of(dir, S_IFDIR);
	if (stat(".", &st) == 0 && st.st_dev == log.dev)
		inode = st.st_ino;
	errno = saved;
	return inode;
}

static void paths(enum record_op op, int dir, const char *path, int dir_to,
	const char *to, uint64_t a, uint64_t b)
{
	int saved = errno;
	uint64_t at = dir_of(dir, path), at_to = to ? dir_of(dir_to, to) : 0;
	size_t len = strlen(path) + 1, len_to = to ? strlen(to) + 1 : 0;
	struct record *r;

	if ((at || path[0] == '/') && (r = begin((uint32_t)(len + len_to)))) {
		r->a = a;
		r->b = b;
		r->dir = at;
		r->dir_to = at_to;
		memcpy(r + 1, path, len);
		if (to)
			memcpy((char *)(r + 1) + len, to, len_to);
		end(r, op);
	}
	errno = saved;
}

static void numbers(enum record_op op, uint64_t a, uint64_t b)
{
	int saved = errno;
	struct record *r = begin(0);

	if (r) {
		r->a = a;
		r->b = b;
		end(r, op);
	}
	errno = saved;
}

static void data(enum record_op op, uint64_t a, uint64_t b,
	const struct iovec *parts, size_t count, size_t len)
{
	struct record *r = begin((uint32_t)len);
	char *to = (char *)(r + 1);

	if (!r)
		return;
	r->a = a;
	r->b = b;
	for (size_t i = 0; i < count && len > 0; i++) {
		size_t part = parts[i].iov_len < len ? parts[i].iov_len : len;

		memcpy(to, parts[i].iov_base, part);
		to += part;
		len -= part;
	}
	end(r, op);
}

/* at -1: where the descriptor stood. */
static void written(int fd, off_t at, const struct iovec *parts, size_t count,
	ssize_t done)
{
	int saved = errno;
	uint64_t inode = done > 0 ? inode_of(fd, S_IFREG) : 0;

	if (inode) {
		if (at < 0)
			at = lseek(fd, 0, SEEK_CUR) - done;
		data(OP_WRITE, inode, (uint64_t)at, parts, count,
			(size_t)done);
		if (fcntl(fd, F_GETFL) & (O_DSYNC | O_SYNC)) {
			struct record *r = begin(0);

			if (r) {
				r->a = inode;
				take_stack(r->stack);
				end(r, OP_FLUSH);
				numbers(OP_FLUSHED,
					(uint64_t)((char *)r - log.map), 0);
			}
		}
	}
	errno = saved;
}

static void sending(int fd, const struct iovec *parts, size_t count)
{
	int saved = errno, type;
	socklen_t len = sizeof(type);
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += parts[i].iov_len;
	if (log.map && sum >= 4 &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		type == SOCK_STREAM)
		data(OP_SEND, 0, 0, parts, count,
			sum < RECORD_TEXT ? sum : RECORD_TEXT);
	errno = saved;
}

static void at_exit(int status, void *nothing)
{
	(void)nothing;
	numbers(OP_EXIT, (uint64_t)status, 0);
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("POWER_LOG"), *root = getenv("POWER_ROOT");
	struct stat st;
	void *frames[4];
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0 || !root || stat(root, &st) < 0)
		return;
	log.dev = st.st_dev;
	if (fstat(fd, &st) == 0)
		log.room = (uint64_t)st.st_size;
	log.map = mmap(NULL, log.room, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		0);
	close(fd);
	if (log.map == MAP_FAILED) {
		log.map = NULL;
		return;
	}
	dl_iterate_phdr(find_program, NULL);
	backtrace(frames, 4); /* loads what it needs now */
	on_exit(at_exit, NULL);
	numbers(OP_START, 0, 0);
}

/* ---- the calls ---- */

static int opened(int fd, int dir, const char *path, int flags)
{
	uint64_t inode;

	if (fd < 0 || !(flags & (O_CREAT | O_TRUNC | __O_TMPFILE)))
		return fd;
	inode = inode_of(fd, S_IFREG);
	if (inode)
		paths(OP_OPEN, dir, path, 0, NULL, inode, (uint64_t)flags);
	return fd;
}

#define MODE(flags, last) \
	mode_t mode = 0; \
	if ((flags) & (O_CREAT | __O_TMPFILE)) { \
		va_list list; \
		va_start(list, last); \
		mode = va_arg(list, mode_t); \
		va_end(list); \
	}

int open(const char *path, int flags, ...)
{
	REAL(open);
	MODE(flags, flags)
	return opened(real(path, flags, mode), AT_FDCWD, path, flags);
}

int open64(const char *path, int flags, ...)
{
	REAL(open64);
	MODE(flags, flags)
	return opened(real(path, flags, mode), AT_FDCWD, path, flags);
}

int openat(int dir, const char *path, int flags, ...)
{
	REAL(openat);
	MODE(flags, flags)
	return opened(real(dir, path, flags, mode), dir, path, flags);
}

int openat64(int dir, const char *path, int flags, ...)
{
	REAL(openat64);
	MODE(flags, flags)
	return opened(real(dir, path, flags, mode), dir, path, flags);
}

ssize_t write(int fd, const void *octets, size_t len)
{
	REAL(write);
	struct iovec part = { (void *)octets, len };
	ssize_t done;

	sending(fd, &part, 1);
	done = real(fd, octets, len);
	written(fd, -1, &part, 1, done);
	return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	REAL(writev);
	ssize_t done;

	sending(fd, parts, (size_t)count);
	done = real(fd, parts, count);
	written(fd, -1, parts, (size_t)count, done);
	return done;
}

ssize_t send(int fd, const void *octets, size_t len, int flags)
{
	REAL(send);
	struct iovec part = { (void *)octets, len };

	sending(fd, &part, 1);
	return real(fd, octets, len, flags);
}

ssize_t sendto(int fd, const void *octets, size_t len, int flags,
	const struct sockaddr *to, socklen_t to_len)
{
	REAL(sendto);
	struct iovec part = { (void *)octets, len };

	sending(fd, &part, 1);
	return real(fd, octets, len, flags, to, to_len);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	REAL(sendmsg);

	sending(fd, m->msg_iov, m->msg_iovlen);
	return real(fd, m, flags);
}

#define PWRITE(name, offset) \
	ssize_t name(int fd, const void *octets, size_t len, offset at) \
	{ \
		REAL(name); \
		struct iovec part = { (void *)octets, len }; \
		ssize_t done = real(fd, octets, len, at); \
\
		written(fd, at, &part, 1, done); \
		return done; \
	}
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PWRITEV(name, offset) \
	ssize_t name(int fd, const struct iovec *parts, int count, \
		offset at) \
	{ \
		REAL(name); \
		ssize_t done = real(fd, parts, count, at); \
\
		written(fd, at, parts, (size_t)count, done); \
		return done; \
	}
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define TRUNCATE(name, offset) \
	int name(int fd, offset size) \
	{ \
		REAL(name); \
		int result = real(fd, size); \
		uint64_t inode = inode_of(fd, S_IFREG); \
\
		if (result == 0 && inode) \
			numbers(OP_TRUNCATE, inode, (uint64_t)size); \
		return result; \
	}
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int renameat(int dir, const char *from, int dir_to, const char *to)
{
	REAL(renameat);
	int result = real(dir, from, dir_to, to);

	if (result == 0)
		paths(OP_RENAME, dir, from, dir_to, to, 0, 0);
	return result;
}

int renameat2(int dir, const char *from, int dir_to, const char *to,
	unsigned flags)
{
	REAL(renameat2);
	int result = real(dir, from, dir_to, to, flags);

	if (result == 0)
		paths(OP_RENAME, dir, from, dir_to, to, 0, 0);
	return result;
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

/* The first name of a file: the path it had is empty. */
static void named(int fd, int dir_to, const char *to)
{
	int saved = errno;
	uint64_t inode = inode_of(fd, S_IFREG), at_to = dir_of(dir_to, to);
	size_t len_to = strlen(to) + 1;
	struct record *r;

	if (inode && (at_to || to[0] == '/') &&
		(r = begin((uint32_t)(1 + len_to)))) {
		r->a = inode;
		r->dir_to = at_to;
		*(char *)(r + 1) = 0;
		memcpy((char *)(r + 1) + 1, to, len_to);
		end(r, OP_LINK);
	}
	errno = saved;
}

int linkat(int dir, const char *from, int dir_to, const char *to, int flags)
{
	REAL(linkat);
	int result = real(dir, from, dir_to, to, flags);

	if (result == 0 && !*from)
		named(dir, dir_to, to);
	else if (result == 0)
		paths(OP_LINK, dir, from, dir_to, to, 0, 0);
	return result;
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
	REAL(unlinkat);
	int result = real(dir, path, flags);

	if (result == 0)
		paths(flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK, dir, path,
			0, NULL, 0, 0);
	return result;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	REAL(mkdirat);
	int result = real(dir, path, mode), saved = errno;
	struct stat st;

	if (result == 0 && log.map && fstatat(dir, path, &st, 0) == 0 &&
		st.st_dev == log.dev)
		paths(OP_MKDIR, dir, path, 0, NULL, st.st_ino, 0);
	errno = saved;
	return result;
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

static struct record *flush_begin(int fd, bool all)
{
	int saved = errno;
	uint64_t inode = inode_of(fd, S_IFREG);
	struct record *r;

	if (!inode)
		inode = inode_of(fd, S_IFDIR);
	r = inode ? begin(0) : NULL;
	if (r) {
		r->a = inode;
		r->b = all;
		if (has_job)
			memcpy(r->stack, job_stack, sizeof(job_stack));
		else
			take_stack(r->stack);
		end(r, OP_FLUSH);
	}
	errno = saved;
	return r;
}

/* A disk takes its time, so that others gather. */
static int flush_end(struct record *r, int result)
{
	struct timespec pause = { .tv_nsec = 300000 };

	if (r) {
		int saved = errno;

		nanosleep(&pause, NULL);
		if (result == 0)
			numbers(OP_FLUSHED, (uint64_t)((char *)r - log.map),
				0);
		errno = saved;
	}
	return result;
}

#define FLUSH(name, all) \
	int name(int fd) \
	{ \
		REAL(name); \
		struct record *r = flush_begin(fd, all); \
\
		return flush_end(r, real(fd)); \
	}
FLUSH(fsync, false)
FLUSH(fdatasync, false)
FLUSH(syncfs, true)

static void set_times(uint64_t inode, const struct timespec times[2])
{
	if (inode)
		numbers(OP_TIMES, inode, times ? (uint64_t)times[1].tv_sec : 0);
}

int futimens(int fd, const struct timespec times[2])
{
	REAL(futimens);
	int result = real(fd, times);

	if (result == 0)
		set_times(inode_of(fd, S_IFREG), times);
	return result;
}

int utimensat(int dir, const char *path, const struct timespec times[2],
	int flags)
{
	REAL(utimensat);
	int result = real(dir, path, times, flags), saved = errno;
	struct stat st;

	if (result == 0 && log.map && fstatat(dir, path, &st, flags) == 0 &&
		st.st_dev == log.dev)
		set_times(st.st_ino, times);
	errno = saved;
	return result;
}

static void mapped(int protection, int flags, int fd)
{
	uint64_t inode;

	if ((protection & PROT_WRITE) && (flags & MAP_SHARED) && log.map &&
		(inode = inode_of(fd, S_IFREG)))
		numbers(OP_SHARED_MAP, inode, 0);
}

void *mmap(void *at, size_t len, int protection, int flags, int fd,
	off_t offset)
{
	REAL(mmap);

	mapped(protection, flags, fd);
	return real(at, len, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t len, int protection, int flags, int fd,
	off64_t offset)
{
	REAL(mmap64);

	mapped(protection, flags, fd);
	return real(at, len, protection, flags, fd, offset);
}

/* ---- who asked for a flush that a helper makes ---- */

int sem_post(sem_t *semaphore)
{
	REAL(sem_post);

	if (log.map) {
		take_stack(log.stacks[atomic_load(&log.posted) % WAITING]);
		atomic_fetch_add(&log.posted, 1);
	}
	return real(semaphore);
}

int sem_wait(sem_t *semaphore)
{
	REAL(sem_wait);
	int result;

	has_job = false;
	result = real(semaphore);
	is_waiting = true; /* for its job */
	return result;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	REAL(pthread_mutex_lock);
	int result = real(mutex);

	if (is_waiting && log.map) {
		is_waiting = false;
		has_job = true;
		memcpy(job_stack,
			log.stacks[atomic_fetch_add(&log.taken, 1) % WAITING],
			sizeof(job_stack));
	}
	return result;
}
