#include "master/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	CHANNEL_CALL = 1,
	CHANNEL_MOST = 4096,   /* octets of a packet from a child */
	CRASHES_MOST = 5,      /* within CRASH_S: throttle */
	CRASH_S = 30,
	DESCRIPTORS = 65536,   /* RLIMIT_NOFILE of children, if allowed */
	SHIFT = 64,            /* children move descriptors above this first */
	MOVE_TRIES = 50,       /* of that, 100 ms apart */
	DEAF_S = 1,            /* one that dies is buried before */
	STRESS_S = 1000,       /* since the limit was reached last */
	LIMIT_SAID_S = 300,    /* between two lines about it */
	ARGS_MOST = MASTER_CF_ARGS_MOST + 16,
};

/* ---- counting ---- */

static bool has_flag(const struct row *row, unsigned flag)
{
	return row->program && row->program->flags & flag;
}

size_t children_of(const struct row *row, bool with_retiring)
{
	size_t count = 0;

	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		const struct child *c = &state.children[i];

		if (c->row == row && c->state != CHILD_NONE && !c->is_probe &&
			(with_retiring || c->state != CHILD_RETIRING))
			count++;
	}
	return count;
}

bool child_is_busy(const struct row *row, enum load_level at_least)
{
	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		const struct child *c = &state.children[i];

		if (c->row == row && !c->is_probe &&
			(c->state == CHILD_STARTING ||
				(c->state == CHILD_READY &&
					c->level < at_least)))
			return false;
	}
	return true;
}

static unsigned free_place(const struct row *row)
{
	unsigned place = 0;

	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		const struct child *c = &state.children[i];

		if (c->row == row && c->state != CHILD_NONE &&
			c->state != CHILD_RETIRING && c->place == place) {
			place++;
			i = (size_t)-1; /* from the start again */
		}
	}
	return place;
}

/* Of `sessions` over all processes, what this one may have. */
static unsigned share(const struct row *row, unsigned place)
{
	unsigned most;

	if (row->sessions == 0)
		return row->fibers;
	most = row->sessions / row->processes +
		(place < row->sessions % row->processes ? 1 : 0);
	return most < row->fibers ? (most ? most : 1) : row->fibers;
}

/* ---- start ---- */

static struct child *free_child(void)
{
	for (size_t i = 0; i < CHILDREN_MOST; i++)
		if (state.children[i].state == CHILD_NONE)
			return &state.children[i];
	errno = EAGAIN;
	return NULL;
}

/* A page that both sides write and neither can resize. */
static bool give_load_page(struct child *child)
{
	void *page;

	if (child->load) {
		memset(child->load, 0, LOAD_OCTETS);
		return true;
	}
	child->load_fd = memfd_create("load", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (child->load_fd < 0)
		return false;
	if (ftruncate(child->load_fd, LOAD_OCTETS) == 0 &&
		fcntl(child->load_fd, F_ADD_SEALS,
			F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
		page = mmap(NULL, LOAD_OCTETS, PROT_READ | PROT_WRITE,
			MAP_SHARED, child->load_fd, 0);
		if (page != MAP_FAILED) {
			child->load = page;
			return true;
		}
	}
	close(child->load_fd);
	return false;
}

/* Standard streams: of a daemon they are of nobody's use, and whoever waits
 * for the end of `posthorn start`'s output must not wait for them. */
static void place_null(bool also_report)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		_exit(1);
	for (int fd = 0; fd < 3 && !state.is_foreground; fd++)
		dup2(null, fd);
	if (also_report)
		dup2(null, BIRTH_REPORT);
	if (null != BIRTH_REPORT || !also_report)
		close(null);
}

/* The machine may have had no descriptor left just now; a program without one
 * of its sockets must not begin. */
static int move_away(int fd)
{
	static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	int away = -1;

	for (int tries = 0; away < 0 && tries < MOVE_TRIES; tries++) {
		away = fcntl(fd, F_DUPFD_CLOEXEC,
			BIRTH_FIRST + LISTENERS_MOST + SHIFT);
		if (away < 0)
			nanosleep(&pause, NULL);
	}
	if (away < 0)
		_exit(1);
	return away;
}

/* In the child: move everything out of the way, then to its place. */
static void place_descriptors(const struct child *child, int channel, int ring,
	int report)
{
	int from[BIRTH_FIRST + LISTENERS_MOST] = { -1, -1, -1 };
	int count = BIRTH_FIRST;

	from[BIRTH_CHANNEL] = channel;
	from[BIRTH_LOAD] = child->load_fd;
	from[BIRTH_RING] = ring;
	from[BIRTH_WAKE] = state.wake;
	from[BIRTH_REPORT] = report;
	for (size_t i = 0; i < child->row->listener_count; i++)
		from[count++] = child->row->listeners[i].fd;
	for (int i = BIRTH_CHANNEL; i < count; i++)
		if (from[i] >= 0)
			from[i] = move_away(from[i]);
	for (int i = BIRTH_CHANNEL; i < count; i++) {
		close(i);
		if (from[i] >= 0 && dup2(from[i], i) < 0)
			_exit(1);
	}
	place_null(report < 0);
	close_range((unsigned)count, ~0U, 0);
}

static void set_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max < DESCRIPTORS ?
			limit.rlim_max : DESCRIPTORS;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

/* program -n NAME -t TYPE [-m NUMBER] [-o stress=yes] [args of the row] */
static void run_program(const struct child *child, bool is_probe)
{
	const struct row *row = child->row;
	static const char *argv[ARGS_MOST];
	size_t count = 0;
	char most[16], listeners[16];

	snprintf(most, sizeof(most), "%u", child->most);
	snprintf(listeners, sizeof(listeners), "%zu", row->listener_count);
	setenv(BIRTH_LISTENERS, listeners, 1);
	if (is_probe)
		setenv(BIRTH_PROBE, "1", 1);
	argv[count++] = child->path;
	argv[count++] = "-n";
	argv[count++] = row->name;
	argv[count++] = "-t";
	argv[count++] = master_cf_type_name(row->type);
	argv[count++] = "-m";
	argv[count++] = most;
	if (moment_left(row->stress_until).us > 0) {
		argv[count++] = "-o";
		argv[count++] = "stress=yes";
	}
	for (size_t i = 0; i < row->arg_count && count < ARGS_MOST - 1; i++)
		argv[count++] = row->args[i];
	argv[count] = NULL;
	execv(row->path, (char *const *)(uintptr_t)argv);
	log_warning("%s: exec: %m", row->path);
	_exit(1);
}

/* Whoever started master may wait for the end of its output. */
static void let_go_of_output(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (state.is_foreground || null < 0)
		return;
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
}

static _Noreturn void be_child(struct child *child, int channel, int ring,
	int report)
{
	setsid();
	set_limits();
	reset_signals();
	let_go_of_output();
	place_descriptors(child, channel, ring, report);
	run_program(child, child->is_probe);
	_exit(1);
}

static void throttle(struct row *row)
{
	row->throttled_until = moment_after(state.conf->service_throttle_time);
	introduce_fail(row);
	listen_watch(row);
}

/* False with errno: this machine cannot have one more process now. */
static bool fork_child(struct child *child, int report)
{
	auto_close int ring = -1, theirs = -1;
	int pair[2], pid;

	if (!give_load_page(child))
		return false;
	ring = ring_new();
	if (ring < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
			SOCK_NONBLOCK, 0, pair) < 0)
		return false;
	theirs = pair[1];
	if (!loop_add(pair[0], SOURCE_CHILD, (size_t)(child - state.children)))
		pid = -1;
	else
		pid = fork();
	if (pid < 0) {
		close(pair[0]);
		return false;
	}
	if (pid == 0)
		be_child(child, theirs, ring, report);
	child->pid = pid;
	child->channel = pair[0];
	ring_born(fd_keep(&ring), pid);
	return true;
}

static struct child *new_child(struct row *row, int report)
{
	struct child *child = free_child();

	if (!child)
		return NULL;
	child->row = row;
	child->place = free_place(row);
	child->most = share(row, child->place);
	child->level = LOAD_NORMAL;
	child->wants_successor = false;
	child->is_probe = report >= 0;
	child->born = moment_now();
	snprintf(child->path, sizeof(child->path), "%s", row->path);
	snprintf(child->program, sizeof(child->program), "%s", row->command);
	if (!fork_child(child, report)) {
		log_warning("%s: cannot start a process: %m -- throttling",
			row->path);
		child->row = NULL;
		throttle(row);
		errno = EAGAIN;
		return NULL;
	}
	child->state = CHILD_STARTING;
	tickets_give(child);
	return child;
}

struct child *child_start(struct row *row)
{
	struct child *child;

	errno = EAGAIN;
	if (!row->path || moment_left(row->throttled_until).us > 0 ||
		state.stage > STAGE_DOORS ||
		(state.stage == STAGE_DOORS && row->listener_count > 0) ||
		children_of(row, has_flag(row, PROGRAM_SOLE)) >=
			row->processes)
		return NULL;
	row->is_used = true;
	child = new_child(row, -1);
	listen_watch(row);
	return child;
}

bool child_probe(struct row *row, int report)
{
	auto_close int fd = report;

	return row->path && new_child(row, fd);
}

/* ---- the channel ---- */

bool child_send(struct child *child, enum msg_kind kind, struct str body,
	int fd)
{
	struct frame frame = { .call = CHANNEL_CALL, .kind = (uint16_t)kind,
		.body = body };

	return packet_send(child->channel, &frame, &fd, fd >= 0);
}

void child_retire(struct child *child)
{
	struct row *row = child->row;

	if (child->state != CHILD_STARTING && child->state != CHILD_READY)
		return;
	child->state = CHILD_RETIRING;
	if (child->channel >= 0 && !child_send(child, MSG_retire, STR(""), -1))
		shutdown(child->channel, SHUT_WR); /* the end says the same */
	if (strcmp(child->program, "postlogd") == 0)
		rings_leave();
	if (row)
		listen_watch(row);
}

void children_renew(struct row *row)
{
	for (size_t i = 0; i < CHILDREN_MOST; i++)
		if (state.children[i].row == row)
			child_retire(&state.children[i]);
}

/* Those who wait for a successor may go: there is one. */
static void retire_replaced(struct row *row, const struct child *successor)
{
	row->successor_due = false;
	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		struct child *c = &state.children[i];

		if (c->row == row && c != successor && c->wants_successor)
			child_retire(c);
	}
}

static void on_ready(struct child *child, struct str body)
{
	struct row *row = child->row;

	(void)body;
	if (child->state != CHILD_STARTING || !row || child->is_probe)
		return;
	child->state = CHILD_READY;
	if (strcmp(child->program, "postlogd") == 0)
		rings_postlogd(child);
	retire_replaced(row, child);
	introduce_ready(row);
	wakeup_ready(row);
	ready_look();
}

/* A successor does not count against the limit while both run. */
static void on_retiring(struct child *child, struct str body)
{
	struct msg_retiring m;
	struct row *row = child->row;

	if (!msg_retiring_parse(body, &m) || child->state != CHILD_READY)
		return;
	if (!m.replace || !row || state.stage > STAGE_RUNNING ||
		has_flag(row, PROGRAM_SOLE)) {
		child_retire(child);
		return;
	}
	child->wants_successor = true;
	row->successor_due = true;
	if (moment_left(row->throttled_until).us == 0)
		new_child(row, -1);
}

static void on_introduce(struct child *child, struct str body)
{
	struct msg_introduce m;

	if (msg_introduce_parse(body, &m))
		introduce_ask(child, &m);
}

static void say_limit(struct row *row)
{
	const char *name = row->listener_count ?
		strrchr(row->listeners[0].endpoint, ' ') : NULL;

	row->stress_until = moment_after(span_s(STRESS_S));
	if (moment_left(row->limit_said).us > 0)
		return;
	row->limit_said = moment_after(span_s(LIMIT_SAID_S));
	log_warning("service \"%s\" (%s) has reached its process limit "
		"\"%u\": new clients may experience noticeable delays",
		row->name, name ? name + 1 : row->name,
		row->sessions ? row->sessions : row->processes);
}

static void on_load(struct child *child, struct str body)
{
	struct msg_load m;
	struct row *row = child->row;
	size_t count;

	if (!msg_load_parse(body, &m) || m.level > LOAD_FULL)
		return;
	child->level = (enum load_level)m.level;
	if (!row || child->state != CHILD_READY)
		return;
	count = children_of(row, false);
	if (m.level >= LOAD_BUSY && count < row->worthwhile &&
		child_is_busy(row, LOAD_BUSY))
		child_start(row);
	else if (m.level == LOAD_FULL && count >= row->processes &&
		child_is_busy(row, LOAD_FULL))
		say_limit(row);
	listen_watch(row);
}

static const struct {
	enum msg_kind kind;
	void (*take)(struct child *child, struct str body);
} messages[] = {
	{ MSG_ready, on_ready },
	{ MSG_retiring, on_retiring },
	{ MSG_introduce, on_introduce },
	{ MSG_load, on_load },
};

static void take_packet(struct child *child, struct str packet)
{
	struct frame frame;

	if (!frame_take(&packet, &frame) || packet.len > 0) {
		log_warning("process %s pid %d: malformed packet", child->path,
			child->pid);
		kill(child->pid, SIGKILL);
		return;
	}
	for (size_t i = 0; i < COUNT(messages); i++)
		if (messages[i].kind == frame.kind)
			messages[i].take(child, frame.body);
}

void child_event(struct child *child)
{
	char packet[CHANNEL_MOST];

	while (child->channel >= 0) {
		/* recv: descriptors that a child sends are closed */
		ssize_t len = recv(child->channel, packet, sizeof(packet),
			MSG_DONTWAIT);

		if (len > 0) {
			take_packet(child, str_of(packet, (size_t)len));
			continue;
		}
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		loop_remove(child->channel); /* its end; the rest by waitpid */
		close(child->channel);
		child->channel = -1;
		child->channel_ended = moment_now();
	}
}

/* ---- death ---- */

static void say_death(const struct child *child, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		log_warning("process %s pid %d exit status %d", child->path,
			child->pid, WEXITSTATUS(status));
	else if (WIFSIGNALED(status) &&
		(WTERMSIG(status) != SIGTERM || state.stage <= STAGE_RUNNING))
		log_warning("process %s pid %d killed by signal %d",
			child->path, child->pid, WTERMSIG(status));
}

static void count_crash(struct row *row)
{
	if (moment_between(row->crashed, moment_now()).us > CRASH_S * 1000000)
		row->crashes = 0;
	row->crashed = moment_now();
	if (++row->crashes < CRASHES_MOST)
		return;
	log_warning("%s: %u crashes in a short time -- throttling", row->path,
		row->crashes);
	row->crashes = 0;
	throttle(row);
}

/* Who still needs a process of this row gets one. */
static void restart_if_needed(struct row *row)
{
	if (state.stage > STAGE_RUNNING)
		return;
	if (children_of(row, false) == 0 &&
		(has_flag(row, PROGRAM_EARLY) || row->wakeup_due ||
			introduce_is_wanted(row)))
		child_start(row);
	listen_watch(row);
}

static void bury(struct child *child, int status)
{
	struct row *row = child->row;
	enum child_state was = child->state;
	bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;

	say_death(child, status);
	if (child->channel >= 0) {
		loop_remove(child->channel);
		close(child->channel);
	}
	child->channel = -1;
	child->state = CHILD_NONE;
	child->row = NULL;
	introduce_forget(child);
	ring_gone(child->pid);
	if (!row || child->is_probe)
		return;
	if (was == CHILD_STARTING) {
		log_warning("%s: bad command startup -- throttling", row->path);
		throttle(row);
	} else if (failed && was == CHILD_READY) {
		count_crash(row);
	}
	restart_if_needed(row);
}

void children_reap(void)
{
	int status, pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == state.checker) {
			state.checker = 0;
			reload_checked(WIFEXITED(status) &&
				WEXITSTATUS(status) == 0);
			continue;
		}
		for (size_t i = 0; i < CHILDREN_MOST; i++) {
			struct child *c = &state.children[i];

			if (c->state == CHILD_NONE || c->pid != pid)
				continue;
			child_event(c); /* what it said before */
			bury(c, status);
		}
	}
}

/* One that lives, but does not hear us any more. */
static bool is_deaf(const struct child *child)
{
	return child->state == CHILD_READY && child->channel < 0 &&
		moment_between(child->channel_ended, moment_now()).us >
			(int64_t)DEAF_S * 1000000;
}

/* Once a second: what takes too long, and throttles that are over. */
void children_tick(void)
{
	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		struct child *c = &state.children[i];

		if (c->state == CHILD_STARTING && !c->is_probe &&
			moment_between(c->born, moment_now()).us >
				(int64_t)START_S * 1000000) {
			log_warning("process %s pid %d is not ready after "
				"%d s", c->path, c->pid, START_S);
			kill(c->pid, SIGKILL);
		}
		if (is_deaf(c))
			child_retire(c);
	}
	for (size_t i = 0; i < state.row_count; i++) {
		struct row *row = &state.rows[i];

		if (moment_left(row->throttled_until).us > 0)
			continue;
		restart_if_needed(row);
		if (row->successor_due && child_is_busy(row, LOAD_NORMAL) &&
			state.stage == STAGE_RUNNING)
			new_child(row, -1);
	}
}
