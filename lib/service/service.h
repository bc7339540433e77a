/*
 * service/service - what every daemon's main() calls.
 *
 * service_main reads the parameters, takes what master passed, asks master
 * for nothing yet, runs .prepare (files, tables, keys may still be opened),
 * closes the sandbox by the daemon's privilege profile, tells master `ready`,
 * runs .start, and then serves: a fiber per accepted client (.session), a
 * fiber per call of a peer (.serve). Configuration is read-only from there on.
 *
 * A process ends after max_use clients and calls for each of its fibers, or
 * max_idle without any, on `retire` (reload, stop: what is under way is
 * finished first), when master is gone, and when a table it opened has changed
 * (service_replace). On SIGTERM the sessions are cancelled: their io_* fail
 * with ECANCELED; io_uncancel lets them say goodbye.
 *
 *	-s              stand-alone: one session on stdin and stdout, for tests;
 *	                no master; peers are UNIX sockets named by
 *	                POSTHORN_PEER_<service> or refused
 *	                (a path, or fd:N)
 *	-S              the same for a local user (sendmail -bs): lines go to
 *	                the mail log only
 *	-n NAME         service name (row of master.cf), set by master
 *	-t TYPE         type of the row; -m NUMBER: clients and calls at most
 *	-o NAME=VALUE   overrides a parameter
 *	-c DIR, -v, --help, --version
 *	What stands behind the options (from optind on) is the daemon's own:
 *	flags=, user= and argv= of pipe(8).
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "base/arena.h"
#include "config/config.h"
#include "io/stream.h"
#include "ipc/peer.h"
#include "sandbox/sandbox.h"

#include <sys/socket.h>

/* Whom we serve. */
struct client {
	struct stream *io;
	struct arena *arena; /* until the connection's end */
	struct sockaddr_storage address, server_address;
	socklen_t address_len, server_address_len;
	bool is_unix; /* came through a path in public/ or stdin */
	uint32_t sys_uid; /* of a UNIX client, SO_PEERCRED */
};

struct service {
	const char *name;  /* program name: "smtpd" */
	/* The name in log lines; NULL: "$syslog_name/name". */
	const char *log_tag;
	unsigned fibers;   /* default of <service>_fiber_limit */
	enum profile profile; /* row of sandbox/profiles.def */
	const char *calls; /* peers that it may ask to be introduced to */
	const enum param *params; /* what it reads, ended by PARAMS_END */

	/* Before the sandbox closes; may open what it needs. Optional. */
	void (*prepare)(const struct conf *conf);
	/* As first fiber after the sandbox has closed. Optional. */
	void (*start)(const struct conf *conf);
	/* A client of an inherited socket. Optional. */
	void (*session)(const struct conf *conf, struct client *client);
	/* For each inherited datagram socket (unix-dgram rows), a fiber that
	 * reads it until the process ends; owns nothing. Optional. */
	void (*datagrams)(const struct conf *conf, int fd);
	/* A call that a peer opened; master itself calls postlogd as
	 * "master". Optional. */
	void (*serve)(const struct conf *conf, struct call *call);
	/* The wakeup timer, or a request (postqueue -f ...). Optional. */
	void (*wakeup)(const struct conf *conf, struct str request);
	/* Keys of TLS session tickets (see tls_context_ticket_keys), which all
	 * processes share: before the first client, and whenever they change.
	 * Must not wait. Optional; the program's row has TICKETS. */
	void (*ticket_keys)(struct str keys);
	/* Last, in a fiber, when nothing is under way any more. Optional. */
	void (*finish)(const struct conf *conf);

	bool resident;     /* never ends by max_use or max_idle */
	int helper_threads; /* io_helpers_start after the sandbox; 0: none */
};

int service_main(const struct service *service, int argc, char **argv);

/* Service name of this process as in master.cf: "submission", "relay". */
struct str service_row(void);
/* True when started with -s. */
bool service_is_alone(void);
/* True when started with -S: by and for the user who runs this process. */
bool service_is_local(void);
/* Finish what is under way, take nothing new, end. */
void service_retire(void);
/*
 * A table has changed: have master start a successor, and retire when it takes
 * work. Stand-alone, or without master: nothing happens.
 */
void service_replace(void);
/* True from `retire` on: idle conversations may be ended. */
bool service_is_retiring(void);
/* True after SIGTERM: the suite stops, goodbyes are short. */
bool service_is_ending(void);

/*
 * Start a conversation with the daemon that has this service name, or the one
 * that <name>_service_name gives; master
 * introduces it first if need be. NULL with errno: EACCES (not in .calls),
 * ENOENT, ETIMEDOUT, EAGAIN (throttled), ECANCELED. Waits.
 */
struct call *service_call(struct arena *arena, const char *service,
	struct span timeout);
/* The same for a service whose name came from configuration (a transport). */
struct call *service_call_str(struct arena *arena, struct str service,
	struct span timeout);
/* Calls that all processes of it together may run (master.cf's maxproc, else
 * by its program); 0: not known before the first call. */
uint64_t service_at_once(struct str service);

#endif
