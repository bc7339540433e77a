/*
 * ipc/peer - conversations between daemons over one SOCK_SEQPACKET socket.
 *
 * A peer is the other end of a socket that master made and labelled with the
 * other daemon's name: that label, not a uid or a path, is its identity. Many
 * calls run over one peer at once; a call is a conversation of messages of
 * ipc/messages.def, in order in each direction, with a fiber at each end.
 * Frames of different calls share packets: what fibers send is collected and
 * leaves in one packet before the process waits. Each call's input is bounded;
 * a sender whose call is full waits (credit of CALL_WINDOW octets) while the
 * other calls go on.
 *
 * Memory   a call and all it received live in the arena given to it
 * Waits    call_open (until introduced), msg_*_send (for credit), msg_*_recv
 * Errors   false, errno: EPIPE or ECONNRESET (the peer died or ended the
 *          call), ETIMEDOUT, ECANCELED, EPROTO (another message than the one
 *          expected, or a malformed one: the call is dead then)
 */
#ifndef IPC_PEER_H
#define IPC_PEER_H

#include "base/arena.h"
#include "base/span.h"
#include "io/fiber.h"
#include "ipc/kinds.h"

struct peer;
struct call;

enum {
	CALL_WINDOW = 256 * 1024, /* octets under way per call and direction */
	CALL_FDS_MOST = 4,        /* descriptors of one message */
	CALL_MESSAGE_MOST = 120 * 1024, /* octets of one message's body */
	PEER_CALLS_MOST = 10000,  /* that the other side may have open */
};

/*
 * Use a socket as a peer; owns fd. `name` is the label that master gave. Each
 * call that the other side opens runs serve(call, context) in a fiber of its
 * own (NULL: the other side may open none); the call ends when it returns.
 */
struct peer *peer_open(int fd, struct str name,
	void (*serve)(struct call *call, void *context), void *context);
/* Every call of it fails; freed when the last call is gone. What was sent
 * before leaves, if the other side has room for it. */
void peer_close(struct peer *peer);
/*
 * Go in peace: tell the other side to open no more calls here; those that are
 * open go on. peer_is_done: it has agreed and no call is left (or it died).
 */
void peer_retire(struct peer *peer);
bool peer_is_done(const struct peer *peer);
struct str peer_name(const struct peer *peer);
/* False when it died; no new call when it retires. */
bool peer_is_alive(const struct peer *peer);
bool peer_takes_calls(const struct peer *peer);
/* Calls open now, both directions. */
size_t peer_calls(const struct peer *peer);
/* Wakes when a call of any peer ends, a peer retires or dies. */
struct io_event *peer_news(void);
/* In a child after io_forked: forget all peers of the parent, and the calls
 * that it serves with their arenas: nothing of them may be used any more. */
void peer_forked(void);

/* A new conversation on a peer. lib/service's call_open is what daemons use:
 * it finds, or has master introduce, a peer by daemon name. */
struct call *peer_call(struct peer *peer, struct arena *arena);
/* Both sides see the end; fine at any time; the arena's end does the same. */
void call_close(struct call *call);
/* The memory of a call that we serve: freed after serve() returned. */
struct arena *call_arena(struct call *call);
/* Who is at the other end: master's label. */
struct str call_peer_name(const struct call *call);
bool call_is_alive(const struct call *call);
/*
 * Nobody waits for what this side still has to send in this call, nor for its
 * end: it leaves with the next packet that somebody waits for, or with those
 * of other such calls, after `most` (not 0) at the latest.
 */
void call_defer(struct call *call, struct span most);
/* End a call in which the other side broke the rules; its errno from now on. */
void call_fail(struct call *call, int error);
/* Kind of the next message without taking it; waits. False: call ended. */
must_check bool call_peek(struct call *call, enum msg_kind *kind,
	struct span timeout);

/* What the generated msg_*_send and msg_*_recv are made of. */
must_check bool call_send(struct call *call, enum msg_kind kind,
	struct str body, const int *fds, size_t fd_count);
/* The body stays until the call's arena ends; descriptors are the caller's. */
must_check bool call_recv(struct call *call, enum msg_kind kind,
	struct str *body, int *fds, size_t fd_count, struct span timeout);

/* What recv gave so far is not needed any more, its slices are gone: for calls
 * that carry messages without end. */
void call_forget(struct call *call);

#endif
