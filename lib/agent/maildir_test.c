/*
 * What a power cut would leave, and in which order a Maildir delivery writes,
 * flushes, renames and reports.
 */
#include "agent/maildir.h"

#include "base/test.h"
#include "io/fiber.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILES_MOST = 64,
};

/* The disk under the calls: what was written lives in the real files; this
 * says what of it would be there after a cut. */
static struct {
	struct {
		int fd;
		char name[100];
		bool written, data_safe, renamed, name_safe;
		bool counted; /* a name, since the last flush of the file */
	} files[FILES_MOST];
	size_t count;
	unsigned file_syncs, all_syncs, folder_syncs;
	unsigned unnamed, tmp_links, path_syncs;
	bool lies; /* flushes do nothing: the model must notice */
	bool fails, files_fail, folders_fail, elsewhere, alone;
	bool is_closed_above;
	int no_unnamed, no_link; /* the error */
	unsigned share_from;     /* 0: as most file systems */
} disk;

static char folder[] = "/tmp/posthorn-maildir-XXXXXX";
static int base;

static int find(int fd)
{
	for (size_t i = disk.count; i-- > 0;)
		if (disk.files[i].fd == fd)
			return (int)i;
	return -1;
}

static const char *name_in(const char *path)
{
	return strrchr(path, '/') + 1;
}

static int opened(int fd, const char *name)
{
	if (fd >= 0) {
		disk.files[disk.count].fd = fd;
		snprintf(disk.files[disk.count++].name,
			sizeof(disk.files[0].name), "%s", name);
	}
	return fd;
}

static int model_open_new(int at, const char *path)
{
	return opened(openat(at, path, O_WRONLY | O_CREAT | O_TRUNC, 0600),
		name_in(path));
}

static int model_open_unnamed(int at, const char *path)
{
	int fd = disk.no_unnamed ? -1 :
				   openat(at, path, O_WRONLY | O_TMPFILE, 0600);

	if (disk.no_unnamed)
		errno = disk.no_unnamed;
	disk.unnamed += fd >= 0;
	return opened(fd, "");
}

static int model_link(int fd, int at, const char *path)
{
	char from[32];

	if (disk.no_link) {
		errno = disk.no_link;
		return -1;
	}
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, from, at, path, AT_SYMLINK_FOLLOW) < 0)
		return -1;
	snprintf(disk.files[find(fd)].name, sizeof(disk.files[0].name), "%s",
		name_in(path));
	disk.files[find(fd)].counted = true;
	if (strstr(path, "/new/"))
		disk.files[find(fd)].renamed = true;
	else
		disk.tmp_links++;
	return 0;
}

static ssize_t model_write(int fd, const void *octets, size_t len)
{
	disk.files[find(fd)].written = true;
	disk.files[find(fd)].data_safe = false;
	return write(fd, octets, len);
}

/* That of a file without a name may do nothing. */
static int model_sync_file(int fd)
{
	disk.file_syncs++;
	if (disk.files_fail) {
		errno = EIO;
		return -1;
	}
	if (!disk.lies)
		disk.files[find(fd)].counted = false;
	if (!disk.lies && disk.files[find(fd)].name[0])
		disk.files[find(fd)].data_safe = true;
	return 0;
}

/* Others gather while it runs; it covers what was there when it began. */
static int model_sync_all(int fd)
{
	size_t count = disk.count;
	bool renamed[FILES_MOST];

	(void)fd;
	for (size_t i = 0; i < count; i++)
		renamed[i] = disk.files[i].renamed;
	io_yield();
	disk.all_syncs++;
	if (disk.fails) {
		errno = EIO;
		return -1;
	}
	for (size_t i = 0; !disk.lies && !disk.elsewhere && i < count; i++) {
		disk.files[i].data_safe = true;
		disk.files[i].name_safe |= renamed[i];
		disk.files[i].counted = false;
	}
	return 0;
}

static int model_sync_folder(int at, const char *path)
{
	struct stat st;

	disk.folder_syncs++;
	if (disk.folders_fail) {
		errno = EIO;
		return -1;
	}
	if (disk.is_closed_above && !strstr(path, "/new")) {
		errno = EACCES;
		return -1;
	}
	for (size_t i = 0; !disk.lies && i < disk.count; i++)
		disk.files[i].name_safe = disk.files[i].renamed &&
			!disk.files[i].counted;
	return fstatat(at, path, &st, 0);
}

static int model_sync_path(int at, const char *path)
{
	struct stat st;

	disk.path_syncs++;
	if (fstatat(at, path, &st, 0) < 0)
		return -1;
	for (size_t i = 0; !disk.lies && i < disk.count; i++)
		if (strcmp(disk.files[i].name, name_in(path)) == 0)
			disk.files[i].counted = false;
	return 0;
}

static int model_rename(int at, const char *from, const char *to)
{
	for (size_t i = 0; i < disk.count; i++)
		if (strcmp(disk.files[i].name, name_in(to)) == 0)
			disk.files[i].renamed = true;
	return renameat(at, from, at, to);
}

static unsigned model_share_from(int at)
{
	(void)at;
	if (disk.alone)
		return 0;
	return disk.share_from ? disk.share_from : GROUP_SHARE_FROM;
}

static uint64_t model_device(int fd)
{
	return fd != base && disk.elsewhere ? 2 : 1;
}

static const struct maildir_calls model = {
	.open_new = model_open_new,
	.open_unnamed = model_open_unnamed,
	.link = model_link,
	.write = model_write,
	.sync_file = model_sync_file,
	.sync_all = model_sync_all,
	.sync_folder = model_sync_folder,
	.sync_path = model_sync_path,
	.rename = model_rename,
	.share_from = model_share_from,
	.device = model_device,
};

/* ---- deliveries at once, each a fiber ---- */

static struct {
	struct maildir_store store;
	struct arena *arena;
	struct content content;
	unsigned reported, settled, broken_report, broken_settle;
	bool look, shares;
	void (*between)(void); /* publish and settle */
} run;

static bool is_safe(const struct maildir_item *item, bool name)
{
	for (size_t i = disk.count; i-- > 0;)
		if (str_is(item->name, disk.files[i].name))
			return disk.files[i].renamed &&
				disk.files[i].data_safe &&
				(!name || disk.files[i].name_safe);
	return item->is_there;
}

static struct str name_of(uint64_t number, uint64_t size)
{
	const struct delivery delivery = {
		.m = { .arrival_us = 1764430000000000, .nonce = 0x1f3 },
	};

	return maildir_name(run.arena, STR("mail/x:y"), &delivery, number,
		size);
}

static void deliver(void *context)
{
	uint64_t number = (uint64_t)(uintptr_t)context;
	struct maildir_item item = {
		.folder = STR("a/box"),
		.head = STR("Return-Path: <>\n"),
		.content = &run.content,
		.look = run.look,
		.shares = run.shares,
	};

	item.name = name_of(number, item.head.len + run.content.size);
	maildir_write(&run.store, run.arena, &item);
	maildir_publish(&run.store, run.arena, &item, 1, false);
	if (!status_is_ok(item.status))
		return;
	run.reported++;
	run.broken_report += !is_safe(&item, false);
	if (run.between)
		run.between();
	if (maildir_settle(&run.store, run.arena, &item, 1,
		false)) {
		run.settled++;
		run.broken_settle += !is_safe(&item, true);
	}
}

static void spawn(void *context)
{
	for (uintptr_t i = 1; i <= (uintptr_t)context; i++)
		io_spawn("delivery", deliver, (void *)i); /* number */
}

static void deliver_many(size_t count)
{
	run.reported = run.settled = 0;
	run.broken_report = run.broken_settle = 0;
	io_run(spawn, (void *)(uintptr_t)count);
}

static int begin(void **state)
{
	(void)state;
	memset(&disk, 0, sizeof(disk));
	memset(&run, 0, sizeof(run));
	strcpy(strrchr(folder, '-') + 1, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	base = open(folder, O_RDONLY | O_DIRECTORY);
	run.arena = arena_new(0);
	run.content = (struct content){ .head = STR("S: x\n\nbody\n"),
		.fd = -1, .size = 11 };
	return 0;
}

static int end(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	close(base);
	arena_free(run.arena);
	return system(command);
}

/* False: the machine paused within a flush, which then counts as slow, and
 * they went on one by one. */
static bool share_a_flush(void **state)
{
	assert_int_equal(end(state), 0);
	assert_int_equal(begin(state), 0);
	maildir_store_open(&run.store, base, &model);
	deliver_many(20);
	assert_int_equal(run.reported, 20);
	assert_int_equal(run.settled, 20);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	return run.store.group.one_by_one.us == 0;
}

static void many_share_a_flush(void **state)
{
	for (int i = 0; !share_a_flush(state); i++)
		assert_true(i < 50);
	assert_int_equal(disk.file_syncs, 0);
	assert_true(disk.all_syncs <= 6);
}

static void one_needs_no_syncfs(void **state)
{
	(void)state;
	maildir_store_open(&run.store, base, &model);
	deliver_many(1);
	assert_int_equal(run.settled, 1);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	assert_int_equal(disk.file_syncs, 1);
}

static void how_few_says_the_file_system(void **state)
{
	(void)state;
	disk.share_from = 5;
	maildir_store_open(&run.store, base, &model);
	deliver_many(4);
	assert_int_equal(run.settled, 4);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	assert_int_equal(disk.file_syncs, 4);
}

static void a_flush_that_does_nothing_is_noticed(void **state)
{
	(void)state;
	disk.lies = true;
	maildir_store_open(&run.store, base, &model);
	deliver_many(5);
	assert_int_equal(run.broken_report, 5);
	assert_int_equal(run.broken_settle, 5);
}

static void after_an_error_each_by_itself(void **state)
{
	(void)state;
	disk.fails = true;
	maildir_store_open(&run.store, base, &model);
	deliver_many(5);
	assert_int_equal(run.settled, 5);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	assert_int_equal(disk.file_syncs, 5);
	/* each its new/; who made the folders also the way to them */
	assert_true(disk.folder_syncs >= 5 + 3);
}

static void other_file_systems_are_flushed_themselves(void **state)
{
	(void)state;
	disk.elsewhere = true;
	maildir_store_open(&run.store, base, &model);
	deliver_many(5);
	assert_int_equal(run.settled, 5);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	disk.elsewhere = false;
	disk.alone = true;
	maildir_store_open(&run.store, base, &model);
	disk.all_syncs = 0;
	deliver_many(5);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	assert_int_equal(disk.all_syncs, 0);
}

/* The queue delivers again: to a file that is written and flushed afresh. */
static void what_cannot_be_made_durable_is_withdrawn(void **state)
{
	(void)state;
	disk.folders_fail = true;
	disk.alone = true;
	maildir_store_open(&run.store, base, &model);
	deliver_many(3);
	assert_int_equal(run.reported, 3);
	assert_int_equal(run.settled, 0);
	disk.folders_fail = false;
	run.look = true;
	deliver_many(3);
	assert_int_equal(run.settled, 3);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	assert_int_equal(disk.count, 6); /* none was found there */
	assert_true(disk.folder_syncs >= 3 + 3 * 3); /* and the way to it */
}

/* Of what cannot be flushed nothing stays in tmp/: the next attempt may have
 * another name. */
static void what_cannot_be_flushed_is_removed(void **state)
{
	(void)state;
	disk.files_fail = true;
	disk.alone = true;
	maildir_store_open(&run.store, base, &model);
	deliver_many(3);
	assert_int_equal(run.reported, 0);
	assert_int_equal(disk.file_syncs, 3);
	/* rmdir removes what is empty */
	assert_int_equal(unlinkat(base, "a/box/tmp", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(base, "a/box/new", AT_REMOVEDIR), 0);
}

/* /home with mode 0711: its users cannot open it to flush it. */
static void a_folder_above_may_be_closed(void **state)
{
	(void)state;
	disk.is_closed_above = true;
	maildir_store_open(&run.store, base, &model);
	deliver_many(1);
	assert_int_equal(run.settled, 1);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	assert_int_equal(disk.all_syncs, 1);
	run.look = true;
	deliver_many(1);
	assert_int_equal(run.settled, 1);
}

static void a_second_delivery_finds_the_first(void **state)
{
	struct str name;

	(void)state;
	maildir_store_open(&run.store, base, &model);
	deliver_many(1);
	run.look = true;
	deliver_many(1);
	assert_int_equal(run.settled, 1);
	assert_int_equal(disk.count, 1); /* no other file was made */
	/* what was cut off is written again */
	name = name_of(1, run.content.size + 16);
	assert_int_equal(truncate(arena_fmt(run.arena, "%s/a/box/new/%.*s",
					  folder, STR_ARG(name))
					  .p,
				 5),
		0);
	deliver_many(1);
	assert_int_equal(disk.count, 2);
	/* read and flagged meanwhile */
	assert_int_equal(rename(arena_fmt(run.arena, "%s/a/box/new/%.*s",
					folder, STR_ARG(name))
					.p,
				 arena_fmt(run.arena, "%s/a/box/cur/%.*s:2,S",
					 folder, STR_ARG(name))
					 .p),
		0);
	deliver_many(1);
	assert_int_equal(disk.count, 2);
}

/* How many names are in tmp/ now, or in new/. */
static int names_in(const char *sub)
{
	DIR *dir = opendir(
		arena_fmt(run.arena, "%s/a/box/%s", folder, sub).p);
	struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static bool deliver_without_names(void **state)
{
	assert_int_equal(end(state), 0);
	assert_int_equal(begin(state), 0);
	maildir_store_open(&run.store, base, &model);
	deliver_many(1); /* makes the folders */
	run.shares = true;
	deliver_many(20);
	assert_int_equal(run.reported, 20);
	assert_int_equal(run.settled, 20);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	assert_int_equal(names_in("tmp"), 0);
	assert_int_equal(names_in("new"), 20);
	return run.store.group.one_by_one.us == 0;
}

static void who_shares_has_one_name(void **state)
{
	for (int i = 0; !deliver_without_names(state); i++)
		assert_true(i < 50);
	assert_int_equal(disk.unnamed, 20);
	assert_int_equal(disk.tmp_links, 1); /* one was in new/ before */
}

/* The flush fails: each has a name before it is flushed by itself. */
static void what_is_flushed_alone_has_a_name_first(void **state)
{
	(void)state;
	maildir_store_open(&run.store, base, &model);
	deliver_many(1);
	run.shares = true;
	disk.fails = true;
	deliver_many(5);
	assert_int_equal(run.settled, 5);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	assert_int_equal(disk.unnamed, 5);
	assert_int_equal(disk.tmp_links, 5);
	assert_int_equal(names_in("tmp"), 0);
}

static void flushes_fail(void)
{
	disk.fails = true;
}

/* That of its folder does not cover how many names a file has. */
static bool settle_after_a_link(void **state, void (*between)(void))
{
	assert_int_equal(end(state), 0);
	assert_int_equal(begin(state), 0);
	maildir_store_open(&run.store, base, &model);
	deliver_many(1);
	run.shares = true;
	deliver_many(5);
	assert_int_equal(run.settled, 5);
	run.between = between;
	deliver_many(5);
	assert_int_equal(run.settled, 5);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
	return disk.path_syncs > 0;
}

static void a_name_that_is_settled_alone_is_counted(void **state)
{
	for (int i = 0; !settle_after_a_link(state, flushes_fail); i++)
		assert_true(i < 50);
}

static void settle_what_was_read(void *context)
{
	const char *box = arena_fmt(run.arena, "%s/a/box", folder).p;
	struct maildir_item item = {
		.folder = STR("a/box"),
		.name = name_of(2, 11),
		.head = STR(""),
		.content = &run.content,
		.shares = true,
	};
	char command[200];

	(void)context;
	maildir_write(&run.store, run.arena, &item);
	assert_int_equal(model_sync_all(base), 0); /* by somebody else */
	maildir_rename(&run.store, run.arena, &item, 1);
	assert_true(status_is_ok(item.status));
	snprintf(command, sizeof(command), "mv %s/new/* %s/cur/", box, box);
	assert_int_equal(system(command), 0);
	disk.all_syncs = 0;
	assert_true(maildir_settle_alone(&run.store, run.arena, &item, 1));
	assert_true(is_safe(&item, true));
	assert_int_equal(disk.all_syncs, 1);
}

/* Nobody knows under which name. */
static void what_was_read_meanwhile_is_counted_by_a_flush_of_all(void **state)
{
	(void)state;
	maildir_store_open(&run.store, base, &model);
	deliver_many(1);
	io_run(settle_what_was_read, NULL);
}

static void other_systems_have_no_such_files(void **state)
{
	static const int errors[] = { EOPNOTSUPP, EISDIR, EINVAL, EACCES };

	for (size_t i = 0; i < COUNT(errors); i++) {
		assert_int_equal(end(state), 0);
		assert_int_equal(begin(state), 0);
		disk.no_unnamed = errors[i];
		run.shares = true;
		maildir_store_open(&run.store, base, &model);
		deliver_many(5);
		assert_int_equal(run.settled, 5);
		assert_int_equal(run.broken_report + run.broken_settle, 0);
		assert_int_equal(disk.unnamed, 0);
		assert_int_equal(run.store.needs_names, errors[i] != EACCES);
	}
}

/* An old kernel where /proc is out of reach: the next attempt does without. */
static void a_file_that_gets_no_name_is_delivered_again(void **state)
{
	(void)state;
	maildir_store_open(&run.store, base, &model);
	deliver_many(1);
	run.shares = true;
	disk.no_link = ENOENT;
	deliver_many(1);
	assert_int_equal(run.reported, 0);
	deliver_many(1);
	assert_int_equal(run.settled, 1);
	assert_int_equal(disk.unnamed, 1);
	assert_int_equal(run.broken_report + run.broken_settle, 0);
}

/* Of an attempt that nobody heard of, in new/ or in tmp/. */
static void a_name_that_is_there_gives_way(void **state)
{
	int fd;

	(void)state;
	maildir_store_open(&run.store, base, &model);
	deliver_many(1);
	for (int tmp = 0; tmp < 2; tmp++) {
		const char *path = arena_fmt(run.arena, "%s/a/box/%s/%s",
			folder, tmp ? "tmp" : "new", disk.files[0].name)
					   .p;

		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, "old", 3), 3);
		close(fd);
		run.shares = true;
		disk.fails = tmp;
		deliver_many(1);
		assert_int_equal(run.settled, 1);
		assert_int_equal(run.broken_report + run.broken_settle, 0);
		assert_int_equal(names_in("tmp"), 0);
		assert_int_equal(names_in("new"), 1);
	}
	run.look = true;
	disk.count = 0;
	deliver_many(1);
	assert_int_equal(disk.count, 0); /* it is what was to be there */
}

static void names_are_the_same_again(void **state)
{
	(void)state;
	assert_str(name_of(3, 1234), "1764430000.V1f3N3.mail,S=1234");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(many_share_a_flush),
		TEST(one_needs_no_syncfs),
		TEST(how_few_says_the_file_system),
		TEST(a_flush_that_does_nothing_is_noticed),
		TEST(after_an_error_each_by_itself),
		TEST(other_file_systems_are_flushed_themselves),
		TEST(what_cannot_be_made_durable_is_withdrawn),
		TEST(what_cannot_be_flushed_is_removed),
		TEST(a_folder_above_may_be_closed),
		TEST(a_second_delivery_finds_the_first),
		TEST(who_shares_has_one_name),
		TEST(what_is_flushed_alone_has_a_name_first),
		TEST(a_name_that_is_settled_alone_is_counted),
		TEST(what_was_read_meanwhile_is_counted_by_a_flush_of_all),
		TEST(other_systems_have_no_such_files),
		TEST(a_file_that_gets_no_name_is_delivered_again),
		TEST(a_name_that_is_there_gives_way),
		TEST(names_are_the_same_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
