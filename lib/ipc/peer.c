#include "ipc/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "io/packet.h"
#include "ipc/frame.h"

enum {
	BUCKETS = 256,
	TAKEN_AT_ONCE = 2,          /* packets; at most PACKETS_MOST */
	FLUSH_AT = 64 * 1024,       /* a packet that leaves at once */
	CREDIT_AT = CALL_WINDOW / 4, /* give credit back in pieces this big */
};

_Static_assert(CALL_MESSAGE_MOST + 2 * FRAME_HEADER <= PACKET_MOST,
	"a message fits in a packet");
_Static_assert(CALL_MESSAGE_MOST + FRAME_HEADER <= CALL_WINDOW - CREDIT_AT,
	"a message can always be sent in the end");

/* A message that came. */
struct inbound {
	struct inbound *next;
	enum msg_kind kind;
	int fds[CALL_FDS_MOST];
	size_t fd_count, len;
	char body[];
};

struct call {
	struct peer *peer;
	struct arena *arena;
	struct call *next; /* in its bucket */
	uint32_t id;
	bool is_ours;   /* we opened it */
	bool is_known;  /* the other side has seen a frame of it */
	bool is_closed; /* by us: no longer in the table */
	bool has_ended; /* by them: what came before can still be taken */
	struct span deferred; /* what we send has so much time; 0: none */
	int error;      /* why nothing works any more, 0: works */
	size_t credit;  /* octets that we may send */
	size_t unacked; /* octets received for which no credit was given */
	size_t taken;   /* of these, taken by recv */
	struct inbound *first, **last; /* not taken yet */
	struct inbound *heard;         /* taken: somebody has slices of it */
	struct io_event event;
};

/* A packet that could not leave yet. */
struct waiting {
	struct list link;
	size_t len;
	int fds[PACKET_FDS_MOST];
	size_t fd_count;
	char octets[];
};

struct peer {
	struct list link;
	struct list dirty;       /* something is in `out`: all.dirty, .deferred */
	unsigned refs;           /* owner, reader, writer, calls */
	int fd;
	char *name;
	void (*serve)(struct call *call, void *context);
	void *context;
	bool is_dead, is_closed;
	bool they_retire, we_retire, is_agreed;
	uint32_t id_opened, id_served; /* the newest of each side */
	size_t calls, served;
	struct call *buckets[BUCKETS];
	struct buf out;
	struct list waiting;
	struct fiber *reader, *writer;
};

/* All peers of this process. */
static struct {
	bool is_ready;
	struct list peers, dirty;
	struct list deferred; /* what they have to send has time */
	struct fiber *sender; /* of these; NULL: there are none */
	struct span patience; /* the shortest of theirs */
	struct moment due;    /* when the sender sends */
	struct io_event sooner; /* that has changed */
	struct io_event news;
	/* What was read is taken before anybody else runs: one place serves
	 * all readers. Only pages that packets fill take memory. */
	char packets[TAKEN_AT_ONCE][PACKET_MOST];
} all;

static void send_dirty(void *context);

static void all_ready(void)
{
	if (all.is_ready)
		return;
	all.is_ready = true;
	list_init(&all.peers);
	list_init(&all.dirty);
	list_init(&all.deferred);
	all.sender = NULL;
	io_event_init(&all.sooner);
	io_event_init(&all.news);
	io_before_wait(send_dirty, NULL);
}

struct io_event *peer_news(void)
{
	all_ready();
	return &all.news;
}

/* Calls that we open may live in the arena of one that we serve: they leave
 * the table first. */
static void drop_own_calls(struct peer *peer)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct call **at = &peer->buckets[i]; *at;)
			if ((*at)->is_ours)
				*at = (*at)->next;
			else
				at = &(*at)->next;
}

static void inbound_free(struct inbound *inbound)
{
	while (inbound) {
		struct inbound *next = inbound->next;

		free(inbound);
		inbound = next;
	}
}

static void abandon_calls(struct peer *peer)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (peer->buckets[i]) {
			struct call *call = peer->buckets[i];

			peer->buckets[i] = call->next;
			inbound_free(call->first);
			inbound_free(call->heard);
			arena_abandon(call->arena);
		}
}

/* Their memory goes too: what a busy parent holds at this moment would stay
 * with each of its children. */
void peer_forked(void)
{
	struct list *link;

	if (!all.is_ready)
		return;
	list_each(at, &all.peers)
		drop_own_calls(CONTAINER(at, struct peer, link));
	while ((link = list_shift(&all.peers))) {
		struct peer *peer = CONTAINER(link, struct peer, link);

		close(peer->fd);
		abandon_calls(peer);
		buf_free(&peer->out);
		free(peer->name);
		free(peer);
	}
	all.is_ready = false;
}

static void peer_unref(struct peer *peer)
{
	if (--peer->refs > 0)
		return;
	buf_free(&peer->out);
	free(peer->name);
	free(peer);
}

static void waiting_free(struct waiting *waiting)
{
	for (size_t i = 0; i < waiting->fd_count; i++)
		close(waiting->fds[i]);
	free(waiting);
}

static void inbound_drop(struct inbound *inbound)
{
	for (size_t i = 0; i < inbound->fd_count; i++)
		close(inbound->fds[i]);
}

static void wake(struct io_event *event)
{
	io_event_wake_all(event);
}

/* The socket is of no use any more: every call fails, what waits is lost. */
static void peer_die(struct peer *peer, int error)
{
	struct list *link;

	if (peer->is_dead)
		return;
	peer->is_dead = true;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct call *c = peer->buckets[i]; c; c = c->next) {
			if (!c->error && !c->has_ended)
				c->error = error;
			wake(&c->event);
		}
	while ((link = list_shift(&peer->waiting)))
		waiting_free(CONTAINER(link, struct waiting, link));
	list_remove(&peer->dirty);
	list_remove(&peer->link);
	buf_free(&peer->out);
	if (peer->reader && peer->reader != io_self())
		io_cancel(peer->reader);
	if (peer->writer && peer->writer != io_self())
		io_cancel(peer->writer);
	io_close(peer->fd);
	peer->fd = -1;
	wake(&all.news);
}

/* ---- output ---- */

/* One packet without waiting; false with errno. */
static bool transmit(int fd, struct str octets, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * PACKET_FDS_MOST)];
	} control;
	struct iovec piece = { .iov_len = octets.len };
	struct msghdr msg = { .msg_iov = &piece, .msg_iovlen = 1 };

	memcpy(&piece.iov_base, &octets.p, sizeof(octets.p));
	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fd_count);
	}
	for (;;) {
		ssize_t sent = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent >= 0 || errno != EINTR)
			return sent >= 0;
	}
}

static void write_waiting(void *context)
{
	struct peer *peer = context;

	while (!peer->is_dead && !list_is_empty(&peer->waiting)) {
		struct waiting *w = CONTAINER(list_first(&peer->waiting),
			struct waiting, link);

		if (transmit(peer->fd, str_of(w->octets, w->len), w->fds,
			    w->fd_count)) {
			list_remove(&w->link);
			waiting_free(w);
		} else if (errno != EAGAIN) {
			peer_die(peer, ECONNRESET);
		} else if (!io_wait(peer->fd, POLLOUT, SPAN_FOREVER) &&
			!peer->is_dead) {
			peer_die(peer, ECONNRESET);
		}
	}
	peer->writer = NULL;
	peer_unref(peer);
}

/* The socket is full: keep the packet and a copy of its descriptors. */
static void keep_waiting(struct peer *peer, const int *fds, size_t fd_count)
{
	struct waiting *w = mem_new(1, sizeof(*w) + peer->out.len);

	w->len = peer->out.len;
	memcpy(w->octets, peer->out.p, w->len);
	for (; w->fd_count < fd_count; w->fd_count++) {
		int fd = fcntl(fds[w->fd_count], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			waiting_free(w);
			peer_die(peer, errno);
			return;
		}
		w->fds[w->fd_count] = fd;
	}
	list_append(&peer->waiting, &w->link);
	if (peer->writer)
		return;
	peer->refs++;
	peer->writer = io_spawn("peer output", write_waiting, peer);
}

/* Send what was collected as one packet, with these descriptors. */
static void flush(struct peer *peer, const int *fds, size_t fd_count)
{
	list_remove(&peer->dirty);
	if (peer->is_dead || peer->out.len == 0)
		return;
	if (!list_is_empty(&peer->waiting))
		keep_waiting(peer, fds, fd_count);
	else if (!transmit(peer->fd, buf_str(&peer->out), fds, fd_count)) {
		if (errno != EAGAIN) {
			peer_die(peer, ECONNRESET);
			return;
		}
		keep_waiting(peer, fds, fd_count);
	}
	if (peer->is_dead)
		return;
	if (peer->out.cap > FLUSH_AT)
		buf_free(&peer->out);
	else
		buf_clear(&peer->out);
}

/* Hook: the process is about to wait. */
static void send_dirty(void *context)
{
	struct list *link;

	(void)context;
	while (all.is_ready && (link = list_shift(&all.dirty)))
		flush(CONTAINER(link, struct peer, dirty), NULL, 0);
}

/* Fiber: those that nothing took along. */
static void send_deferred(void *context)
{
	struct list *link;

	(void)context;
	while (io_event_wait_until(&all.sooner, all.due))
		;
	all.sender = NULL;
	while ((link = list_shift(&all.deferred)))
		flush(CONTAINER(link, struct peer, dirty), NULL, 0);
}

/* Who has more time than another one before is sure to be in time. */
static void send_within(struct span most)
{
	struct moment end;

	if (all.sender && most.us >= all.patience.us)
		return;
	end = moment_after(most);
	if (!all.sender) {
		all.due = end;
		all.sender = io_spawn("peer deferred", send_deferred, NULL);
	} else if (end.us < all.due.us) {
		all.due = end;
		wake(&all.sooner);
	}
	all.patience = most;
}

/* A peer that is due already takes along what has time, too. */
static void put_later(struct peer *peer, struct span most)
{
	bool has_time = most.us > 0;

	if (!has_time || !list_is_linked(&peer->dirty)) {
		list_remove(&peer->dirty);
		list_append(has_time ? &all.deferred : &all.dirty,
			&peer->dirty);
	}
	if (has_time)
		send_within(most);
}

static void put(struct peer *peer, const struct frame *frame, const int *fds,
	struct span most)
{
	size_t more = FRAME_HEADER + frame->body.len;

	if (peer->is_dead)
		return;
	if (peer->out.len + more > PACKET_MOST)
		flush(peer, NULL, 0);
	if (peer->is_dead)
		return;
	frame_format(&peer->out, frame);
	if (frame_fds(frame) > 0 || peer->out.len >= FLUSH_AT)
		flush(peer, fds, frame_fds(frame));
	else
		put_later(peer, most);
}

static void put_control(struct peer *peer, const struct call *call,
	unsigned flag, struct str body)
{
	struct frame frame = { .flags = (uint16_t)flag, .body = body };

	if (call) {
		frame.call = call->id;
		if (call->is_ours)
			frame.flags |= FRAME_OPENER;
	}
	put(peer, &frame, NULL, call ? call->deferred : span_us(0));
}

/* ---- calls ---- */

static struct call **find_call(struct peer *peer, uint32_t id, bool is_ours)
{
	struct call **at = &peer->buckets[id % BUCKETS];

	while (*at && ((*at)->id != id || (*at)->is_ours != is_ours))
		at = &(*at)->next;
	return at;
}

void call_forget(struct call *call)
{
	inbound_free(call->heard);
	call->heard = NULL;
}

static void close_on_free(void *context)
{
	call_close(context);
	call_forget(context);
}

static struct call *call_new(struct peer *peer, struct arena *arena,
	uint32_t id, bool is_ours)
{
	struct call *call = arena_new_of(arena, struct call);
	struct call **bucket = &peer->buckets[id % BUCKETS];

	call->peer = peer;
	call->arena = arena;
	call->id = id;
	call->is_ours = is_ours;
	call->credit = CALL_WINDOW;
	call->last = &call->first;
	call->next = *bucket;
	*bucket = call;
	io_event_init(&call->event);
	arena_on_free(arena, close_on_free, call);
	peer->refs++;
	peer->calls++;
	if (!is_ours)
		peer->served++;
	return call;
}

struct call *peer_call(struct peer *peer, struct arena *arena)
{
	if (!peer_takes_calls(peer)) {
		errno = EPIPE;
		return NULL;
	}
	do {
		if (++peer->id_opened == 0)
			peer->id_opened = 1;
	} while (*find_call(peer, peer->id_opened, true));
	return call_new(peer, arena, peer->id_opened, true);
}

void call_close(struct call *call)
{
	struct peer *peer = call->peer;

	if (call->is_closed)
		return;
	call->is_closed = true;
	*find_call(peer, call->id, call->is_ours) = call->next;
	while (call->first) {
		struct inbound *inbound = call->first;

		call->first = inbound->next;
		inbound_drop(inbound);
		free(inbound);
	}
	if (!call->has_ended && (call->is_known || !call->is_ours))
		put_control(peer, call, FRAME_END, STR(""));
	if (!call->error)
		call->error = ECANCELED;
	peer->calls--;
	if (!call->is_ours)
		peer->served--;
	wake(&call->event);
	wake(&all.news);
	peer_unref(peer);
}

void call_defer(struct call *call, struct span most)
{
	call->deferred = most;
}

void call_fail(struct call *call, int error)
{
	if (!call->error)
		call->error = error;
	call_close(call);
}

struct arena *call_arena(struct call *call)
{
	return call->arena;
}

struct str call_peer_name(const struct call *call)
{
	return call->is_closed ? STR("") : str_from(call->peer->name);
}

bool call_is_alive(const struct call *call)
{
	return !call->is_closed && !call->error && !call->has_ended;
}

static bool call_error(const struct call *call)
{
	errno = call->error ? call->error : EPIPE;
	return false;
}

bool call_send(struct call *call, enum msg_kind kind, struct str body,
	const int *fds, size_t fd_count)
{
	size_t cost = FRAME_HEADER + body.len;
	struct frame frame = {
		.call = call->id, .kind = (uint16_t)kind, .body = body,
		.flags = (uint16_t)(fd_count << FRAME_FDS_SHIFT),
	};

	if (body.len > CALL_MESSAGE_MOST || fd_count > CALL_FDS_MOST) {
		errno = EMSGSIZE;
		return false;
	}
	if (call->is_ours)
		frame.flags |= FRAME_OPENER;
	while (call_is_alive(call) && call->credit < cost)
		if (!io_event_wait(&call->event, SPAN_FOREVER))
			return false;
	if (!call_is_alive(call))
		return call_error(call);
	call->credit -= cost;
	call->is_known = true;
	put(call->peer, &frame, fds, call->deferred);
	return call_is_alive(call) || call_error(call);
}

/* Wait until there is a message; false with errno. */
static bool await(struct call *call, struct span timeout)
{
	struct moment end;

	if (call->first)
		return true;
	end = moment_after(timeout);
	while (!call->first && call_is_alive(call))
		if (!io_event_wait_until(&call->event, end))
			return false;
	return call->first || call_error(call);
}

bool call_peek(struct call *call, enum msg_kind *kind, struct span timeout)
{
	if (!await(call, timeout))
		return false;
	*kind = call->first->kind;
	return true;
}

/* What was taken may be sent again. */
static void give_credit(struct call *call, size_t octets)
{
	uint32_t credit;

	call->taken += octets;
	if (call->taken < CREDIT_AT || call->has_ended || call->is_closed)
		return;
	credit = (uint32_t)call->taken;
	call->unacked -= call->taken;
	call->taken = 0;
	put_control(call->peer, call, FRAME_CREDIT, str_of(&credit, 4));
}

bool call_recv(struct call *call, enum msg_kind kind, struct str *body,
	int *fds, size_t fd_count, struct span timeout)
{
	struct inbound *inbound;

	for (size_t i = 0; i < fd_count; i++)
		fds[i] = -1;
	if (!await(call, timeout))
		return false;
	inbound = call->first;
	if (inbound->kind != kind) {
		call_fail(call, EPROTO);
		return call_error(call);
	}
	call->first = inbound->next;
	if (!call->first)
		call->last = &call->first;
	for (size_t i = 0; i < inbound->fd_count; i++) {
		if (i < fd_count)
			fds[i] = inbound->fds[i];
		else
			close(inbound->fds[i]);
	}
	inbound->next = call->heard;
	call->heard = inbound;
	*body = str_of(inbound->body, inbound->len);
	give_credit(call, FRAME_HEADER + body->len);
	return true;
}

/* ---- input ---- */

static void run_call(void *context)
{
	struct call *call = context;
	struct arena *arena = call->arena;
	struct peer *peer = call->peer;

	peer->serve(call, peer->context);
	call_close(call);
	arena_free(arena);
}

/* A call that the other side opens; NULL: it was closed before, or may not
 * be opened (*is_bad). */
static struct call *new_served(struct peer *peer, uint32_t id, bool *is_bad)
{
	struct call *call;

	if ((int32_t)(id - peer->id_served) <= 0)
		return NULL;
	*is_bad = !peer->serve || peer->is_agreed ||
		peer->served >= PEER_CALLS_MOST;
	if (*is_bad)
		return NULL;
	peer->id_served = id;
	call = call_new(peer, arena_new(0), id, false);
	io_spawn("call", run_call, call);
	return call;
}

static struct inbound *inbound_new(const struct frame *frame)
{
	size_t len = frame->body.len; /* of a packet, so it has a limit */
	struct inbound *inbound = malloc(sizeof(*inbound) + len + 1);

	if (!inbound)
		starved("out of memory: message of %zu octets", len);
	inbound->next = NULL;
	inbound->kind = (enum msg_kind)frame->kind;
	inbound->fd_count = frame_fds(frame);
	inbound->len = len;
	if (len > 0)
		memcpy(inbound->body, frame->body.p, len);
	inbound->body[len] = '\0';
	return inbound;
}

static bool accept_message(struct call *call, const struct frame *frame,
	const int *fds)
{
	size_t cost = FRAME_HEADER + frame->body.len;
	struct inbound *inbound;

	if (call->unacked + cost > CALL_WINDOW)
		return false;
	call->unacked += cost;
	call->is_known = true;
	inbound = inbound_new(frame);
	for (size_t i = 0; i < inbound->fd_count; i++)
		inbound->fds[i] = fds[i];
	*call->last = inbound;
	call->last = &inbound->next;
	wake(&call->event);
	return true;
}

static bool accept_credit(struct call *call, struct str body)
{
	uint32_t credit;

	memcpy(&credit, body.p, sizeof(credit));
	if (credit > CALL_WINDOW - call->credit)
		return false;
	call->credit += credit;
	wake(&call->event);
	return true;
}

static bool accept_retire(struct peer *peer, const struct frame *frame)
{
	if (frame->flags & FRAME_RETIRE) {
		if (peer->they_retire)
			return false;
		peer->they_retire = true;
		put_control(peer, NULL, FRAME_RETIRED, STR(""));
	} else {
		if (!peer->we_retire || peer->is_agreed)
			return false;
		peer->is_agreed = true;
	}
	wake(&all.news);
	return true;
}

/* False: malformed. *used: its descriptors have an owner now. */
static bool accept_frame(struct peer *peer, const struct frame *frame,
	const int *fds, bool *used)
{
	bool is_ours = !(frame->flags & FRAME_OPENER), is_bad = false;
	struct call *call;

	if (frame->call == 0)
		return accept_retire(peer, frame);
	call = *find_call(peer, frame->call, is_ours);
	if (!call && is_ours)
		return (int32_t)(frame->call - peer->id_opened) <= 0;
	if (!call && !(frame->flags & (FRAME_END | FRAME_CREDIT)))
		call = new_served(peer, frame->call, &is_bad);
	if (!call)
		return !is_bad;
	if (frame->flags & FRAME_CREDIT)
		return accept_credit(call, frame->body);
	if (call->has_ended)
		return false;
	if (frame->flags & FRAME_END) {
		call->has_ended = true;
		/* Who waits for it tells the others when it closes the call. */
		wake(list_is_empty(&call->event.waiting) ? &all.news :
							   &call->event);
		return true;
	}
	*used = accept_message(call, frame, fds);
	return *used;
}

static bool accept_packet(struct peer *peer, struct str packet, const int *fds,
	size_t fd_count)
{
	struct frame frame;
	bool is_fine = true;
	size_t at = 0;

	while (is_fine && !peer->is_dead && frame_take(&packet, &frame)) {
		size_t count = frame_fds(&frame);
		bool used = false;

		is_fine = count <= fd_count - at &&
			accept_frame(peer, &frame, fds + at, &used);
		if (!is_fine)
			break;
		for (size_t i = at; !used && i < at + count; i++)
			close(fds[i]);
		at += count;
	}
	for (size_t i = at; i < fd_count; i++)
		close(fds[i]);
	return is_fine && (packet.len == 0 || peer->is_dead);
}

static void take_packet(struct peer *peer, const struct io_packet *packet)
{
	bool is_fine = accept_packet(peer,
		str_of(packet->octets, packet->len), packet->fds,
		packet->fd_count);

	if (peer->is_dead)
		return;
	if (packet->len == 0)
		peer_die(peer, ECONNRESET);
	if (!is_fine) {
		log_warning("malformed packet from %s", peer->name);
		peer_die(peer, EPROTO);
	}
}

static void read_packets(void *context)
{
	struct peer *peer = context;
	struct io_packet packets[TAKEN_AT_ONCE];
	bool drained = false;
	size_t count;

	for (size_t i = 0; i < TAKEN_AT_ONCE; i++) {
		packets[i].octets = all.packets[i];
		packets[i].cap = PACKET_MOST;
	}
	while (!peer->is_dead) {
		if (!io_packets_recv(peer->fd, packets, TAKEN_AT_ONCE, &count,
			    &drained, SPAN_FOREVER))
			peer_die(peer, ECONNRESET);
		for (size_t i = 0; i < count; i++)
			take_packet(peer, &packets[i]);
	}
	peer->reader = NULL;
	peer_unref(peer);
}

/* ---- peers ---- */

struct peer *peer_open(int fd, struct str name,
	void (*serve)(struct call *call, void *context), void *context)
{
	struct peer *peer = mem_new(1, sizeof(*peer));

	all_ready();
	peer->fd = fd;
	peer->serve = serve;
	peer->context = context;
	peer->name = mem_new(1, name.len + 1);
	if (name.len)
		memcpy(peer->name, name.p, name.len);
	list_init(&peer->waiting);
	list_append(&all.peers, &peer->link);
	peer->refs = 2;
	peer->reader = io_spawn("peer input", read_packets, peer);
	return peer;
}

void peer_close(struct peer *peer)
{
	if (peer->is_closed)
		return;
	peer->is_closed = true;
	flush(peer, NULL, 0);
	peer_die(peer, EPIPE);
	peer_unref(peer);
}

void peer_retire(struct peer *peer)
{
	if (peer->we_retire || peer->is_dead)
		return;
	peer->we_retire = true;
	put_control(peer, NULL, FRAME_RETIRE, STR(""));
}

bool peer_is_done(const struct peer *peer)
{
	return peer->is_dead || (peer->is_agreed && peer->calls == 0);
}

struct str peer_name(const struct peer *peer)
{
	return str_from(peer->name);
}

bool peer_is_alive(const struct peer *peer)
{
	return !peer->is_dead;
}

bool peer_takes_calls(const struct peer *peer)
{
	return !peer->is_dead && !peer->they_retire;
}

size_t peer_calls(const struct peer *peer)
{
	return peer->calls;
}
