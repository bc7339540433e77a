#include "smtp/outgoing.h"

#include "base/log.h"
#include "content/walk.h"
#include "rewrite/header.h"

#include <errno.h>

enum {
	LOGGED_MOST = 60, /* octets of a line in the log */
};

static struct {
	const struct settings *set;
	struct checks *checks;
	struct maps *generic; /* smtp_generic_maps */
	struct rewriter *rewriter;
} rules; /* set once, by outgoing_prepare */

void outgoing_prepare(const struct settings *set)
{
	struct arena *arena = arena_new(0); /* as long as the process */
	bool lmtp = set->is_lmtp;
	const struct check_table tables[CHECK_KINDS] = {
		[CHECK_HEADER] = { lmtp ? "lmtp_header_checks" :
					  "smtp_header_checks",
			set->header_checks },
		[CHECK_MIME_HEADER] = { lmtp ? "lmtp_mime_header_checks" :
					       "smtp_mime_header_checks",
			set->mime_header_checks },
		[CHECK_NESTED_HEADER] = { lmtp ? "lmtp_nested_header_checks" :
						 "smtp_nested_header_checks",
			set->nested_header_checks },
		[CHECK_BODY] = { lmtp ? "lmtp_body_checks" : "smtp_body_checks",
			set->body_checks },
	};

	rules.set = set;
	rules.checks = checks_open(arena, set->conf, tables);
	if (set->generic_maps.len == 0)
		return;
	rules.generic = maps_open(arena, set->conf,
		lmtp ? "lmtp_generic_maps" : "smtp_generic_maps",
		set->generic_maps, 0);
	rules.rewriter = rewriter_open(arena, set->conf,
		router_open_own(arena, set->conf));
}

struct job {
	struct delivery *delivery;
	struct arena *arena;
	struct status status; /* of the checks */
};

/* ---- smtp_*_checks ---- */

static void log_action(const struct job *job, const char *action,
	enum check_kind kind, struct str line, struct str argument)
{
	log_info("%.*s: %s: %s %.*s%s%.*s", STR_ARG(job->delivery->m.queue_id),
		action, check_kind_name(kind),
		STR_ARG(str_first(line, LOGGED_MOST)),
		argument.len ? ": " : "", STR_ARG(argument));
}

static enum check_result refuse(struct job *job, enum check_kind kind,
	struct status status, const char *why)
{
	log_warning("%.*s: %s: %s: mail waits",
		STR_ARG(job->delivery->m.queue_id),
		checks_parameter(rules.checks, kind), why);
	job->status = status;
	return CHECK_STOP;
}

/* What is not for a line alone comes too late here. */
static enum check_result judge(void *context, enum check_kind kind,
	struct str line, struct str *text)
{
	struct job *job = context;
	const struct line_action *action;
	struct check_word word;

	switch (checks_find(rules.checks, job->arena, kind, line, &word)) {
	case MAPS_ABSENT:
		return CHECK_KEEP;
	case MAPS_ERROR:
		return refuse(job, kind,
			STATUS(451, 3, 0, "header or body checks lookup error"),
			"lookup problem");
	case MAPS_FOUND:
		break;
	}
	action = line_action_find(&word);
	if (!action)
		return refuse(job, kind,
			STATUS(451, 3, 5,
				"unsupported action in a header or body check"),
			"an action that is unknown or not for mail that "
			"leaves, or one without its argument");
	if (action->logged)
		log_action(job, action->logged, kind, line, word.argument);
	*text = word.argument;
	return action->result;
}

/* ---- smtp_generic_maps ---- */

static struct status map_address(void *context, struct arena *arena,
	enum rewrite_where where, struct str *address)
{
	struct job *job = context;
	struct str given = *address;

	(void)where;
	if (given.len == 0 ||
		rewrite_generic(rules.rewriter, arena, rules.generic,
			"smtp_generic_maps", address) != MAPS_ERROR)
		return STATUS_OK;
	log_warning("%.*s: %s_generic_maps lookup error for \"%.*s\"",
		STR_ARG(job->delivery->m.queue_id),
		rules.set->is_lmtp ? "lmtp" : "smtp", STR_ARG(given));
	return STATUS(451, 3, 0, "generic address mapping lookup error");
}

static struct status map_envelope(struct job *job, struct outgoing *outgoing)
{
	struct delivery *d = job->delivery;
	struct status status = map_address(job, job->arena, ENVELOPE_SENDER,
		&outgoing->sender);

	for (size_t i = 0; i < d->count && status_is_ok(status); i++)
		status = map_address(job, job->arena, ENVELOPE_RECIPIENT,
			&outgoing->recipients[i]);
	return status;
}

static struct status put_field(struct job *job,
	const struct mail_header *header, struct buf *out)
{
	unsigned where = rules.rewriter ? header_where(header->name) : 0;
	struct str changed = STR_NONE;
	struct status status = STATUS_OK;

	if (where)
		status = header_rewrite(job->arena, where, header->body,
			map_address, job, &changed);
	if (str_is_none(changed))
		buf_add(out, header->raw);
	else
		buf_fmt(out, "%.*s: %.*s\n", STR_ARG(header->name),
			STR_ARG(changed));
	return status;
}

/* ---- the content ---- */

static struct walk walk_of(struct job *job)
{
	return (struct walk){ .arena = job->arena, .conf = rules.set->conf,
		.checks = rules.checks, .judge = judge, .context = job };
}

/* The fields in front of `text` as they shall be, then what ends the header. */
static struct status change_header(struct job *job, struct str text,
	struct buf *out)
{
	struct walk walk = walk_of(job);
	struct mail_header header;
	struct status status = STATUS_OK;

	while (status_is_ok(status) && mail_header_take(&text, &header)) {
		if (!walk_field(&walk, &header, out))
			continue;
		status = put_field(job, &header, out);
		if (walk.stopped)
			status = job->status;
	}
	buf_add(out, text);
	return status;
}

/* `header` stands in place of the first `len` octets. */
static void replace_head(struct job *job, size_t len, struct str header)
{
	struct content *content = &job->delivery->content;

	content->size = content->size - len + header.len;
	if (len > content->head.len) {
		content->skip += len - content->head.len;
		content->head = header;
		return;
	}
	content->head = arena_join(job->arena, header,
		str_skip(content->head, len));
}

static struct status cannot_read(struct job *job)
{
	log_warning("%.*s: reading the content: %m",
		STR_ARG(job->delivery->m.queue_id));
	return STATUS(451, 3, 0, "the content cannot be read");
}

static struct status apply_header(struct job *job)
{
	struct buf out = BUF_IN(job->arena);
	struct status status;
	struct str header;

	if (!content_header(job->arena, &job->delivery->content,
		    OUTGOING_HEADER_MOST, &header))
		return cannot_read(job);
	if (header.len == OUTGOING_HEADER_MOST)
		return STATUS(552, 3, 4, "message header too big");
	status = change_header(job, header, &out);
	if (status_is_ok(status) && !str_eq(buf_str(&out), header))
		replace_head(job, header.len, buf_str(&out));
	return status;
}

static bool read_all(struct job *job, struct str *all)
{
	struct content *content = &job->delivery->content;
	struct buf buf = BUF_IN(job->arena);
	struct content_reader reader;
	struct str octets;

	if (!buf_room(&buf, content->size + 1)) {
		errno = ENOMEM;
		return false;
	}
	content_open(&reader, job->arena, content);
	do {
		if (!content_next(&reader, &octets))
			return false;
		buf_add(&buf, octets);
	} while (octets.len > 0);
	*all = buf_str(&buf);
	return true;
}

static struct status apply_parts(struct job *job)
{
	struct content *content = &job->delivery->content;
	struct walk walk = walk_of(job);
	struct str all = content->head;

	if (content->size > OUTGOING_WHOLE_MOST)
		return STATUS(552, 3, 4, "message too big for body checks");
	if (content->fd >= 0 && !read_all(job, &all))
		return cannot_read(job);
	all = walk_parts(&walk, all);
	*content = (struct content){ .head = all, .fd = -1, .size = all.len };
	return walk.stopped ? job->status : STATUS_OK;
}

struct status outgoing_apply(struct delivery *delivery,
	struct outgoing *outgoing)
{
	struct job job = { .delivery = delivery, .arena = delivery->arena,
		.status = STATUS_OK };
	struct walk walk = walk_of(&job);
	struct status status = STATUS_OK;

	outgoing->sender = delivery->m.sender;
	outgoing->recipients = arena_array(delivery->arena,
		delivery->count + 1, sizeof(struct str));
	for (size_t i = 0; i < delivery->count; i++)
		outgoing->recipients[i] = delivery->recipients[i].address;
	if (rules.rewriter)
		status = map_envelope(&job, outgoing);
	if (delivery->m.flags & DELIVER_VERIFY)
		return status;
	if (status_is_ok(status) && walk_has_parts(&walk))
		status = apply_parts(&job);
	if (status_is_ok(status) &&
		(rules.rewriter || walk_has_fields(&walk)))
		status = apply_header(&job);
	return status;
}
