#include "maps/link.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "io/packet.h"
#include "ipc/messages.h"
#include "service/service.h"

enum {
	IDLE_MOST = 16,  /* connections kept for one server */
	AT_ONCE = 100,   /* conversations with one server */
	STREAM_CEILING = 1 << 20,
	MORE_S = 10, /* for the dialer beyond its own timeout */
};

struct link {
	struct arena *arena;
	struct stream *stream;
	struct moment opened, used;
	unsigned talks; /* so far */
};

struct links {
	struct links_plan plan;
	struct link idle[IDLE_MOST];
	size_t idle_count;
	struct io_gate gate;
};

static void close_links(void *context)
{
	struct links *links = context;

	while (links->idle_count > 0)
		arena_free(links->idle[--links->idle_count].arena);
}

struct links *links_new(struct arena *arena, const struct links_plan *plan)
{
	struct links *links = arena_new_of(arena, struct links);

	links->plan = *plan;
	links->plan.endpoint = arena_copy(arena, plan->endpoint);
	links->plan.purpose = arena_copy(arena, plan->purpose);
	io_gate_init(&links->gate, AT_ONCE);
	arena_on_free(arena, close_links, links);
	return links;
}

/* ---- a new connection ---- */

static int connect_to(int family, const struct sockaddr *address,
	socklen_t len, struct span timeout)
{
	auto_close int fd = socket(family,
		SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || !io_connect(fd, address, len, timeout))
		return -1;
	return fd_keep(&fd);
}

static int connect_unix(struct str path, struct span timeout)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (path.len >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path.p, path.len);
	return connect_to(AF_UNIX, (struct sockaddr *)&address,
		sizeof(address), timeout);
}

static int connect_inet(struct arena *arena, struct str place,
	struct span timeout)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	size_t colon = str_rfind_char(place, ':');
	struct str host = str_first(place, colon), port;
	struct addrinfo *found;
	int fd = -1;

	if (colon == SIZE_MAX) {
		errno = EINVAL;
		return -1;
	}
	port = str_skip(place, colon + 1);
	if (host.len > 2 && host.p[0] == '[')
		host = str_of(host.p + 1, host.len - 2);
	if (getaddrinfo(arena_cstr(arena, host), arena_cstr(arena, port),
		    &hints, &found) != 0) {
		errno = EHOSTUNREACH;
		return -1;
	}
	for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
		fd = connect_to(at->ai_family, at->ai_addr, at->ai_addrlen,
			timeout);
	freeaddrinfo(found);
	return fd;
}

/* In a command. */
static int open_here(struct arena *arena, const struct links_plan *plan)
{
	struct str place = plan->endpoint;

	if (str_take_prefix(&place, STR("unix:")))
		return connect_unix(place, plan->timeout);
	(void)str_take_prefix(&place, STR("inet:"));
	return connect_inet(arena, place, plan->timeout);
}

static int dial(struct arena *arena, const struct links_plan *plan)
{
	const struct msg_dial m = {
		.purpose = plan->purpose.len > 0 ? plan->purpose
						 : STR("table"),
		.endpoint = plan->endpoint,
		.source = STR_NONE,
		.timeout_ms = (uint64_t)span_to_ms(plan->timeout),
	};
	struct msg_dialed dialed = { .socket = -1 };
	struct span timeout = span_us(plan->timeout.us + MORE_S * 1000000);
	struct call *call = service_call(arena, "dialer", timeout);

	if (!call || !msg_dial_send(call, &m) ||
		!msg_dialed_recv(call, &dialed, timeout))
		return -1;
	if (dialed.status != 0)
		errno = (int)dialed.status;
	return dialed.status == 0 ? dialed.socket : -1;
}

int link_connect(struct arena *scratch, const struct links_plan *plan)
{
	bool is_daemon = !str_is_none(service_row()) && !service_is_alone();

	return is_daemon ? dial(scratch, plan) : open_here(scratch, plan);
}

static bool open_link(const struct links *links, struct link *link)
{
	auto_arena struct arena *scratch = arena_new(0);
	int fd = link_connect(scratch, &links->plan);

	if (fd < 0)
		return false;
	*link = (struct link){ .arena = arena_new(STREAM_CEILING),
		.opened = moment_now() };
	link->stream = stream_open(link->arena, fd);
	stream_line_limit(link->stream, links->plan.line_limit);
	stream_write_timeout(link->stream, links->plan.timeout);
	return true;
}

/* ---- one that is there ---- */

static bool take_idle(struct links *links, struct link *link)
{
	while (links->idle_count > 0) {
		*link = links->idle[--links->idle_count];
		/* what nobody asked for: an end, or a server out of step */
		if (moment_between(link->used, moment_now()).us <
				links->plan.keep.us &&
			!io_has_input(link->stream))
			return true;
		arena_free(link->arena);
	}
	return false;
}

/* Too old, or used often enough. */
static bool is_spent(const struct links *links, const struct link *link)
{
	const struct links_plan *plan = &links->plan;

	return (plan->talks > 0 && link->talks >= plan->talks) ||
		(plan->age.us > 0 &&
			moment_between(link->opened, moment_now()).us >=
				plan->age.us);
}

static void keep(struct links *links, struct link *link)
{
	link->talks++;
	if (links->idle_count == IDLE_MOST || is_spent(links, link)) {
		arena_free(link->arena);
		return;
	}
	links->idle[links->idle_count] = *link;
	links->idle[links->idle_count++].used = moment_now();
}

static bool talk_over(struct links *links, struct link *link,
	bool (*talk)(struct stream *stream, void *context), void *context)
{
	int error;

	stream_deadline(link->stream, moment_after(links->plan.timeout));
	if (talk(link->stream, context)) {
		keep(links, link);
		return true;
	}
	error = errno ? errno : ECONNRESET;
	arena_free(link->arena);
	errno = error;
	return false;
}

static bool talk_anew(struct links *links,
	bool (*talk)(struct stream *stream, void *context), void *context)
{
	struct link link;

	for (unsigned i = 0; i < links->plan.tries; i++) {
		if (i > 0 && !io_sleep(links->plan.retry_pause))
			return false;
		if (open_link(links, &link) &&
			talk_over(links, &link, talk, context))
			return true;
	}
	return false;
}

bool link_talk(struct links *links,
	bool (*talk)(struct stream *stream, void *context), void *context)
{
	struct link link;
	bool done;
	int error;

	if (!io_gate_enter(&links->gate, links->plan.timeout))
		return false;
	done = (take_idle(links, &link) &&
		       talk_over(links, &link, talk, context)) ||
		talk_anew(links, talk, context);
	error = errno;
	io_gate_leave(&links->gate);
	errno = error;
	return done;
}
