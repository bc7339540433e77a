#include "milter/content.h"

#include <errno.h>

#include "mail/header.h"
#include "milter/fields.h"
#include "milter/inside.h"
#include "smtp/path.h"

enum {
	PIECE = 16 * 1024, /* of the body, as it is read */
	EDITS_MOST = 10000, /* of one filter and message */
	NAME_MOST = 998,    /* of a field, as shown */
	VALUE_MOST = MILTER_DATA_MOST - NAME_MOST - 2,
};

/* One filter and one message. */
struct talk {
	struct milters *ms;
	struct milter *m;
	struct milter_content *content;
	struct milter_fields fields;
	bool has_shown_body;        /* a piece of it */
	struct milter_reply *edits; /* what it wants */
	size_t count, capacity;
	struct buf body;            /* in place of the old one, as sent */
	bool has_body;
	struct status status;
};

/* ---- what it is shown ---- */

/* False: it has decided, or failed. */
static bool run(struct talk *t, enum event_id id, struct str data)
{
	t->status = milter_run(t->ms, t->m, &milter_events[id], data);
	return status_is_ok(t->status) && milter_is_asked(t->m);
}

static bool show_header(struct talk *t)
{
	bool with_space = t->m->options.steps & MILTER_LEADING_SPACE;
	auto_buf struct buf data = { 0 };

	for (size_t i = 0; i < t->fields.count; i++) {
		const struct milter_field *field = &t->fields.all[i];

		if (field->is_ours)
			continue;
		buf_clear(&data);
		milter_text_format(&data, str_first(field->name, NAME_MOST));
		milter_text_format(&data, str_first(
			milter_field_value(field, with_space), VALUE_MOST));
		if (!run(t, ON_HEADER, buf_str(&data)))
			return false;
	}
	return run(t, ON_END_OF_HEADER, STR(""));
}

/* A piece of the body; *more: it wants others, too. */
static bool show_piece(struct talk *t, struct str octets, bool *more)
{
	const struct event *event = &milter_events[t->has_shown_body ?
		ON_BODY : ON_FIRST_BODY];
	struct milter_reply reply;

	t->has_shown_body = true;
	t->status = STATUS_OK;
	if (!milter_say(t->ms, t->m, event, octets) ||
		(!(t->m->options.steps & event->silent) &&
			!milter_listen(t->m, event, &reply))) {
		t->status = milter_fail(t->ms, t->m, event->name);
		return false;
	}
	if (t->m->options.steps & event->silent)
		return true;
	*more = reply.kind != MILTER_SKIP;
	t->status = milter_take_reply(t->ms, t->m, event, &reply);
	return status_is_ok(t->status) && milter_is_asked(t->m);
}

static struct str read_body(const struct milter_content *content, uint64_t at)
{
	uint64_t left = content->body_octets - at;
	size_t len = left < PIECE ? (size_t)left : PIECE;

	if (content->has_new_body)
		return str_of(content->body.p + at, len);
	return content->read(content->owner, at, len);
}

static void add_wire(struct buf *wire, struct str text)
{
	while (text.len > 0) {
		size_t line = str_find_char(text, '\n');

		buf_add(wire, str_first(text, line));
		if (line == SIZE_MAX)
			return;
		buf_text(wire, "\r\n");
		text = str_skip(text, line + 1);
	}
}

static bool show_full_pieces(struct talk *t, struct buf *wire, bool *more)
{
	while (*more && wire->len >= MILTER_BODY_MOST) {
		if (!show_piece(t, str_of(wire->p, MILTER_BODY_MOST), more))
			return false;
		buf_drop(wire, MILTER_BODY_MOST);
	}
	return true;
}

static bool show_body(struct talk *t)
{
	auto_buf struct buf wire = { 0 };
	bool more = milter_hears(t->m, &milter_events[ON_BODY]);

	for (uint64_t at = 0; more && at < t->content->body_octets;) {
		struct str text = read_body(t->content, at);

		if (text.len == 0) {
			t->status = STATUS(451, 3, 0,
				"Error: queue file write error");
			return false;
		}
		at += text.len;
		add_wire(&wire, text);
		if (!show_full_pieces(t, &wire, &more))
			return false;
	}
	return !more || wire.len == 0 ||
		show_piece(t, buf_str(&wire), &more);
}

/* ---- what it wants ---- */

static bool keep_body(struct talk *t, struct str octets)
{
	uint64_t most = t->content->body_most;

	t->has_body = true;
	if (most > 0 && t->body.len + octets.len > most + most / 8)
		return false;
	buf_add(&t->body, octets);
	return true;
}

static bool is_field_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!mail_header_is_name_char((unsigned char)name.p[i]))
			return false;
	return name.len > 0;
}

/* "<a@example.org>", or without <>: in internal form. */
static bool take_address(struct arena *arena, struct str *text)
{
	struct str in = str_trim(*text);
	bool has_route;

	return smtp_path_take(arena, &in, false, text, &has_route) &&
		in.len == 0 && str_is_utf8(*text);
}

/* What it has to name is named well; addresses are in internal form then. */
static bool is_sane(struct arena *arena, struct milter_reply *edit)
{
	switch ((enum milter_answer)edit->kind) {
	case MILTER_ADD_HEADER:
	case MILTER_INSERT_HEADER:
	case MILTER_CHANGE_HEADER:
		return is_field_name(edit->name);
	case MILTER_CHANGE_SENDER:
		return take_address(arena, &edit->name);
	case MILTER_ADD_RECIPIENT:
	case MILTER_ADD_RECIPIENT_WITH:
	case MILTER_DELETE_RECIPIENT:
		return take_address(arena, &edit->name) && edit->name.len > 0;
	default:
		return true;
	}
}

/* False: nonsense. */
static bool keep(struct talk *t, const struct milter_reply *reply)
{
	struct arena *arena = t->content->arena;
	struct milter_reply *kept;

	if (reply->kind == MILTER_REPLACE_BODY)
		return keep_body(t, reply->name);
	if (t->count == EDITS_MOST)
		return false;
	arena_grow(arena, &t->edits, &t->capacity, t->count + 1,
		sizeof(*t->edits));
	kept = &t->edits[t->count++];
	*kept = *reply;
	kept->name = arena_copy(arena, reply->name);
	kept->value = arena_copy(arena, reply->value);
	return is_sane(arena, kept);
}

/* The end of the message, and all up to the answer that decides. */
static bool hear_edits(struct talk *t)
{
	const struct event *event = &milter_events[ON_END];
	struct milter_reply reply;

	if (!milter_say(t->ms, t->m, event, STR("")))
		return false;
	for (;;) {
		if (!milter_listen(t->m, event, &reply))
			return false;
		if (!milter_reply_is_edit(&reply))
			break;
		if (!keep(t, &reply)) {
			errno = EPROTO;
			return false;
		}
	}
	t->m->in_message = false;
	t->status = milter_take_reply(t->ms, t->m, event, &reply);
	return true;
}

/* ---- doing it ---- */

/* The line as it will stand there; false: it will not. */
static bool make_line(struct talk *t, const struct milter_reply *edit,
	struct str *raw)
{
	struct milter_content *c = t->content;
	bool with_space = t->m->options.steps & MILTER_LEADING_SPACE;
	struct str made = milter_field_make(c->arena, edit->name, edit->value,
		with_space);
	struct str line = str_first(made, made.len - 1);

	switch (c->line(c->owner, &line)) {
	case MILTER_LINE_TAKE:
		*raw = arena_fmt(c->arena, "%.*s\n", STR_ARG(line));
		return true;
	case MILTER_LINE_STOP:
		t->status = STATUS(550, 7, 1, "message content rejected");
		return false;
	case MILTER_LINE_LEAVE:
		break;
	}
	return false;
}

static void change_header(struct talk *t, const struct milter_reply *edit)
{
	size_t at = milter_fields_find(&t->fields, edit->name, edit->index);
	struct str raw;

	if (edit->value.len == 0) {
		if (at != SIZE_MAX)
			milter_fields_remove(&t->fields, at);
		return;
	}
	if (!make_line(t, edit, &raw))
		return;
	if (at == SIZE_MAX)
		milter_fields_add(&t->fields, raw, edit->name);
	else
		milter_fields_replace(&t->fields, at, raw, edit->name);
}

static void new_header(struct talk *t, const struct milter_reply *edit)
{
	struct str raw;

	if (!make_line(t, edit, &raw))
		return;
	if (edit->kind == MILTER_ADD_HEADER)
		milter_fields_add(&t->fields, raw, edit->name);
	else
		milter_fields_insert(&t->fields, edit->index, raw,
			edit->name);
}

static void do_edit(struct talk *t, const struct milter_reply *edit)
{
	struct milter_content *c = t->content;

	switch ((enum milter_answer)edit->kind) {
	case MILTER_ADD_HEADER:
	case MILTER_INSERT_HEADER:
		new_header(t, edit);
		break;
	case MILTER_CHANGE_HEADER:
		change_header(t, edit);
		break;
	case MILTER_QUARANTINE:
		t->ms->hold = edit->name.len > 0 ? edit->name :
			STR("milter triggers HOLD action");
		break;
	default:
		c->edit(c->owner, &(struct milter_edit){ .kind = edit->kind,
			.address = edit->name, .arguments = edit->value });
	}
}

/* CRLF becomes LF; a CR or NUL elsewhere would be no text. */
static struct str text_of(struct arena *arena, struct str wire)
{
	struct buf text = BUF_IN(arena);

	if (!buf_room(&text, wire.len + 1))
		return STR_NONE;
	for (size_t i = 0; i < wire.len; i++)
		if (wire.p[i] == '\r' && i + 1 < wire.len &&
			wire.p[i + 1] == '\n')
			continue;
		else if (wire.p[i] != '\0')
			buf_char(&text, wire.p[i] == '\r' ? ' ' : wire.p[i]);
	if (text.len > 0 && text.p[text.len - 1] != '\n')
		buf_char(&text, '\n');
	return buf_str(&text);
}

static void apply(struct talk *t)
{
	struct milter_content *c = t->content;
	struct buf header = BUF_IN(c->arena);

	for (size_t i = 0; i < t->count && status_is_ok(t->status); i++)
		do_edit(t, &t->edits[i]);
	milter_fields_format(&t->fields, &header);
	if (!str_eq(c->header, buf_str(&header))) {
		c->header = buf_str(&header);
		c->has_new_header = true;
	}
	if (t->has_body) {
		c->body = text_of(c->arena, buf_str(&t->body));
		c->body_octets = c->body.len;
		c->has_new_body = true;
	}
}

static void talk(struct talk *t)
{
	if (!show_header(t) || !show_body(t))
		return;
	if (!hear_edits(t))
		t->status = milter_fail(t->ms, t->m, "BODYEOB");
	else if (status_is_ok(t->status) && !t->ms->discard)
		apply(t);
}

struct status milters_content(struct milters *ms,
	struct milter_content *content)
{
	struct status status = STATUS_OK;

	for (size_t i = 0; i < ms->count && status_is_ok(status) &&
		!ms->discard; i++) {
		struct talk t = { .ms = ms, .m = &ms->all[i],
			.content = content, .body = { 0 },
			.status = STATUS_OK };

		if (!milter_is_asked(t.m))
			continue;
		milter_fields_parse(content->arena, content->header,
			&t.fields);
		talk(&t);
		buf_free(&t.body);
		status = t.status;
	}
	milter_end_message(ms);
	return status;
}
