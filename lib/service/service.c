#include "service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "io/helper.h"
#include "log/sink.h"
#include "service/inside.h"
#include "service/programs.h"

enum {
	GOODBYE_S = 10, /* after SIGTERM, for sessions that were cancelled */
	IDLE_LOOK_S = 1,
	CLOSED_FROM = 3, /* standard descriptors are always open */
};

struct self self;

struct str service_row(void)
{
	return str_from(self.name);
}

bool service_is_alone(void)
{
	return self.alone;
}

bool service_is_local(void)
{
	return self.is_local;
}

bool service_is_retiring(void)
{
	return self.is_retiring;
}

bool service_is_ending(void)
{
	return self.is_ending;
}

void service_retire(void)
{
	if (self.is_retiring)
		return;
	self.is_retiring = true;
	clients_stop_accepting();
	peers_retire();
	io_event_wake_all(&self.news);
}

static void send_retiring(bool replace)
{
	struct msg_retiring m = { .replace = replace };
	auto_buf struct buf body = { 0 };

	msg_retiring_format(&body, &m);
	channel_send(MSG_retiring, buf_str(&body));
}

void service_replace(void)
{
	if (self.is_replacing || self.is_retiring || !self.has_master)
		return;
	self.is_replacing = true;
	send_retiring(true);
}

/* ---- the life of the process, seen from its fibers ---- */

static bool has_work(void)
{
	return self.load->clients > 0 || self.load->calls > 0;
}

/* Ask to be let go after max_idle; work that comes meanwhile is still done. */
static void watch_idle(void *context)
{
	struct span limit = self.conf->max_idle;

	(void)context;
	self.idle_since = moment_now();
	while (!self.is_retiring && io_sleep(span_s(IDLE_LOOK_S))) {
		if (has_work())
			self.idle_since = moment_now();
		if (self.is_replacing ||
			moment_between(self.idle_since, moment_now()).us <
				limit.us)
			continue;
		self.is_replacing = true;
		send_retiring(false);
	}
}

/* SIGTERM once: end soon. Twice, or when goodbyes take too long: now. */
static void watch_signals(void *context)
{
	(void)context;
	while (io_signal_wait(SPAN_FOREVER) < 0)
		;
	service_retire();
	self.is_ending = true;
	clients_cancel();
	io_event_wake_all(&self.news);
	io_signal_wait(span_s(GOODBYE_S));
	log_debug("some work is cut off");
	_exit(0);
}

static void await_end(void)
{
	while (!self.is_retiring)
		if (!io_event_wait(&self.news, SPAN_FOREVER))
			return;
	while (has_work() || !peers_are_done()) {
		struct span look = span_s(1); /* peer_news wakes no self.news */

		if (!io_event_wait(&self.news, look) && errno != ETIMEDOUT)
			return;
	}
}

/* A peer's end is news for await_end. */
static void watch_peers(void *context)
{
	(void)context;
	while (io_event_wait(peer_news(), SPAN_FOREVER))
		if (self.is_retiring)
			io_event_wake_all(&self.news);
}

static void run_start(void *context)
{
	(void)context;
	self.service->start(self.conf);
}

static void live(void *context)
{
	(void)context;
	io_spawn("signals", watch_signals, NULL);
	if (self.has_master)
		channel_start();
	channel_await_birth();
	if (self.service->start)
		io_spawn("start", run_start, NULL);
	if (self.alone) {
		client_alone();
		io_stop();
		return;
	}
	clients_start();
	/* Who does not say so is thought to be starting still, and killed. */
	if (!channel_send(MSG_ready, STR("")) && self.has_master)
		service_retire();
	io_spawn("peers", watch_peers, NULL);
	if (!self.service->resident && self.conf->max_idle.us > 0)
		io_spawn("idle", watch_idle, NULL);
	await_end();
	if (self.service->finish)
		self.service->finish(self.conf);
	peers_close();
	io_stop();
}

/* ---- before that ---- */

/* So that no socket ever gets the number of a standard stream. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < CLOSED_FROM);
	if (fd >= CLOSED_FROM)
		close(fd);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void take_load_page(void)
{
	self.load = NULL;
	if (self.has_master)
		self.load = mmap(NULL, LOAD_OCTETS, PROT_READ | PROT_WRITE,
			MAP_SHARED, BIRTH_LOAD, 0);
	if (!self.load || self.load == MAP_FAILED)
		self.load = mem_new(1, LOAD_OCTETS);
}

/* What master gave; without it a daemon runs only with -s. */
static void take_inheritance(void)
{
	const char *listeners = getenv(BIRTH_LISTENERS);
	uint64_t count = 0;

	self.has_master = !self.alone && listeners && is_open(BIRTH_CHANNEL);
	if (self.alone)
		return;
	if (!self.has_master ||
		!str_parse_u64(str_from(listeners), BIRTH_LISTENERS_MOST,
			&count))
		log_fatal("%s is started by master(8); -s runs one session on "
			"standard input and output", self.service->name);
	self.listener_count = (size_t)count;
	unsetenv(BIRTH_LISTENERS);
	for (int fd = BIRTH_CHANNEL; fd < BIRTH_FIRST + (int)count; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (int fd = BIRTH_FIRST; fd < BIRTH_FIRST + (int)count; fd++)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(BIRTH_CHANNEL, F_SETFL,
		fcntl(BIRTH_CHANNEL, F_GETFL) | O_NONBLOCK);
}

/* What is wrong with the configuration shall be in the log too. */
static void open_first_log(void)
{
	if (getenv(BIRTH_LISTENERS) && is_open(BIRTH_RING))
		log_to_ring(fcntl(BIRTH_RING, F_DUPFD_CLOEXEC, CLOSED_FROM),
			fcntl(BIRTH_WAKE, F_DUPFD_CLOEXEC, CLOSED_FROM),
			arena_fmt(self.arena, "postfix/%s",
				self.service->name));
}

/* "postfix/submission/smtpd", as Postfix's -o syslog_name says. */
static void open_log(void)
{
	struct str tag = self.service->log_tag ?
		str_from(self.service->log_tag) :
		arena_fmt(self.arena, "%.*s/%s",
			STR_ARG(self.conf->syslog_name), self.service->name);

	if (self.has_master && is_open(BIRTH_RING))
		log_to_ring(BIRTH_RING, BIRTH_WAKE, tag);
	if (!self.is_local)
		return;
	/* Standard error is the mail program's, which expects nothing. */
	log_to_system(&(struct log_system){
		.tag = tag,
		.facility = self.conf->syslog_facility,
		.maillog_file = self.conf->maillog_file,
		.postlog_socket = arena_fmt(self.arena, "%.*s/public/%.*s",
			STR_ARG(self.conf->queue_directory),
			STR_ARG(self.conf->postlog_service_name)),
		.quiet = true,
	});
}

static void set_limits(void)
{
	if (self.most == 0)
		self.most = service_fiber_limit(self.conf, self.name,
			self.service->name, self.service->fibers);
	io_gate_init(&self.gate, self.most);
	if (!self.service->resident && self.conf->max_use > 0)
		self.uses_most = (uint64_t)self.conf->max_use * self.most;
}

/* `posthorn check sandbox`: try, report, end. */
static void probe_if_asked(void)
{
	const char *asked = getenv(BIRTH_PROBE);

	if (!self.has_master || !asked || strcmp(asked, "1") != 0)
		return;
	sandbox_probe(self.service->profile, self.conf, BIRTH_REPORT);
	exit(0);
}

int service_main(const struct service *service, int argc, char **argv)
{
	memory_keep();
	fill_standard_descriptors();
	self = (struct self){ .service = service, .arena = arena_new(0),
		.name = service->name, .type = "unix" };
	log_name(service->name);
	umask(007); /* modes are what open() says; never for others */
	open_first_log();
	options_read(argc, argv);
	take_inheritance();
	open_log();
	take_load_page();
	set_limits();
	io_event_init(&self.news);
	io_gate_init(&self.channel_gate, 1);
	clients_prepare();
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (service->prepare)
		service->prepare(self.conf);
	if (self.alone)
		peers_open_alone();
	sandbox_close(service->profile, self.conf);
	probe_if_asked();
	if (service->helper_threads > 0)
		io_helpers_start(service->helper_threads);
	io_signal_watch(SIGTERM);
	io_run(live, NULL);
	return 0;
}
