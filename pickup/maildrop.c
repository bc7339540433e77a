/*
 * pickup/maildrop - files that sendmail left while the suite was down.
 */
#include "pickup/pickup.h"

#include "base/log.h"
#include "base/span.h"
#include "base/table.h"
#include "ipc/messages.h"
#include "queue/maildrop_file.h"
#include "queue/part.h"

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
	fd = maildrop_open_file(maildrop.fd, name, &st);
	if (fd < 0) {
		log_warning("maildrop/%s: %m: ignored", name);
		return;
	}
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

/* Who scans, for take_each. */
struct scan {
	const struct conf *conf;
	const struct users *users;
};

static void take_each(void *context, const char *name)
{
	const struct scan *scan = context;

	take_file(scan->conf, scan->users, name);
}

void maildrop_scan(const struct conf *conf, const struct users *users)
{
	struct scan scan = { conf, users };

	if (maildrop.scanning)
		return;
	maildrop.scanning = true;
	if (!maildrop_each(maildrop.fd, take_each, &scan))
		log_warning("scan maildrop: %m");
	maildrop.scanning = false;
}

/* ---- for showq ---- */

static void put_file(struct buf *out, const char *name,
	const struct maildrop_file *file)
{
	const struct msg_queue_entry entry = {
		.queue_name = STR("maildrop"),
		.queue_id = str_from(name),
		.arrival_us = (uint64_t)file->arrival_us,
		.size = file->octets,
		.sender = file->sender,
	};

	part_put_entry(out, &entry);
	for (size_t i = 0; i < file->recipient_count; i++) {
		const struct msg_queue_recipient m = {
			.address = file->recipients[i],
			.orig = file->recipients[i],
			.reason = STR(""),
		};

		part_put_recipient(out, &m);
	}
}

static void list_each_file(void *context, const char *name)
{
	struct call *call = context;
	auto_arena struct arena *arena = arena_new(0);
	auto_buf struct buf out = { 0 };
	struct maildrop_file file;

	/* What just came or went, and what is not ours, is not listed. */
	if (!call_is_alive(call) ||
		!maildrop_read(arena, maildrop.fd, name, &file))
		return;
	put_file(&out, name, &file);
	(void)!part_send(call, &out);
}

void maildrop_list(struct call *call)
{
	struct msg_queue_list question;
	struct msg_queue_end end = { 0 };

	if (!msg_queue_list_recv(call, &question, span_s(10)))
		return;
	if (maildrop_each(maildrop.fd, list_each_file, call))
		(void)!msg_queue_end_send(call, &end);
}
