#include "mail/mime.h"

#include "mail/header.h"

/* A place in the message, always at the start of a line. */
struct mark {
	size_t at;
	uint32_t lines, bare; /* line feeds before it; those without CR */
};

struct walk {
	struct arena *arena;
	struct str message;
	struct mark mark;
	unsigned level_most;
	size_t boundary_most;
	bool is_deeper; /* than level_most */
	struct open_multipart {
		struct str boundary;
		bool is_cut; /* there is more of it, which is not compared */
	} open[MIME_DEPTH_MOST];
	unsigned level; /* how many of them */
	unsigned depth; /* how deep parse_entity is */
	unsigned parts;
};

/* What ended a body. */
struct stop {
	struct mark mark; /* before the boundary line, or the end */
	int level;        /* index in open;     -1: end of the message */
	bool is_close;    /* "--boundary--" */
};

/* The line at the mark without its end; the mark moves behind it. */
static bool take_line(struct walk *walk, struct str *line)
{
	struct str rest = str_skip(walk->message, walk->mark.at);
	size_t end = str_find_char(rest, '\n');

	if (rest.len == 0)
		return false;
	*line = str_first(rest, end);
	if (end == SIZE_MAX) {
		walk->mark.at += rest.len;
		return true;
	}
	walk->mark.at += end + 1;
	walk->mark.lines++;
	if (str_ends(*line, STR("\r")))
		line->len--;
	else
		walk->mark.bare++;
	return true;
}

static bool is_blanks(struct str text)
{
	return str_trim(text).len == 0;
}

/* "--" at the end of what is left of a line, with blanks behind it; what a cut
 * boundary leaves over is passed. */
static bool take_close(const struct open_multipart *open, struct str *rest)
{
	struct str text = str_trim(*rest);

	if (!open->is_cut)
		return str_take_prefix(rest, STR("--"));
	*rest = STR("");
	return str_ends(text, STR("--"));
}

/* RFC 2046 5.1.1; the innermost multipart first. */
static bool is_boundary(const struct walk *walk, struct str line,
	struct stop *stop)
{
	if (!str_take_prefix(&line, STR("--")))
		return false;
	for (int level = (int)walk->level - 1; level >= 0; level--) {
		struct str rest = line;

		if (!str_take_prefix(&rest, walk->open[level].boundary))
			continue;
		stop->is_close = take_close(&walk->open[level], &rest);
		stop->level = level;
		if (is_blanks(rest))
			return true;
	}
	return false;
}

/* Pass lines up to and with the next boundary. */
static struct stop find_boundary(struct walk *walk)
{
	struct stop stop;
	struct str line;

	do {
		stop = (struct stop){ .mark = walk->mark, .level = -1 };
		if (!take_line(walk, &line))
			return stop;
	} while (!is_boundary(walk, line, &stop));
	return stop;
}

static void pass_lines(struct walk *walk, size_t len)
{
	size_t end = walk->mark.at + len;
	struct str line;

	while (walk->mark.at < end && take_line(walk, &line))
		;
}

static void parse_type(struct walk *walk, struct mime_part *part,
	struct str body)
{
	struct str type, subtype;

	if (part->has_type || !mail_token_take(&body, &type) ||
		!str_take_char(&body, '/') ||
		!mail_token_take(&body, &subtype))
		return;
	part->has_type = true;
	part->type = type;
	part->subtype = subtype;
	mail_params_parse(walk->arena, body, &part->params);
}

static void parse_disposition(struct walk *walk, struct mime_part *part,
	struct str body)
{
	struct str token;

	if (!str_is_none(part->disposition) || !mail_token_take(&body, &token))
		return;
	part->disposition = token;
	mail_params_parse(walk->arena, body, &part->disposition_params);
}

static void parse_encoding(struct walk *walk, struct mime_part *part,
	struct str body)
{
	(void)walk;
	if (!str_is_none(part->encoding) ||
		!mail_token_take(&body, &part->encoding))
		return;
}

/* Fields that are kept as text. */
static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	{ "Content-ID", offsetof(struct mime_part, id) },
	{ "Content-Description", offsetof(struct mime_part, description) },
	{ "Content-MD5", offsetof(struct mime_part, md5) },
	{ "Content-Location", offsetof(struct mime_part, location) },
	{ "Content-Language", offsetof(struct mime_part, language) },
};

static const struct {
	const char *name;
	void (*parse)(struct walk *, struct mime_part *, struct str body);
} fields[] = {
	{ "Content-Type", parse_type },
	{ "Content-Disposition", parse_disposition },
	{ "Content-Transfer-Encoding", parse_encoding },
};

static void parse_field(struct walk *walk, struct mime_part *part,
	const struct mail_header *field)
{
	if (!str_starts_nocase(field->name, STR("Content-")))
		return;
	for (size_t i = 0; i < COUNT(fields); i++)
		if (mail_header_is(field, fields[i].name))
			fields[i].parse(walk, part, field->body);
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct str *text = (struct str *)(void *)((char *)part +
			texts[i].offset);

		if (mail_header_is(field, texts[i].name) &&
			str_is_none(*text))
			*text = mail_header_unfold(walk->arena, field->body);
	}
}

/* The header. True: a boundary stands in place of its end; nothing was taken
 * of that line. */
static bool parse_header(struct walk *walk, struct mime_part *part)
{
	for (;;) {
		struct str rest = str_skip(walk->message, walk->mark.at);
		struct mark before = walk->mark;
		struct mail_header field;
		struct stop stop;
		struct str line;

		if (!take_line(walk, &line))
			return false;
		walk->mark = before;
		if (is_boundary(walk, line, &stop))
			return true;
		if (mail_header_take(&rest, &field)) {
			pass_lines(walk, field.raw.len);
			parse_field(walk, part, &field);
			continue;
		}
		if (mail_header_take_end(&rest))
			(void)take_line(walk, &line);
		return false;
	}
}

/* The body goes from `start` to what stopped it; the line end before a
 * boundary belongs to the boundary. */
static void end_body(const struct walk *walk, struct mime_part *part,
	const struct mark *start, const struct stop *stop)
{
	struct str body = str_of(walk->message.p + start->at,
		stop->mark.at - start->at);
	uint32_t lines = stop->mark.lines - start->lines;
	uint32_t bare = stop->mark.bare - start->bare;

	if (stop->level >= 0 && str_ends(body, STR("\n"))) {
		body.len--;
		lines--;
		if (str_ends(body, STR("\r")))
			body.len--;
		else
			bare--;
	}
	part->body_at = start->at;
	part->body_len = body.len;
	part->body_lines = lines;
	part->body_bare = bare;
}

static struct stop parse_entity(struct walk *walk, struct mime_part *part);

static struct mime_part *add_child(struct walk *walk, struct mime_part *parent,
	struct mime_part *last)
{
	struct mime_part *part = arena_new_of(walk->arena, struct mime_part);

	walk->parts++;
	part->parent = parent;
	part->number = last ? last->number + 1 : 1;
	if (last)
		last->next = part;
	else
		parent->children = part;
	return part;
}

/* The parts; ends behind the boundary of an outer multipart, or the end. */
static struct stop parse_multipart(struct walk *walk, struct mime_part *part,
	struct str boundary)
{
	int level = (int)walk->level;
	struct mime_part *last = NULL;
	struct stop stop;

	walk->open[walk->level++] = (struct open_multipart){
		str_first(boundary, walk->boundary_most),
		boundary.len > walk->boundary_most };
	stop = find_boundary(walk);
	while (stop.level == level && !stop.is_close &&
		walk->parts < MIME_PARTS_MOST) {
		last = add_child(walk, part, last);
		stop = parse_entity(walk, last);
	}
	walk->level--;
	if (stop.level == level) /* closed: the epilogue, or over the limit */
		stop = find_boundary(walk);
	part->kind = part->children ? MIME_MULTIPART : MIME_SINGLE;
	return stop;
}

static struct stop parse_message(struct walk *walk, struct mime_part *part)
{
	struct mime_part *child = add_child(walk, part, NULL);

	part->kind = MIME_MESSAGE;
	return parse_entity(walk, child);
}

static bool is_message(const struct mime_part *part)
{
	return str_is_nocase(part->type, "message") &&
		(str_is_nocase(part->subtype, "rfc822") ||
		str_is_nocase(part->subtype, "global"));
}

/* An encoded message cannot be looked into. */
static bool is_readable(const struct mime_part *part)
{
	return !str_is_nocase(part->encoding, "base64") &&
		!str_is_nocase(part->encoding, "quoted-printable");
}

static void set_defaults(struct mime_part *part)
{
	bool in_digest = part->parent &&
		str_is_nocase(part->parent->type, "multipart") &&
		str_is_nocase(part->parent->subtype, "digest");

	if (!part->has_type) { /* RFC 2046 5.1.5, RFC 2045 5.2 */
		part->type = in_digest ? STR("message") : STR("text");
		part->subtype = in_digest ? STR("rfc822") : STR("plain");
	}
	if (str_is_none(part->encoding))
		part->encoding = STR("7bit");
}

/* NONE: no multipart that can be taken apart. */
static struct str find_boundary_param(const struct mime_part *part)
{
	struct str boundary;

	if (!str_is_nocase(part->type, "multipart"))
		return STR_NONE;
	boundary = mail_params_find(&part->params, "boundary");
	while (str_ends(boundary, STR(" ")))
		boundary.len--;
	return boundary.len > 0 && boundary.len <= MIME_BOUNDARY_MOST ?
		boundary : STR_NONE;
}

static struct stop parse_body(struct walk *walk, struct mime_part *part)
{
	bool may_descend = walk->depth < MIME_DEPTH_MOST &&
		walk->parts < MIME_PARTS_MOST;
	struct str boundary = find_boundary_param(part);
	bool is_deepest = walk->level >= walk->level_most;

	walk->is_deeper |= is_deepest && boundary.len > 0;
	if (may_descend && !is_deepest && boundary.len > 0)
		return parse_multipart(walk, part, boundary);
	if (may_descend && is_message(part) && is_readable(part))
		return parse_message(walk, part);
	return find_boundary(walk);
}

static struct stop parse_entity(struct walk *walk, struct mime_part *part)
{
	struct mark start = walk->mark, body;
	struct stop stop;
	bool cut;

	walk->depth++;
	cut = parse_header(walk, part);
	body = walk->mark;
	set_defaults(part);
	part->header_at = start.at;
	part->header_len = body.at - start.at;
	part->header_lines = body.lines - start.lines;
	part->header_bare = body.bare - start.bare;
	stop = cut ? find_boundary(walk) : parse_body(walk, part);
	end_body(walk, part, &body, &stop);
	walk->depth--;
	return stop;
}

struct mime_part *mime_parse(struct arena *arena, struct str message)
{
	bool is_deeper;

	return mime_parse_within(arena, message,
		&(struct mime_limits){ MIME_DEPTH_MOST, MIME_BOUNDARY_MOST },
		&is_deeper);
}

struct mime_part *mime_parse_within(struct arena *arena, struct str message,
	const struct mime_limits *limits, bool *is_deeper)
{
	struct mime_part *part = arena_new_of(arena, struct mime_part);
	struct walk *walk = arena_new_of(arena, struct walk);

	walk->level_most = limits->depth < MIME_DEPTH_MOST ? limits->depth :
		MIME_DEPTH_MOST;
	walk->boundary_most = limits->boundary;
	*is_deeper = false;
	walk->arena = arena;
	walk->message = message;
	walk->parts = 1;
	part->number = 1;
	(void)parse_entity(walk, part);
	*is_deeper = walk->is_deeper;
	return part;
}

static const struct mime_part *nth_child(const struct mime_part *part,
	unsigned number)
{
	const struct mime_part *child = part->children;

	while (child && child->number != number)
		child = child->next;
	return child;
}

const struct mime_part *mime_part_find(const struct mime_part *message,
	const unsigned *numbers, size_t count)
{
	const struct mime_part *part = message;

	for (size_t i = 0; i < count && part; i++) {
		/* Inside a message its parts are counted directly. */
		if (i > 0 && part->kind == MIME_MESSAGE)
			part = part->children;
		if (part->kind == MIME_MULTIPART)
			part = nth_child(part, numbers[i]);
		else if (i > 0 && (!part->parent ||
			part->parent->kind != MIME_MESSAGE))
			part = NULL;
		else if (numbers[i] != 1)
			part = NULL;
	}
	return part;
}
