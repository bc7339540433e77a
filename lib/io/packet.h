/*
 * io/packet - packets with descriptors on SOCK_SEQPACKET sockets; sockets.
 *
 * Waits    io_packet_*, io_accept, io_connect
 */
#ifndef IO_PACKET_H
#define IO_PACKET_H

#include "base/span.h"
#include "base/str.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum {
	PACKET_MOST = 128 * 1024, /* octets of one packet */
	PACKET_FDS_MOST = 8,
	PACKETS_MOST = 4, /* taken at once */
};

/* Descriptors stay the caller's. False with errno. */
must_check bool io_packet_send(int fd, const struct iovec *pieces,
	size_t piece_count, const int *fds, size_t fd_count,
	struct span timeout);
/*
 * Into `into` (cap octets); *len 0 with true never happens: the peer's end is
 * false with errno 0. Descriptors received are the caller's (CLOEXEC); more
 * than `fds_most` or a truncated packet: all are closed, false with EMSGSIZE.
 */
must_check bool io_packet_recv(int fd, void *into, size_t cap, size_t *len,
	int *fds, size_t fds_most, size_t *fd_count, struct span timeout);

/* One of several packets that are taken at once. */
struct io_packet {
	void *octets; /* the caller's, `cap` of them */
	size_t cap, len;
	int fds[PACKET_FDS_MOST]; /* CLOEXEC, the caller's */
	size_t fd_count;
};

/*
 * Up to `most` (1 to PACKETS_MOST) packets with one call; *count of them came,
 * at least one. One with len 0: the peer's end, or one that was refused as
 * io_packet_recv does. *drained: there are no more at the moment; given as
 * true, the first thing is to wait. False with errno.
 */
must_check bool io_packets_recv(int fd, struct io_packet *packets, size_t most,
	size_t *count, bool *drained, struct span timeout);

/* The accepted socket (non-blocking, CLOEXEC) or -1; address may be NULL. */
int io_accept(int listener, struct sockaddr_storage *address,
	struct span timeout);
/* Connect a non-blocking socket. False with errno. */
must_check bool io_connect(int fd, const struct sockaddr *address,
	socklen_t len, struct span timeout);
/* A connected pair of SOCK_SEQPACKET sockets, CLOEXEC, non-blocking. */
must_check bool packet_pair(int pair[2]);

#endif
