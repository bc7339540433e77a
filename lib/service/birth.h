/*
 * service/birth - what a child gets from master: descriptors and environment.
 */
#ifndef SERVICE_BIRTH_H
#define SERVICE_BIRTH_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	BIRTH_CHANNEL = 3, /* SOCK_SEQPACKET to master; packets of one frame */
	BIRTH_LOAD = 4,    /* memfd of LOAD_OCTETS, sealed against resizing */
	BIRTH_RING = 5,    /* its log ring */
	BIRTH_WAKE = 6,    /* eventfd that wakes postlogd */
	BIRTH_REPORT = 7,  /* pipe of a sandbox probe, or /dev/null */
	BIRTH_FIRST = 8,   /* listening sockets from here on */
	BIRTH_LISTENERS_MOST = 64,
	LOAD_OCTETS = 4096,
};

/* Number of listening sockets; set by master for each child. */
#define BIRTH_LISTENERS "POSTHORN_LISTENERS"
/* "1": try what the sandbox forbids, write to BIRTH_REPORT, end. */
#define BIRTH_PROBE "POSTHORN_PROBE"

/* Written by the child, read by master, which believes none of it further
 * than to start more processes within their limits. */
struct load {
	_Atomic uint32_t clients, calls; /* now */
	_Atomic uint64_t total;          /* clients and calls so far */
};

enum load_level {
	LOAD_NORMAL,
	LOAD_BUSY, /* worth a second process while there are idle CPUs */
	LOAD_FULL,
};

enum {
	LOAD_BUSY_AT = 4, /* clients and calls */
};

#endif
