/*
 * sandbox/filter - the seccomp filter of a profile.
 */
#include "sandbox/profile.h"

#include "base/log.h"

#include <errno.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static const struct {
	const char *name, *calls;
} sets[] = {
#define CALLS(set, calls) { #set, calls },
#include "sandbox/syscalls.def"
#undef CALLS
};

static void must(int result, const char *what)
{
	if (result < 0) {
		errno = -result;
		log_fatal("sandbox: %s: %m", what);
	}
}

/* A name that this architecture does not have is no error. */
static void add_names(scmp_filter_ctx filter, uint32_t action,
	const char *names)
{
	struct str rest = str_from(names), name;
	char text[64];

	while (str_take_item(&rest, " ", &name)) {
		int number;

		if (name.len >= sizeof(text))
			panic("sandbox: long name in syscalls.def");
		memcpy(text, name.p, name.len);
		text[name.len] = '\0';
		number = seccomp_syscall_resolve_name(text);
		if (number != __NR_SCMP_ERROR)
			must(seccomp_rule_add(filter, action, number, 0), text);
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

void filter_close(const char *calls)
{
	bool by_refusal = names_set(calls, "refused");
	scmp_filter_ctx filter = seccomp_init(
		by_refusal ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));

	if (!filter)
		log_fatal("sandbox: no memory for the seccomp filter");
	must(seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1), "tsync");
	must(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2),
		"optimize");
	if (by_refusal)
		add_names(filter, SCMP_ACT_ERRNO(EPERM),
			find_set(STR("REFUSED")));
	else
		allow_sets(filter, calls);
	must(seccomp_load(filter), "seccomp");
	seccomp_release(filter);
}
