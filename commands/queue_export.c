/*
 * commands/queue_export - `posthorn queue export HOST:PORT`: hands what is in
 * the queue to another server by SMTP, each message with its envelope; what
 * that server does not take stays.
 *
 * The suite is down meanwhile. A recipient is done here after the other said
 * 250 to the message; a cut between both delivers it twice, as with any
 * client of SMTP (RFC 5321 6.1).
 *
 * RFC      5321, 1870, 2920 (not used), 3461, 6152, 6531
 */
#include "commands/queue_move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"
#include "commands/alter.h"
#include "commands/endpoint.h"
#include "mail/address.h"
#include "queue/submission.h"
#include "queue/walk.h"
#include "smtp/data.h"

enum {
	ANSWER_S = 300,
	BLOCK = 64 * 1024,
	REPLY_LINES_MOST = 200,
	REPLY_LINE_MOST = 2048, /* octets */
};

enum feature {
	DSN = 1 << 0,
	SIZE = 1 << 1,
	EIGHTBIT = 1 << 2,
	UTF8 = 1 << 3,
	VERP = 1 << 4,
};

static const struct {
	const char *keyword;
	unsigned feature;
} features[] = {
	{ "DSN", DSN }, { "SIZE", SIZE }, { "8BITMIME", EIGHTBIT },
	{ "SMTPUTF8", UTF8 }, { "XVERP", VERP },
};

struct export {
	struct queue_job *job;
	struct alter alter;
	FILE *in, *out;
	unsigned features;
	struct buf reply; /* text of the last one */
	bool gone;        /* the connection */
	size_t sent, kept;
};

/* ---- the other server ---- */

static bool read_line(struct export *x, char line[REPLY_LINE_MOST],
	struct str *text)
{
	if (!fgets(line, REPLY_LINE_MOST, x->in) || strlen(line) < 4 ||
		!strchr(line, '\n')) {
		x->gone = true;
		return false;
	}
	*text = str_trim(str_from(line));
	return true;
}

/* The code; 0: it has gone, or does not speak SMTP. */
static int read_reply(struct export *x, bool is_ehlo)
{
	char line[REPLY_LINE_MOST];
	struct str text = STR("");
	uint64_t code = 0;
	bool more = true;

	for (int i = 0; more && i < REPLY_LINES_MOST; i++) {
		struct str word;

		if (!read_line(x, line, &text) ||
			!str_parse_u64(str_first(text, 3), 599, &code))
			break;
		more = text.len > 3 && text.p[3] == '-';
		word = str_skip(text, 4);
		word = str_take_word(&word);
		for (size_t k = 0; is_ehlo && i && k < COUNT(features); k++)
			if (str_is_nocase(word, features[k].keyword))
				x->features |= features[k].feature;
	}
	buf_clear(&x->reply);
	buf_add(&x->reply, text);
	x->gone = x->gone || more || code == 421;
	return more ? 0 : (int)code;
}

/* To what was written. */
static int get_reply(struct export *x, bool is_ehlo)
{
	if (fflush(x->out) != 0) {
		x->gone = true;
		return 0;
	}
	return read_reply(x, is_ehlo);
}

/* A line without its end. */
static int ask(struct export *x, struct str line)
{
	fwrite(line.p, 1, line.len, x->out);
	fputs("\r\n", x->out);
	return get_reply(x, str_starts(line, STR("EHLO ")));
}

static void say_hello(struct export *x)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str name = x->job->conf->myhostname;

	if (read_reply(x, false) / 100 != 2 ||
		(ask(x, arena_fmt(arena, "EHLO %.*s", STR_ARG(name))) / 100 !=
				2 &&
			ask(x, arena_fmt(arena, "HELO %.*s", STR_ARG(name))) /
					100 != 2))
		log_fatal("%s: %.*s", x->job->argv[0],
			STR_ARG(buf_str(&x->reply)));
}

static void connect_to(struct export *x, const char *where)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };
	struct endpoint found[ENDPOINTS_MOST];
	size_t count = endpoint_find(where, "25", AF_UNSPEC, false, found);
	int fd = -1;

	for (size_t i = 0; i < count && fd < 0; i++) {
		fd = endpoint_socket(&found[i]);
		if (fd < 0)
			continue;
		fcntl(fd, F_SETFL, 0);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			sizeof(patience));
		if (connect(fd, (const struct sockaddr *)&found[i].address,
			    found[i].len) < 0)
			base_close(&fd);
	}
	if (fd < 0)
		log_fatal("connect to %s: %m", where);
	x->in = fdopen(fd, "r");
	x->out = fdopen(dup(fd), "w");
	if (!x->in || !x->out)
		log_fatal("connect to %s: %m", where);
	say_hello(x);
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
	struct str reply = buf_str(&p->x->reply);
	auto_buf struct buf line = { 0 };

	log_info("%.*s: to=<%.*s>: %s (%.*s)", STR_ARG(e->queue_id),
		STR_ARG(address), done ? "handed over" : "kept",
		STR_ARG(reply));
	if (!p->x->job->json)
		return;
	buf_text(&line, "{\"queue_id\": ");
	listing_string(&line, e->queue_id);
	buf_text(&line, ", \"recipient\": ");
	listing_string(&line, address);
	buf_fmt(&line, ", \"done\": %s, \"reason\": ",
		done ? "true" : "false");
	listing_string(&line, reply);
	buf_text(&line, "}\n");
	fwrite(line.p, 1, line.len, stdout);
}

static void keep_all(struct parcel *p, const char *why)
{
	const struct envelope *e = &p->stored->envelope;

	if (why) {
		buf_clear(&p->x->reply);
		buf_text(&p->x->reply, why);
	}
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
	fwrite(wire.p, 1, wire.len, p->x->out);
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

/* Why it cannot be handed over with all that it is; NULL: it can. */
static const char *obstacle(struct parcel *p)
{
	const struct envelope *e = &p->stored->envelope;
	unsigned has = p->x->features;

	if (e->flags & SUBMIT_REQUIRETLS)
		return "it requires TLS (RFC 8689)";
	if (e->flags & SUBMIT_SMTPUTF8 && !(has & UTF8))
		return "no SMTPUTF8 there";
	if (!str_is_none(e->verp) && !(has & VERP))
		return "no XVERP there";
	if (!is_sayable(e->sender))
		return "the sender cannot be said in SMTP";
	p->is_ascii = true;
	if (!each_piece(p, look_for_8bit))
		return "its content cannot be read";
	return p->is_ascii || has & EIGHTBIT ? NULL : "no 8BITMIME there";
}

static struct str mail_line(struct parcel *p)
{
	const struct envelope *e = &p->stored->envelope;
	unsigned has = p->x->features;
	struct buf line = BUF_IN(p->arena);

	buf_text(&line, "MAIL FROM:<");
	if (e->sender.len)
		mail_address_format(&line, e->sender);
	buf_char(&line, '>');
	if (has & SIZE)
		buf_fmt(&line, " SIZE=%ju", (uintmax_t)message_content_octets(
			&p->stored->head, e));
	if (has & EIGHTBIT && str_is_nocase(e->encoding, "8bit"))
		buf_text(&line, " BODY=8BITMIME");
	if (e->flags & SUBMIT_SMTPUTF8)
		buf_text(&line, " SMTPUTF8");
	if (!str_is_none(e->verp))
		buf_fmt(&line, " XVERP=%.*s", STR_ARG(e->verp));
	if (has & DSN && e->dsn_ret)
		buf_fmt(&line, " RET=%s", e->dsn_ret == DSN_RET_FULL ? "FULL"
								     : "HDRS");
	if (has & DSN && e->dsn_envid.len) {
		buf_text(&line, " ENVID=");
		xtext_format(&line, e->dsn_envid);
	}
	return buf_str(&line);
}

static struct str rcpt_line(struct parcel *p, const struct recipient *r)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
		{ DSN_NOTIFY_NEVER, "NEVER" }, { DSN_NOTIFY_SUCCESS, "SUCCESS" },
		{ DSN_NOTIFY_FAILURE, "FAILURE" }, { DSN_NOTIFY_DELAY, "DELAY" },
	};
	struct buf line = BUF_IN(p->arena);
	const char *before = " NOTIFY=";

	buf_text(&line, "RCPT TO:<");
	mail_address_format(&line, r->address);
	buf_char(&line, '>');
	if (!(p->x->features & DSN))
		return buf_str(&line);
	for (size_t i = 0; i < COUNT(words); i++)
		if (r->notify & words[i].bit) {
			buf_fmt(&line, "%s%s", before, words[i].word);
			before = ",";
		}
	if (r->orcpt.len && is_sayable(r->orcpt))
		buf_fmt(&line, " ORCPT=%.*s", STR_ARG(r->orcpt));
	return buf_str(&line);
}

static void send_recipients(struct parcel *p)
{
	const struct envelope *e = &p->stored->envelope;

	for (size_t i = 0; i < e->recipient_count && !p->x->gone; i++) {
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
		keep_all(p, p->x->gone ? "the connection was lost" : NULL);
		if (!p->x->gone)
			(void)ask(p->x, STR("RSET"));
		return;
	}
	p->encoder = (struct smtp_encoder){ .line_most =
		(size_t)p->x->job->conf->smtp_line_length_limit };
	if (!each_piece(p, put_octets))
		log_fatal("%.*s: its content cannot be read",
			STR_ARG(p->stored->envelope.queue_id));
	put_end(p);
	if (get_reply(p->x, false) / 100 == 2)
		settle(p);
	else
		keep_all(p, p->x->gone ? "the connection was lost" : NULL);
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
		keep_all(p, p->x->gone ? "the connection was lost" : NULL);
		return;
	}
	send_recipients(p);
	if (p->accepted_count && !p->x->gone) {
		send_content(p);
		return;
	}
	p->x->kept++;
	if (!p->x->gone)
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

	if (x->gone || !is_selected(&p))
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

int queue_export(struct queue_job *job)
{
	struct export x = { .job = job, .reply = BUF_IN(job->arena) };

	if (job->argc != 1)
		log_fatal("usage: posthorn queue export [selection] "
			"[--dry-run] [--json] host:port");
	alter_check_user(job->conf);
	x.alter = (struct alter){ .conf = job->conf, .arena = job->arena };
	alter_open(&x.alter);
	if (x.alter.ask)
		log_fatal("stop the mail system first");
	if (!job->dry_run)
		connect_to(&x, job->argv[0]);
	if (x.alter.is_open) {
		walk_files(&x.alter.store, QUEUE_DEFERRED, visit, &x);
		walk_files(&x.alter.store, QUEUE_HOLD, visit, &x);
		walk_slots(&x.alter.store, visit, &x);
	}
	if (x.out && !x.gone)
		(void)ask(&x, STR("QUIT"));
	log_info("%zu message%s %shanded over, %zu kept", x.sent,
		x.sent == 1 ? "" : "s", job->dry_run ? "would be " : "",
		x.kept);
	if (x.gone)
		log_error("%s: the connection was lost: run the export again",
			job->argv[0]);
	return x.gone || x.kept ? 1 : 0;
}
