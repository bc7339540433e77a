/*
 * Filters without the kernel: what libseccomp compiles, and what is malformed.
 */
#include "sandbox/bpf.h"

#include "base/test.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

/* Numbers of whatever system calls. */
enum { CODE_MOST = 512, EQUAL = 101, MASKED = 102 };

static const uint32_t refused = SECCOMP_RET_ERRNO | EPERM;

static size_t compile(struct sock_filter *code, unsigned optimize)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t got;

	assert_int_equal(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE,
		optimize), 0);
	for (int number = 20; number < 40; number += 2)
		assert_int_equal(seccomp_rule_add(filter, SCMP_ACT_ALLOW,
			number, 0), 0);
	assert_int_equal(seccomp_rule_add(filter, SCMP_ACT_ALLOW, EQUAL, 1,
		SCMP_A0(SCMP_CMP_EQ, 5)), 0);
	assert_int_equal(seccomp_rule_add(filter, SCMP_ACT_ALLOW, MASKED, 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)), 0);
	assert_int_equal(seccomp_export_bpf(filter, fd), 0);
	seccomp_release(filter);
	got = pread(fd, code, CODE_MOST * sizeof(*code), 0);
	assert_true(got > 0);
	close(fd);
	return (size_t)got / sizeof(*code);
}

static void says_what_was_compiled(void **state)
{
	(void)state;
	for (unsigned optimize = 1; optimize <= 2; optimize++) {
		struct sock_filter code[CODE_MOST];
		size_t count = compile(code, optimize);
		struct seccomp_data data = { .arch = seccomp_arch_native() };

		for (data.nr = 20; data.nr < 40; data.nr++)
			assert_int_equal(bpf_run(code, count, &data),
				data.nr % 2 == 0 ? SECCOMP_RET_ALLOW :
				refused);
		data.nr = EQUAL;
		data.args[0] = 5;
		assert_int_equal(bpf_run(code, count, &data),
			SECCOMP_RET_ALLOW);
		data.args[0] = 5 + (UINT64_C(1) << 32);
		assert_int_equal(bpf_run(code, count, &data), refused);
		data.nr = MASKED;
		data.args[2] = PROT_EXEC | PROT_READ;
		assert_int_equal(bpf_run(code, count, &data), refused);
		data.args[2] = PROT_READ;
		assert_int_equal(bpf_run(code, count, &data),
			SECCOMP_RET_ALLOW);
		data.arch = 0;
		assert_int_not_equal(bpf_run(code, count, &data),
			SECCOMP_RET_ALLOW);
		/* The last instruction is missing. */
		data.arch = seccomp_arch_native();
		assert_int_equal(bpf_run(code, 1, &data),
			SECCOMP_RET_KILL_PROCESS);
	}
}

static void what_is_malformed_kills(void **state)
{
	static const struct sock_filter wrong[][2] = {
		{ { BPF_JMP | BPF_JA, 0, 0, 7 },
			{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } },
		{ { BPF_JMP | BPF_JEQ | BPF_K, 9, 9, 0 },
			{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } },
		{ { BPF_LD | BPF_W | BPF_ABS, 0, 0, 1 },
			{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } },
		{ { BPF_LD | BPF_W | BPF_ABS, 0, 0, 64 },
			{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } },
		{ { BPF_LD | BPF_W | BPF_ABS, 0, 0, UINT32_MAX - 3 },
			{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } },
		{ { BPF_LDX | BPF_W | BPF_IMM, 0, 0, 0 },
			{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } },
		{ { BPF_ALU | BPF_AND | BPF_K, 0, 0, 0 },
			{ BPF_RET | BPF_A, 0, 0, 0 } },
	};
	const struct seccomp_data data = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(bpf_run(wrong[i], COUNT(wrong[i]), &data),
			SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(bpf_run(wrong[0], 0, &data),
		SECCOMP_RET_KILL_PROCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_was_compiled),
		cmocka_unit_test(what_is_malformed_kills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
