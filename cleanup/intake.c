/*
 * cleanup/intake - one submission, from its first message to the answer.
 */
#include "cleanup/cleanup.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "queue/id.h"

enum {
	STEP_S = 3600,      /* a client may be slow with its content */
	RECIPIENTS_MOST = 100000,
	CHECKED_MOST = 256 * 1024 * 1024, /* content that is read for checks */
	HEAD_MOST = 256 * 1024, /* of a large file: what is read for its header */
	HEAD_FIRST = 16 * 1024, /* that is enough for nearly all */
};

static struct status write_error(void)
{
	return STATUS(451, 3, 0, "Error: queue file write error");
}

/* ---- receiving ---- */

/* One that is there already, if that can be. */
static int make_large(struct intake *in)
{
	struct cleanup *cleanup = in->cleanup;
	uint64_t old;
	int fd;

	if (spares_take(&cleanup->spares, &old)) {
		fd = large_again(cleanup->disk, old, in->serial);
		in->is_again = fd >= 0;
		if (fd >= 0)
			return fd;
	}
	return large_create(cleanup->disk, in->serial);
}

static bool take_large_want(struct intake *in)
{
	struct msg_large_want want;
	struct msg_large_grant grant = { .file = -1 };
	bool sent;

	if (!msg_large_want_recv(in->call, &want, span_s(STEP_S)) ||
		in->is_large || !queue_id_parse(want.queue_id, &in->serial))
		return false;
	if (space_left(in->cleanup) == 2)
		errno = ENOSPC;
	else
		grant.file = make_large(in);
	in->large_mark = large_mark(&in->cleanup->large);
	if (grant.file < 0) {
		grant.status = (uint64_t)errno;
		log_warning("%.*s: large content: %m", STR_ARG(want.queue_id));
	}
	in->is_large = grant.file >= 0;
	sent = msg_large_grant_send(in->call, &grant);
	base_close(&grant.file); /* the session's is the only one */
	return sent && in->is_large;
}

static bool take_facts(struct intake *in)
{
	uint64_t serial;

	if (in->facts.queue_id.len ||
		!msg_submission_recv(in->call, &in->facts, span_s(STEP_S)) ||
		!queue_id_parse(in->facts.queue_id, &serial) ||
		(in->is_large && serial != in->serial))
		return false;
	in->serial = serial;
	if (str_is_none(in->facts.sender))
		in->facts.sender = STR("");
	return true;
}

static bool take_recipient(struct intake *in)
{
	struct msg_recipient *r;

	if (in->recipient_count >= RECIPIENTS_MOST)
		return false;
	arena_grow(in->arena, &in->recipients, &in->recipient_capacity,
		in->recipient_count + 1, sizeof(*in->recipients));
	r = &in->recipients[in->recipient_count];
	if (!msg_recipient_recv(in->call, r, span_s(STEP_S)) ||
		r->address.len == 0)
		return false;
	in->recipient_count++;
	return true;
}

static bool take_content(struct intake *in)
{
	struct msg_content content;

	if (in->has_content || in->is_large ||
		!msg_content_recv(in->call, &content, span_s(STEP_S)) ||
		content.octets.len > CONTENT_IN_PACKET_MOST)
		return false;
	in->content = content.octets;
	in->octets = content.octets.len;
	in->has_content = true;
	return true;
}

static bool take_large_done(struct intake *in)
{
	struct msg_large_done done;

	if (in->has_content || !in->is_large ||
		!msg_large_done_recv(in->call, &done, span_s(STEP_S)) ||
		done.octets == 0 || done.octets > INT64_MAX)
		return false;
	in->octets = done.octets;
	in->has_content = true;
	return true;
}

static const struct step {
	enum msg_kind kind;
	bool (*take)(struct intake *in);
} steps[] = {
	{ MSG_large_want, take_large_want },
	{ MSG_submission, take_facts },
	{ MSG_recipient, take_recipient },
	{ MSG_content, take_content },
	{ MSG_large_done, take_large_done },
	{ MSG_milter, milter_take },
};

static const struct step *find_step(enum msg_kind kind)
{
	for (size_t i = 0; i < COUNT(steps); i++)
		if (steps[i].kind == kind)
			return &steps[i];
	return NULL;
}

/* All up to `submit`. False: cancelled, or nonsense. */
static bool receive(struct intake *in)
{
	struct msg_submit submit;
	enum msg_kind kind;

	while (call_peek(in->call, &kind, span_s(STEP_S))) {
		const struct step *step = find_step(kind);

		if (kind == MSG_submit)
			return msg_submit_recv(in->call, &submit, span_s(1)) &&
				in->facts.queue_id.len && in->has_content &&
				in->recipient_count > 0;
		if (!step || !step->take(in))
			return false;
	}
	return false;
}

/* ---- the message ---- */

static bool read_first(struct intake *in, int fd, size_t most,
	struct str *head)
{
	size_t len = in->octets < most ? (size_t)in->octets : most;
	char *octets = arena_octets_new(in->arena, len);

	*head = str_of(octets, len);
	return disk_read_all(in->cleanup->disk, fd, octets, len, 0);
}

/* Of the first octets of some content: its header, and the empty line. */
static bool has_header(struct str head)
{
	return str_starts(head, STR("\n")) ||
		str_find(head, STR("\n\n")) != SIZE_MAX;
}

static struct status read_head(struct intake *in, int fd, struct str *head)
{
	if (!read_first(in, fd, HEAD_FIRST, head) ||
		(!has_header(*head) && in->octets > head->len &&
			!read_first(in, fd, HEAD_MOST, head)))
		return write_error();
	return STATUS_OK;
}

static void close_file(struct intake *in)
{
	if (in->file >= 0)
		disk_close(in->cleanup->disk, &in->file);
	in->file = -1;
}

static bool seal(struct intake *in)
{
	return large_seal(&in->cleanup->large, in->serial, in->large_mark,
		in->octets, in->is_again, &in->file);
}

/* Content that has changed is a new file, not yet named. */
static struct status replace_large(struct intake *in, struct str content)
{
	struct disk *disk = in->cleanup->disk;
	bool done;
	int fd;

	close_file(in);
	if (in->is_large)
		large_drop(disk, in->serial);
	in->is_again = false;
	fd = large_create(disk, in->serial);
	if (fd < 0)
		return write_error();
	in->large_mark = large_mark(&in->cleanup->large);
	in->is_large = true;
	done = disk_write_all(disk, fd, content.p, content.len, 0);
	disk_close(disk, &fd);
	in->octets = content.len;
	if (done && content.len > 0 &&
		seal(in))
		return STATUS_OK;
	log_warning("%.*s: large content: %m", STR_ARG(in->facts.queue_id));
	return write_error();
}

struct status intake_replace(struct intake *in, struct str content)
{
	in->skip = 0;
	in->content = STR("");
	if (in->is_large || content.len > CONTENT_IN_PACKET_MOST)
		return replace_large(in, content);
	in->content = content;
	return STATUS_OK;
}

/* What is said about the whole content, in front of its header's rules. */
static bool has_rules(struct intake *in)
{
	return strict_concerns(in) || checks_have_parts(in);
}

static struct str apply_rules(struct intake *in, struct str content)
{
	if (strict_concerns(in))
		content = strict_apply(in, content);
	if (!in->refusal.code && checks_have_parts(in))
		content = checks_parts(in, content);
	return content;
}

static struct status check_large(struct intake *in, struct str *head)
{
	struct str content, checked;
	struct status status = STATUS_OK;
	char *octets;

	if (in->octets > CHECKED_MOST)
		return STATUS(552, 3, 4, "Error: message file too big");
	octets = arena_alloc(in->arena, (size_t)in->octets);
	content = str_of(octets, (size_t)in->octets);
	if (!disk_read_all(in->cleanup->disk, in->file, octets, content.len,
		    0))
		return write_error();
	checked = apply_rules(in, content);
	if (checked.p != content.p)
		status = replace_large(in, checked);
	*head = str_first(checked, HEAD_MOST);
	return status;
}

/* Large content is durable and nobody's to change from here on. */
static struct status apply_large(struct intake *in)
{
	struct status status;
	struct str head;

	if (!seal(in)) {
		log_warning("%.*s: large content: %m",
			STR_ARG(in->facts.queue_id));
		return write_error();
	}
	status = has_rules(in) ? check_large(in, &head)
			       : read_head(in, in->file, &head);
	in->content = STR("");
	if (!status_is_ok(status))
		return status;
	utf8_header(in, head);
	status = header_apply(in, head);
	return status_is_ok(status) ? milter_apply(in, head) : status;
}

static struct status check_size(const struct intake *in)
{
	int64_t limit = in->conf->message_size_limit;

	if (limit <= 0 || in->octets <= (uint64_t)limit ||
		(in->facts.flags & SUBMIT_INTERNAL))
		return STATUS_OK;
	log_warning("%.*s: queue file size limit exceeded",
		STR_ARG(in->facts.queue_id));
	return STATUS(552, 3, 4, "Error: message file too big");
}

static struct str some(struct str text)
{
	return text.len ? text : STR_NONE;
}

static void fill_envelope(const struct intake *in, struct envelope *envelope)
{
	const struct msg_submission *f = &in->facts;

	*envelope = (struct envelope){
		.queue_id = f->queue_id,
		.sender = f->sender,
		.arrival_us = f->arrival_us,
		.flags = f->flags | (in->hold ? SUBMIT_HOLD : 0),
		.dsn_envid = f->dsn_envid,
		.dsn_ret = f->dsn_ret,
		.encoding = some(f->encoding),
		.client_name = some(f->client_name),
		.client_address = some(f->client_address),
		.client_port = some(f->client_port),
		.helo = some(f->helo),
		.protocol = some(f->protocol),
		.sasl_method = f->sasl_method,
		.sasl_username = f->sasl_username,
		.sasl_sender = f->sasl_sender,
		.content_filter = some(f->content_filter),
		.message_id = some(in->message_id),
		.verp = some(f->verp),
		.skip = in->skip,
		.recipient_count = in->recipient_count,
	};
	envelope->recipients = arena_array(in->arena, in->recipient_count,
		sizeof(struct recipient));
	for (size_t i = 0; i < in->recipient_count; i++) {
		const struct msg_recipient *r = &in->recipients[i];

		envelope->recipients[i] = (struct recipient){
			.address = r->address,
			.orig = str_eq(r->orig, r->address) ? STR_NONE :
							      r->orig,
			.orcpt = r->orcpt,
			.notify = r->notify,
		};
	}
}

/* Never used again; this process has no children that could draw the same. */
static uint64_t fresh_nonce(void)
{
	static uint64_t drawn[64];
	static size_t left;

	if (left == 0) {
		random_octets(drawn, sizeof(drawn));
		left = COUNT(drawn);
	}
	return drawn[--left];
}

static struct status commit(struct intake *in, struct place *place)
{
	struct message_head head = { .serial = in->serial,
		.commit_us = wall_us(),
		.large_octets = in->is_large ? in->octets : 0 };
	struct buf octets = BUF_IN(in->arena);
	struct envelope envelope;

	head.nonce = fresh_nonce();
	message_boot_id(head.boot_id);
	fill_envelope(in, &envelope);
	message_format(&octets, &head, &envelope, in->content);
	if (journal_commit(in->cleanup->journal, buf_str(&octets), in->serial,
		    place))
		return STATUS(250, 0, 0, "Ok");
	log_warning("%.*s: journal: %m", STR_ARG(in->facts.queue_id));
	if (errno == EMSGSIZE)
		return STATUS(452, 5, 3, "Error: too many recipients");
	return errno == ENOSPC
		? STATUS(452, 3, 1, "Insufficient system storage")
		: write_error();
}

static void apply_defaults(struct intake *in)
{
	struct msg_submission *f = &in->facts;

	if (f->arrival_us == 0)
		f->arrival_us = (uint64_t)wall_us();
	in->hold = f->flags & SUBMIT_HOLD;
	in->discard = f->flags & SUBMIT_DISCARD;
}

static struct status apply_body(struct intake *in)
{
	struct status status;

	if (in->is_large)
		return apply_large(in);
	if (has_rules(in))
		in->content = apply_rules(in, in->content);
	if (in->refusal.code)
		return in->refusal;
	utf8_header(in, in->content);
	status = header_apply(in, in->content);
	return status_is_ok(status) ? milter_apply(in, in->content) : status;
}

/* Everything between `submit` and `submitted`. */
static struct status run(struct intake *in, struct place *place)
{
	struct status status = check_size(in);

	apply_defaults(in);
	if (status_is_ok(status))
		status = apply_body(in);
	if (status_is_ok(status) && in->refusal.code)
		status = in->refusal;
	if (status_is_ok(status) && !in->discard)
		status = envelope_apply(in);
	if (!status_is_ok(status) || in->discard)
		return status;
	if (probe_is_known(in))
		return probe_answer(in);
	utf8_envelope(in);
	return commit(in, place);
}

static void answer(struct intake *in, struct status status)
{
	struct msg_submitted submitted = { .code = status.code,
		.subject = status.subject, .detail = status.detail,
		.text = status.text, .milters = milter_end(in) };

	(void)!msg_submitted_send(in->call, &submitted);
}

void intake_run(struct cleanup *cleanup, struct call *call)
{
	struct intake in = { .cleanup = cleanup, .conf = cleanup->conf,
		.arena = call_arena(call), .call = call, .file = -1 };
	struct place place = { .serial = 0 };
	struct status status;

	if (!receive(&in)) {
		if (in.is_large)
			large_drop(cleanup->disk, in.serial);
		if (in.facts.queue_id.len)
			log_info("%.*s: removed (canceled)",
				STR_ARG(in.facts.queue_id));
		return;
	}
	status = run(&in, &place);
	close_file(&in);
	if (in.is_large && !place.serial)
		large_drop(cleanup->disk, in.serial);
	if (in.discard && status_is_ok(status))
		log_info("%.*s: removed (discarded)",
			STR_ARG(in.facts.queue_id));
	answer(&in, status);
	if (place.serial)
		announce(cleanup, &place, in.facts.queue_id);
}
