/*
 * service/stand - for tests: a daemon's sessions in the test's own process,
 * with stand-ins for the daemons that it calls and a hostile other end.
 *
 * No master, no sandbox, nothing on disk; the session's code is the daemon's
 * own, and what it calls goes through real peers. Fibers of stand-ins stay
 * from one io_run to the next.
 *
 * Waits    stand_quiet, stand_play, stand_end, stand_session
 */
#ifndef SERVICE_STAND_H
#define SERVICE_STAND_H

#include "base/buf.h"
#include "service/service.h"
#include "tls/tls.h"

/* Become `service`; its .prepare runs. Lines of the log are dropped. */
void stand_open(const struct service *service, const struct conf *conf);
/* Who answers the calls to that daemon. */
void stand_peer(const char *name,
	void (*serve)(struct call *call, void *context), void *context);

/* A key and its certificate, made for this process, as one PEM text. */
struct str stand_pem(struct arena *arena);
/* The same in a file, for parameters; removed at the process's end. */
const char *stand_pem_file(void);
/* For the other end of a connection. */
struct tls_context *stand_tls(bool is_server);

/* One session, and the other end of its connection. */
struct stand {
	int fd; /* the other end; -1 after stand_end */
	bool is_over;
	/* for stand.c */
	void (*run)(struct client *client, void *context);
	void *context;
	struct client client;
	struct io_event over;
};

/* Start run() in a fiber, for a client at 192.0.2.1 (a socketpair). */
void stand_begin(struct stand *stand,
	void (*run)(struct client *client, void *context), void *context);
/* Close our end, and wait until the session is over. False: it hangs. */
must_check bool stand_end(struct stand *stand);
/* Nothing moves any more: everybody waits for us (or for a clock). */
void stand_quiet(void);

enum {
	STAND_ESCAPE = 1, /* octet before each event of a script */
};

/*
 * Be the other end of a connection, by a script: octets to send, and events,
 * each an octet 1 and a letter:
 *	w  wait until nothing moves, take what came
 *	e  end of our output (half-close)
 *	c  close at once, whatever has not been read
 *	t  TLS handshake; what follows is sent through TLS
 *	p  what follows, to the next event, goes past TLS as it is
 *	s  end of TLS (close_notify), the connection stays
 * Any other letter is an octet to send. What came is appended to `plain`, and
 * what came through TLS to `inside` (NULL: dropped). Closes nothing at the end.
 */
void stand_play(int fd, struct str script, bool is_server, struct buf *plain,
	struct buf *inside);

/* In a fiber: a session whose client plays the script; it ends with it, or the
 * process does. */
void stand_session(void (*run)(struct client *client, void *context),
	void *context, struct str script);

/*
 * Call one() with this script cut by each event at each of its offsets from
 * `head` on, as a fuzz target would: half-close, close, plaintext, the end of
 * TLS; and a handshake at some of them. Afterwards the script goes on.
 */
void stand_disturb(int (*one)(const uint8_t *octets, size_t len),
	struct str script, size_t head);

#endif
