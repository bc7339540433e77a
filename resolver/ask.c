#include "resolver/ask.h"

#include "base/log.h"
#include "base/random.h"
#include "dns/packet.h"
#include "io/fiber.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	EVENTS_MOST = 16,
	KEPT_MOST = 256,
};

/* c-ares closes its sockets when no question is left: what is kept is what it
 * takes to set one up, and the next question has a source port of its own. */
struct channel {
	ares_channel ares;
	int epoll; /* all of its sockets */
};

struct exchange {
	struct arena *arena;
	struct channel *channel;
	struct str packet;
	int status;
	bool done;
};

struct asker {
	const struct servers *servers;
	int edns; /* octets; 0: none */
	struct channel *kept[KEPT_MOST]; /* that no question uses */
	size_t kept_count;
};

struct asker *asker_new(const struct servers *servers, const struct conf *conf)
{
	struct asker *asker = mem_new(1, sizeof(*asker));
	int status = ares_library_init(ARES_LIB_INIT_ALL);

	if (status != ARES_SUCCESS)
		log_fatal("c-ares: %s", ares_strerror(status));
	asker->servers = servers;
	asker->edns = (int)conf->resolver_edns_size;
	return asker;
}

static void answered(void *context, int status, int timeouts,
	unsigned char *packet, int len)
{
	struct exchange *x = context;

	(void)timeouts;
	x->status = status;
	x->done = true;
	if (packet && len > 0)
		x->packet = arena_copy(x->arena, str_of(packet, (size_t)len));
}

/* c-ares opens, watches and is about to close a socket. */
static void socket_changed(void *context, ares_socket_t fd, int readable,
	int writable)
{
	struct channel *channel = context;
	struct epoll_event event = {
		.events = (readable ? (uint32_t)EPOLLIN : 0) |
			(writable ? (uint32_t)EPOLLOUT : 0),
		.data.fd = fd,
	};

	if (!event.events)
		epoll_ctl(channel->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(channel->epoll, EPOLL_CTL_MOD, fd, &event) < 0 &&
		epoll_ctl(channel->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		log_warning("watching a name server's socket: %m");
}

static void format_servers(const struct servers *servers,
	struct ares_addr_port_node *nodes)
{
	for (size_t i = 0; i < servers->count; i++) {
		const struct server *server = &servers->list[i];

		nodes[i] = (struct ares_addr_port_node){
			.next = i + 1 < servers->count ? &nodes[i + 1] : NULL,
			.family = server->address.v6 ? AF_INET6 : AF_INET,
			.udp_port = server->port,
			.tcp_port = server->port,
		};
		memcpy(&nodes[i].addr, server->address.octets,
			server->address.v6 ? 16 : 4);
	}
}

/*
 * Everything is set, so that c-ares reads no file. The AD bit of our question
 * and EDNS are in the packet that we make; EDNS here lets c-ares leave it out
 * for servers that do not know it.
 */
static int open_ares(const struct asker *asker, struct channel *channel)
{
	struct ares_addr_port_node nodes[SERVERS_MOST];
	struct in_addr first = { .s_addr = htonl(INADDR_LOOPBACK) };
	char lookups[] = "b";
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
			(asker->edns ? ARES_FLAG_EDNS : 0),
		.timeout = (int)span_to_ms(asker->servers->timeout),
		.tries = asker->servers->attempts,
		.ndots = 1,
		.servers = &first,
		.nservers = 1,
		.lookups = lookups,
		.sock_state_cb = socket_changed,
		.sock_state_cb_data = channel,
		.ednspsz = asker->edns,
	};
	int status = ares_init_options(&channel->ares, &options,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
			ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
			ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST |
			ARES_OPT_SOCK_STATE_CB | ARES_OPT_EDNSPSZ);

	if (status != ARES_SUCCESS)
		return status;
	format_servers(asker->servers, nodes);
	status = ares_set_servers_ports(channel->ares, nodes);
	if (status != ARES_SUCCESS)
		ares_destroy(channel->ares);
	return status;
}

/* NULL after a warning. */
static struct channel *open_channel(struct asker *asker)
{
	struct channel *channel;
	int status;

	if (asker->kept_count > 0)
		return asker->kept[--asker->kept_count];
	channel = mem_new(1, sizeof(*channel));
	channel->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (channel->epoll < 0) {
		log_warning("resolver: epoll: %m");
		base_free(&channel);
		return NULL;
	}
	status = open_ares(asker, channel);
	if (status == ARES_SUCCESS)
		return channel;
	log_warning("resolver: c-ares: %s", ares_strerror(status));
	io_close(channel->epoll);
	base_free(&channel);
	return NULL;
}

/* One whose question failed is not used again: whatever c-ares thinks of its
 * servers since then ends with it. */
static void close_channel(struct asker *asker, struct channel *channel,
	bool is_well)
{
	if (is_well && asker->kept_count < KEPT_MOST) {
		asker->kept[asker->kept_count++] = channel;
		return;
	}
	ares_destroy(channel->ares);
	io_close(channel->epoll);
	base_free(&channel);
}

static void process_ready(struct exchange *x)
{
	struct epoll_event events[EVENTS_MOST];
	int count = epoll_wait(x->channel->epoll, events, EVENTS_MOST, 0);

	for (int i = 0; i < count; i++) {
		int fd = events[i].data.fd;
		uint32_t got = events[i].events;

		ares_process_fd(x->channel->ares,
			got & (EPOLLIN | EPOLLERR | EPOLLHUP) ?
				fd :
				ARES_SOCKET_BAD,
			got & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	}
	if (count <= 0) /* only the time has come */
		ares_process_fd(x->channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* Until the callback was called; false: cancelled. */
static bool run(struct exchange *x)
{
	while (!x->done) {
		struct timeval most = { .tv_sec = 60 }, left;
		struct timeval *wait = ares_timeout(x->channel->ares, &most, &left);
		struct span span = span_us((int64_t)wait->tv_sec * 1000000 +
			wait->tv_usec + 1000);

		if (!io_wait(x->channel->epoll, POLLIN, span) && errno != ETIMEDOUT)
			return false;
		process_ready(x);
	}
	return true;
}

static bool exchange(struct asker *asker, struct exchange *x,
	struct str question)
{
	bool is_well;

	x->channel = open_channel(asker);
	if (!x->channel) {
		x->status = ARES_ENOTINITIALIZED;
		return false;
	}
	ares_send(x->channel->ares, (const unsigned char *)question.p,
		(int)question.len, answered, x);
	if (!run(x))
		x->status = ARES_ECANCELLED;
	is_well = x->status == ARES_SUCCESS && x->packet.len > 0;
	close_channel(asker, x->channel, is_well);
	return is_well;
}

static void failed(struct dns_answer *answer, enum dns_status status)
{
	*answer = (struct dns_answer){ .status = status,
		.text = str_from(dns_status_text(status)) };
}

void ask(struct asker *asker, struct arena *arena, struct str name,
	enum dns_type type, struct dns_answer *answer)
{
	struct exchange x = { .arena = arena };
	struct buf question = BUF_IN(arena);
	uint16_t id;

	random_octets(&id, sizeof(id));
	if (!dns_packet_question(&question, id, name, type, (uint16_t)asker->edns)) {
		failed(answer, DNS_MALFORMED);
		return;
	}
	if (!exchange(asker, &x, buf_str(&question))) {
		log_debug("question %.*s: %s", STR_ARG(name),
			ares_strerror(x.status));
		failed(answer, DNS_TEMPORARY);
		return;
	}
	if (!dns_packet_answer(arena, x.packet, id, name, type, answer)) {
		log_warning("malformed answer to the question for %.*s",
			STR_ARG(name));
		failed(answer, DNS_MALFORMED);
	}
}
