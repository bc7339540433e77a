#include "commands/drop.h"

#include "base/encode.h"
#include "base/random.h"
#include "base/span.h"
#include "queue/maildrop.h"
#include "queue/submission.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ANSWER_TIMEOUT_MS = 600 * 1000,
	SEND_MOST = 32 * 1024,
};

/* The first failure counts. */
static void fail(struct drop *drop, int status, const char *format, ...)
	printf_like(3, 4);
static void fail(struct drop *drop, int status, const char *format, ...)
{
	va_list args;

	if (drop->failure)
		return;
	drop->failure = status;
	va_start(args, format);
	vsnprintf(drop->answer, sizeof(drop->answer), format, args);
	va_end(args);
}

static int connect_pickup(const struct conf *conf)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len = snprintf(address.sun_path, sizeof(address.sun_path),
		"%.*s/public/%.*s", STR_ARG(conf->queue_directory),
		STR_ARG(conf->pickup_service_name));

	if (fd < 0 || len < 0 || (size_t)len >= sizeof(address.sun_path) ||
		connect(fd, (const struct sockaddr *)&address,
			sizeof(address)) < 0)
		return -1;
	return fd_keep(&fd);
}

static void random_name(char *into, size_t size, const char *prefix)
{
	unsigned char octets[16];
	struct buf hex = { 0 };

	random_octets(octets, sizeof(octets));
	hex_format(&hex, str_of(octets, sizeof(octets)));
	snprintf(into, size, "%s%.*s", prefix, STR_ARG(buf_str(&hex)));
	buf_free(&hex);
}

static void open_in(struct drop *drop, const char *path)
{
	drop->is_file = true;
	drop->folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	random_name(drop->temporary, sizeof(drop->temporary), "tmp-");
	if (drop->folder >= 0)
		drop->fd = openat(drop->folder, drop->temporary,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (drop->fd < 0)
		fail(drop, EX_TEMPFAIL, "the mail system is down, and %s: %m",
			path);
	else
		fchmod(drop->fd, 0644);
}

static void open_file(struct drop *drop, const struct conf *conf)
{
	char path[4096];

	snprintf(path, sizeof(path), "%.*s/maildrop",
		STR_ARG(conf->queue_directory));
	random_name(drop->final, sizeof(drop->final), "");
	open_in(drop, path);
}

static void begin(struct drop *drop, int fd)
{
	*drop = (struct drop){ .fd = fd, .folder = -1 };
	maildrop_word_format(&drop->pending, MAILDROP_BEGIN);
}

void drop_open(struct drop *drop, const struct conf *conf)
{
	begin(drop, connect_pickup(conf));
	if (drop->fd < 0)
		open_file(drop, conf);
}

void drop_open_file(struct drop *drop, const struct conf *conf)
{
	begin(drop, -1);
	open_file(drop, conf);
}

void drop_open_at(struct drop *drop, const char *folder, const char *name)
{
	begin(drop, -1);
	snprintf(drop->final, sizeof(drop->final), "%s", name);
	open_in(drop, folder);
}

static void remove_temporary(const struct drop *drop)
{
	if (drop->is_file)
		unlinkat(drop->folder, drop->temporary, 0);
}

static void close_all(struct drop *drop)
{
	base_close(&drop->fd);
	base_close(&drop->folder);
	buf_free(&drop->pending);
}

void drop_cancel(struct drop *drop)
{
	remove_temporary(drop);
	close_all(drop);
}

static void send_pending(struct drop *drop)
{
	struct str left = buf_str(&drop->pending);

	while (left.len > 0 && !drop->refused && !drop->failure) {
		ssize_t len = write(drop->fd, left.p, left.len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && !drop->is_file) {
			drop->refused = true; /* it has answered, or does */
			shutdown(drop->fd, SHUT_WR);
		} else if (len < 0) {
			fail(drop, EX_TEMPFAIL, "write maildrop/%s: %m",
				drop->temporary);
		} else {
			left = str_skip(left, (size_t)len);
		}
	}
	buf_clear(&drop->pending);
}

void drop_add(struct drop *drop, struct str lines)
{
	buf_add(&drop->pending, lines);
	if (drop->pending.len >= SEND_MOST)
		send_pending(drop);
}

static uint64_t drop_flags(uint64_t submitted)
{
	static const struct {
		uint64_t from, to;
	} rows[] = {
		{ SUBMIT_SMTPUTF8, MAILDROP_FLAG_SMTPUTF8 },
		{ SUBMIT_VERIFY_ONLY, MAILDROP_FLAG_VERIFY },
		{ SUBMIT_TRACE, MAILDROP_FLAG_TRACE },
		{ SUBMIT_REQUIRETLS, MAILDROP_FLAG_REQUIRETLS },
	};
	uint64_t flags = submitted & SUBMIT_LOCAL_HEADERS ? 0 :
		MAILDROP_FLAG_GATEWAY;

	for (size_t i = 0; i < COUNT(rows); i++)
		if (submitted & rows[i].from)
			flags |= rows[i].to;
	return flags;
}

static void add_recipients(struct drop *drop, const struct envelope *e,
	const bool *done)
{
	for (size_t i = 0; i < e->recipient_count; i++) {
		const struct recipient *r = &e->recipients[i];
		auto_buf struct buf lines = { 0 };

		if (done && done[i])
			continue;
		maildrop_text_format(&lines, MAILDROP_RECIPIENT,
			done ? r->orig : r->address);
		if (!str_is_none(r->orcpt))
			maildrop_text_format(&lines, MAILDROP_ORCPT, r->orcpt);
		if (r->notify)
			maildrop_number_format(&lines, MAILDROP_ONLY,
				r->notify);
		drop_add(drop, buf_str(&lines));
	}
}

void drop_envelope(struct drop *drop, const struct envelope *e,
	const bool *done)
{
	const struct {
		enum maildrop_kind kind;
		struct str text;
	} texts[] = {
		{ MAILDROP_SENDER, e->sender },
		{ MAILDROP_ORIG_ID, done ? e->queue_id : STR_NONE },
		{ MAILDROP_ENVID, e->dsn_envid },
		{ MAILDROP_ENCODING, e->encoding },
		{ MAILDROP_VERP, e->verp },
	};
	auto_buf struct buf lines = { 0 };
	uint64_t flags = drop_flags(e->flags);

	for (size_t i = 0; i < COUNT(texts); i++)
		if (!str_is_none(texts[i].text))
			maildrop_text_format(&lines, texts[i].kind,
				texts[i].text);
	if (e->dsn_ret)
		maildrop_number_format(&lines, MAILDROP_RET, e->dsn_ret);
	if (flags)
		maildrop_number_format(&lines, MAILDROP_FLAGS, flags);
	drop_add(drop, buf_str(&lines));
	add_recipients(drop, e, done);
	buf_clear(&lines);
	maildrop_word_format(&lines, MAILDROP_CONTENT);
	drop_add(drop, buf_str(&lines));
}

void drop_content(struct drop *drop, struct str octets)
{
	while (octets.len > 0) {
		struct str chunk = str_first(octets, MAILDROP_CHUNK_MOST);

		maildrop_number_format(&drop->pending, MAILDROP_CHUNK,
			chunk.len);
		buf_add(&drop->pending, chunk);
		octets = str_skip(octets, chunk.len);
		if (drop->pending.len >= SEND_MOST)
			send_pending(drop);
	}
}

/* pickup takes the time of arrival from the file. */
static bool set_time(const struct drop *drop, int64_t arrival_us)
{
	const struct timespec at = { .tv_sec = arrival_us / 1000000 };
	const struct timespec times[2] = { at, at };

	return arrival_us == 0 || futimens(drop->fd, times) == 0;
}

static void commit_file(struct drop *drop, int64_t arrival_us)
{
	if (!set_time(drop, arrival_us) || fsync(drop->fd) < 0 ||
		renameat(drop->folder, drop->temporary, drop->folder,
			drop->final) < 0) {
		fail(drop, EX_TEMPFAIL, "maildrop/%s: %m", drop->temporary);
		remove_temporary(drop);
		return;
	}
	snprintf(drop->answer, sizeof(drop->answer), "%s", drop->final);
	/*
	 * The directory cannot be opened by us to flush its new entry. When
	 * that fails the message must not go out as well as be reported as
	 * failed: it is withdrawn, unless pickup has it already.
	 */
	if (syncfs(drop->fd) < 0) {
		int error = errno;

		if (unlinkat(drop->folder, drop->final, 0) < 0 &&
			errno == ENOENT)
			return;
		errno = error;
		fail(drop, EX_TEMPFAIL, "flush maildrop/%s: %m", drop->final);
	}
}

/* One line without its end. False: there was none. */
static bool read_line(struct drop *drop, char *line, size_t size)
{
	struct moment end = moment_after(span_ms(ANSWER_TIMEOUT_MS));
	struct pollfd ready = { .fd = drop->fd, .events = POLLIN };
	size_t len = 0;

	while (len + 1 < size) {
		ssize_t got = -1;

		errno = ETIMEDOUT;
		if (poll(&ready, 1, (int)span_to_ms(moment_left(end))) > 0)
			got = read(drop->fd, line + len, size - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			fail(drop, EX_TEMPFAIL, "no answer from pickup: %s",
				got == 0 ? "connection closed" :
					   "timed out or broken");
			return false;
		}
		len += (size_t)got;
		if (line[len - 1] == '\n')
			break;
	}
	line[len - 1] = '\0';
	return true;
}

/* "250 2.0.0 4A5F2100B" */
static void read_answer(struct drop *drop)
{
	char line[sizeof(drop->answer)];
	struct str rest;

	if (!read_line(drop, line, sizeof(line)))
		return;
	if (line[0] != '2') {
		fail(drop, line[0] == '5' ? EX_UNAVAILABLE : EX_TEMPFAIL,
			"%s", line);
		return;
	}
	rest = str_from(line);
	(void)str_take_word(&rest);
	(void)str_take_word(&rest);
	snprintf(drop->answer, sizeof(drop->answer), "%.*s", STR_ARG(rest));
}

bool drop_commit(struct drop *drop, int64_t arrival_us)
{
	maildrop_word_format(&drop->pending, MAILDROP_END);
	send_pending(drop);
	if (drop->failure)
		remove_temporary(drop);
	else if (drop->is_file)
		commit_file(drop, arrival_us);
	else
		read_answer(drop);
	close_all(drop);
	return !drop->failure;
}
