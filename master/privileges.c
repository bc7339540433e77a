#include "master/state.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What master, or some profile of its children, needs of root's powers. */
static const unsigned char kept[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_KILL,
	CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE,
	CAP_SYS_CHROOT, CAP_SYS_RESOURCE,
};

static bool is_kept(unsigned capability)
{
	for (size_t i = 0; i < COUNT(kept); i++)
		if (kept[i] == capability)
			return true;
	return false;
}

void privileges_reduce(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };

	if (geteuid() != 0)
		return;
	for (unsigned i = 0; i < 64; i++)
		if (!is_kept(i))
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	if (syscall(SYS_capget, &header, data) < 0) {
		log_warning("capget: %m");
		return;
	}
	for (unsigned i = 0; i < 64; i++)
		if (!is_kept(i)) {
			data[i / 32].effective &= ~(1U << i % 32);
			data[i / 32].permitted &= ~(1U << i % 32);
			data[i / 32].inheritable &= ~(1U << i % 32);
		}
	if (syscall(SYS_capset, &header, data) < 0)
		log_warning("capset: %m");
}
