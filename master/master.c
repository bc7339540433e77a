/*
 * master - starts the daemons, introduces them to each other, watches them.
 *
 * Room       one process, a loop over epoll, fixed tables; root with the few
 *            capabilities that its children need
 * Gets       one-frame packets from its children and from commands through
 *            public/control; nothing from the network, no mail
 * Calls      nobody; postlogd is told of each process's log ring
 * Files      main.cf, master.cf; pid/master.pid, master.lock (locked);
 *            sockets in public/ and private/
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/state.h"
#include "queue/foreign.h"
#include "service/command.h"

enum { EARLY_S = 30 }; /* for the first daemons to become ready */

struct state state;

static _Noreturn void say_usage(FILE *to, int status)
{
	fprintf(to, "usage: master [-c DIRECTORY] [-d] [-f] [-t] [-v] [-w]\n"
		"  -d  become a daemon\n"
		"  -f  stay in the foreground, log lines of its own to "
		"standard error until ready\n"
		"  -t  only tell whether a master runs: exit status 0: none\n"
		"  -w  become a daemon; return when mail is taken\n");
	exit(status);
}

static bool is_waiter, is_tester;

static void read_options(int argc, char **argv)
{
	int option;

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		say_usage(stdout, 0);
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("master (posthorn) %s\n", PACKAGE_VERSION);
		exit(0);
	}
	state.is_foreground = true;
	while ((option = getopt(argc, argv, "c:dfitvw")) != -1) {
		switch (option) {
		case 'c':
			state.config_directory = optarg;
			break;
		case 'd':
			state.is_foreground = false;
			break;
		case 'f':
		case 'i':
			break;
		case 't':
			is_tester = true;
			break;
		case 'v':
			log_verbose(true);
			break;
		case 'w':
			is_waiter = true;
			state.is_foreground = false;
			break;
		default:
			say_usage(stderr, 1);
		}
	}
}

static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < 3);
	if (fd >= 3)
		close(fd);
	for (fd = 0; fd < 3; fd++)
		fcntl(fd, F_SETFD, 0);
}

/* The parent of a daemon: its exit status tells whether mail is taken. */
static _Noreturn void await_ready(int pipe_end)
{
	char octet;
	ssize_t len;

	do
		len = read(pipe_end, &octet, 1);
	while (len < 0 && errno == EINTR);
	exit(len == 1 ? 0 : 1);
}

static void become_daemon(void)
{
	int ends[2] = { -1, -1 };
	int pid;

	state.ready_pipe = -1;
	if (state.is_foreground)
		return;
	if (pipe2(ends, O_CLOEXEC) < 0)
		log_fatal("pipe: %m");
	pid = fork();
	if (pid < 0)
		log_fatal("fork: %m");
	if (pid > 0) {
		close(ends[1]);
		if (is_waiter)
			await_ready(ends[0]);
		_exit(0);
	}
	close(ends[0]);
	state.ready_pipe = ends[1];
	setsid();
}

/* Standard streams of a daemon are of no use once it runs. */
static void let_go_of_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (state.is_foreground || null < 0)
		return;
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close(null);
}

static bool is_early(const struct row *row)
{
	return row->path && row->program &&
		row->program->flags & PROGRAM_EARLY;
}

static bool has_ready(const struct row *row)
{
	for (size_t i = 0; i < CHILDREN_MOST; i++)
		if (state.children[i].row == row &&
			state.children[i].state == CHILD_READY)
			return true;
	return false;
}

/* Called when something may have become ready. */
void ready_look(void)
{
	static struct moment until;

	if (state.stage != STAGE_STARTING)
		return;
	if (until.us == 0)
		until = moment_after(span_s(EARLY_S));
	for (size_t i = 0; i < state.row_count; i++)
		if (is_early(&state.rows[i]) && !has_ready(&state.rows[i]) &&
			moment_left(state.rows[i].throttled_until).us == 0 &&
			moment_left(until).us > 0)
			return;
	state.stage = STAGE_RUNNING;
	let_go_of_terminal();
	if (state.ready_pipe >= 0) {
		if (write(state.ready_pipe, "r", 1) < 0)
			log_debug("the starter has gone");
		close(state.ready_pipe);
		state.ready_pipe = -1;
	}
	notify_systemd("READY=1\nSTATUS=running");
}

static void watch_signals(void)
{
	static const int watched[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < COUNT(watched); i++)
		sigaddset(&set, watched[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	state.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (state.signals < 0 || !loop_add(state.signals, SOURCE_SIGNALS, 0))
		log_fatal("signalfd: %m");
}

static void start_first(void)
{
	for (size_t i = 0; i < state.row_count; i++)
		if (is_early(&state.rows[i]) &&
			strcmp(state.rows[i].command, "postlogd") == 0)
			child_start(&state.rows[i]);
	children_tick(); /* the other early ones; watches the sockets */
}

static const struct conf *load_conf(struct arena *arena)
{
	return conf_load(arena, &(struct conf_wanted){
		.directory = state.config_directory,
		.program = "master",
	});
}

/* Before any child: locks, the queue, the environment. */
static void prepare(struct arena *arena)
{
	struct str foreign;

	state.conf = load_conf(arena);
	if (is_tester) {
		int pid;

		exit(lock_is_held(&pid) ? 1 : 0);
	}
	command_log(state.conf, "master");
	if (!lock_take())
		exit(1);
	foreign = foreign_find(arena, state.conf->queue_directory);
	if (!str_is_none(foreign)) {
		log_error("%.*s", STR_ARG(foreign));
		exit(1);
	}
	environment_clean(state.conf, arena_cstr(arena,
		state.conf->config_directory));
}

static void load_rows(void)
{
	struct rows_files files;
	struct str wrong;

	if (!rows_read(&files, &wrong))
		log_fatal("%.*s", STR_ARG(wrong));
	rows_use(&files);
}

int main(int argc, char **argv)
{
	static struct arena *first;

	fill_standard_descriptors();
	mem_be_patient(); /* who would start us again? */
	log_name("master");
	umask(022);
	read_options(argc, argv);
	become_daemon();
	first = arena_new(0);
	state.arena = first;
	state.cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	state.reload_client = state.epoll = -1;
	for (size_t i = 0; i < CHILDREN_MOST; i++)
		state.children[i].channel = -1;
	prepare(first);
	if (chdir(arena_cstr(first, state.conf->queue_directory)) < 0)
		log_fatal("chdir to queue_directory: %m");
	state.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (state.epoll < 0)
		log_fatal("epoll_create1: %m");
	watch_signals();
	state.arena = NULL; /* `first` lives as long as we do */
	load_rows();
	if (!control_start())
		log_fatal("public/control: %m; run `posthorn "
			"set-permissions`");
	if (!rings_start())
		log_fatal("log rings: %m");
	privileges_reduce();
	log_info("daemon started -- version %.*s, configuration %.*s",
		STR_ARG(state.conf->mail_version),
		STR_ARG(state.conf->config_directory));
	start_first();
	ready_look();
	loop_run();
}
