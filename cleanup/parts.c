/*
 * cleanup/parts - the checks behind the header: mime_header_checks for the
 * headers of parts, nested_header_checks for those of attached messages,
 * body_checks for the lines of bodies (the first body_checks_size_limit octets
 * of each part, in pieces of line_length_limit).
 */
#include "cleanup/cleanup.h"

#include "mail/header.h"
#include "mail/mime.h"

/* A copy is made as far as something changes. */
struct walk {
	struct intake *intake;
	struct str content;
	struct buf out;
	size_t copied; /* octets of content that are in out, or dropped */
};

static void copy_to(struct walk *walk, size_t at)
{
	buf_add(&walk->out, str_of(walk->content.p + walk->copied,
		at - walk->copied));
	walk->copied = at;
}

/* One line or field that stands at `at`, with its line end `whole` long. */
static void check(struct walk *walk, enum check_kind kind, size_t at,
	struct str line, size_t whole)
{
	struct str text = STR("");
	enum check_result result =
		checks_run(walk->intake, kind, line, &text);

	if (result == CHECK_KEEP)
		return;
	copy_to(walk, at);
	if (result != CHECK_DROP)
		buf_fmt(&walk->out, "%.*s\n", STR_ARG(text));
	if (result != CHECK_PREPEND)
		walk->copied = at + whole;
}

static void check_header(struct walk *walk, const struct mime_part *part)
{
	bool is_nested = part->parent->kind == MIME_MESSAGE;
	enum check_kind kind = is_nested ? CHECK_NESTED_HEADER
					 : CHECK_MIME_HEADER;
	struct str in = str_of(walk->content.p + part->header_at,
		part->header_len);
	struct mail_header header;

	if (!checks_has(kind))
		return;
	while (!walk->intake->refusal.code && mail_header_take(&in, &header)) {
		struct str line = header.raw;

		while (line.len && line.p[line.len - 1] == '\n')
			line.len--;
		check(walk, kind, (size_t)(header.raw.p - walk->content.p),
			line, header.raw.len);
	}
}

static void check_body(struct walk *walk, const struct mime_part *part)
{
	const struct conf *conf = walk->intake->conf;
	size_t piece = conf->line_length_limit > 0
		? (size_t)conf->line_length_limit : 2048;
	struct str in = str_of(walk->content.p + part->body_at, part->body_len);

	if (!checks_has(CHECK_BODY) || conf->body_checks_size_limit <= 0)
		return;
	in = str_first(in, (size_t)conf->body_checks_size_limit);
	while (in.len > 0 && !walk->intake->refusal.code) {
		const char *end = memchr(in.p, '\n', in.len);
		size_t len = end ? (size_t)(end - in.p) : in.len;
		size_t whole = len + (end != NULL);

		if (len > piece)
			len = whole = piece;
		check(walk, CHECK_BODY, (size_t)(in.p - walk->content.p),
			str_first(in, len), whole);
		in = str_skip(in, whole);
	}
}

static void walk_part(struct walk *walk, const struct mime_part *part)
{
	if (part->parent)
		check_header(walk, part);
	for (const struct mime_part *at = part->children; at; at = at->next)
		walk_part(walk, at);
	if (part->kind == MIME_SINGLE)
		check_body(walk, part);
}

bool parts_have_checks(const struct intake *intake)
{
	if (intake->facts.flags & (SUBMIT_NO_CHECKS | SUBMIT_INTERNAL))
		return false;
	return checks_has(CHECK_MIME_HEADER) ||
		checks_has(CHECK_NESTED_HEADER) || checks_has(CHECK_BODY);
}

struct str parts_apply(struct intake *intake, struct str content)
{
	struct walk walk = { .intake = intake, .content = content,
		.out = BUF_IN(intake->arena) };

	walk_part(&walk, mime_parse(intake->arena, content));
	if (walk.copied == 0 && walk.out.len == 0)
		return content;
	copy_to(&walk, content.len);
	return buf_str(&walk.out);
}
