/*
 * commands/queue_export - `posthorn queue export HOST:PORT`: hands what is in
 * the queue to another server by SMTP, each message with its envelope; what
 * that server does not take stays.
 *
 * The suite is down meanwhile. A recipient is done here after the other said
 * 250 to the message; a cut between both delivers it twice, as with any
 * client of SMTP (RFC 5321 6.1).
 *
 * TLS is as smtp_tls_security_level says: may (or nothing): where it is offered;
 * encrypt; verify and secure: with a certificate that has the host's name.
 *
 * RFC      5321, 1870, 2920 (not used), 3207, 3461, 6152, 6531, 8689
 */
#include "commands/queue_move.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "commands/alter.h"
#include "commands/endpoint.h"
#include "io/fiber.h"
#include "queue/submission.h"
#include "queue/walk.h"
#include "smtp/data.h"
#include "talk/context.h"
#include "talk/destination.h"
#include "talk/request.h"
#include "talk/talk.h"

enum {
	ANSWER_S = 300,
	CONNECT_S = 30,
	BLOCK = 64 * 1024,
};

struct export {
	struct queue_job *job;
	struct alter alter;
	struct endpoint endpoints[ENDPOINTS_MOST];
	size_t endpoint_count;
	struct talk talk;
	struct arena *step; /* of the last reply */
	struct str reply;   /* its text */
	bool was_cut;       /* the connection was lost */
	size_t sent, kept;
};

/* ---- the other server ---- */

static int code_of(struct export *x, bool good, const struct smtp_reply *reply)
{
	x->reply = good ? talk_text(x->step, reply) :
			  STR("the connection was lost");
	return good ? reply->code : 0;
}

/* To what was written; 0: it has gone, or does not speak SMTP. */
static int get_reply(struct export *x)
{
	struct smtp_reply reply;

	arena_reset(x->step);
	return code_of(x, talk_reply(&x->talk, x->step, span_s(ANSWER_S),
		&reply), &reply);
}

/* A line without its end. */
static int ask(struct export *x, struct str line)
{
	struct smtp_reply reply;

	arena_reset(x->step);
	return code_of(x, talk_command(&x->talk, x->step, line,
		span_s(ANSWER_S), &reply), &reply);
}

static int hello(struct export *x, const char *verb)
{
	struct smtp_reply reply;

	arena_reset(x->step);
	return code_of(x, talk_hello(&x->talk, x->step, verb,
		x->job->conf->myhostname, STR(""), span_s(ANSWER_S), &reply),
		&reply);
}

static _Noreturn void refused(struct export *x)
{
	log_fatal("%s: %.*s", x->job->argv[0], STR_ARG(x->reply));
}

static void say_hello(struct export *x)
{
	if (hello(x, "EHLO") / 100 == 2)
		return;
	if (x->talk.is_broken || x->talk.is_tls || hello(x, "HELO") / 100 != 2)
		refused(x);
}

/* ---- TLS ---- */

static const struct {
	const char *level;
	bool is_wanted, is_needed, is_verified;
} levels[] = {
	{ "none", false, false, false }, { "", true, false, false },
	{ "may", true, false, false },   { "encrypt", true, true, false },
	{ "verify", true, true, true },  { "secure", true, true, true },
};

static size_t find_level(struct str level)
{
	for (size_t i = 0; i < COUNT(levels); i++)
		if (str_is_nocase(level, levels[i].level))
			return i;
	log_fatal("smtp_tls_security_level = %.*s is not supported here",
		STR_ARG(level));
}

static struct tls_context *make_context(struct export *x, bool needed)
{
	struct arena *arena = x->job->arena;
	const struct talk_tls_settings settings = talk_tls_settings_of(arena,
		x->job->conf, needed);
	struct tls_chain chains[TALK_CHAINS_MOST] = { 0 };
	struct tls_options options = talk_tls_options(arena, x->job->conf,
		&settings, chains);
	struct str error = STR_NONE;
	struct tls_context *context = tls_context_new(arena, &options, &error);

	if (!context)
		log_fatal("TLS: %.*s", STR_ARG(error));
	return context;
}

static void start_tls(struct export *x)
{
	size_t level = find_level(x->job->conf->smtp_tls_security_level);
	struct talk_destination there;
	struct tls_client client = { .servername = STR_NONE };

	if (!levels[level].is_wanted)
		return;
	if (!(x->talk.features.set & FEATURE_STARTTLS) ||
		ask(x, STR("STARTTLS")) / 100 != 2) {
		if (levels[level].is_needed)
			log_fatal("%s: TLS is required, but was not offered",
				x->job->argv[0]);
		return;
	}
	if (talk_destination_parse(str_from(x->job->argv[0]), true, &there)) {
		client.match = &there.host;
		client.match_count = 1;
	}
	if (!talk_is_silent(&x->talk) ||
		!talk_tls(&x->talk, make_context(x, levels[level].is_needed),
			&client, span_s(ANSWER_S)))
		log_fatal("%s: TLS handshake failed", x->job->argv[0]);
	tls_log(&x->talk.tls, "to", str_from(x->job->argv[0]));
	if (levels[level].is_verified && !x->talk.tls.is_matched)
		log_fatal("%s: certificate verification failed: %.*s",
			x->job->argv[0], STR_ARG(x->talk.tls.distrust));
	say_hello(x);
}

static int connect_any(const struct export *x)
{
	int fd = -1;

	for (size_t i = 0; i < x->endpoint_count && fd < 0; i++)
		fd = endpoint_connect(&x->endpoints[i], span_s(CONNECT_S));
	return fd;
}

static void connect_to(struct export *x)
{
	int fd = connect_any(x);

	if (fd < 0)
		log_fatal("connect to %s: %m", x->job->argv[0]);
	x->step = arena_new(0);
	x->talk.arena = x->job->arena;
	x->talk.io = stream_open(x->talk.arena, fd);
	stream_write_timeout(x->talk.io, span_s(ANSWER_S));
	if (get_reply(x) / 100 != 2)
		refused(x);
	say_hello(x);
	start_tls(x);
}

/* ---- a message ---- */

/* One that is looked at. */
struct parcel {
	struct export *x;
	struct arena *arena;
	struct stored *stored;
	bool *accepted; /* per recipient */
	size_t accepted_count;
	bool is_ascii;
	struct smtp_encoder encoder;
};

static void say_recipient(struct parcel *p, struct str address, bool done)
{
	const struct envelope *e = &p->stored->envelope;
	struct str reply = p->x->reply;
	auto_buf struct buf line = { 0 };

	log_info("%.*s: to=<%.*s>: %s (%.*s)", STR_ARG(e->queue_id),
		STR_ARG(address), done ? "handed over" : "kept",
		STR_ARG(reply));
	if (!p->x->job->json)
		return;
	buf_text(&line, "{\"queue_id\": ");
	json_format(&line, e->queue_id);
	buf_text(&line, ", \"recipient\": ");
	json_format(&line, address);
	buf_fmt(&line, ", \"done\": %s, \"reason\": ",
		done ? "true" : "false");
	json_format(&line, reply);
	buf_text(&line, "}\n");
	fwrite(line.p, 1, line.len, stdout);
}

static void keep_all(struct parcel *p, const char *why)
{
	const struct envelope *e = &p->stored->envelope;

	if (why)
		p->x->reply = str_from(why);
	for (size_t i = 0; i < e->recipient_count; i++)
		if (!p->stored->done[i] && (why || p->accepted[i] ||
			    p->accepted_count == SIZE_MAX))
			say_recipient(p, e->recipients[i].address, false);
	p->x->kept++;
}

/* It stands in a line of SMTP. */
static bool is_sayable(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return false;
	return true;
}

/* The octets of the content, in pieces. False: they cannot be read. */
static bool each_piece(struct parcel *p,
	void (*put)(struct parcel *p, struct str octets))
{
	struct stored *stored = p->stored;
	char *block = arena_alloc(p->arena, BLOCK);
	uint64_t at = stored->envelope.skip;
	auto_close int fd = -1;

	put(p, stored->content);
	if (!stored->head.large_octets)
		return true;
	fd = store_large(&p->x->alter.store, stored);
	while (fd >= 0 && at < stored->head.large_octets) {
		ssize_t got = pread(fd, block, BLOCK, (off_t)at);

		if (got <= 0)
			return false;
		put(p, str_of(block, (size_t)got));
		at += (uint64_t)got;
	}
	return fd >= 0;
}

static void look_for_8bit(struct parcel *p, struct str octets)
{
	p->is_ascii = p->is_ascii && str_is_ascii(octets);
}

static void put(struct parcel *p, struct str wire)
{
	io_write(p->x->talk.io, wire);
}

static void put_octets(struct parcel *p, struct str octets)
{
	auto_buf struct buf wire = { 0 };

	smtp_encode(&p->encoder, octets, &wire);
	put(p, buf_str(&wire));
}

static void put_end(struct parcel *p)
{
	auto_buf struct buf wire = { 0 };

	smtp_encode_end(&p->encoder, &wire);
	put(p, buf_str(&wire));
}

/* RFC 8689 4.2.1: only with TLS to a server that is verified and knows it. */
static bool may_go(const struct parcel *p)
{
	const struct talk *talk = &p->x->talk;

	return !(p->stored->envelope.flags & SUBMIT_REQUIRETLS) ||
		(talk->is_tls && talk->tls.is_matched &&
			(talk->features.set & FEATURE_REQUIRETLS));
}

/* Why it cannot be handed over with all that it is; NULL: it can. */
static const char *obstacle(struct parcel *p)
{
	const struct envelope *e = &p->stored->envelope;
	unsigned has = p->x->talk.features.set;

	if (e->flags & SUBMIT_VERIFY_ONLY)
		return "it only asks for addresses, and is mail for nobody";
	if (!may_go(p))
		return "it requires TLS (RFC 8689)";
	if (e->flags & SUBMIT_SMTPUTF8 && !(has & FEATURE_SMTPUTF8))
		return "no SMTPUTF8 there";
	if (!str_is_none(e->verp) && !(has & FEATURE_XVERP))
		return "no XVERP there";
	if (!is_sayable(e->sender))
		return "the sender cannot be said in SMTP";
	p->is_ascii = true;
	if (!each_piece(p, look_for_8bit))
		return "its content cannot be read";
	return p->is_ascii || has & FEATURE_8BITMIME ? NULL :
		"no 8BITMIME there";
}

static struct str mail_line(struct parcel *p)
{
	const struct envelope *e = &p->stored->envelope;
	const struct talk_mail mail = {
		.sender = e->sender,
		.size = message_content_octets(&p->stored->head, e),
		.is_8bit = str_is_nocase(e->encoding, "8bit"),
		.utf8 = (e->flags & SUBMIT_SMTPUTF8) != 0,
		.requiretls = (e->flags & SUBMIT_REQUIRETLS) != 0,
		.dsn_ret = e->dsn_ret,
		.envid = e->dsn_envid,
		.verp = e->verp,
	};
	struct buf line = BUF_IN(p->arena);

	talk_mail_format(&line, &mail, &p->x->talk.features);
	return buf_str(&line);
}

static struct str rcpt_line(struct parcel *p, const struct recipient *r)
{
	const struct talk_rcpt rcpt = {
		.address = r->address,
		.notify = r->notify,
		.orcpt = is_sayable(r->orcpt) ? r->orcpt : STR(""),
	};
	struct buf line = BUF_IN(p->arena);

	talk_rcpt_format(&line, &rcpt, &p->x->talk.features);
	return buf_str(&line);
}

static void send_recipients(struct parcel *p)
{
	const struct envelope *e = &p->stored->envelope;

	for (size_t i = 0; i < e->recipient_count && !p->x->talk.is_broken; i++) {
		const struct recipient *r = &e->recipients[i];

		if (p->stored->done[i])
			continue;
		if (is_sayable(r->address) &&
			ask(p->x, rcpt_line(p, r)) / 100 == 2) {
			p->accepted[i] = true;
			p->accepted_count++;
		} else {
			say_recipient(p, r->address, false);
		}
	}
}

/* It was taken: durable here before the next is begun. */
static void settle(struct parcel *p)
{
	struct store *store = &p->x->alter.store;
	const struct envelope *e = &p->stored->envelope;
	bool done = true;

	for (uint32_t i = 0; i < e->recipient_count && done; i++) {
		if (!p->accepted[i])
			continue;
		say_recipient(p, e->recipients[i].address, true);
		done = store_done(store, p->stored, i);
	}
	if (p->stored->left == 0)
		p->x->sent++;
	else
		p->x->kept++;
	if (done && p->stored->left == 0)
		done = store_over(store, p->stored, true);
	else
		store_flush(store);
	if (!done || store_is_dirty(store))
		log_fatal("%.*s: was handed over, and cannot be marked: %m",
			STR_ARG(e->queue_id));
}

static void send_content(struct parcel *p)
{
	if (ask(p->x, STR("DATA")) != 354) {
		keep_all(p, p->x->talk.is_broken ? "the connection was lost" : NULL);
		if (!p->x->talk.is_broken)
			(void)ask(p->x, STR("RSET"));
		return;
	}
	p->encoder = (struct smtp_encoder){ .line_most =
		(size_t)p->x->job->conf->smtp_line_length_limit };
	if (!each_piece(p, put_octets))
		log_fatal("%.*s: its content cannot be read",
			STR_ARG(p->stored->envelope.queue_id));
	put_end(p);
	if (get_reply(p->x) / 100 == 2)
		settle(p);
	else
		keep_all(p, p->x->talk.is_broken ? "the connection was lost" : NULL);
}

static void send_message(struct parcel *p)
{
	const char *why = obstacle(p);

	if (why) {
		keep_all(p, why);
		return;
	}
	if (ask(p->x, mail_line(p)) / 100 != 2) {
		p->accepted_count = SIZE_MAX; /* all share the reply */
		keep_all(p, p->x->talk.is_broken ? "the connection was lost" : NULL);
		return;
	}
	send_recipients(p);
	if (p->accepted_count && !p->x->talk.is_broken) {
		send_content(p);
		return;
	}
	p->x->kept++;
	if (!p->x->talk.is_broken)
		(void)ask(p->x, STR("RSET"));
}

/* ---- all ---- */

static bool is_selected(struct parcel *p)
{
	const struct stored *s = p->stored;
	const struct envelope *e = &s->envelope;
	struct listed_message m = { .listed = {
		.queue_name = str_from(queue_name_text(s->queue)),
		.queue_id = e->queue_id, .sender = e->sender,
		.arrival_us = (int64_t)e->arrival_us,
		.size = message_content_octets(&s->head, e) } };

	m.recipients = arena_array(p->arena, e->recipient_count + 1,
		sizeof(*m.recipients));
	for (size_t i = 0; i < e->recipient_count; i++)
		if (!s->done[i])
			m.recipients[m.recipient_count++] =
				(struct listed_recipient){
					.address = e->recipients[i].address,
					.orig = e->recipients[i].orig,
					.reason = s->reasons[i].wall_us
						? s->reasons[i].status.text
						: STR("") };
	return m.recipient_count &&
		selection_has(&p->x->job->selection, &m);
}

static void visit(void *context, struct stored *stored)
{
	struct export *x = context;
	auto_arena struct arena *arena = arena_new(0);
	struct parcel p = { .x = x, .arena = arena, .stored = stored };

	if (x->talk.is_broken || !is_selected(&p))
		return;
	p.accepted = arena_array(arena, stored->envelope.recipient_count,
		sizeof(bool));
	if (x->job->dry_run) {
		log_info("%.*s: would be handed over",
			STR_ARG(stored->envelope.queue_id));
		x->sent++;
		return;
	}
	send_message(&p);
}

static void run(void *context)
{
	struct export *x = context;

	if (!x->job->dry_run)
		connect_to(x);
	if (x->alter.is_open) {
		walk_files(&x->alter.store, QUEUE_DEFERRED, visit, x);
		walk_files(&x->alter.store, QUEUE_HOLD, visit, x);
		walk_slots(&x->alter.store, visit, x);
	}
	x->was_cut = x->talk.is_broken;
	if (x->talk.io && !x->was_cut)
		(void)ask(x, STR("QUIT"));
}

int queue_export(struct queue_job *job)
{
	struct export x = { .job = job, .reply = STR("") };

	if (job->argc != 1)
		log_fatal("usage: posthorn queue export [selection] "
			"[--dry-run] [--json] host:port");
	alter_check_user(job->conf);
	x.alter = (struct alter){ .conf = job->conf, .arena = job->arena };
	alter_open(&x.alter);
	if (x.alter.ask)
		log_fatal("stop the mail system first");
	if (!job->dry_run)
		x.endpoint_count = endpoint_find(job->argv[0], "25", AF_UNSPEC,
			false, x.endpoints);
	io_run(run, &x);
	log_info("%zu message%s %shanded over, %zu kept", x.sent,
		x.sent == 1 ? "" : "s", job->dry_run ? "would be " : "",
		x.kept);
	if (x.was_cut)
		log_error("%s: the connection was lost: run the export again",
			job->argv[0]);
	return x.was_cut || x.kept ? 1 : 0;
}
