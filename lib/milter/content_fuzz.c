/*
 * A hostile filter and the content of a message: the first four octets are the
 * steps it has agreed on, the rest is all that it answers. What comes of the
 * message is a message.
 */
#include "milter/content.h"

#include "mail/header.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

#define BODY "one\ntwo\n"

static struct str read_body(void *owner, uint64_t at, size_t len)
{
	(void)owner;
	return str_first(str_skip(STR(BODY), (size_t)at), len);
}

static enum milter_line hear_line(void *owner, struct str *line)
{
	(void)owner;
	return str_starts(*line, STR("Bad:")) ? MILTER_LINE_LEAVE :
						MILTER_LINE_TAKE;
}

static void hear_edit(void *owner, const struct milter_edit *edit)
{
	(void)owner;
	if (edit->address.len == 0 && edit->kind != MILTER_CHANGE_SENDER)
		abort();
}

static void look(const struct milter_content *c)
{
	struct str rest = c->header;
	struct mail_header field;

	while (mail_header_take(&rest, &field))
		;
	if (rest.len > 0)
		abort();
	if (c->has_new_body && c->body.len > 0 &&
		(!str_ends(c->body, STR("\n")) ||
			str_find_char(c->body, '\r') != SIZE_MAX ||
			str_find_char(c->body, '\0') != SIZE_MAX))
		abort();
}

static void run(const struct conf *conf, struct msg_milter *m)
{
	auto_arena struct arena *arena = arena_new(0);
	struct milters *filters = milters_received(arena, conf);
	struct milter_content c = { .arena = arena,
		.header = STR("Received: ours\nFrom: a\nSubject: b\n c\n"),
		.body_octets = sizeof(BODY) - 1, .read = read_body,
		.line = hear_line, .edit = hear_edit, .body_most = 100000 };
	struct status status;

	if (!milters_receive(filters, m))
		abort();
	status = milters_content(filters, &c);
	if (!status_is_ok(status) && status_class(status) < 4)
		abort();
	look(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static const struct conf *conf;
	const char *settings[] = { NULL };
	struct msg_milter m = { .endpoint = STR("inet:a:1"), .version = 6,
		.otherwise = MILTER_OTHERWISE_ACCEPT, .timeout_ms = 5000,
		.eoh_macros = STR(""), .end_macros = STR("") };
	int pair[2];

	if (!conf)
		conf = conf_for_test(arena_new(0), settings);
	if (len < 4 || len > 60000 ||
		socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 0;
	memcpy(&m.steps, octets, 3);
	if (write(pair[1], octets + 4, len - 4) < 0)
		abort();
	shutdown(pair[1], SHUT_WR);
	m.socket = pair[0];
	run(conf, &m);
	close(pair[1]);
	return 0;
}
