/*
 * smtpd_sasl_type = dovecot: whoever runs Dovecot says who somebody is; this
 * passes the exchange on, one connection for each.
 */
#include "auth.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "io/stream.h"
#include "maps/link.h"
#include "sasl/dovecot.h"

enum {
	CONNECT_S = 10,
	GREETING_S = 10,
	ANSWER_S = 120, /* it delays who fails */
	CEILING = 256 * 1024,
};

struct server {
	struct arena *arena; /* of the connection */
	struct stream *io;
	struct dovecot_greeting greeting;
};

static bool connect_to(struct server *server, struct str place)
{
	const struct links_plan plan = {
		.purpose = STR("smtpd_sasl_path"),
		.endpoint = place,
		.timeout = span_s(CONNECT_S),
	};
	int fd = link_connect(server->arena, &plan);

	if (fd < 0)
		return false;
	server->io = stream_open(server->arena, fd);
	stream_line_limit(server->io, DOVECOT_LINE_MOST);
	stream_write_timeout(server->io, span_s(GREETING_S));
	return true;
}

static bool greet(struct server *server)
{
	struct str line;

	stream_deadline(server->io, moment_after(span_s(GREETING_S)));
	for (unsigned i = 0; !server->greeting.is_done; i++) {
		if (!io_line(server->io, &line, SPAN_FOREVER))
			return false;
		errno = EPROTO;
		if (i == DOVECOT_LINES_MOST ||
			!dovecot_greet(server->arena, &server->greeting, line))
			return false;
	}
	stream_deadline(server->io, (struct moment){ INT64_MAX });
	return true;
}

static bool open_server(struct server *server, struct str place)
{
	*server = (struct server){ .arena = arena_new(CEILING) };
	if (connect_to(server, place) && greet(server))
		return true;
	log_warning("SASL: connect to Dovecot's auth at %.*s: %m%s",
		STR_ARG(place), errno == EACCES ?
			" (its socket is for others: posthorn-net connects, "
			"by the group or mode of Dovecot's unix_listener)" :
			"");
	return false;
}

static void close_server(struct server *server)
{
	if (server->io)
		stream_close(server->io);
	arena_free(server->arena);
}

size_t dovecot_offer(struct arena *arena, struct str place,
	struct str **names)
{
	struct server server;
	size_t count = 0;

	if (open_server(&server, place))
		count = server.greeting.count;
	*names = arena_array(arena, count + 1, sizeof(**names));
	for (size_t i = 0; i < count; i++)
		(*names)[i] = arena_copy(arena, server.greeting.names[i]);
	close_server(&server);
	return count;
}

/* ---- an exchange ---- */

static bool say(struct server *server, const struct buf *text)
{
	return io_write(server->io, buf_str(text)) &&
		io_flush(server->io, span_s(GREETING_S));
}

static bool begin(struct server *server, const struct exchange *x)
{
	const struct dovecot_request request = {
		.mechanism = x->start.mechanism,
		.service = x->conf->smtpd_sasl_service,
		.client_address = x->start.client_address,
		.server_address = x->start.server_address,
		.secured = x->start.encrypted,
		.initial = x->start.initial,
	};
	auto_buf struct buf out = { 0 };

	dovecot_hello(&out, (uint64_t)getpid());
	dovecot_auth(&out, &request);
	return say(server, &out);
}

/* False: the client gave up, or the server failed. */
static bool go_on(struct server *server, struct exchange *x,
	struct str challenge, bool *is_aborted)
{
	auto_buf struct buf out = { 0 };
	struct str response;

	*is_aborted = !exchange_ask(x, challenge, &response);
	if (*is_aborted)
		dovecot_cancel(&out);
	else
		dovecot_continue(&out, response);
	return say(server, &out) && !*is_aborted;
}

static enum verdict judge(struct exchange *x, const struct dovecot_reply *reply)
{
	x->claimed = arena_copy(x->arena, reply->user);
	if (reply->kind == DOVECOT_OK && reply->user.len > 0) {
		x->user = x->claimed;
		if (!str_is_none(reply->data))
			x->final = arena_copy(x->arena, reply->data);
		return VERDICT_ACCEPTED;
	}
	if (reply->reason.len > 0)
		x->why = arena_cstr(x->arena, reply->reason);
	return reply->kind == DOVECOT_OK || reply->is_temporary ?
		VERDICT_TEMPORARY : VERDICT_WRONG;
}

static enum verdict converse(struct server *server, struct exchange *x)
{
	struct dovecot_reply reply;
	bool is_aborted = false;
	struct str line;

	while (io_line(server->io, &line, span_s(ANSWER_S))) {
		auto_arena struct arena *arena = arena_new(CEILING);

		errno = EPROTO;
		if (!dovecot_reply_parse(arena, line, &reply))
			break;
		if (reply.kind == DOVECOT_OK || reply.kind == DOVECOT_FAIL)
			return judge(x, &reply);
		if (reply.kind == DOVECOT_CONT &&
			!go_on(server, x, reply.data, &is_aborted))
			break;
	}
	if (is_aborted)
		return VERDICT_ABORTED;
	log_warning("SASL: Dovecot's auth at %.*s: %m",
		STR_ARG(x->start.server));
	return VERDICT_TEMPORARY;
}

static bool has_mechanism(const struct server *server, struct str name)
{
	for (size_t i = 0; i < server->greeting.count; i++)
		if (str_eq_nocase(server->greeting.names[i], name))
			return true;
	return false;
}

enum verdict dovecot_run(struct exchange *x)
{
	enum verdict verdict = VERDICT_TEMPORARY;
	struct server server;

	x->why = "Connection lost to authentication server";
	if (open_server(&server, x->start.server)) {
		x->why = NULL;
		if (!has_mechanism(&server, x->start.mechanism)) {
			x->why = "no mechanism available";
			verdict = VERDICT_FORBIDDEN;
		} else if (begin(&server, x)) {
			verdict = converse(&server, x);
		}
	}
	close_server(&server);
	return verdict;
}
