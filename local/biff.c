/*
 * local/biff - "user@offset" and a NUL to the service biff (comsat) of this
 * host, for each message that was put into a mailbox file. Nobody has to listen.
 */
#include "local/local.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

enum { BIFF_PORT = 512 };

void biff_open(const struct conf *conf)
{
	const struct servent *service = getservbyname("biff", "udp");
	struct sockaddr_in there = {
		.sin_family = AF_INET,
		.sin_port = service ? (in_port_t)service->s_port :
				      htons(BIFF_PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	room.biff = -1;
	if (!conf->biff)
		return;
	room.biff = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0);
	if (room.biff >= 0 && connect(room.biff,
		(const struct sockaddr *)&there, sizeof(there)) < 0) {
		close(room.biff);
		room.biff = -1;
	}
}

void biff_tell(struct str user, uint64_t at)
{
	auto_buf struct buf text = { 0 };

	if (room.biff < 0)
		return;
	buf_fmt(&text, "%.*s@%llu", STR_ARG(user), (unsigned long long)at);
	buf_char(&text, '\0');
	if (write(room.biff, text.p, text.len) < 0)
		log_debug("biff: %m");
}
