/*
 * tests/torture/crowd - clients by the thousand that waste a server's time.
 *
 *	crowd -p PORT [-s CONNECTIONS] [-a SOURCE]
 *
 * A third of them says nothing, a third an octet a second, a third garbage: up
 * to 3,000 random octets a second. Each has its own moment of the second.
 * Whoever is hung up on does not come back. Prints "open N" once all have tried
 * to connect; leaves at the end of standard input.
 *
 * It is to cost as little as it can, for the server and a legitimate client
 * stand beside it: garbage is made once, and what the server says is thrown
 * away without being copied.
 */
#include "base/base.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	PARTS = 1000, /* of a second */
	PART_NS = 1000000000 / PARTS,
	GARBAGE_MOST = 3000,
	GARBAGE_STORE = 64 * 1024,
};

enum sort { SILENT, SLOW, GARBAGE, SORTS };

static struct {
	struct sockaddr_in server, source;
	size_t count, open;
	int *sockets; /* -1: gone; number N is of sort N % SORTS */
	char garbage[GARBAGE_STORE];
} crowd = {
	.server = { .sin_family = AF_INET },
	.source = { .sin_family = AF_INET },
	.count = 1000,
};

static int enter(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&crowd.source,
		    sizeof(crowd.source)) == 0 &&
		connect(fd, (const struct sockaddr *)&crowd.server,
			sizeof(crowd.server)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void enter_all(void)
{
	for (size_t n = 0; n < crowd.count; n++) {
		crowd.sockets[n] = enter();
		if (crowd.sockets[n] >= 0)
			crowd.open++;
	}
	printf("open %zu\n", crowd.open);
	fflush(stdout);
}

static ssize_t say(int fd, enum sort sort)
{
	static const char octets[] = "EH\r\n ";
	size_t len, from;

	if (sort == SLOW)
		return send(fd, &octets[random_below(sizeof(octets) - 1)], 1,
			MSG_DONTWAIT | MSG_NOSIGNAL);
	len = 1 + random_below(GARBAGE_MOST);
	from = random_below(GARBAGE_STORE - len + 1);
	return send(fd, crowd.garbage + from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* False: the server has hung up. */
static bool hear(int fd)
{
	ssize_t got;

	do /* MSG_TRUNC: TCP drops what it would have copied */
		got = recv(fd, NULL, GARBAGE_STORE, MSG_DONTWAIT | MSG_TRUNC);
	while (got == GARBAGE_STORE);
	return got > 0 || (got < 0 && errno == EAGAIN);
}

/* Those whose moment it is: each PARTS-th. */
static void poke(size_t part)
{
	for (size_t n = part; n < crowd.count; n += PARTS) {
		int fd = crowd.sockets[n];

		if (fd < 0 || n % SORTS == SILENT)
			continue;
		if ((say(fd, n % SORTS) >= 0 || errno == EAGAIN) && hear(fd))
			continue;
		close(fd);
		crowd.sockets[n] = -1;
	}
}

/* Until standard input ends; sleeps to the next of the moments. */
static void live(void)
{
	struct pollfd leave = { .fd = STDIN_FILENO, .events = POLLIN };
	struct timespec now;

	for (size_t part = 0;; part = (part + 1) % PARTS) {
		struct timespec rest = { 0 };

		poke(part);
		clock_gettime(CLOCK_MONOTONIC, &now);
		rest.tv_nsec = PART_NS - now.tv_nsec % PART_NS;
		if (ppoll(&leave, 1, &rest, NULL) > 0)
			return;
	}
}

static void allow_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static bool read_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "p:s:a:")) != -1) {
		switch (c) {
		case 'p':
			crowd.server.sin_port = htons((uint16_t)atoi(optarg));
			break;
		case 's':
			crowd.count = (size_t)atoi(optarg);
			break;
		case 'a':
			if (inet_aton(optarg, &crowd.source.sin_addr) == 0)
				return false;
			break;
		default:
			return false;
		}
	}
	return crowd.server.sin_port != 0 && optind == argc;
}

int main(int argc, char **argv)
{
	crowd.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!read_options(argc, argv)) {
		fputs("usage: crowd -p PORT [-s CONNECTIONS] [-a SOURCE]\n",
			stderr);
		return 2;
	}
	crowd.sockets = calloc(crowd.count, sizeof(*crowd.sockets));
	if (!crowd.sockets)
		return 1;
	allow_descriptors();
	random_octets(crowd.garbage, sizeof(crowd.garbage));
	enter_all();
	live();
	return 0;
}
