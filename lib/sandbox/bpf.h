/*
 * sandbox/bpf - what a seccomp filter says, without the kernel.
 *
 * Memory   none
 * Waits    no
 */
#ifndef SANDBOX_BPF_H
#define SANDBOX_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/base.h"

/*
 * The action (SECCOMP_RET_*) for a system call, as seccomp(2) would find it.
 * Of instructions those that libseccomp writes are known; a program with
 * another one, or with a jump out of it, kills.
 */
uint32_t bpf_run(const struct sock_filter *code, size_t count,
	const struct seccomp_data *data);

#endif
