/*
 * tests/torture/faults_inject - a library for LD_PRELOAD that makes chosen
 * system calls of chosen programs fail.
 *
 * Every wrapped call is counted in memory shared with the driver
 * (FAULTS_CONTROL names the file). The driver arms one fault: the program (or
 * all), the calls and kinds of descriptor, the index of the call from then on,
 * how often (or until it is disarmed), and the error. The file is mapped before main(), so neither the empty root
 * nor Landlock nor seccomp is in the way; a forked child inherits the mapping.
 *
 * Not seen: calls inside libc itself (getaddrinfo, syslog, getpwnam). What is
 * mapped, allocated or opened through libc's entries by any library is seen.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What is told apart; the driver reads the names from the shared memory. */
#define CALLS(X) \
	X(write) X(pwrite) X(writev) X(read) X(pread) \
	X(send) X(recv) X(accept) X(connect) X(socket) X(socketpair) \
	X(fsync) X(open) X(opendir) X(rename) X(link) X(unlink) X(mkdir) \
	X(truncate) X(flock) X(fcntl) X(times) X(pipe) X(memfd) X(epoll) \
	X(poll) X(fork) X(thread) X(mmap) X(malloc) X(clock)

#define ENUM(name) CALL_##name,
enum call { CALLS(ENUM) CALL_COUNT };

enum kind { KIND_NONE, KIND_FILE, KIND_STREAM, KIND_PACKET, KIND_OTHER,
	KIND_PIPE, KIND_COUNT };

enum {
	PROGRAMS = 40, NAME = 16, FRAMES = 12, MODULES = 24, PATH = 80,
	DESCRIPTORS = 4096,
	ANY = PROGRAMS,
	/* "errors" that are none */
	SHORT = -1, JUMP = -2, END = -3,
};

struct module { uint64_t from, to; char path[PATH]; };

struct control {
	_Atomic uint32_t armed; /* written last by the driver */
	uint32_t program;       /* its number, see names; or ANY */
	uint32_t calls, kinds;  /* sets of bits */
	uint32_t first, repeat;
	int32_t error;
	_Atomic uint32_t seen, fired;
	int32_t pid;
	_Atomic int64_t clock_offset_s;
	int64_t jump_s;
	_Atomic uint32_t frame_count;
	uint32_t call_count, kind_count, frames_most, programs_most;
	uint64_t frames[FRAMES];
	char names[PROGRAMS][NAME];
	char call_names[CALL_COUNT][NAME];
	_Atomic uint32_t counts[PROGRAMS][CALL_COUNT][KIND_COUNT];
	_Atomic uint32_t module_count;
	struct module modules[MODULES]; /* of the process that was hit */
};

static struct control *control;
static uint32_t program;
static bool is_witness; /* postlogd, whose log is judged: spared by ANY */
static struct module modules[MODULES];
static uint32_t module_count;
static struct { int epoll; struct epoll_event event; } watched[DESCRIPTORS];

#define REAL(name) ({ \
	static __typeof__(&name) real_; \
	if (!real_) \
		real_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
	real_; })

static int note_module(struct dl_phdr_info *info, size_t size, void *data)
{
	struct module *m = &modules[module_count];

	(void)size, (void)data;
	if (module_count == MODULES)
		return 1;
	m->from = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			m->to = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr +
				info->dlpi_phdr[i].p_memsz;
	snprintf(m->path, PATH, "%s", info->dlpi_name);
	module_count++;
	return 0;
}

static uint32_t claim_name(struct control *c)
{
	for (uint32_t i = 0; i < PROGRAMS; i++) {
		uint64_t *word = (uint64_t *)(uintptr_t)c->names[i];
		uint64_t none = 0, mine = 0;

		memcpy(&mine, program_invocation_short_name,
			strnlen(program_invocation_short_name, sizeof(mine)));
		if (__atomic_compare_exchange_n(word, &none, mine, false,
			    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ||
			none == mine)
			return i;
	}
	return PROGRAMS - 1;
}

__attribute__((constructor)) static void begin(void)
{
#define CALL_NAME(name) #name,
	static const char *const call_names[] = { CALLS(CALL_NAME) };
	const char *path = getenv("FAULTS_CONTROL");
	void *frames[FRAMES];
	struct control *c;
	int fd = path ? REAL(open)(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	c = REAL(mmap)(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED,
		fd, 0);
	syscall(SYS_close, fd);
	if (c == MAP_FAILED)
		return;
	backtrace(frames, FRAMES); /* loads what it needs */
	dl_iterate_phdr(note_module, NULL);
	program = claim_name(c);
	is_witness = strcmp(program_invocation_short_name, "postlogd") == 0;
	for (int i = 0; i < CALL_COUNT; i++)
		snprintf(c->call_names[i], NAME, "%s", call_names[i]);
	c->call_count = CALL_COUNT;
	c->kind_count = KIND_COUNT;
	c->frames_most = FRAMES;
	c->programs_most = PROGRAMS;
	control = c;
}

static enum kind kind_of(int fd)
{
	struct stat st;
	int type;
	socklen_t len = sizeof(type);

	if (fd < 0 || syscall(SYS_fstat, fd, &st) < 0)
		return KIND_NONE;
	if (S_ISREG(st.st_mode))
		return KIND_FILE;
	if (S_ISFIFO(st.st_mode))
		return KIND_PIPE;
	if (!S_ISSOCK(st.st_mode) ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return KIND_OTHER;
	return type == SOCK_STREAM ? KIND_STREAM : KIND_PACKET;
}

static void note_hit(void)
{
	void *frames[FRAMES];
	int count;

	if (atomic_fetch_add(&control->fired, 1) > 0)
		return;
	control->pid = (int32_t)syscall(SYS_getpid);
	memcpy(control->modules, modules, sizeof(modules));
	control->module_count = module_count;
	count = backtrace(frames, FRAMES);
	for (int i = 0; i < count; i++)
		control->frames[i] = (uint64_t)(uintptr_t)frames[i];
	control->frame_count = (uint32_t)count;
}

/* A socket that said "not now" reports readiness again, as in life. */
static void rouse(int fd)
{
	if (fd >= 0 && fd < DESCRIPTORS && watched[fd].event.events)
		REAL(epoll_ctl)(watched[fd].epoll, EPOLL_CTL_MOD, fd,
			&watched[fd].event);
}

static bool is_meant(enum call call, enum kind kind)
{
	return atomic_load(&control->armed) &&
		(control->program == program ||
			(control->program == ANY && !is_witness)) &&
		(control->calls & 1u << call) && (control->kinds & 1u << kind);
}

/* 0: make the call. Otherwise the error, or what is negative above. */
static int strike_kind(enum call call, enum kind kind, int fd)
{
	uint32_t at;
	int saved = errno, error;

	atomic_fetch_add(&control->counts[program][call][kind], 1);
	if (!is_meant(call, kind))
		return 0;
	at = atomic_fetch_add(&control->seen, 1);
	if (at < control->first || at - control->first >= control->repeat)
		return 0;
	error = control->error;
	if (error == SHORT && kind != KIND_FILE && kind != KIND_STREAM &&
		kind != KIND_PIPE)
		return 0;
	note_hit();
	if (error == JUMP)
		atomic_store(&control->clock_offset_s, control->jump_s);
	if (error == EAGAIN && (kind == KIND_STREAM || kind == KIND_PACKET ||
		kind == KIND_PIPE))
		rouse(fd);
	errno = error > 0 ? error : saved;
	return error;
}

static int strike(enum call call, int fd)
{
	enum kind kind;
	int saved = errno;

	if (!control)
		return 0;
	kind = fd == -2 ? KIND_NONE : fd == -3 ? KIND_FILE : kind_of(fd);
	errno = saved;
	return strike_kind(call, kind, fd);
}

static bool makes_file(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

/* One that makes a file counts as of kind "file". */
static int strike_open(int flags)
{
	if (!control)
		return 0;
	return strike_kind(CALL_open,
		makes_file(flags) ? KIND_FILE : KIND_NONE, -2);
}

/* A call that takes a descriptor and cannot be short. */
#define ON_FD(call, type, name, params, ...) \
type name params \
{ \
	return strike(CALL_##call, fd) > 0 ? -1 : REAL(name)(__VA_ARGS__); \
}
/* A call that makes something new; -2: no descriptor to look at. */
#define NEW_AS(call, fd, type, failure, name, params, ...) \
type name params \
{ \
	return strike(CALL_##call, fd) > 0 ? (failure) : \
		REAL(name)(__VA_ARGS__); \
}
#define NEW(call, ...) NEW_AS(call, -2, __VA_ARGS__)
/* -3: a name of a file; of the same kind. */
#define NAMES(call, ...) NEW_AS(call, -3, __VA_ARGS__)
/* A call that moves `len` octets. */
#define MOVES(call, name, params, ...) \
ssize_t name params \
{ \
	int error = strike(CALL_##call, fd); \
	if (error == END) \
		return 0; \
	if (error == SHORT && len > 1) \
		len = (len + 1) / 2; \
	return error > 0 ? -1 : REAL(name)(__VA_ARGS__); \
}

MOVES(write, write, (int fd, const void *p, size_t len), fd, p, len)
MOVES(pwrite, pwrite, (int fd, const void *p, size_t len, off_t at),
	fd, p, len, at)
MOVES(pwrite, pwrite64, (int fd, const void *p, size_t len, off_t at),
	fd, p, len, at)
MOVES(read, read, (int fd, void *p, size_t len), fd, p, len)
MOVES(pread, pread, (int fd, void *p, size_t len, off_t at), fd, p, len, at)
MOVES(pread, pread64, (int fd, void *p, size_t len, off_t at), fd, p, len, at)
MOVES(send, send, (int fd, const void *p, size_t len, int flags),
	fd, p, len, flags)
MOVES(recv, recv, (int fd, void *p, size_t len, int flags), fd, p, len, flags)
MOVES(send, sendto, (int fd, const void *p, size_t len, int flags,
	const struct sockaddr *to, socklen_t to_len),
	fd, p, len, flags, to, to_len)
MOVES(recv, recvfrom, (int fd, void *restrict p, size_t len, int flags,
	struct sockaddr *restrict from, socklen_t *restrict from_len),
	fd, p, len, flags, from, from_len)

ssize_t __read_chk(int fd, void *p, size_t len, size_t room);
ssize_t __read_chk(int fd, void *p, size_t len, size_t room)
{
	return len > room ? (abort(), -1) : read(fd, p, len);
}

ssize_t __pread_chk(int fd, void *p, size_t len, off_t at, size_t room);
ssize_t __pread_chk(int fd, void *p, size_t len, off_t at, size_t room)
{
	return len > room ? (abort(), -1) : pread(fd, p, len, at);
}

ssize_t __pread64_chk(int fd, void *p, size_t len, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *p, size_t len, off_t at, size_t room)
{
	return len > room ? (abort(), -1) : pread(fd, p, len, at);
}

ssize_t __recv_chk(int fd, void *p, size_t len, size_t room, int flags);
ssize_t __recv_chk(int fd, void *p, size_t len, size_t room, int flags)
{
	return len > room ? (abort(), -1) : recv(fd, p, len, flags);
}

/* The first piece alone, or half of it. */
static struct iovec half(const struct iovec *pieces, int *count)
{
	struct iovec piece = pieces[0];

	if (*count == 1 && piece.iov_len > 1)
		piece.iov_len = (piece.iov_len + 1) / 2;
	*count = 1;
	return piece;
}

#define GATHERS(call, name, params, ...) \
ssize_t name params \
{ \
	int error = strike(CALL_##call, fd); \
	struct iovec piece; \
	if (error == SHORT && count > 0) { \
		piece = half(pieces, &count); \
		pieces = &piece; \
	} \
	return error > 0 ? -1 : REAL(name)(__VA_ARGS__); \
}

GATHERS(writev, writev, (int fd, const struct iovec *pieces, int count),
	fd, pieces, count)
GATHERS(pwrite, pwritev, (int fd, const struct iovec *pieces, int count,
	off_t at), fd, pieces, count, at)
GATHERS(pwrite, pwritev64, (int fd, const struct iovec *pieces, int count,
	off_t at), fd, pieces, count, at)

ON_FD(send, ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
	fd, m, flags)

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	int error = strike(CALL_recv, fd);

	if (error == END) {
		m->msg_controllen = 0;
		m->msg_flags = 0;
		return 0;
	}
	return error > 0 ? -1 : REAL(recvmsg)(fd, m, flags);
}

ON_FD(accept, int, accept, (int fd, struct sockaddr *restrict a,
	socklen_t *restrict len), fd, a, len)
ON_FD(accept, int, accept4, (int fd, struct sockaddr *restrict a,
	socklen_t *restrict len, int flags), fd, a, len, flags)
ON_FD(connect, int, connect, (int fd, const struct sockaddr *a,
	socklen_t len), fd, a, len)
NEW(socket, int, -1, socket, (int a, int b, int c), a, b, c)
NEW(socketpair, int, -1, socketpair, (int a, int b, int c, int pair[2]),
	a, b, c, pair)

ON_FD(fsync, int, fsync, (int fd), fd)
ON_FD(fsync, int, fdatasync, (int fd), fd)
ON_FD(fsync, int, syncfs, (int fd), fd)
NEW(fsync, int, -1, msync, (void *p, size_t len, int flags), p, len, flags)

static mode_t mode_of(int flags, va_list args)
{
	return makes_file(flags) ? va_arg(args, mode_t) : 0;
}

#define OPENS(name, at, at_arg) \
int name(at const char *path, int flags, ...) \
{ \
	va_list args; \
	mode_t mode; \
	va_start(args, flags); \
	mode = mode_of(flags, args); \
	va_end(args); \
	return strike_open(flags) > 0 ? -1 : \
		REAL(name)(at_arg path, flags, mode); \
}
#define AT int at,
#define AT_ARG at,
OPENS(open, ,)
OPENS(open64, ,)
OPENS(openat, AT, AT_ARG)
OPENS(openat64, AT, AT_ARG)

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags) { return open(path, flags); }
int __openat_2(int at, const char *path, int flags);
int __openat_2(int at, const char *path, int flags)
{
	return openat(at, path, flags);
}
int __openat64_2(int at, const char *path, int flags);
int __openat64_2(int at, const char *path, int flags)
{
	return openat(at, path, flags);
}

NEW(open, FILE *, NULL, fopen, (const char *restrict path,
	const char *restrict mode), path, mode)
NEW(opendir, DIR *, NULL, opendir, (const char *path), path)
NEW(opendir, DIR *, NULL, fdopendir, (int fd), fd)
NAMES(rename, int, -1, rename, (const char *a, const char *b), a, b)
NAMES(rename, int, -1, renameat, (int x, const char *a, int y, const char *b),
	x, a, y, b)
NAMES(rename, int, -1, renameat2, (int x, const char *a, int y, const char *b,
	unsigned flags), x, a, y, b, flags)
NAMES(link, int, -1, link, (const char *a, const char *b), a, b)
NAMES(link, int, -1, linkat, (int x, const char *a, int y, const char *b,
	int flags), x, a, y, b, flags)
NAMES(unlink, int, -1, unlink, (const char *path), path)
NAMES(unlink, int, -1, unlinkat, (int at, const char *path, int flags),
	at, path, flags)
NAMES(mkdir, int, -1, mkdir, (const char *path, mode_t mode), path, mode)
NAMES(mkdir, int, -1, mkdirat, (int at, const char *path, mode_t mode),
	at, path, mode)
ON_FD(truncate, int, ftruncate, (int fd, off_t len), fd, len)
ON_FD(truncate, int, ftruncate64, (int fd, off_t len), fd, len)
ON_FD(flock, int, flock, (int fd, int how), fd, how)
ON_FD(times, int, futimens, (int fd, const struct timespec t[2]), fd, t)
NEW(times, int, -1, utimensat, (int at, const char *path,
	const struct timespec t[2], int flags), at, path, t, flags)

#define CONTROLS(name) \
int name(int fd, int what, ...) \
{ \
	va_list args; \
	void *argument; \
	va_start(args, what); \
	argument = va_arg(args, void *); \
	va_end(args); \
	return what != F_GETFL && what != F_GETFD && what != F_SETFD && \
		strike(CALL_fcntl, fd) > 0 ? -1 : \
		REAL(name)(fd, what, argument); \
}
CONTROLS(fcntl)
CONTROLS(fcntl64)

NEW(pipe, int, -1, pipe2, (int pair[2], int flags), pair, flags)
NEW(memfd, int, -1, memfd_create, (const char *name, unsigned flags),
	name, flags)
NEW(epoll, int, -1, epoll_create1, (int flags), flags)
NEW(epoll, int, -1, eventfd, (unsigned n, int flags), n, flags)
NEW(epoll, int, -1, timerfd_create, (clockid_t clock, int flags), clock, flags)
NEW(epoll, int, -1, signalfd, (int fd, const sigset_t *mask, int flags),
	fd, mask, flags)
NEW(fork, pid_t, -1, fork, (void))
NEW(mmap, void *, MAP_FAILED, mmap, (void *p, size_t len, int prot, int flags,
	int fd, off_t at), p, len, prot, flags, fd, at)
NEW(mmap, void *, MAP_FAILED, mmap64, (void *p, size_t len, int prot,
	int flags, int fd, off_t at), p, len, prot, flags, fd, at)
NEW(mmap, int, -1, mprotect, (void *p, size_t len, int prot), p, len, prot)

int pthread_create(pthread_t *restrict thread,
	const pthread_attr_t *restrict attr, void *(*run)(void *),
	void *restrict argument)
{
	int error = strike(CALL_thread, -2);

	return error > 0 ? error :
		REAL(pthread_create)(thread, attr, run, argument);
}

int epoll_ctl(int epoll, int action, int fd, struct epoll_event *event)
{
	int got;

	if (action != EPOLL_CTL_DEL && strike(CALL_poll, fd) > 0)
		return -1;
	got = REAL(epoll_ctl)(epoll, action, fd, event);
	if (fd < 0 || fd >= DESCRIPTORS || got < 0)
		return got;
	watched[fd].epoll = epoll;
	if (action == EPOLL_CTL_DEL || !event)
		watched[fd].event.events = 0;
	else
		watched[fd].event = *event;
	return got;
}

/* ---- memory: libc's own entries, since dlsym itself may allocate ---- */

void *__libc_malloc(size_t octets);
void *__libc_calloc(size_t count, size_t octets);
void *__libc_realloc(void *p, size_t octets);
void *__libc_memalign(size_t alignment, size_t octets);

void *malloc(size_t octets)
{
	return strike(CALL_malloc, -2) > 0 ? NULL : __libc_malloc(octets);
}

void *calloc(size_t count, size_t octets)
{
	return strike(CALL_malloc, -2) > 0 ? NULL :
		__libc_calloc(count, octets);
}

void *realloc(void *p, size_t octets)
{
	return octets && strike(CALL_malloc, -2) > 0 ? NULL :
		__libc_realloc(p, octets);
}

void *memalign(size_t alignment, size_t octets);
void *memalign(size_t alignment, size_t octets)
{
	return strike(CALL_malloc, -2) > 0 ? NULL :
		__libc_memalign(alignment, octets);
}

void *aligned_alloc(size_t alignment, size_t octets)
{
	return memalign(alignment, octets);
}

int posix_memalign(void **p, size_t alignment, size_t octets)
{
	*p = memalign(alignment, octets);
	return *p ? 0 : ENOMEM;
}

/* ---- time ---- */

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int got = REAL(clock_gettime)(clock, now);

	if (!control || (clock != CLOCK_REALTIME &&
		clock != CLOCK_REALTIME_COARSE))
		return got;
	strike(CALL_clock, -2);
	now->tv_sec += atomic_load(&control->clock_offset_s);
	return got;
}

time_t time(time_t *into)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (into)
		*into = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict into, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	into->tv_sec = now.tv_sec;
	into->tv_usec = now.tv_nsec / 1000;
	return 0;
}
