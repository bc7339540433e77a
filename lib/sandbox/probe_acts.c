/*
 * sandbox/probe_acts - the acts of acts.def, by raw system calls.
 */
#include "sandbox/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool done(long result)
{
	return result >= 0;
}

static bool close_if_open(long fd)
{
	if (fd >= 0)
		close((int)fd);
	return fd >= 0;
}

static bool can_open(const char *path, int flags)
{
	return close_if_open(syscall(SYS_openat, AT_FDCWD, path,
		flags | O_CLOEXEC, 0600));
}

static bool can_create(const char *folder)
{
	char path[4200];
	bool made;

	snprintf(path, sizeof(path), "%s/.posthorn-probe-%d", folder, getpid());
	made = can_open(path, O_CREAT | O_WRONLY);
	if (made)
		syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	return made;
}

static const char *in_queue(const struct probe *probe, const char *folder)
{
	static char path[4200];

	snprintf(path, sizeof(path), "%s/%s", probe->queue_directory, folder);
	return path;
}

/* Open the first regular file of a folder of the queue, or the folder. */
static bool can_open_first(const struct probe *probe, const char *folder,
	int flags)
{
	char entries[4096];
	struct {
		uint64_t inode;
		int64_t offset;
		uint16_t len;
		uint8_t type;
		char name[];
	} const *entry;
	auto_close int fd = (int)syscall(SYS_openat, AT_FDCWD,
		in_queue(probe, folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long len;

	if (fd < 0)
		return false;
	len = syscall(SYS_getdents64, fd, entries, sizeof(entries));
	for (long at = 0; at < len; at += entry->len) {
		entry = (const void *)(entries + at);
		if (entry->type == 8) /* DT_REG */
			return close_if_open(syscall(SYS_openat, fd,
				entry->name, flags | O_CLOEXEC));
	}
	return flags == O_RDONLY;
}

bool act_passwd_read(const struct probe *probe)
{
	(void)probe;
	return can_open("/etc/passwd", O_RDONLY);
}

bool act_etc_write(const struct probe *probe)
{
	(void)probe;
	return can_create("/etc");
}

bool act_tmp_write(const struct probe *probe)
{
	(void)probe;
	return can_create("/tmp");
}

bool act_config_read(const struct probe *probe)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/main.cf", probe->config_directory);
	return can_open(path, O_RDONLY);
}

bool act_journal_read(const struct probe *probe)
{
	return can_open_first(probe, "journal", O_RDONLY);
}

bool act_journal_write(const struct probe *probe)
{
	return can_create(in_queue(probe, "journal"));
}

bool act_large_write(const struct probe *probe)
{
	return can_open_first(probe, "large", O_WRONLY);
}

bool act_maildrop_write(const struct probe *probe)
{
	return can_create(in_queue(probe, "maildrop"));
}

bool act_other_mail(const struct probe *probe)
{
	return can_open(probe->mail_spool_directory, O_RDONLY | O_DIRECTORY);
}

static bool can_make_socket(int family, int type)
{
	return close_if_open(
		syscall(SYS_socket, family, type | SOCK_CLOEXEC, 0));
}

bool act_socket_inet(const struct probe *probe)
{
	(void)probe;
	return can_make_socket(AF_INET, SOCK_STREAM);
}

bool act_socket_unix(const struct probe *probe)
{
	(void)probe;
	return can_make_socket(AF_UNIX, SOCK_STREAM);
}

bool act_socket_netlink(const struct probe *probe)
{
	(void)probe;
	return can_make_socket(AF_NETLINK, SOCK_RAW);
}

bool act_socket_packet(const struct probe *probe)
{
	(void)probe;
	return can_make_socket(AF_PACKET, SOCK_RAW);
}

static const struct sockaddr_in loopback = {
	.sin_family = AF_INET,
	.sin_addr = { 0x0100007f },
	.sin_port = 0x0900, /* discard; nobody has to listen */
};

bool act_connect_loopback(const struct probe *probe)
{
	auto_close int fd = (int)syscall(SYS_socket, AF_INET,
		SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)probe;
	if (fd < 0)
		return false;
	return syscall(SYS_connect, fd, &loopback, sizeof(loopback)) == 0 ||
		errno == ECONNREFUSED;
}

bool act_bind_port(const struct probe *probe)
{
	struct sockaddr_in any_port = loopback;
	auto_close int fd = (int)syscall(SYS_socket, AF_INET,
		SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)probe;
	any_port.sin_port = 0;
	if (fd < 0)
		return false;
	return syscall(SYS_bind, fd, &any_port, sizeof(any_port)) == 0 &&
		syscall(SYS_listen, fd, 1) == 0;
}

static long raw_fork(unsigned long flags)
{
	return syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

/* In a child where there can be one: success would end this process. */
bool act_execve(const struct probe *probe)
{
	static char *const argv[] = { NULL };
	long child = raw_fork(0);
	int status;

	(void)probe;
	if (child < 0)
		return done(syscall(SYS_execve, "/bin/true", argv, argv));
	if (child == 0) {
		syscall(SYS_execve, "/bin/true", argv, argv);
		syscall(SYS_exit_group, 9);
	}
	return waitpid((pid_t)child, &status, 0) == child &&
		WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool can_fork(unsigned long flags)
{
	long child = raw_fork(flags);

	if (child == 0)
		syscall(SYS_exit_group, 0);
	if (child > 0)
		waitpid((pid_t)child, NULL, 0);
	return child > 0;
}

bool act_fork(const struct probe *probe)
{
	(void)probe;
	return can_fork(0);
}

bool act_new_namespace(const struct probe *probe)
{
	(void)probe;
	return can_fork(CLONE_NEWUSER);
}

bool act_ptrace(const struct probe *probe)
{
	if (!done(syscall(SYS_ptrace, PTRACE_SEIZE, probe->parent, 0, 0)))
		return false;
	syscall(SYS_ptrace, PTRACE_DETACH, probe->parent, 0, 0);
	return true;
}

bool act_kill_sibling(const struct probe *probe)
{
	return done(syscall(SYS_kill, probe->parent, 0));
}

bool act_pidfd_open(const struct probe *probe)
{
	return close_if_open(syscall(SYS_pidfd_open, probe->parent, 0));
}

bool act_process_memory(const struct probe *probe)
{
	char octet;
	struct iovec here = { &octet, 1 };
	struct iovec there = { (void *)(uintptr_t)environ, 1 };

	return done(syscall(SYS_process_vm_readv, probe->parent, &here, 1,
		&there, 1, 0));
}

bool act_write_exec(const struct probe *probe)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)probe;
	if (memory == MAP_FAILED)
		return false;
	munmap(memory, 4096);
	return true;
}

bool act_protect_exec(const struct probe *probe)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool could;

	(void)probe;
	if (memory == MAP_FAILED)
		return false;
	could = done(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
	munmap(memory, 4096);
	return could;
}

/* A call with arguments that are wrong: any error but a refusal means that
 * the kernel looked at them. */
static bool was_looked_at(long result)
{
	return result >= 0 || (errno != EPERM && errno != EACCES &&
		errno != ENOSYS);
}

bool act_io_uring(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(syscall(SYS_io_uring_setup, 1, NULL));
}

bool act_bpf(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(syscall(SYS_bpf, 0, NULL, 0));
}

bool act_perf(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(
		syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

bool act_userfault(const struct probe *probe)
{
	(void)probe;
	return close_if_open(syscall(SYS_userfaultfd, O_CLOEXEC | 1));
}

bool act_keyring(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(syscall(SYS_keyctl, 0, -3, 0));
}

bool act_mount(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(
		syscall(SYS_mount, "none", "/", "no-such-type", 0, NULL));
}

bool act_unshare(const struct probe *probe)
{
	(void)probe;
	return done(syscall(SYS_unshare, CLONE_FS));
}

bool act_set_namespace(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(syscall(SYS_setns, -1, 0));
}

bool act_setuid_root(const struct probe *probe)
{
	(void)probe;
	return done(syscall(SYS_setresuid, 0, 0, 0));
}

/* In a child, for it cannot be undone; without one, for real. */
bool act_setuid_other(const struct probe *probe)
{
	long child = raw_fork(0);
	int status;

	(void)probe;
	if (child < 0)
		return done(syscall(SYS_setresuid, 54321, 54321, 54321));
	if (child == 0)
		syscall(SYS_exit_group,
			done(syscall(SYS_setresuid, 54321, 54321, 54321)) ? 0 :
									    1);
	return waitpid((pid_t)child, &status, 0) == child && status == 0;
}

bool act_chroot(const struct probe *probe)
{
	(void)probe;
	return done(syscall(SYS_chroot, "/"));
}

bool act_mknod(const struct probe *probe)
{
	const char *path = "/tmp/.posthorn-probe-device";
	bool made = done(syscall(SYS_mknodat, AT_FDCWD, path, 0020600, 0x103));

	(void)probe;
	if (made)
		syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	return made;
}

bool act_module(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(syscall(SYS_init_module, NULL, 0, ""));
}

bool act_clock_set(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(syscall(SYS_clock_settime, 99, NULL));
}

bool act_personality(const struct probe *probe)
{
	(void)probe;
	return done(syscall(SYS_personality, 0xffffffff));
}

bool act_open_by_handle(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(syscall(SYS_open_by_handle_at, -1, NULL, 0));
}

bool act_terminal(const struct probe *probe)
{
	(void)probe;
	return was_looked_at(syscall(SYS_ioctl, STDIN_FILENO, TIOCSTI, "x"));
}

bool act_seccomp_more(const struct probe *probe)
{
	return was_looked_at(syscall(SYS_ptrace, 0x420c, probe->parent, 0, 0));
}
