#include "commands/sendmail_drop.h"

#include "base/encode.h"
#include "base/log.h"
#include "base/random.h"
#include "base/span.h"
#include "queue/maildrop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ANSWER_TIMEOUT_MS = 600 * 1000,
	SEND_MOST = 32 * 1024,
};

static _Noreturn void give_up(void)
{
	exit(EX_TEMPFAIL);
}

static int connect_pickup(const struct conf *conf)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len = snprintf(address.sun_path, sizeof(address.sun_path),
		"%.*s/public/pickup", STR_ARG(conf->queue_directory));

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

static void open_file(struct drop *drop, const struct conf *conf)
{
	char path[4096];

	snprintf(path, sizeof(path), "%.*s/maildrop",
		STR_ARG(conf->queue_directory));
	drop->is_file = true;
	drop->folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	random_name(drop->temporary, sizeof(drop->temporary), "tmp-");
	random_name(drop->final, sizeof(drop->final), "");
	if (drop->folder >= 0)
		drop->fd = openat(drop->folder, drop->temporary,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (drop->fd < 0) {
		log_error("the mail system is down, and %s: %m", path);
		give_up();
	}
	fchmod(drop->fd, 0644);
}

void drop_open(struct drop *drop, const struct conf *conf)
{
	*drop = (struct drop){ .fd = connect_pickup(conf), .folder = -1 };
	if (drop->fd < 0)
		open_file(drop, conf);
	maildrop_word_format(&drop->pending, MAILDROP_BEGIN);
}

static void remove_temporary(const struct drop *drop)
{
	if (drop->is_file)
		unlinkat(drop->folder, drop->temporary, 0);
}

void drop_cancel(struct drop *drop)
{
	remove_temporary(drop);
	close(drop->fd);
}

static void send_pending(struct drop *drop)
{
	struct str left = buf_str(&drop->pending);

	while (left.len > 0 && !drop->refused) {
		ssize_t len = write(drop->fd, left.p, left.len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && !drop->is_file) {
			drop->refused = true; /* it has answered, or does */
			shutdown(drop->fd, SHUT_WR);
		} else if (len < 0) {
			log_error("write maildrop/%s: %m", drop->temporary);
			remove_temporary(drop);
			give_up();
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

static void commit_file(struct drop *drop)
{
	if (fsync(drop->fd) < 0 ||
		renameat(drop->folder, drop->temporary, drop->folder,
			drop->final) < 0) {
		log_error("maildrop/%s: %m", drop->temporary);
		remove_temporary(drop);
		give_up();
	}
	/*
	 * The directory cannot be opened by us to flush its new entry. When
	 * that fails the message must not go out as well as be reported as
	 * failed: it is withdrawn, unless pickup has it already.
	 */
	if (syncfs(drop->fd) < 0) {
		log_error("flush maildrop/%s: %m", drop->final);
		if (unlinkat(drop->folder, drop->final, 0) == 0 ||
			errno != ENOENT)
			give_up();
	}
}

/* pickup's one line: "250 2.0.0 4A5F2100B". */
static void read_answer(struct drop *drop)
{
	struct moment end = moment_after(span_ms(ANSWER_TIMEOUT_MS));
	struct pollfd ready = { .fd = drop->fd, .events = POLLIN };
	char answer[1024];
	size_t len = 0;

	while (len == 0 || answer[len - 1] != '\n') {
		ssize_t got = -1;

		if (len == sizeof(answer))
			break;
		errno = ETIMEDOUT;
		if (poll(&ready, 1, (int)span_to_ms(moment_left(end))) > 0)
			got = read(drop->fd, answer + len,
				sizeof(answer) - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			log_error("no answer from pickup: %s",
				got == 0 ? "connection closed" :
					   "timed out or broken");
			give_up();
		}
		len += (size_t)got;
	}
	if (answer[0] != '2') {
		log_error("%.*s", (int)len - 1, answer);
		if (answer[0] == '5')
			exit(EX_UNAVAILABLE);
		give_up();
	}
}

void drop_commit(struct drop *drop)
{
	maildrop_word_format(&drop->pending, MAILDROP_END);
	send_pending(drop);
	if (drop->is_file)
		commit_file(drop);
	else
		read_answer(drop);
	close(drop->fd);
	buf_free(&drop->pending);
}
