/*
 * Which file systems' syncfs is trusted; which of them a folder is on depends on
 * the machine.
 */
#include "io/filesystem.h"

#include "base/test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void memory_is_known(void **state)
{
	auto_close int fd = memfd_create("known", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(io_syncfs_from(fd), 3);
	assert_true(io_syncfs_is_known(fd));
}

static void others_are_not(void **state)
{
	auto_close int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(io_syncfs_from(fd), 0);
	assert_false(io_syncfs_is_known(fd));
	assert_int_equal(io_syncfs_from(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_known),
		cmocka_unit_test(others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
