#include "service/inside.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "io/packet.h"

enum {
	CLIENT_CEILING = 16 * 1024 * 1024, /* octets of a client's arena */
	ACCEPT_REST_MS = 100, /* after a failure of accept(2) */
};

struct visitor {
	struct list link;
	struct client client;
	struct fiber *fiber;
	int fd;
};

/* The fibers that accept. */
static struct {
	struct sockaddr_storage bound[BIRTH_LISTENERS_MOST]; /* AF_UNSPEC: ask */
	bool accepts[BIRTH_LISTENERS_MOST]; /* from its socket */
	struct io_event room;
} acceptors;

/* Leave the sockets to other processes: whoever waits for one gives up. Also
 * where nobody waits at the moment, the kernel must not think that somebody
 * does: it wakes one process for a client, and that would be this one. */
static void disturb_acceptors(void)
{
	for (size_t i = 0; i < self.listener_count; i++)
		if (acceptors.accepts[i])
			io_forget(BIRTH_FIRST + (int)i);
}

static void tell_level(enum load_level level)
{
	struct msg_load m = { .level = level };
	auto_buf struct buf body = { 0 };

	if (level == self.level)
		return;
	self.level = level;
	msg_load_format(&body, &m);
	channel_send(MSG_load, buf_str(&body));
}

/* Few messages: "busy" stays until there is no work at all. */
static void look_at_level(void)
{
	uint32_t now = self.load->clients + self.load->calls;

	if (now >= self.most)
		tell_level(LOAD_FULL);
	else if (self.level == LOAD_FULL || now >= LOAD_BUSY_AT)
		tell_level(LOAD_BUSY);
}

void work_begin(_Atomic uint32_t *counter)
{
	++*counter;
	self.load->total++;
	if (self.gate.free == 0)
		disturb_acceptors();
	look_at_level();
	if (self.uses_most && self.load->total >= self.uses_most)
		service_replace();
}

bool work_enter(_Atomic uint32_t *counter)
{
	if (!io_gate_enter(&self.gate, SPAN_FOREVER))
		return false;
	work_begin(counter);
	return true;
}

void work_leave(_Atomic uint32_t *counter)
{
	--*counter;
	io_gate_leave(&self.gate);
	if (self.load->clients == 0 && self.load->calls == 0)
		self.idle_since = moment_now();
	look_at_level();
	io_event_wake_all(&acceptors.room);
	io_event_wake_all(&self.news);
}

/* Of addresses whose length the family tells; else 0. */
static socklen_t length_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return sizeof(struct sockaddr_in);
	return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : 0;
}

/* Where a listener's clients come in; a wildcard tells nothing. */
static void look_at_listener(size_t listener)
{
	struct sockaddr_storage *bound = &acceptors.bound[listener];
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)bound;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)bound;
	socklen_t len = sizeof(*bound);

	if (getsockname(BIRTH_FIRST + (int)listener, (struct sockaddr *)bound,
		    &len) < 0 ||
		(bound->ss_family == AF_INET
				? v4->sin_addr.s_addr == INADDR_ANY
				: IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) ||
		length_of(bound) == 0)
		bound->ss_family = AF_UNSPEC;
}

/* client->address and server_address may be known already. */
static void look_at_client(struct client *client, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	client->address_len = length_of(&client->address);
	if (client->address_len == 0) {
		client->address_len = sizeof(client->address);
		if (getpeername(fd, (struct sockaddr *)&client->address,
			    &client->address_len) < 0)
			client->address_len = 0;
	}
	client->server_address_len = length_of(&client->server_address);
	if (client->server_address_len == 0) {
		client->server_address_len = sizeof(client->server_address);
		if (getsockname(fd, (struct sockaddr *)&client->server_address,
			    &client->server_address_len) < 0)
			client->server_address_len = 0;
	}
	client->is_unix = client->server_address_len == 0 ||
		client->server_address.ss_family == AF_UNIX;
	client->sys_uid = (uint32_t)-1;
	if (client->is_unix && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer,
				       &len) == 0)
		client->sys_uid = peer.uid;
}

static void run_client(void *context)
{
	struct visitor *visitor = context;
	struct arena *arena = visitor->client.arena;

	visitor->fiber = io_self();
	list_append(&self.clients, &visitor->link);
	self.service->session(self.conf, &visitor->client);
	list_remove(&visitor->link);
	arena_free(arena);
	work_leave(&self.load->clients);
}

static void new_client(int fd, size_t listener,
	const struct sockaddr_storage *address)
{
	struct arena *arena = arena_new(CLIENT_CEILING);
	struct visitor *visitor = arena_new_of(arena, struct visitor);

	visitor->client.arena = arena;
	visitor->client.address = *address;
	visitor->client.server_address = acceptors.bound[listener];
	look_at_client(&visitor->client, fd);
	visitor->client.io = stream_open_accepted(arena, fd);
	work_begin(&self.load->clients);
	io_spawn("client", run_client, visitor);
}

/* The next client when there is room for it, or -1. */
static int accept_client(size_t listener, struct sockaddr_storage *address)
{
	while (self.gate.free == 0 && !self.is_retiring)
		if (!io_event_wait(&acceptors.room, SPAN_FOREVER))
			return -1;
	errno = ECANCELED;
	if (self.is_retiring)
		return -1;
	address->ss_family = AF_UNSPEC;
	return io_accept(BIRTH_FIRST + (int)listener, address, SPAN_FOREVER);
}

static void accept_clients(void *context)
{
	size_t listener = *(const size_t *)context;

	look_at_listener(listener);
	acceptors.accepts[listener] = true;
	while (!self.is_retiring) {
		struct sockaddr_storage address;
		int fd = accept_client(listener, &address);

		if (fd >= 0) {
			if (!io_gate_enter(&self.gate, SPAN_FOREVER))
				close(fd);
			else
				new_client(fd, listener, &address);
		} else if (errno == EPERM || errno == EINVAL) {
			log_error("accept: %m: this daemon's profile does not "
				"let it have clients");
			return;
		} else if (errno != EBADF && errno != ECANCELED) {
			log_warning("accept: %m"); /* no descriptor, memory */
			io_sleep(span_ms(ACCEPT_REST_MS));
		}
	}
}

static void take_datagrams(void *context)
{
	size_t listener = *(const size_t *)context;

	self.service->datagrams(self.conf, BIRTH_FIRST + (int)listener);
}

/* A stream or packet socket that listens; else it takes datagrams. */
static bool is_listening(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) ==
		0 && listening;
}

void clients_start(void)
{
	size_t *numbers = arena_array(self.arena, self.listener_count + 1,
		sizeof(*numbers));

	for (size_t i = 0; i < self.listener_count; i++) {
		numbers[i] = i;
		if (is_listening(BIRTH_FIRST + (int)i)) {
			if (self.service->session)
				io_spawn("accept", accept_clients, &numbers[i]);
		} else if (self.service->datagrams) {
			io_spawn("datagrams", take_datagrams, &numbers[i]);
		}
	}
}

void clients_prepare(void)
{
	list_init(&self.clients);
	io_event_init(&acceptors.room);
}

/* The sockets are closed: a new master could not have them as long as one of
 * us, with its last clients, holds them. */
void clients_stop_accepting(void)
{
	disturb_acceptors();
	for (size_t i = 0; i < self.listener_count; i++) {
		if (acceptors.accepts[i])
			close(BIRTH_FIRST + (int)i);
		acceptors.accepts[i] = false;
	}
	io_event_wake_all(&acceptors.room);
}

void clients_cancel(void)
{
	list_each(link, &self.clients)
		io_cancel(CONTAINER(link, struct visitor, link)->fiber);
}

void client_alone(void)
{
	struct arena *arena = arena_new(CLIENT_CEILING);
	struct client *client = arena_new_of(arena, struct client);

	client->arena = arena;
	look_at_client(client, STDIN_FILENO);
	client->io = stream_open_pair(arena, STDIN_FILENO, STDOUT_FILENO);
	self.service->session(self.conf, client);
	arena_free(arena);
}
