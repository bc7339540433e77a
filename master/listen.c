#include "master/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

void listen_close(struct listener *listener)
{
	if (strncmp(listener->endpoint, "unix ", 5) == 0)
		unlink(listener->endpoint + 5);
	close(listener->fd);
	listener->fd = -1;
}

/* The socket that an old row had for this endpoint, or -1. */
static int take_over(struct row *old, size_t count, const char *endpoint)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < old[i].listener_count; j++) {
			struct listener *listener = &old[i].listeners[j];
			int fd = listener->fd;

			if (fd < 0 || strcmp(listener->endpoint, endpoint) != 0)
				continue;
			listener->fd = -1;
			return fd;
		}
	return -1;
}

/* ---- UNIX ---- */

static int bind_unix(const char *path, int type, int mode)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX,
		type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address,
			      sizeof(address)) < 0 ||
		chmod(path, (mode_t)mode) < 0 ||
		(type != SOCK_DGRAM && listen(fd, BACKLOG) < 0))
		return -1;
	return fd_keep(&fd);
}

/* Private sockets are for our daemons: for those of the mail owner, and for
 * dialer, which opens the connections of all others. */
static void give_to_owner(const char *path)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct passwd *account;
	uid_t owner;

	if (geteuid() != 0)
		return;
	account = getpwnam(arena_cstr(arena, state.conf->mail_owner));
	if (!account)
		return;
	owner = account->pw_uid;
	account = getpwnam("posthorn-net");
	if (account && chown(path, owner, account->pw_gid) < 0)
		log_warning("chown %s: %m", path);
}

static bool open_unix(struct row *row, const struct master_cf_row *cf,
	struct row *old, size_t old_count)
{
	struct listener *listener = &row->listeners[0];
	int type = row->type == MASTER_CF_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
	bool is_open = row->program && row->program->flags & PROGRAM_OPEN;
	const char *path = listener->endpoint + 5;

	snprintf(listener->endpoint, sizeof(listener->endpoint),
		"unix %.*s/%s/%s", STR_ARG(state.conf->queue_directory),
		cf->is_private ? "private" : "public", row->name);
	listener->fd = take_over(old, old_count, listener->endpoint);
	if (listener->fd < 0) {
		listener->fd = bind_unix(path, type,
			is_open || !cf->is_private ? 0666 : 0660);
		if (listener->fd < 0) {
			log_error("%s: %m", path);
			return false;
		}
		if (cf->is_private)
			give_to_owner(path);
	}
	row->listener_count = 1;
	return true;
}

/* ---- inet ---- */

/* "lmtp=24, smtps=submissions=465" */
static bool find_known_port(struct str port, uint64_t *number)
{
	struct str list = state.conf->known_tcp_ports, item;

	while (str_take_item(&list, ", \t\r\n", &item)) {
		size_t at = str_rfind_char(item, '=');
		struct str names, name;

		if (at == SIZE_MAX)
			continue;
		names = str_first(item, at);
		while (str_take_item(&names, "=", &name))
			if (str_eq(name, port))
				return str_parse_u64(str_skip(item, at + 1),
					65535, number);
	}
	return false;
}

static bool find_port(struct arena *arena, struct str port, uint64_t *number)
{
	const struct servent *service;

	if (str_parse_u64(port, 65535, number) ||
		find_known_port(port, number))
		return true;
	service = getservbyname(arena_cstr(arena, port), "tcp");
	if (!service)
		return false;
	*number = ntohs((uint16_t)service->s_port);
	return true;
}

static bool wants_family(int family)
{
	struct str list = state.conf->inet_protocols, item;

	while (str_take_item(&list, ", \t", &item))
		if (str_is_nocase(item, "all") ||
			str_is_nocase(item,
				family == AF_INET ? "ipv4" : "ipv6"))
			return true;
	return false;
}

static int bind_inet(const struct addrinfo *to)
{
	const int on = 1;
	auto_close int fd = socket(to->ai_family,
		SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Accepted sockets have it too. A reply behind a TLS session ticket
	 * would wait for the client's delayed acknowledgement, 40 ms. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (to->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, to->ai_addr, to->ai_addrlen) < 0 ||
		listen(fd, BACKLOG) < 0)
		return -1;
	return fd_keep(&fd);
}

/* At first, when it was more than a moment, and each minute. */
static bool is_worth_saying(const struct row *row)
{
	return row->vain == 0 || row->vain % 60 == 2;
}

static bool open_one(struct row *row, const struct addrinfo *to,
	struct row *old, size_t old_count)
{
	struct listener *listener = &row->listeners[row->listener_count];
	char host[64], port[8];

	if (row->listener_count >= LISTENERS_MOST || !wants_family(
			to->ai_family))
		return true;
	if (getnameinfo(to->ai_addr, to->ai_addrlen, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return true;
	snprintf(listener->endpoint, sizeof(listener->endpoint),
		"inet %s %s", host, port);
	for (size_t i = 0; i < row->listener_count; i++)
		if (strcmp(row->listeners[i].endpoint, listener->endpoint) == 0)
			return true;
	listener->fd = take_over(old, old_count, listener->endpoint);
	if (listener->fd < 0)
		listener->fd = bind_inet(to);
	if (listener->fd < 0) {
		if (to->ai_family == AF_INET6 && (errno == EAFNOSUPPORT ||
							 errno == EADDRNOTAVAIL))
			return true; /* no IPv6 on this machine */
		if (is_worth_saying(row))
			log_error("bind %s port %s: %m", host, port);
		return false;
	}
	row->listener_count++;
	return true;
}

/* host NULL: the wildcard addresses. */
static bool open_host(struct row *row, const char *host, uint64_t port,
	struct row *old, size_t old_count)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *list;
	char digits[8];
	int error;
	bool is_fine = true;

	snprintf(digits, sizeof(digits), "%u", (unsigned)port);
	error = getaddrinfo(host, digits, &hints, &list);
	if (error) {
		if (is_worth_saying(row))
			log_error("%s: %s", host ? host : "*",
				gai_strerror(error));
		return false;
	}
	for (const struct addrinfo *at = list; at; at = at->ai_next)
		is_fine = open_one(row, at, old, old_count) && is_fine;
	freeaddrinfo(list);
	return is_fine;
}

/* inet_interfaces: all, loopback-only, or names and addresses. */
static bool open_interfaces(struct arena *arena, struct row *row,
	uint64_t port, struct row *old, size_t old_count)
{
	struct str list = state.conf->inet_interfaces, item;
	bool is_fine = true;

	while (str_take_item(&list, ", \t", &item)) {
		if (str_is_nocase(item, "all"))
			return open_host(row, NULL, port, old, old_count);
		if (str_is_nocase(item, "loopback-only")) {
			is_fine = open_host(row, "127.0.0.1", port, old,
					  old_count) &&
				open_host(row, "::1", port, old, old_count) &&
				is_fine;
			continue;
		}
		if (str_take_char(&item, '[') && str_ends(item, STR("]")))
			item = str_first(item, item.len - 1);
		is_fine = open_host(row, arena_cstr(arena, item), port, old,
				  old_count) && is_fine;
	}
	return is_fine;
}

static bool open_inet(struct row *row, struct row *old, size_t old_count)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str host, port_name;
	uint64_t port;

	if (!master_cf_parse_inet(str_from(row->name), &host, &port_name) ||
		!find_port(arena, port_name, &port)) {
		log_error("service %s/inet: unknown port", row->name);
		return false;
	}
	if (host.len > 0)
		return open_host(row, arena_cstr(arena, host), port, old,
			old_count);
	return open_interfaces(arena, row, port, old, old_count);
}

bool listen_open(struct row *row, const struct master_cf_row *cf,
	struct row *old, size_t old_count)
{
	bool takes_clients = !row->program ||
		row->program->flags & PROGRAM_LISTEN;

	if (row->type == MASTER_CF_INET) {
		row->vain = !open_inet(row, old, old_count);
		return row->vain == 0;
	}
	if ((row->type == MASTER_CF_UNIX || row->type == MASTER_CF_DGRAM) &&
		takes_clients)
		return open_unix(row, cf, old, old_count);
	return true;
}

void listen_unwatch(struct row *row)
{
	for (size_t i = 0; row->is_watched && i < row->listener_count; i++)
		loop_remove(row->listeners[i].fd);
	row->is_watched = false;
}

/* Another process may have had the port, such as one whose master died. */
static void open_again(struct row *row)
{
	listen_unwatch(row); /* the sockets it has */
	if (open_inet(row, NULL, 0)) {
		row->vain = 0;
		log_info("service %s/inet has its socket", row->name);
		children_renew(row);
	} else {
		row->vain++;
	}
	listen_watch(row);
}

void listen_tick(void)
{
	for (size_t i = 0; i < state.row_count; i++) {
		if (state.rows[i].vain && state.stage <= STAGE_RUNNING)
			open_again(&state.rows[i]);
		if (state.rows[i].is_missed)
			listen_watch(&state.rows[i]);
	}
}

/* ---- demand ---- */

static bool wants_watch(const struct row *row)
{
	if (row->listener_count == 0 || !row->path ||
		state.stage > STAGE_RUNNING ||
		moment_left(row->throttled_until).us > 0)
		return false;
	return children_of(row, false) == 0 ||
		(child_is_busy(row, LOAD_FULL) &&
			children_of(row, true) < row->processes);
}

static bool watch(const struct row *row)
{
	for (size_t i = 0; i < row->listener_count; i++)
		if (!loop_add(row->listeners[i].fd, SOURCE_LISTENER,
			    (size_t)(row - state.rows)))
			return false;
	return true;
}

void listen_watch(struct row *row)
{
	bool wanted = wants_watch(row);

	row->is_missed = false;
	if (wanted && !row->is_watched) {
		row->is_watched = true;
		row->is_missed = !watch(row);
	}
	if (!wanted || row->is_missed)
		listen_unwatch(row);
}

void listen_event(struct row *row)
{
	if (wants_watch(row))
		child_start(row);
	listen_watch(row);
}
