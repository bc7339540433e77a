#include "commands/endpoint.h"

#include "base/log.h"
#include "base/network.h"
#include "io/packet.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

static void find_path(struct str path, struct endpoint *found)
{
	struct sockaddr_un *address =
		(struct sockaddr_un *)(void *)&found->address;

	if (path.len == 0 || path.len >= sizeof(address->sun_path))
		log_fatal("bad socket path: %.*s", STR_ARG(path));
	*found = (struct endpoint){ .len = sizeof(*address) };
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path.p, path.len);
}

/* "host:port", "[host]:port", "host", ":port" into its two parts. */
static void split(struct str text, bool listening, struct str *host,
	struct str *port)
{
	size_t bracket, colon;

	if (str_take_char(&text, '[')) {
		bracket = str_find_char(text, ']');
		if (bracket == SIZE_MAX)
			log_fatal("missing \"]\": [%.*s", STR_ARG(text));
		*host = str_first(text, bracket);
		text = str_skip(text, bracket + 1);
		if (str_take_char(&text, ':'))
			*port = text;
		return;
	}
	colon = str_rfind_char(text, ':');
	if (colon != SIZE_MAX) {
		*host = str_first(text, colon);
		*port = str_skip(text, colon + 1);
	} else if (listening) {
		*port = text;
	} else {
		*host = text;
	}
}

size_t endpoint_find(const char *text, const char *port, int family,
	bool listening, struct endpoint *found)
{
	auto_arena struct arena *arena = arena_new(0);
	struct addrinfo hints = { .ai_family = family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = listening ? AI_PASSIVE : 0 };
	struct str whole = str_from(text), host = STR_NONE;
	struct str service = str_from(port);
	struct addrinfo *list, *one;
	size_t count = 0;
	int failure;

	if (str_take_prefix(&whole, STR("unix:"))) {
		find_path(whole, found);
		return 1;
	}
	str_take_prefix(&whole, STR("inet:"));
	split(whole, listening, &host, &service);
	failure = getaddrinfo(host.len ? arena_cstr(arena, host) : NULL,
		arena_cstr(arena, service), &hints, &list);
	if (failure)
		log_fatal("%s: %s", text, gai_strerror(failure));
	for (one = list; one && count < ENDPOINTS_MOST; one = one->ai_next) {
		found[count] = (struct endpoint){ .len = one->ai_addrlen };
		memcpy(&found[count++].address, one->ai_addr, one->ai_addrlen);
	}
	freeaddrinfo(list);
	return count;
}

int endpoint_socket(const struct endpoint *endpoint)
{
	int family = endpoint->address.ss_family, on = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int endpoint_connect(const struct endpoint *endpoint, struct span timeout)
{
	auto_close int fd = endpoint_socket(endpoint);

	if (fd < 0 || !io_connect(fd,
		(const struct sockaddr *)&endpoint->address, endpoint->len,
		timeout))
		return -1;
	return fd_keep(&fd);
}

void endpoint_format(struct buf *out, const struct sockaddr *address)
{
	struct network network;

	if (!network_from(address, &network)) {
		buf_text(out, "unix");
		return;
	}
	if (network.v6)
		buf_text(out, "ipv6:");
	network_format_address(out, &network);
}
