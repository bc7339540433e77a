/*
 * queue/submit - the client's side of a submission.
 */
#include "queue/submit.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "queue/id.h"
#include "service/service.h"

enum {
	IDS_AT_ONCE = 32,
	ANSWER_S = 300,  /* cleanup has rules to run and disks to wait for */
	FILTERS_S = 7200, /* and filters, which have limits of their own */
	CONNECT_S = 60,
	SPACE_KNOWN_S = 10, /* "enough" is believed for */
	NO_SPACE_KNOWN_S = 1,
};

enum space {
	SPACE_ENOUGH,
	SPACE_RESERVE, /* only for our own notifications */
	SPACE_NONE,
};

static struct status no_queue(void)
{
	return STATUS(451, 3, 0, "Error: queue file write error");
}

static struct status no_space(void)
{
	return STATUS(452, 3, 1, "Insufficient system storage");
}

/* The IDs that this process may give out, and what cleanup said with them. */
static struct {
	uint64_t next, end;
	enum space space;
	struct moment asked;
	bool is_known;
} ids;

/* ---- IDs ---- */

static bool ask(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call = service_call(arena, "cleanup", span_s(CONNECT_S));
	struct msg_ids_want want = { .count = IDS_AT_ONCE };
	struct msg_ids_grant grant;

	if (!call || !msg_ids_want_send(call, &want) ||
		!msg_ids_grant_recv(call, &grant, span_s(ANSWER_S))) {
		log_warning("connect to cleanup: %m");
		return false;
	}
	ids.next = grant.first;
	ids.end = grant.count <= UINT64_MAX - grant.first
		? grant.first + grant.count : grant.first;
	ids.space = grant.space <= SPACE_NONE ? (enum space)grant.space
					      : SPACE_NONE;
	ids.asked = moment_now();
	ids.is_known = true;
	return true;
}

struct status submit_id(struct arena *arena, bool long_ids, struct str *id)
{
	if (ids.next == ids.end && !ask())
		return no_queue();
	if (ids.next == ids.end)
		return no_space();
	*id = queue_id_text(arena, ids.next++, wall_us(), long_ids);
	return STATUS_OK;
}

static bool is_stale(void)
{
	int64_t age = moment_between(ids.asked, moment_now()).us;
	int64_t limit = ids.space == SPACE_ENOUGH ? SPACE_KNOWN_S
						  : NO_SPACE_KNOWN_S;

	return !ids.is_known || age > limit * 1000000;
}

struct status submit_may(bool internal)
{
	if (is_stale() && !ask())
		return no_queue();
	if (ids.space == SPACE_NONE || (ids.space == SPACE_RESERVE && !internal))
		return no_space();
	return STATUS_OK;
}

/* ---- a submission ---- */

struct submission {
	struct arena *arena;
	struct msg_submission facts;
	struct msg_recipient *recipients;
	size_t recipient_count, recipient_capacity;
	struct msg_milter *milters;
	size_t milter_count, milter_capacity;
	uint64_t milters_left;
	struct buf content;
	struct call *call;
	int large; /* write-only, -1: none */
	uint64_t octets;
	struct status failure; /* code 0: none yet */
	bool is_over;
};

static void forget(void *context)
{
	struct submission *s = context;

	base_close(&s->large);
	s->large = -1;
}

/* All text fields of a message into the arena. */
static void keep_facts(struct arena *arena, struct msg_submission *m)
{
	struct str *const texts[] = { &m->queue_id, &m->sender, &m->dsn_envid,
		&m->encoding, &m->client_name, &m->client_address,
		&m->client_port, &m->helo, &m->protocol, &m->sasl_method,
		&m->sasl_username, &m->sasl_sender, &m->content_filter,
		&m->full_name, &m->redirect, &m->verp };

	for (size_t i = 0; i < COUNT(texts); i++)
		*texts[i] = arena_copy(arena, *texts[i]);
}

struct submission *submission_open(struct arena *arena,
	const struct msg_submission *facts)
{
	struct submission *s = arena_new_of(arena, struct submission);

	s->arena = arena;
	s->facts = *facts;
	keep_facts(arena, &s->facts);
	s->content = BUF_IN(arena);
	s->large = -1;
	arena_on_free(arena, forget, s);
	return s;
}

struct msg_submission *submission_facts(struct submission *s)
{
	return &s->facts;
}

void submission_recipient(struct submission *s,
	const struct msg_recipient *recipient)
{
	struct msg_recipient *kept;

	arena_grow(s->arena, &s->recipients, &s->recipient_capacity,
		s->recipient_count + 1, sizeof(*s->recipients));
	kept = &s->recipients[s->recipient_count++];
	*kept = *recipient;
	kept->address = arena_copy(s->arena, recipient->address);
	kept->orig = arena_copy(s->arena, recipient->orig);
	kept->orcpt = arena_copy(s->arena, recipient->orcpt);
}

size_t submission_recipients(const struct submission *s)
{
	return s->recipient_count;
}

void submission_milter(struct submission *s, const struct msg_milter *milter)
{
	struct msg_milter *kept;

	arena_grow(s->arena, &s->milters, &s->milter_capacity,
		s->milter_count + 1, sizeof(*s->milters));
	kept = &s->milters[s->milter_count++];
	*kept = *milter;
	kept->endpoint = arena_copy(s->arena, milter->endpoint);
	kept->eoh_macros = arena_copy(s->arena, milter->eoh_macros);
	kept->end_macros = arena_copy(s->arena, milter->end_macros);
}

uint64_t submission_milters(const struct submission *s)
{
	return s->milters_left;
}

uint64_t submission_octets(const struct submission *s)
{
	return s->octets;
}

static bool fail(struct submission *s, struct status status)
{
	if (s->failure.code == 0)
		s->failure = status;
	return false;
}

static bool connect_cleanup(struct submission *s)
{
	if (!s->call)
		s->call = service_call(s->arena, "cleanup", span_s(CONNECT_S));
	if (s->call)
		return true;
	log_warning("connect to cleanup: %m");
	return fail(s, no_queue());
}

static bool write_large(struct submission *s, struct str octets)
{
	if (fd_write_all(s->large, octets.p, octets.len))
		return true;
	return fail(s, errno == ENOSPC || errno == EDQUOT ? no_space()
							   : no_queue());
}

/* What was held in memory so far goes to the file. */
static bool open_large(struct submission *s)
{
	struct msg_large_want want = { .queue_id = s->facts.queue_id };
	struct msg_large_grant grant;
	struct str held = buf_str(&s->content);

	if (!connect_cleanup(s))
		return false;
	if (!msg_large_want_send(s->call, &want) ||
		!msg_large_grant_recv(s->call, &grant, span_s(ANSWER_S)))
		return fail(s, no_queue());
	if (grant.status != 0 || grant.file < 0) {
		base_close(&grant.file);
		return fail(s, grant.status == ENOSPC ? no_space()
						      : no_queue());
	}
	s->large = grant.file;
	return write_large(s, held);
}

bool submission_write(struct submission *s, struct str octets)
{
	if (s->failure.code)
		return false;
	s->octets += octets.len;
	if (s->large < 0 && s->octets <= CONTENT_IN_PACKET_MOST) {
		buf_add(&s->content, octets);
		return true;
	}
	if (s->large < 0 && !open_large(s))
		return false;
	return write_large(s, octets);
}

static bool send_content(struct submission *s)
{
	struct msg_content content = { .octets = buf_str(&s->content) };
	struct msg_large_done done = { .octets = s->octets };

	if (s->large < 0)
		return msg_content_send(s->call, &content);
	/* No writable descriptor is left when cleanup looks. */
	forget(s);
	return msg_large_done_send(s->call, &done);
}

static bool send_all(struct submission *s)
{
	struct msg_submit submit = { 0 };

	if (!msg_submission_send(s->call, &s->facts))
		return false;
	for (size_t i = 0; i < s->recipient_count; i++)
		if (!msg_recipient_send(s->call, &s->recipients[i]))
			return false;
	for (size_t i = 0; i < s->milter_count; i++)
		if (!msg_milter_send(s->call, &s->milters[i]))
			return false;
	return send_content(s) && msg_submit_send(s->call, &submit);
}

static struct status commit(struct submission *s)
{
	struct msg_submitted answer;

	if (s->failure.code)
		return s->failure;
	if (s->is_over || s->recipient_count == 0)
		return no_queue();
	if (!connect_cleanup(s))
		return s->failure;
	/* After a failed send cleanup may still have said why. */
	(void)!send_all(s);
	if (!msg_submitted_recv(s->call, &answer,
		    span_s(s->milter_count ? FILTERS_S : ANSWER_S)) ||
		answer.code < 200 || answer.code > 599) {
		log_warning("%.*s: cleanup: %m", STR_ARG(s->facts.queue_id));
		return no_queue();
	}
	s->milters_left = answer.milters;
	return (struct status){ (uint16_t)answer.code,
		(uint16_t)answer.subject, (uint16_t)answer.detail,
		answer.text };
}

struct status submission_commit(struct submission *s)
{
	struct status status = commit(s);

	submission_cancel(s);
	return status;
}

void submission_cancel(struct submission *s)
{
	forget(s);
	if (s->call && !s->is_over)
		call_close(s->call);
	s->call = NULL;
	s->is_over = true;
}
