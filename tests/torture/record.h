/*
 * torture/record - the log of file operations that record.c writes and
 * replay.c reads.
 *
 * One file, mapped by all processes: a head, then records one after the
 * other. Who makes a record takes its place by adding to `end`, so the order
 * in the file is the order of time. What changes a file is logged when it is
 * done, a flush when it begins and when it is done, a reply before it is sent:
 * so nothing seems to be durable earlier than it was, and nothing promised
 * later.
 */
#ifndef TORTURE_RECORD_H
#define TORTURE_RECORD_H

#include <stdint.h>

enum record_op {
	OP_NONE, /* not finished: its process was killed */
	OP_OPEN,       /* path; O_CREAT, O_TRUNC or O_TMPFILE (path: of a
			  directory); a: inode, b: flags */
	OP_WRITE,      /* a: inode, b: offset; data */
	OP_TRUNCATE,   /* a: inode, b: size */
	OP_RENAME,     /* two paths */
	OP_LINK,       /* two paths; the first is empty: inode a, without a
			  name so far */
	OP_UNLINK,     /* path */
	OP_MKDIR,      /* path; a: inode */
	OP_RMDIR,      /* path */
	OP_FLUSH,      /* begins; a: inode, b: 1: the whole file system */
	OP_FLUSHED,    /* a: place in the log where it began */
	OP_SEND,       /* data: the first octets sent to a socket */
	OP_START,      /* of a process; data: its name */
	OP_EXIT,       /* a: status */
	OP_SHARED_MAP, /* a: inode; writable: its changes are not seen */
	OP_TIMES,      /* a: inode; b: modification time in s */
};

enum {
	RECORD_HEAD = 4096,
	RECORD_STACK = 16,
	RECORD_TEXT = 2048,
};

/* A path is the directory's inode (0: absolute or unknown), then text. */
struct record {
	uint32_t size; /* of all, a multiple of 8; set first */
	uint32_t op;   /* set last */
	uint32_t pid;
	uint32_t len;  /* of the data behind it */
	uint64_t when_us;
	uint64_t a, b;
	uint64_t dir, dir_to; /* of the path, of the second path */
	uint64_t stack[RECORD_STACK]; /* of OP_FLUSH, in the program */
	char program[16];
};

#endif
