/*
 * service/inside - what the files of lib/service share; nobody else's.
 */
#ifndef SERVICE_INSIDE_H
#define SERVICE_INSIDE_H

#include "ipc/messages.h"
#include "service/birth.h"
#include "service/service.h"

/* This process; one, set up before the first fiber runs. */
struct self {
	const struct service *service;
	const struct conf *conf;
	struct arena *arena;
	const char *name, *type;
	unsigned most;        /* clients and calls at once */
	uint64_t uses_most;   /* clients and calls, then a successor; 0: any */
	bool alone, has_master, is_retiring, is_replacing, is_ending;
	bool is_local; /* -S */
	bool has_keys; /* of session tickets */
	size_t listener_count;
	struct load *load;    /* master's page, or one of our own */
	enum load_level level;
	struct moment idle_since;
	struct io_gate gate, channel_gate;
	struct io_event news; /* a client left, retirement began */
	struct list clients;
};

extern struct self self;

/* options.c: what argv says, applied to `self`; ends the process on --help,
 * --version and mistakes. Overrides are given to the configuration. */
void options_read(int argc, char **argv);

/* clients.c: a fiber for each inherited socket, each client. */
void clients_prepare(void);
void clients_start(void);
void clients_stop_accepting(void);
void clients_cancel(void);
/* The session on standard input and output (-s). */
void client_alone(void);

/* Count one client or call in and out; tell master of a crossed line. enter:
 * waits for the gate, then begins; begin: has passed the gate already. */
bool work_enter(_Atomic uint32_t *counter);
void work_begin(_Atomic uint32_t *counter);
void work_leave(_Atomic uint32_t *counter);

/* channel.c: to master. */
void channel_start(void);
/* Until what every process gets at its birth is here. */
void channel_await_birth(void);
/* False with errno: master does not get it. */
bool channel_send(enum msg_kind kind, struct str body);

/* peers.c */
/* Stand-alone: before the sandbox closes. */
void peers_open_alone(void);
void peers_introduced(struct msg_introduced *m);
void peers_master_gone(void);
/* Ask those whom we serve to open no more calls. */
void peers_retire(void);
bool peers_are_done(void);
void peers_close(void);

#endif
