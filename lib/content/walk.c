#include "content/walk.h"

#include "mail/mime.h"

enum {
	PIECE = 2048, /* of a line, if line_length_limit does not say */
};

static struct str without_end(struct str field)
{
	while (field.len && field.p[field.len - 1] == '\n')
		field.len--;
	return field;
}

static enum check_result ask(struct walk *walk, enum check_kind kind,
	struct str line, struct str *text)
{
	enum check_result result = walk->judge(walk->context, kind, line, text);

	walk->stopped |= result == CHECK_STOP || result == CHECK_PASS;
	return result;
}

/* The fields of a header that say what the body is: Postfix has one table for
 * them, wherever they stand. */
static bool is_about_mime(const struct mail_header *header)
{
	static const char *const names[] = { "Content-Description",
		"Content-Disposition", "Content-ID",
		"Content-Transfer-Encoding", "Content-Type", "MIME-Version" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (mail_header_is(header, names[i]))
			return true;
	return false;
}

bool walk_has_fields(const struct walk *walk)
{
	return checks_has(walk->checks, CHECK_HEADER) ||
		checks_has(walk->checks, CHECK_MIME_HEADER);
}

bool walk_field(struct walk *walk, const struct mail_header *header,
	struct buf *out)
{
	struct str text = STR("");
	enum check_kind kind = is_about_mime(header) ? CHECK_MIME_HEADER :
						       CHECK_HEADER;
	enum check_result result;

	if (walk->stopped || !checks_has(walk->checks, kind))
		return true;
	result = ask(walk, kind, without_end(header->raw), &text);
	if (result == CHECK_REPLACE || result == CHECK_PREPEND) {
		buf_add(out, text);
		buf_char(out, '\n');
	}
	return result != CHECK_DROP && result != CHECK_REPLACE;
}

/* ---- behind the header ---- */

/* A copy is made as far as something changes. */
struct copy {
	struct walk *walk;
	struct str content;
	struct buf out;
	size_t copied; /* octets of content that are in out, or dropped */
	size_t section; /* where the last header ended */
};

static void copy_to(struct copy *copy, size_t at)
{
	buf_add(&copy->out, str_of(copy->content.p + copy->copied,
		at - copy->copied));
	copy->copied = at;
}

/* One line or field that stands at `at`, with its line end `whole` long. */
static void check(struct copy *copy, enum check_kind kind, size_t at,
	struct str line, size_t whole)
{
	struct str text = STR("");
	enum check_result result = ask(copy->walk, kind, line, &text);

	if (result == CHECK_KEEP || result == CHECK_STOP ||
		result == CHECK_PASS)
		return;
	copy_to(copy, at);
	if (result != CHECK_DROP) {
		buf_add(&copy->out, text);
		buf_char(&copy->out, '\n');
	}
	if (result != CHECK_PREPEND)
		copy->copied = at + whole;
}

static void check_header(struct copy *copy, const struct mime_part *part)
{
	bool is_nested = part->parent->kind == MIME_MESSAGE;
	struct str in = str_of(copy->content.p + part->header_at,
		part->header_len);
	struct mail_header header;

	while (!copy->walk->stopped && mail_header_take(&in, &header)) {
		enum check_kind kind = is_nested && !is_about_mime(&header) ?
			CHECK_NESTED_HEADER :
			CHECK_MIME_HEADER;

		if (checks_has(copy->walk->checks, kind))
			check(copy, kind,
				(size_t)(header.raw.p - copy->content.p),
				without_end(header.raw), header.raw.len);
	}
}

/* `len` octets of body from `at` on; how far is looked counts from where the
 * last header ended, so that a boundary belongs to what stands before it. */
static void check_body(struct copy *copy, size_t at, size_t len)
{
	const struct conf *conf = copy->walk->conf;
	size_t piece = conf->line_length_limit > 0 ?
		(size_t)conf->line_length_limit :
		PIECE;
	size_t end = at + len;
	size_t looked_at = copy->section +
		(size_t)conf->body_checks_size_limit;

	if (!checks_has(copy->walk->checks, CHECK_BODY))
		return;
	while (at < end && at < looked_at && !copy->walk->stopped) {
		struct str in = str_of(copy->content.p + at, end - at);
		size_t line = str_find_char(in, '\n'), whole;

		if (line == SIZE_MAX)
			line = in.len;
		/* The end of a part's last line stands before the boundary. */
		whole = line + (at + line < copy->content.len &&
				       copy->content.p[at + line] == '\n');
		if (line > piece)
			line = whole = piece;
		check(copy, CHECK_BODY, at, str_first(in, line), whole);
		at += whole;
	}
}

/* What stands between two parts, from the line end of the first one on. */
static void check_between(struct copy *copy, size_t at, size_t end)
{
	if (at < end && copy->content.p[at] == '\n')
		at++;
	if (at < end)
		check_body(copy, at, end - at);
}

static void walk_part(struct copy *copy, const struct mime_part *part)
{
	size_t at = part->body_at;

	if (part->parent)
		check_header(copy, part);
	copy->section = at;
	for (const struct mime_part *p = part->children; p; p = p->next) {
		check_between(copy, at, p->header_at);
		walk_part(copy, p);
		at = p->body_at + p->body_len;
	}
	if (part->kind == MIME_SINGLE)
		check_body(copy, at, part->body_len);
	else
		check_between(copy, at, part->body_at + part->body_len);
}

bool walk_has_parts(const struct walk *walk)
{
	return checks_has(walk->checks, CHECK_MIME_HEADER) ||
		checks_has(walk->checks, CHECK_NESTED_HEADER) ||
		checks_has(walk->checks, CHECK_BODY);
}

struct mime_part *walk_mime(struct arena *arena, const struct conf *conf,
	struct str content, bool *is_deeper)
{
	const struct mime_limits limits = {
		/* as Postfix counts */
		(unsigned)conf->mime_nesting_limit + 2,
		(size_t)conf->mime_boundary_length_limit };

	return mime_parse_within(arena, content, &limits, is_deeper);
}

struct str walk_parts(struct walk *walk, struct str content)
{
	struct copy copy = { .walk = walk, .content = content,
		.out = BUF_IN(walk->arena) };
	size_t header = mail_header_length(content, NULL);
	bool is_deeper; /* that is strict_apply's */

	if (walk->stopped)
		return content;
	copy.section = header;
	if (walk->is_flat)
		check_body(&copy, header, content.len - header);
	else
		walk_part(&copy, walk_mime(walk->arena, walk->conf, content,
			&is_deeper));
	if (copy.copied == 0 && copy.out.len == 0)
		return content;
	copy_to(&copy, content.len);
	return buf_str(&copy.out);
}
