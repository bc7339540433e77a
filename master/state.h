/*
 * master/state - what master knows: rows, children, who waits for whom.
 *
 * Everything that lasts is in fixed tables or in the arena of the present
 * configuration: after start nothing has to be allocated to keep running.
 */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include "base/log.h"
#include "base/span.h"
#include "config/config.h"
#include "config/master_cf.h"
#include "ipc/frame.h"
#include "ipc/messages.h"
#include "service/birth.h"
#include "service/programs.h"

enum {
	CHILDREN_MOST = 600,
	WAITING_MOST = 1024,  /* introductions that wait for a process */
	HAVE_MOST = 128,      /* processes that an asker has already */
	LISTENERS_MOST = BIRTH_LISTENERS_MOST,
	RINGS_MOST = 1400,    /* living children, and dead ones not yet read */
	CONTROLS_MOST = 16,   /* commands that are connected */
	START_S = 60,         /* for a process to become ready */
	UNLIMITED = 1000,     /* processes of a row with maxproc 0 */
};

struct listener {
	int fd;
	char endpoint[160]; /* "inet 127.0.0.1 25", "unix /path/public/showq" */
};

/* A row of master.cf. */
struct row {
	const char *name;
	enum master_cf_type type;
	const struct program *program; /* NULL: not ours, started all the same */
	const char *command;  /* the program's name */
	char *path;           /* of the program; NULL: there is none */
	char **args;          /* of the row, ended by NULL */
	size_t arg_count;
	unsigned fibers;      /* of one process */
	unsigned sessions;    /* over all processes, 0: no limit */
	unsigned worthwhile;  /* processes to start before they are full */
	unsigned at_once;     /* calls that all of them may run */
	unsigned processes;   /* at most */
	struct span wakeup;
	bool wakeup_lazy, is_used;
	struct moment next_wakeup;
	struct listener listeners[LISTENERS_MOST];
	size_t listener_count;
	bool is_watched;      /* its listeners are in our epoll */
	bool is_missed;       /* they could not be: at the next tick */
	unsigned vain;        /* looks for its sockets; 0: it has them */
	struct moment throttled_until;
	struct moment limit_said;
	struct moment stress_until;
	unsigned crashes;     /* one after the other, in short time */
	struct moment crashed;
	bool wakeup_due;      /* as soon as a process is ready */
	char wakeup_text[32]; /* what it is told then, beside "W" */
	bool successor_due;   /* a process waits to be replaced */
};

enum child_state { CHILD_NONE, CHILD_STARTING, CHILD_READY, CHILD_RETIRING };

struct child {
	enum child_state state;
	int pid;
	struct row *row;      /* NULL: the row is gone from master.cf */
	char path[256];       /* for the log, and when the row is gone */
	char program[64];
	int channel;          /* -1: it has ended, at the moment below */
	struct moment channel_ended;
	struct load *load;    /* mapped for good once the place was used */
	int load_fd;
	enum load_level level;
	unsigned place;       /* among the processes of its row */
	unsigned most;        /* calls and clients at once */
	bool wants_successor; /* retires when another process is ready */
	bool is_probe;
	struct moment born;
};

/* An introduction that waits for a process of `row`. */
struct waiting {
	struct child *asker;  /* NULL: free */
	struct row *row;
	char service[72];     /* also when the row is gone */
	struct moment until;
	int have[HAVE_MOST];
	size_t have_count;
};

struct ring {
	int fd;               /* -1: free */
	int pid;
	bool is_told, is_gone;
};

struct control {
	int fd;               /* + 1; 0: free */
	uint32_t sys_uid;
	struct moment since;
};

enum stage {
	STAGE_STARTING,
	STAGE_RUNNING,
	STAGE_DOORS,  /* stopping: those who have clients */
	STAGE_ROOMS,  /* then the others */
	STAGE_LOG,    /* postlogd last */
};

/*
 * main.cf and master.cf. They are read once: what a child has found to be fine
 * is what is used.
 */
struct rows_files {
	struct arena *arena; /* NULL: nothing was read */
	struct str main_cf, master_cf;
};

struct state {
	struct arena *arena;  /* of the configuration below */
	const struct conf *conf;
	const char *config_directory;
	bool was_named;       /* by -c */
	struct row *rows;
	size_t row_count;
	unsigned cpus;
	struct child children[CHILDREN_MOST];
	struct waiting waiting[WAITING_MOST];
	struct ring rings[RINGS_MOST];
	struct control controls[CONTROLS_MOST];
	int epoll, signals, control_listener, wake, log_socket;
	bool log_wants_output;
	enum stage stage;
	struct moment stage_until; /* then SIGTERM; then + KILL_AFTER: SIGKILL */
	bool stage_terminated, is_patient;
	int checker;          /* pid of a process that tries new files, 0: none */
	int checker_says;     /* file with its lines */
	struct rows_files checked; /* what it looks at */
	int reload_client;    /* who waits for it; -1: nobody */
	int ready_pipe;       /* where `posthorn start` waits; -1 */
	bool is_foreground;
};

extern struct state state;

/* What an event of our epoll is about. */
enum source {
	SOURCE_SIGNALS,
	SOURCE_CONTROL,  /* the listening socket */
	SOURCE_CLIENT,   /* number: of state.controls */
	SOURCE_CHILD,    /* number: of state.children */
	SOURCE_LISTENER, /* number: of the row */
	SOURCE_LOG,
};

/* False, logged: for want of memory, say. */
must_check bool loop_add(int fd, enum source source, size_t number);
/* Of one that was added: wait for room to write as well. */
void loop_want_output(int fd, enum source source, bool output);
void loop_remove(int fd);
void loop_run(void);

/* send.c: a packet of one frame, with at most PACKET_FDS descriptors. False
 * with errno; nobody is waited for. */
enum { PACKET_FDS = 2 };
must_check bool packet_send(int to, struct frame *frame, const int *fds,
	size_t fd_count);

/* rows.c. False with what is `wrong`, in files->arena. */
must_check bool rows_read(struct rows_files *files, struct str *wrong);
/* Ends the process on errors. */
void rows_check(const struct rows_files *files);
/* The same, and they are the configuration. Takes the arena over. */
void rows_use(struct rows_files *files);
/* The row that introductions and kicks mean by a name, or NULL. */
struct row *row_find(struct str name);

/* listen.c: sockets of a row; those in `old` with the same endpoint are taken
 * over. False: logged. */
bool listen_open(struct row *row, const struct master_cf_row *cf,
	struct row *old, size_t old_count);
void listen_close(struct listener *listener);
/* Once a second: what was not to be had may be free now. */
void listen_tick(void);
/* Watch the row's sockets if a client could need a new process. */
void listen_watch(struct row *row);
void listen_unwatch(struct row *row);
void listen_event(struct row *row);

/* child.c */
/* Start a process if limits allow; NULL with errno EAGAIN (throttled, limit,
 * no program). */
struct child *child_start(struct row *row);
void child_event(struct child *child);
bool child_send(struct child *child, enum msg_kind kind, struct str body,
	int fd);
void child_retire(struct child *child);
void children_reap(void);
void children_tick(void);
/* All of them retire: the next ones have what has changed. */
void children_renew(struct row *row);
size_t children_of(const struct row *row, bool with_retiring);
bool child_is_busy(const struct row *row, enum load_level at_least);
/* Start a daemon only to have its sandbox tried. Owns `report`. */
bool child_probe(struct row *row, int report);

/* introduce.c */
void introduce_ask(struct child *asker, const struct msg_introduce *m);
/* A process of that row is ready, or it will not be. */
void introduce_ready(struct row *row);
void introduce_fail(struct row *row);
/* The last stage of a stop: whoever still waits for a process waits in vain. */
void introduce_fail_all(void);
void introduce_forget(struct child *asker);
void introduce_tick(void);
bool introduce_is_wanted(const struct row *row);

/* wakeup.c: timers of rows, and what commands ask of them */
void wakeup_send(struct row *row, struct str request);
/* A process of it is ready: what came meanwhile. */
void wakeup_ready(struct row *row);
void wakeup_tick(void);
struct moment wakeup_next(void);

/* tickets.c: keys of TLS session tickets */
/* Those that there are, if its program wants them. */
void tickets_give(struct child *child);
void tickets_tick(void);
struct moment tickets_next(void);

/* rings.c: log rings, and postlogd's call */
bool rings_start(void);
int ring_new(void);
void ring_born(int ring_fd, int pid);
void ring_gone(int pid);
void rings_postlogd(struct child *postlogd);
/* As soon as postlogd can be spoken to, if it could not be. */
void rings_tick(void);
void rings_event(void);
/* End postlogd's call: it writes what there is and may go. */
void rings_leave(void);

/* control.c */
bool control_start(void);
void control_accept(void);
void control_event(size_t number);
void control_answer(int fd, int status, struct str text);

/* stop.c */
void stop_begin(const char *why, struct span doors, bool patient);
void stop_abort(void);
void stop_tick(void);
void reload_begin(int client);
void reload_checked(bool is_fine);

/* birth of master itself */
bool lock_take(void);
bool lock_is_held(int *pid);
void lock_release(void);
void environment_clean(const struct conf *conf, const char *directory);
void notify_systemd(const char *message);
void privileges_reduce(void);
void ready_look(void);

#endif
