#include "sandbox/bpf.h"

#include <string.h>

#define WRONG SECCOMP_RET_KILL_PROCESS

/* A word of what a filter sees. */
static bool load(const struct seccomp_data *data, uint32_t at, uint32_t *a)
{
	if (at % sizeof(*a) != 0 || at > sizeof(*data) - sizeof(*a))
		return false;
	memcpy(a, (const char *)data + at, sizeof(*a));
	return true;
}

static bool holds(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	default:
		return a & k; /* BPF_JSET */
	}
}

/* All jumps go forwards: it comes to an end. */
uint32_t bpf_run(const struct sock_filter *code, size_t count,
	const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t at = 0; at < count; at++) {
		const struct sock_filter *i = &code[at];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (!load(data, i->k, &a))
				return WRONG;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			at += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			at += holds(i->code, a, i->k) ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			return WRONG;
		}
	}
	return WRONG;
}
