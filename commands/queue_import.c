/*
 * commands/queue_import - `posthorn queue import DIR`: the messages of a
 * Postfix queue directory become ours, each as it is: envelope, the recipients
 * that are left, arrival, filter, DSN and VERP parameters, hold stays hold.
 * What is still in maildrop/ goes through pickup and cleanup, as it would
 * there.
 */
#include "commands/queue_move.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "commands/alter.h"
#include "commands/drop.h"
#include "commands/import_stage.h"
#include "queue/foreign.h"
#include "queue/large.h"
#include "queue/mark.h"
#include "queue/postfix.h"
#include "queue/serial.h"
#include "queue/spool.h"
#include "queue/submission.h"

enum {
	DEPTH_MOST = 16, /* hash_queue_depth of Postfix */
	NAME_MOST = 64,
	PATH_MOST = 512,
	HEADER_MOST = 32 * 1024,
};

/* Where Postfix keeps messages, and where they go. */
static const struct source {
	const char *from, *to;
} sources[] = {
	{ "hold", "hold" },
	{ "deferred", "deferred" },
	{ "active", "deferred" },
	{ "incoming", "deferred" },
	{ "maildrop", "maildrop" },
};

struct import {
	struct queue_job *job;
	int top;           /* the other queue */
	bool in_place;     /* it is our own queue directory */
	struct disk *disk; /* ours */
	struct serials serials;
	struct stage stage;
	size_t taken, done, failed;
};

/* A message on its way. */
struct passage {
	struct import *import;
	struct arena *arena;
	const char *path;
	const struct stat *st;
	struct staged staged;
	uint64_t serial;
	struct envelope envelope;
	struct str content;
};

/* ---- what is said ---- */

static void say(struct passage *p, const char *outcome, const char *why)
{
	auto_buf struct buf line = { 0 };
	bool failed = strcmp(outcome, "failed") == 0;

	if (failed)
		log_error("%s: not taken: %s", p->path, why);
	else
		log_info("%s: %s%s%.*s", p->path, outcome,
			p->staged.queue_id.len ? " as " : "",
			STR_ARG(p->staged.queue_id));
	if (!p->import->job->json)
		return;
	buf_text(&line, "{\"source\": ");
	json_format(&line, str_from(p->path));
	buf_fmt(&line, ", \"outcome\": \"%s\", \"queue_name\": ", outcome);
	json_format(&line, p->staged.queue);
	buf_text(&line, ", \"queue_id\": ");
	json_format(&line, p->staged.queue_id);
	if (why) {
		buf_text(&line, ", \"reason\": ");
		json_format(&line, str_from(why));
	}
	buf_text(&line, "}\n");
	fwrite(line.p, 1, line.len, stdout);
}

static void fail(struct passage *p, const char *why)
{
	p->import->failed++;
	say(p, "failed", why);
}

/* ---- into deferred/ and hold/ ---- */

/* The header block stays with the envelope, as cleanup does it. */
static bool write_large(struct passage *p, struct message_head *head)
{
	size_t end = str_find(str_first(p->content, HEADER_MOST), STR("\n\n"));
	size_t skip = end == SIZE_MAX ? 0 : end + 1;
	struct disk *disk = p->import->disk;
	struct large_folder folder;
	int fd = large_create(disk, p->serial);
	bool done;

	if (fd < 0)
		return false;
	large_folder_init(&folder, disk);
	done = disk_write_all(disk, fd, p->content.p, p->content.len, 0);
	disk_close(disk, &fd);
	head->large_octets = p->content.len;
	p->envelope.skip = skip;
	p->content = str_first(p->content, skip);
	return done && large_seal(&folder, p->serial, large_mark(&folder),
			       head->large_octets, false, NULL);
}

static void put_next(struct buf *octets, uint64_t serial)
{
	struct mark mark = { .kind = MARK_NEXT, .serial = serial,
		.wall_us = wall_us() };

	while (octets->len % 8 != 0)
		buf_char(octets, 0);
	mark_format(octets, &mark);
}

static bool write_message(struct passage *p)
{
	struct message_head head = { .serial = p->serial,
		.commit_us = wall_us() };
	struct buf octets = BUF_IN(p->arena);

	random_octets(&head.nonce, sizeof(head.nonce));
	message_boot_id(head.boot_id);
	if (p->content.len > CONTENT_IN_PACKET_MOST && !write_large(p, &head))
		return false;
	message_format(&octets, &head, &p->envelope, p->content);
	put_next(&octets, p->serial);
	return stage_write(&p->import->stage, &p->staged, buf_str(&octets));
}

/* ---- into maildrop/ ---- */

static bool write_submission(struct passage *p)
{
	const char *folder = arena_cstr(p->arena, arena_fmt(p->arena,
		"%.*s/import",
		STR_ARG(p->import->job->conf->queue_directory)));
	struct drop drop;

	drop_open_at(&drop, folder, stage_name(&p->import->stage, &p->staged));
	/* pickup knows whose it is by the owner. */
	if (!drop.failure && geteuid() == 0 &&
		fchown(drop.fd, p->st->st_uid, (gid_t)-1) < 0) {
		drop_cancel(&drop);
		return false;
	}
	drop_envelope(&drop, &p->envelope, NULL);
	drop_content(&drop, p->content);
	if (drop_commit(&drop, (int64_t)p->envelope.arrival_us))
		return true;
	log_warning("%s: %s", p->path, drop.answer);
	errno = EIO;
	return false;
}

/* ---- one file ---- */

static bool read_file(struct passage *p, int fd, struct str *octets)
{
	size_t size = (size_t)p->st->st_size;
	char *into = arena_alloc(p->arena, size + 1);

	for (size_t at = 0; at < size;) {
		ssize_t got = pread(fd, into + at, size - at, (off_t)at);

		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	*octets = str_of(into, size);
	return true;
}

static bool take_id(struct passage *p)
{
	bool is_long = p->import->job->conf->enable_long_queue_ids;

	if (!serials_take(&p->import->serials, 1, &p->serial))
		return false;
	p->envelope.queue_id = queue_id_text(p->arena, p->serial,
		(int64_t)p->envelope.arrival_us, is_long);
	p->staged.queue_id = p->envelope.queue_id;
	return true;
}

static bool write_any(struct passage *p)
{
	return str_is(p->staged.queue, "maildrop") ? write_submission(p)
						   : write_message(p);
}

static void move(struct passage *p)
{
	struct stage *stage = &p->import->stage;

	if (!take_id(p)) {
		fail(p, strerror(errno));
		return;
	}
	if (p->envelope.recipient_count == 0) {
		if (!stage_retire(stage, &p->staged, p->path)) {
			fail(p, strerror(errno));
			return;
		}
		p->import->done++;
		p->staged.queue_id = STR("");
		say(p, "done before", NULL);
		return;
	}
	if (!write_any(p)) {
		int error = errno;

		stage_drop(stage, &p->staged);
		fail(p, strerror(error));
		return;
	}
	if (!stage_commit(stage, &p->staged, p->path)) {
		/* Which of both it is is found out by the next import. */
		log_fatal("%s: %m: run the import again", p->path);
	}
	p->import->taken++;
	say(p, "taken", NULL);
}

/* Records, a sender, and its owner's mark that it is complete. */
static const char *verify(struct passage *p, int fd)
{
	struct str octets;

	if (p->st->st_size > POSTFIX_FILE_MOST)
		return "too large";
	if (!read_file(p, fd, &octets))
		return "cannot be read";
	if (!foreign_is_head((const unsigned char *)octets.p, octets.len) &&
		!str_is(p->staged.from, "maildrop"))
		return "not a queue file of Postfix's";
	if (!(p->st->st_mode & S_IXUSR))
		return "not complete: its writer did not finish";
	if (!postfix_message_parse(p->arena, octets, &p->envelope,
		    &p->content))
		return "damaged, or not complete";
	return NULL;
}

static void take_file(struct import *import, const struct source *source,
	const char *path, const char *name)
{
	auto_arena struct arena *arena = arena_new(0);
	auto_close int fd = openat(import->top, path,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	struct passage p = { .import = import, .arena = arena, .path = path,
		.st = &st, .staged = { .queue = str_from(source->to),
			.queue_id = STR(""), .from = str_from(source->from),
			.name = str_from(name) } };
	const char *why;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fail(&p, fd < 0 ? strerror(errno) : "not a file");
		return;
	}
	why = flock(fd, LOCK_EX | LOCK_NB) < 0 ? "in use" : verify(&p, fd);
	if (why) {
		fail(&p, why);
	} else if (import->job->dry_run) {
		import->taken++;
		say(&p, "would be taken", NULL);
	} else {
		if (p.envelope.arrival_us == 0)
			p.envelope.arrival_us =
				(uint64_t)st.st_mtim.tv_sec * 1000000;
		move(&p);
	}
}

/* ---- the other queue ---- */

static bool is_id(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!ascii_is_alnum((unsigned char)name[i]))
			return false;
	return len > 0 && len < NAME_MOST;
}

/* Ours lie in the same folders when a queue is taken over in place. */
static bool is_ours(int folder, const char *name)
{
	char octets[MESSAGE_HEAD_OCTETS], word[19];
	struct message_head head;
	auto_close int fd = openat(folder, name,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t len = fd < 0 ? -1 : read(fd, octets, sizeof(octets));

	memcpy(word, "posthorn-maildrop ", sizeof(word));
	return (len == MESSAGE_HEAD_OCTETS &&
		       message_head_parse(str_of(octets, sizeof(octets)),
			       &head)) ||
		(len > (ssize_t)sizeof(word) &&
			str_starts(str_of(octets, (size_t)len),
				str_from(word)));
}

static void walk(struct import *import, const struct source *source,
	const char *path, int depth)
{
	int folder = openat(import->top, path,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *list = folder < 0 ? NULL : fdopendir(folder);
	struct dirent *entry;
	char below[PATH_MOST];

	if (!list) {
		if (errno != ENOENT) {
			log_error("%s: %m", path);
			import->failed++;
		}
		base_close(&folder);
		return;
	}
	while ((entry = readdir(list))) {
		struct stat st;

		if (!is_id(entry->d_name) ||
			fstatat(dirfd(list), entry->d_name, &st,
				AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MOST)
			walk(import, source, below, depth + 1);
		else if (!S_ISDIR(st.st_mode) &&
			!is_ours(dirfd(list), entry->d_name))
			take_file(import, source, below, entry->d_name);
	}
	closedir(list);
	/* Folders of the other's owner would be in our way. */
	if (depth > 0 && import->in_place && !import->job->dry_run)
		(void)unlinkat(import->top, path, AT_REMOVEDIR);
}

/* Its master holds a lock on its pid file while it runs. */
static bool is_running(int top)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	auto_close int fd = openat(top, "pid/master.pid",
		O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return false;
	return flock(fd, LOCK_EX | LOCK_NB) < 0 ||
		(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK);
}

static void open_source(struct import *import, const char *path)
{
	struct stat theirs, ours;

	import->top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (import->top < 0 || fstat(import->top, &theirs) < 0)
		log_fatal("%s: %m", path);
	import->in_place = stat(arena_cstr(import->job->arena,
		import->job->conf->queue_directory), &ours) == 0 &&
		ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
	if (is_running(import->top))
		log_fatal("%s: its mail system is running: stop it first",
			path);
}

/* Nobody else works on our queue. */
static void open_ours(struct import *import, const char *path)
{
	const char *directory = arena_cstr(import->job->arena,
		import->job->conf->queue_directory);
	char *source = realpath(path, NULL);
	int queue = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	if (queue < 0 || !disk_open(&import->disk, directory))
		log_fatal("queue_directory %s: %m", directory);
	fd = disk_open_file(import->disk, "journal/lock", O_RDWR | O_CREAT);
	if (fd < 0 && errno == ENOENT)
		log_fatal("%s has no journal/: run `posthorn set-permissions` "
			"first", directory);
	if (fd < 0 || import->disk->lock(import->disk, fd) < 0)
		log_fatal("journal/lock: %m: stop the mail system first");
	if (!serials_open(&import->serials, import->disk))
		log_fatal("journal/serial: %m");
	if (!source || !stage_open(&import->stage, import->disk, queue,
			       import->top, str_from(source)))
		log_fatal("import: %m");
	if (import->stage.finished)
		log_info("%zu of an interrupted import are taken now",
			import->stage.finished);
	free(source);
}

int queue_import(struct queue_job *job)
{
	struct import import = { .job = job };

	if (job->argc != 1 || job->selection.restricts)
		log_fatal("usage: posthorn queue import [--dry-run] [--json] "
			"directory");
	alter_check_user(job->conf);
	open_source(&import, job->argv[0]);
	if (!job->dry_run)
		open_ours(&import, job->argv[0]);
	for (size_t i = 0; i < COUNT(sources); i++)
		walk(&import, &sources[i], sources[i].from, 0);
	if (!job->dry_run)
		stage_close(&import.stage);
	log_info("%s: %zu message%s %staken, %zu already done, %zu not taken",
		job->argv[0], import.taken + import.stage.finished,
		import.taken + import.stage.finished == 1 ? "" : "s",
		job->dry_run ? "would be " : "", import.done, import.failed);
	return import.failed ? 1 : 0;
}
