/*
 * sandbox/capability - all capabilities but the named ones are given up, in
 * all sets, for good.
 */
#include "sandbox/profile.h"

#include "base/log.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	int number;
} known[] = {
	{ "CAP_CHOWN", CAP_CHOWN },
	{ "CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE },
	{ "CAP_FOWNER", CAP_FOWNER },
	{ "CAP_KILL", CAP_KILL },
	{ "CAP_SETGID", CAP_SETGID },
	{ "CAP_SETUID", CAP_SETUID },
	{ "CAP_SYS_CHROOT", CAP_SYS_CHROOT },
};

static uint64_t mask_of(const char *names)
{
	struct str rest = str_from(names), name;
	uint64_t mask = 0;

	while (str_take_item(&rest, " ", &name))
		for (size_t i = 0; i < COUNT(known); i++)
			if (str_is(name, known[i].name))
				mask |= 1ULL << known[i].number;
	return mask;
}

void capabilities_close(const char *names)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };
	uint64_t mask = mask_of(names);

	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(mask & 1ULL << i) &&
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			log_fatal("sandbox: dropping capability %d: %m", i);
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(mask >> (32 * i));
		data[i].permitted = data[i].effective;
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, data) < 0)
		log_fatal("sandbox: capset: %m");
}
