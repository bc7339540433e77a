/*
 * sandbox/filter - the seccomp filter of a profile.
 *
 * libseccomp compiles it in a child that only does that: short of memory,
 * libseccomp reads and writes beyond its lists, never comes to an end, or
 * leaves rules out and says that all is well. So the parent asks the program
 * about each system call before it believes it; it keeps it for its children,
 * which need no memory then.
 */
#include "sandbox/profile.h"

#include "base/log.h"
#include "sandbox/bpf.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	COMPILE_S = 1, /* of CPU time; some milliseconds are usual */
	CODE_MOST = 4096, /* BPF_MAXINSNS */
	FILTERS_MOST = 8,
	NUMBERS = 512, /* of system calls, and some that there are not */
};

static const struct {
	const char *name, *calls;
} sets[] = {
#define CALLS(set, calls) { #set, calls },
#include "sandbox/syscalls.def"
#undef CALLS
};

/* Compiled by this process or a parent of it. */
static struct filter {
	const char *calls;
	struct sock_filter *code;
	unsigned short count;
} filters[FILTERS_MOST];

/* In the child that compiles. */
static void must(int result, const char *what)
{
	if (result < 0) {
		errno = -result;
		starved("sandbox: %s: %m", what);
	}
}

static int number_of(struct str name)
{
	char text[64];

	if (name.len >= sizeof(text))
		panic("sandbox: long name in syscalls.def");
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	return seccomp_syscall_resolve_name(text);
}

/* A name that this architecture does not have is no error. */
static void add_names(scmp_filter_ctx filter, uint32_t action,
	const char *names)
{
	struct str rest = str_from(names), name;

	while (str_take_item(&rest, " ", &name)) {
		int number = number_of(name);

		if (number != __NR_SCMP_ERROR)
			must(seccomp_rule_add(filter, action, number, 0),
				"rule");
	}
}

static const char *find_set(struct str name)
{
	for (size_t i = 0; i < COUNT(sets); i++)
		if (str_eq_nocase(name, str_from(sets[i].name)))
			return sets[i].calls;
	return NULL;
}

/* Memory that is never executable. */
static void add_memory(scmp_filter_ctx filter)
{
	must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
		"mmap");
	must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
		"mprotect");
}

/* prctl: names of threads, and what tightens only. */
static void add_prctl(scmp_filter_ctx filter)
{
	static const int allowed[] = { PR_SET_NAME, PR_GET_NAME,
		PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_PDEATHSIG,
		PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_GET_SECCOMP,
		PR_SET_DUMPABLE, PR_GET_DUMPABLE, PR_SET_VMA };

	for (size_t i = 0; i < COUNT(allowed); i++)
		must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl),
			     1, SCMP_A0(SCMP_CMP_EQ, (uint64_t)allowed[i])),
			"prctl");
}

static void add_ioctl(scmp_filter_ctx filter)
{
	static const unsigned long allowed[] = { FIONREAD, FIONBIO, TCGETS };

	for (size_t i = 0; i < COUNT(allowed); i++)
		must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl),
			     1, SCMP_A1(SCMP_CMP_EQ, allowed[i])),
			"ioctl");
}

static void add_clone(scmp_filter_ctx filter, bool threads, bool fork)
{
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP |
		CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
		CLONE_NEWNET;

	if (threads)
		must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone),
			     1,
			     SCMP_A0(SCMP_CMP_MASKED_EQ,
				     namespaces | CLONE_THREAD | CLONE_VM,
				     CLONE_THREAD | CLONE_VM)),
			"clone");
	if (fork)
		must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone),
			     1,
			     SCMP_A0(SCMP_CMP_MASKED_EQ,
				     namespaces | CLONE_THREAD, 0)),
			"clone");
}

/* UNIX sockets first; of the others only those who may. */
static void add_socket(scmp_filter_ctx filter, bool internet)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };

	for (size_t i = 0; i < (internet ? COUNT(families) : 1); i++)
		must(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket),
			     1,
			     SCMP_A0(SCMP_CMP_EQ, (uint64_t)families[i])),
			"socket");
}

static bool names_set(const char *calls, const char *set)
{
	struct str rest = str_from(calls), name;

	while (str_take_item(&rest, " ", &name))
		if (str_is(name, set))
			return true;
	return false;
}

static void allow_sets(scmp_filter_ctx filter, const char *calls)
{
	struct str rest = str_from(calls), name;

	while (str_take_item(&rest, " ", &name)) {
		const char *names = find_set(name);

		if (names)
			add_names(filter, SCMP_ACT_ALLOW, names);
	}
	add_memory(filter);
	add_prctl(filter);
	add_ioctl(filter);
	add_clone(filter, names_set(calls, "threads"),
		names_set(calls, "fork"));
	if (names_set(calls, "socket") || names_set(calls, "local"))
		add_socket(filter, names_set(calls, "socket"));
	must(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
		     SCMP_SYS(clone3), 0),
		"clone3");
}

static void compile(const char *calls, int out)
{
	bool by_refusal = names_set(calls, "refused");
	scmp_filter_ctx filter = seccomp_init(
		by_refusal ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));

	if (!filter)
		starved("sandbox: no memory for the seccomp filter");
	must(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2),
		"optimize");
	if (by_refusal)
		add_names(filter, SCMP_ACT_ERRNO(EPERM),
			find_set(STR("REFUSED")));
	else
		allow_sets(filter, calls);
	must(seccomp_export_bpf(filter, out), "seccomp filter");
}

/* ---- is it right? ---- */

static void expect(uint32_t expected[NUMBERS], const char *names,
	uint32_t action)
{
	struct str rest = str_from(names), name;

	while (str_take_item(&rest, " ", &name)) {
		int number = number_of(name);

		if (number >= 0 && number < NUMBERS)
			expected[number] = action;
	}
}

/* For calls with arguments that no rule allows (all bits set). */
static void expect_all(uint32_t expected[NUMBERS], const char *calls)
{
	const uint32_t refused = SECCOMP_RET_ERRNO | EPERM;
	bool by_refusal = names_set(calls, "refused");
	struct str rest = str_from(calls), name;

	for (size_t i = 0; i < NUMBERS; i++)
		expected[i] = by_refusal ? SECCOMP_RET_ALLOW : refused;
	if (by_refusal) {
		expect(expected, find_set(STR("REFUSED")), refused);
		return;
	}
	while (str_take_item(&rest, " ", &name)) {
		const char *names = find_set(name);

		if (names)
			expect(expected, names, SECCOMP_RET_ALLOW);
	}
	expect(expected, "clone3", SECCOMP_RET_ERRNO | ENOSYS);
}

/* Calls that go by an argument, with one that is allowed. */
static const struct {
	int number; /* negative: this architecture has another one instead */
	int argument;
	uint64_t value;
	const char *set; /* NULL: all that go by what is allowed */
} allowed[] = {
	{ SCMP_SYS(mmap), 2, PROT_READ | PROT_WRITE, NULL },
	{ SCMP_SYS(mprotect), 2, PROT_READ, NULL },
	{ SCMP_SYS(prctl), 0, PR_SET_NAME, NULL },
	{ SCMP_SYS(ioctl), 1, FIONREAD, NULL },
	{ SCMP_SYS(clone), 0, CLONE_THREAD | CLONE_VM, "threads" },
	{ SCMP_SYS(clone), 0, 0, "fork" },
	{ SCMP_SYS(socket), 0, AF_UNIX, "local" },
	{ SCMP_SYS(socket), 0, AF_INET6, "socket" },
};

static bool allows(const struct filter *filter, const char *calls, size_t i)
{
	struct seccomp_data data = { .nr = allowed[i].number,
		.arch = seccomp_arch_native() };

	if (names_set(calls, "refused") || data.nr < 0 || (allowed[i].set &&
		!names_set(calls, allowed[i].set)))
		return true;
	data.args[allowed[i].argument] = allowed[i].value;
	return bpf_run(filter->code, filter->count, &data) ==
		SECCOMP_RET_ALLOW;
}

static bool is_right(const struct filter *filter, const char *calls)
{
	uint32_t expected[NUMBERS];
	struct seccomp_data data = { .arch = seccomp_arch_native() };

	expect_all(expected, calls);
	memset(data.args, 0xff, sizeof(data.args));
	for (data.nr = 0; data.nr < NUMBERS; data.nr++)
		if (bpf_run(filter->code, filter->count, &data) !=
			expected[data.nr])
			return false;
	for (size_t i = 0; i < COUNT(allowed); i++)
		if (!allows(filter, calls, i))
			return false;
	data.arch = 0;
	return bpf_run(filter->code, filter->count, &data) !=
		SECCOMP_RET_ALLOW;
}

/* What the child wrote, if it came to a good end. */
static bool take(struct filter *filter, const char *calls, int from,
	int status)
{
	struct sock_filter code[CODE_MOST];
	ssize_t got = pread(from, code, sizeof(code), 0);

	if (status != 0 || got <= 0 || got % (ssize_t)sizeof(*code) != 0) {
		errno = ENOMEM;
		return false;
	}
	filter->code = malloc((size_t)got);
	if (!filter->code)
		return false;
	memcpy(filter->code, code, (size_t)got);
	filter->count = (unsigned short)((size_t)got / sizeof(*code));
	if (is_right(filter, calls))
		return true;
	free(filter->code);
	filter->code = NULL;
	errno = ENOMEM;
	return false;
}

static bool compile_apart(struct filter *filter, const char *calls)
{
	auto_close int file = memfd_create("filter", MFD_CLOEXEC);
	int status = -1;
	pid_t pid = file < 0 ? -1 : fork();

	if (pid < 0)
		return false;
	if (pid == 0) {
		setrlimit(RLIMIT_CPU,
			&(struct rlimit){ COMPILE_S, COMPILE_S });
		compile(calls, file);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return take(filter, calls, file, status);
}

static const struct filter *find(const char *calls)
{
	struct filter *filter = filters;

	while (filter->calls && strcmp(filter->calls, calls) != 0)
		filter++;
	if (filter == &filters[FILTERS_MOST - 1])
		panic("sandbox: more filters than are kept");
	if (!filter->calls && !compile_apart(filter, calls))
		return NULL;
	filter->calls = calls;
	return filter;
}

bool filter_prepare(const char *calls)
{
	return find(calls) != NULL;
}

void filter_close(const char *calls)
{
	const struct filter *filter = find(calls);
	struct sock_fprog program;

	if (!filter)
		log_fatal("sandbox: no seccomp filter: %m");
	program = (struct sock_fprog){ filter->count, filter->code };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		log_fatal("sandbox: seccomp: %m");
}
