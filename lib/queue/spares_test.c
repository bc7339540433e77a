/*
 * queue/spares_test - a file of large/ is used again when nobody can see it, and
 * shows nothing of what it held; those that are not needed go.
 */
#include "queue/spares.h"

#include "base/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/large.h"
#include "queue/spool.h"

enum {
	OLD = 7,
	NEW = 8,
	OCTETS = 150 * 1024,
};

static struct {
	char folder[64];
	struct disk *disk;
	char octets[OCTETS + 1];
} run;

static void path_of(char path[192], uint64_t serial)
{
	char name[SPOOL_PATH_MOST];

	spool_large_path(name, serial);
	snprintf(path, 192, "%s/%s", run.folder, name);
}

static int open_old(int flags)
{
	char path[192];
	int fd;

	path_of(path, OLD);
	fd = open(path, flags | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void make_old(size_t octets)
{
	auto_close int fd = open_old(O_WRONLY | O_CREAT | O_EXCL);

	memset(run.octets, 'o', sizeof(run.octets));
	assert_true(fd_write_all(fd, run.octets, octets));
}

static int begin(void **state)
{
	char path[192];

	(void)state;
	snprintf(run.folder, sizeof(run.folder), "spares_test.XXXXXX");
	assert_non_null(mkdtemp(run.folder));
	snprintf(path, sizeof(path), "%s/large", run.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(disk_open(&run.disk, run.folder));
	return 0;
}

static size_t files(void)
{
	char path[192];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/large", run.folder);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static int end(void **state)
{
	char path[192];

	(void)state;
	for (uint64_t serial = 0; serial < 300; serial++) {
		path_of(path, serial);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/large", run.folder);
	return rmdir(path) == 0 && rmdir(run.folder) == 0 ? 0 : -1;
}

static size_t read_new(void)
{
	char path[192];
	auto_close int fd = -1;
	ssize_t got;

	path_of(path, NEW);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	got = read(fd, run.octets, sizeof(run.octets));
	assert_true(got >= 0);
	return (size_t)got;
}

static void nothing_is_left_to_see(void **state)
{
	static const char nothing[OCTETS];
	auto_close int fd = -1;

	(void)state;
	make_old(OCTETS);
	fd = large_again(run.disk, OLD, NEW);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
	assert_int_equal(files(), 1);
	assert_int_equal(read_new(), OCTETS);
	assert_memory_equal(run.octets, nothing, OCTETS);
}

static void seal_new(size_t octets, bool is_again, bool is_fine)
{
	struct large_folder folder;

	large_folder_init(&folder, run.disk);
	assert_int_equal(large_seal(&folder, NEW, large_mark(&folder), octets,
		is_again, NULL), is_fine);
}

static void write_new(void *context)
{
	int fd = large_again(run.disk, OLD, NEW);

	(void)context;
	assert_true(fd >= 0);
	assert_true(fd_write_all(fd, "new text", 8));
	seal_new(8, true, false); /* somebody writes */
	assert_int_equal(errno, EAGAIN);
	base_close(&fd);
	assert_int_equal(read_new(), OCTETS);
	seal_new(8, false, false); /* not to be cut */
	assert_int_equal(errno, EMSGSIZE);
	seal_new(8, true, true);
	assert_int_equal(read_new(), 8);
	assert_memory_equal(run.octets, "new text", 8);
	seal_new(9, true, false); /* it made no longer */
	assert_int_equal(errno, EMSGSIZE);
}

static void it_is_as_long_as_the_new_text(void **state)
{
	(void)state;
	make_old(OCTETS);
	io_run(write_new, NULL);
}

/* Who has it open sees what he saw, whatever becomes of it. */
static int reader_of_descriptor(void)
{
	return open_old(O_RDONLY);
}

static void *mapped;

static int reader_of_mapping(void)
{
	auto_close int fd = open_old(O_RDONLY);

	mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(mapped != MAP_FAILED);
	return -1;
}

static int packet[2];

static int reader_of_packet(void)
{
	auto_close int fd = open_old(O_RDONLY);
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0,
		packet), 0);
	assert_int_equal(sendmsg(packet[0], &m, 0), 1);
	return -1;
}

static int reader_of_writer(void)
{
	return open_old(O_WRONLY);
}

static int (*const readers[])(void) = { reader_of_descriptor,
	reader_of_mapping, reader_of_packet, reader_of_writer };

static void who_has_it_open_keeps_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(readers); i++) {
		auto_close int fd = -1;

		make_old(OCTETS);
		packet[0] = packet[1] = -1;
		mapped = NULL;
		fd = readers[i]();
		assert_int_equal(large_again(run.disk, OLD, NEW), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(files(), 0);
		if (i == 0)
			assert_true(pread(fd, run.octets, 1, 0) == 1 &&
				run.octets[0] == 'o');
		if (mapped) {
			assert_int_equal(*(char *)mapped, 'o');
			munmap(mapped, 4096);
		}
		base_close(&packet[0]);
		base_close(&packet[1]);
	}
}

static void what_is_gone_or_long_is_not_used(void **state)
{
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(large_again(run.disk, OLD, NEW), -1);
	assert_int_equal(errno, ENOENT);
	fd = open_old(O_WRONLY | O_CREAT);
	assert_int_equal(ftruncate(fd, LARGE_AGAIN_MOST + 1), 0);
	base_close(&fd);
	assert_int_equal(large_again(run.disk, OLD, NEW), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(files(), 0);
}

static void add(struct spares *spares, uint64_t serial)
{
	char path[192];
	auto_close int fd = -1;

	path_of(path, serial);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	spares_add(spares, serial);
}

/* Ten are there, of which four are needed at a time. */
static void what_is_not_needed_goes(void **state)
{
	struct spares spares;
	uint64_t serial;

	(void)state;
	spares_init(&spares, run.disk);
	assert_false(spares_take(&spares, &serial));
	for (uint64_t i = 0; i < 10; i++)
		add(&spares, i);
	spares_tidy(&spares); /* they have just come */
	assert_int_equal(files(), 10);
	for (uint64_t i = 0; i < 4; i++) {
		assert_true(spares_take(&spares, &serial));
		assert_int_equal(serial, 9 - i); /* what came last */
	}
	for (uint64_t i = 6; i < 10; i++)
		spares_add(&spares, i);
	spares_tidy(&spares);
	assert_int_equal(files(), 4);
	spares_tidy(&spares);
	assert_int_equal(files(), 0);
	assert_false(spares_take(&spares, &serial));
	spares_close(&spares);
}

static void close_removes_all(void **state)
{
	struct spares spares;

	(void)state;
	spares_init(&spares, run.disk);
	for (uint64_t i = 0; i < 120; i++)
		add(&spares, i);
	assert_int_equal(files(), 120);
	spares_close(&spares);
	assert_int_equal(files(), 0);
}

static void add_many(void *context)
{
	struct spares *spares = context;

	spares_start(spares);
	add(spares, 0);
	io_yield();
	for (uint64_t i = 1; i < 250; i++)
		add(spares, i);
	while (files() > SPARES_MOST)
		io_yield();
	assert_int_equal(files(), SPARES_MOST);
	while (files() > 0) /* a second later, and another one */
		assert_true(io_sleep(span_ms(5)));
	io_stop();
}

static void those_that_are_too_many_go_at_once(void **state)
{
	struct spares spares;

	(void)state;
	spares_init(&spares, run.disk);
	io_run(add_many, &spares);
	spares_close(&spares);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_left_to_see),
		TEST(it_is_as_long_as_the_new_text),
		TEST(who_has_it_open_keeps_it),
		TEST(what_is_gone_or_long_is_not_used),
		TEST(what_is_not_needed_goes),
		TEST(close_removes_all),
		TEST(those_that_are_too_many_go_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
