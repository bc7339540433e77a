/*
 * tests/bench/fill - puts many messages into deferred/ of a queue at rest, by
 * the queue's own library but without any flush: a queue to measure with.
 *
 *	fill QUEUE MESSAGES [SYS_UID SYS_GID]
 *
 * Each has one recipient, userN@dM.example.com, was tried an hour ago, and is
 * not due for a day.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/random.h"
#include "io/fiber.h"
#include "queue/disk.h"
#include "queue/id.h"
#include "queue/mark.h"
#include "queue/message.h"
#include "queue/serial.h"
#include "queue/spool.h"

enum {
	CONTENT_OCTETS = 1024,
};

static struct {
	const char *queue;
	long messages;
	uid_t sys_uid; /* of qmgr; the serials are cleanup's */
	gid_t sys_gid;
	struct disk *disk;
	struct serials serials;
	int64_t begin_us;
	struct buf octets;
	char content[CONTENT_OCTETS];
} fill;

static int no_flush(struct disk *disk, int fd)
{
	(void)disk;
	(void)fd;
	return 0;
}

static int no_flush_of_dir(struct disk *disk, const char *path)
{
	(void)disk;
	(void)path;
	return 0;
}

static void format_marks(uint64_t serial)
{
	struct mark tried = {
		.kind = MARK_STATUS, .serial = serial,
		.wall_us = fill.begin_us - 3600000000,
		.code = 451, .subject = 4, .detail = 1,
		.text = STR("connect to mx.example.com[192.0.2.1]:25: "
			    "Connection refused"),
	};
	struct mark next = {
		.kind = MARK_NEXT, .serial = serial,
		.wall_us = fill.begin_us + 86400000000, .code = 1,
	};

	while (fill.octets.len % 8)
		buf_add(&fill.octets, STR("\0"));
	mark_format(&fill.octets, &tried);
	mark_format(&fill.octets, &next);
}

static bool put(struct arena *arena, long number)
{
	struct message_head head = { .commit_us = fill.begin_us };
	struct envelope envelope = {
		.sender = STR("sender@example.net"), .recipient_count = 1,
		.arrival_us = fill.begin_us - 3600000000,
	};
	uint64_t serial;

	if (!serials_take(&fill.serials, 1, &serial))
		return false;
	head.serial = serial;
	random_octets(&head.nonce, sizeof(head.nonce));
	message_boot_id(head.boot_id);
	envelope.queue_id = queue_id_text(arena, serial,
		fill.begin_us + number * 61, false);
	envelope.recipients = arena_array(arena, 1, sizeof(struct recipient));
	envelope.recipients[0].address = arena_fmt(arena,
		"user%ld@d%ld.example.com", number % 1000, number % 10000);
	buf_clear(&fill.octets);
	message_format(&fill.octets, &head, &envelope,
		str_of(fill.content, sizeof(fill.content)));
	format_marks(serial);
	return spool_write(fill.disk, QUEUE_DEFERRED, envelope.queue_id,
		buf_str(&fill.octets));
}

static void run(void *context)
{
	(void)context;
	if (!disk_open(&fill.disk, fill.queue) ||
		!serials_open(&fill.serials, fill.disk))
		log_fatal("%s: %m", fill.queue);
	if (fill.sys_uid && (setgid(fill.sys_gid) < 0 ||
				    setuid(fill.sys_uid) < 0))
		log_fatal("setuid: %m");
	fill.disk->sync = no_flush;
	fill.disk->sync_dir = no_flush_of_dir;
	for (long i = 0; i < fill.messages; i++) {
		auto_arena struct arena *arena = arena_new(0);

		if (!put(arena, i))
			log_fatal("message %ld: %m", i);
	}
	printf("%ld messages\n", fill.messages);
	io_stop();
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 5)
		log_fatal("usage: fill QUEUE MESSAGES [UID GID]");
	fill.queue = argv[1];
	fill.messages = atol(argv[2]);
	fill.begin_us = wall_us();
	memset(fill.content, 'x', sizeof(fill.content));
	memcpy(fill.content, "Subject: fill\n\n", 15);
	fill.content[CONTENT_OCTETS - 1] = '\n';
	if (argc == 5) {
		fill.sys_uid = (uid_t)atoi(argv[3]);
		fill.sys_gid = (gid_t)atoi(argv[4]);
	}
	io_run(run, NULL);
	return 0;
}
