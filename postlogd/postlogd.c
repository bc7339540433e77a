/*
 * postlogd - writes the log lines of all daemons.
 *
 * Room       one process; user posthorn-log; one log file or /dev/log
 * Gets       from master, for each process, its ring and the eventfd that all
 *            rings share; from commands, datagrams on public/postlog
 * Calls      nobody
 *
 * Lines of all rings that were written since the last look leave in one piece
 * and in the order of their times. While lines keep coming it looks every 20
 * ms, so that writers need not wake it.
 */
#include "base/log.h"
#include "io/fiber.h"
#include "ipc/messages.h"
#include "log/ring.h"
#include "postlogd/output.h"
#include "service/service.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PAUSE_MS = 20,
	BATCH_MOST = 4096, /* lines */
	DATAGRAM_MOST = 8192,
};

struct source {
	struct list link;
	struct log_ring *ring;
	int64_t pid;
	char tag_memory[RING_TAG_MOST + 1];
	struct str tag; /* empty until the first line was read */
	bool gone;
};

/* The state of the process. */
static struct {
	struct list sources;
	struct output output;
	struct output_line *lines; /* BATCH_MOST; those that are drained now */
	int wake_fd;
	struct io_event wake_known;
} state;

static const enum param params[] = { maillog_file, maillog_file_permissions,
	maillog_file_prefixes,
	syslog_facility, syslog_name, PARAMS_END };

static void prepare(const struct conf *conf)
{
	list_init(&state.sources);
	io_event_init(&state.wake_known);
	state.wake_fd = -1;
	state.lines = mem_new(BATCH_MOST, sizeof(*state.lines));
	output_open(&state.output, conf);
}

static void forget(struct source *source)
{
	list_remove(&source->link);
	log_ring_unmap(source->ring);
	free(source);
}

static int by_time(const void *a, const void *b)
{
	const struct output_line *left = a, *right = b;

	if (left->wall_us != right->wall_us)
		return left->wall_us < right->wall_us ? -1 : 1;
	return left->order < right->order ? -1 : left->order > right->order;
}

static void collect(struct source *source, struct arena *arena,
	struct output_line *lines, size_t *count)
{
	struct log_line line;
	uint64_t lost;

	while (*count < BATCH_MOST - 1 && log_ring_take(source->ring, &line)) {
		if (source->tag.len == 0)
			source->tag = log_ring_read_tag(source->ring,
				source->tag_memory);
		lines[*count] = (struct output_line){
			.level = line.level,
			.wall_us = line.wall_us,
			.order = *count,
			.tag = source->tag,
			.pid = line.pid,
			.text = arena_copy(arena, line.text),
		};
		++*count;
	}
	lost = log_ring_lost(source->ring);
	if (lost > 0) {
		lines[*count] = (struct output_line){
			.level = LOG_LEVEL_WARNING,
			.wall_us = wall_us(),
			.order = *count,
			.tag = source->tag,
			.pid = source->pid,
			.text = arena_fmt(arena,
				"warning: %llu log lines were lost",
				(unsigned long long)lost),
		};
		++*count;
	}
}

/* Write what all rings hold; true if there was anything. */
static bool drain(void)
{
	struct output_line *lines = state.lines;
	struct arena *arena = arena_new(0);
	size_t count = 0;

	list_each(link, &state.sources)
		collect(CONTAINER(link, struct source, link), arena, lines,
			&count);
	qsort(lines, count, sizeof(*lines), by_time);
	if (count > 0)
		output_lines(&state.output, lines, count);
	arena_free(arena);
	return count > 0;
}

/* All rings are empty, and their writers know that we sleep. */
static bool can_sleep(void)
{
	bool empty = true;

	list_each(link, &state.sources) {
		struct source *source = CONTAINER(link, struct source, link);

		if (!log_ring_sleep(source->ring))
			empty = false;
		else if (source->gone)
			forget(source);
	}
	return empty;
}

static void start(const struct conf *conf)
{
	uint64_t count;

	(void)conf;
	while (state.wake_fd < 0)
		if (!io_event_wait(&state.wake_known, SPAN_FOREVER))
			return;
	for (;;) {
		if (drain() || !can_sleep()) {
			if (!io_sleep(span_ms(PAUSE_MS)))
				return;
			continue;
		}
		if (!io_wait(state.wake_fd, POLLIN, SPAN_FOREVER))
			return;
		if (read(state.wake_fd, &count, sizeof(count)) < 0)
			continue;
	}
}

static void add_source(const struct msg_log_ring *m)
{
	auto_close int ring_fd = m->ring;
	auto_close int wake_fd = m->wake;
	struct log_ring *ring = log_ring_map(ring_fd);
	struct source *source;

	if (state.wake_fd < 0) {
		state.wake_fd = fd_keep(&wake_fd);
		io_event_wake_all(&state.wake_known);
	}
	if (!ring) {
		log_warning("the ring of pid %lld: %m", (long long)m->pid);
		return;
	}
	source = mem_new(1, sizeof(*source));
	source->ring = ring;
	source->pid = (int64_t)m->pid;
	list_append(&state.sources, &source->link);
}

static void wake_drain(void)
{
	const uint64_t one = 1;

	if (state.wake_fd >= 0 &&
		write(state.wake_fd, &one, sizeof(one)) < 0)
		return;
}

static void mark_gone(uint64_t pid)
{
	list_each(link, &state.sources) {
		struct source *source = CONTAINER(link, struct source, link);

		if ((uint64_t)source->pid == pid)
			source->gone = true;
	}
}

/* Master's one call. */
static void serve(const struct conf *conf, struct call *call)
{
	enum msg_kind kind;

	(void)conf;
	if (!str_is(call_peer_name(call), "master"))
		return;
	while (call_peek(call, &kind, SPAN_FOREVER)) {
		struct msg_log_ring ring;
		struct msg_log_gone gone;

		if (kind == MSG_log_ring &&
			msg_log_ring_recv(call, &ring, SPAN_FOREVER))
			add_source(&ring);
		else if (kind == MSG_log_gone &&
			msg_log_gone_recv(call, &gone, SPAN_FOREVER))
			mark_gone(gone.pid);
		else
			return;
		wake_drain();
	}
}

/* What commands send: already in the form of /dev/log. */
static void datagrams(const struct conf *conf, int fd)
{
	char octets[DATAGRAM_MOST];

	(void)conf;
	while (io_wait(fd, POLLIN, SPAN_FOREVER)) {
		ssize_t len = recv(fd, octets, sizeof(octets), MSG_DONTWAIT);

		if (len > 0)
			output_datagram(&state.output,
				str_of(octets, (size_t)len));
	}
}

/* What was written before belongs to the old file. */
static void wake_up(const struct conf *conf, struct str request)
{
	auto_arena struct arena *arena = arena_new(0);

	if (!str_is(request, "rotate"))
		return;
	while (drain())
		;
	output_rotate(&state.output,
		arena_fmt(arena, "%.*s/postlogd", STR_ARG(conf->syslog_name)));
}

static void finish(const struct conf *conf)
{
	(void)conf;
	while (drain())
		;
}

static const struct service postlogd = {
	.name = "postlogd",
	.fibers = 1000,
	.profile = PROFILE_LOG,
	.calls = "",
	.params = params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
	.datagrams = datagrams,
	.wakeup = wake_up,
	.finish = finish,
	.resident = true,
};

int main(int argc, char **argv)
{
	return service_main(&postlogd, argc, argv);
}
