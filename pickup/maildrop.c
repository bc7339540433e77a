/*
 * pickup/maildrop - files that sendmail left while the suite was down.
 */
#include "pickup/pickup.h"

#include "base/log.h"
#include "base/span.h"
#include "base/table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_OCTETS_MOST = 16 << 20, /* of memory for one file's lines */
};

/* The folder, opened before the sandbox closed; one scan at a time. */
static struct {
	int fd;
	bool scanning;
	struct table *taken; /* names of files that could not be removed */
} maildrop = { .fd = -1 };

void maildrop_open(const struct conf *conf)
{
	char path[4096];

	snprintf(path, sizeof(path), "%.*s/maildrop",
		STR_ARG(conf->queue_directory));
	maildrop.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (maildrop.fd < 0)
		log_fatal("open directory %s: %m", path);
	maildrop.taken = table_new();
}

/* -1: not a submission: a link, a device, or still being written. */
static int open_file(const char *name, struct stat *st)
{
	auto_close int fd = openat(maildrop.fd, name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, st) < 0)
		return -1;
	if (!S_ISREG(st->st_mode) || st->st_nlink != 1) {
		log_warning("maildrop/%s: not a plain file: ignored", name);
		return -1;
	}
	return fd_keep(&fd);
}

static void set_aside(const char *name, struct status why)
{
	char aside[300];

	log_warning("maildrop/%s: %.*s: kept as corrupt-%s", name,
		STR_ARG(why.text), name);
	snprintf(aside, sizeof(aside), "corrupt-%s", name);
	if (renameat(maildrop.fd, name, maildrop.fd, aside) < 0)
		log_warning("rename maildrop/%s: %m", name);
}

/* Its message is in the queue: the file must go, and never counts again. */
static void remove_taken(const char *name)
{
	if (unlinkat(maildrop.fd, name, 0) == 0 || errno == ENOENT) {
		table_remove(maildrop.taken, str_from(name));
		return;
	}
	log_warning("remove maildrop/%s: %m", name);
	table_put(maildrop.taken, str_from(name), &maildrop);
}

static void take_file(const struct conf *conf, const struct users *users,
	const char *name)
{
	auto_arena struct arena *arena = arena_new(FILE_OCTETS_MOST);
	struct intake intake = { .conf = conf, .users = users,
		.arena = arena };
	struct status status;
	struct stat st;
	int fd;

	if (table_find(maildrop.taken, str_from(name))) {
		remove_taken(name);
		return;
	}
	fd = open_file(name, &st);
	if (fd < 0)
		return;
	intake.io = stream_open(arena, fd);
	intake.sys_uid = st.st_uid;
	intake.arrival_us = (int64_t)st.st_mtim.tv_sec * 1000000;
	status = intake_run(&intake);
	if (status_is_ok(status)) {
		remove_taken(name);
	} else if (status_class(status) == 5) {
		set_aside(name, status);
	} else {
		log_warning("maildrop/%s: %.*s: tried again later", name,
			STR_ARG(status.text));
	}
}

static bool is_submission(const char *name)
{
	return name[0] != '.' && strncmp(name, "tmp-", 4) != 0 &&
		strncmp(name, "corrupt-", 8) != 0 && strlen(name) < 200;
}

void maildrop_scan(const struct conf *conf, const struct users *users)
{
	struct dirent *entry;
	DIR *folder;
	int fd;

	if (maildrop.scanning)
		return;
	fd = openat(maildrop.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder) {
		log_warning("scan maildrop: %m");
		base_close(&fd);
		return;
	}
	maildrop.scanning = true;
	while ((entry = readdir(folder)) != NULL)
		if (is_submission(entry->d_name))
			take_file(conf, users, entry->d_name);
	maildrop.scanning = false;
	closedir(folder);
}
