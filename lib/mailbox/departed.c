#include "mailbox/departed.h"

#include "base/crc.h"

bool departed_can_say(const char *name)
{
	return name[0] != 0 && !strpbrk(name, "\r\n/");
}

void departed_line_format(struct buf *out, const char *name, bool is_new)
{
	buf_text(out, is_new ? "new/" : "cur/");
	buf_text(out, name);
	buf_char(out, '\n');
}

void departed_end_format(struct buf *out, size_t from)
{
	struct str lines = str_skip(buf_str(out), from);

	buf_fmt(out, "= %zu %08x\n", lines.len, (unsigned)crc32c(0, lines));
}

void departed_confirm_format(struct buf *out)
{
	buf_text(out, "+\n");
}

static bool take_file(struct str line, struct departed_file *file)
{
	file->is_new = str_take_prefix(&line, STR("new/"));
	if (!file->is_new && !str_take_prefix(&line, STR("cur/")))
		return false;
	file->name = line;
	return line.len > 0 && str_find_char(line, '/') == SIZE_MAX &&
		str_find_char(line, 0) == SIZE_MAX;
}

/* The lines up to an end that is theirs. */
static bool is_end(struct str line, struct str lines)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	buf_fmt(&out, "= %zu %08x", lines.len, (unsigned)crc32c(0, lines));
	return str_eq(line, buf_str(&out));
}

struct reading {
	struct arena *arena;
	struct departed *departed;
	size_t found, capacity; /* with those of the block that is read */
};

/* One block, and its confirmation if there is one. */
static bool take_block(struct reading *r, struct str *text, bool *confirmed)
{
	struct str rest = *text, line = STR_NONE;
	struct departed_file file;

	while (str_take_line(&rest, &line) && take_file(line, &file)) {
		arena_grow(r->arena, &r->departed->files, &r->capacity,
			r->found + 1, sizeof(file));
		r->departed->files[r->found++] = file;
	}
	if (!str_starts(line, STR("=")) || line.p + line.len >= rest.p ||
		!is_end(line, str_first(*text, (size_t)(line.p - text->p))))
		return false;
	*text = rest;
	*confirmed = str_take_prefix(&rest, STR("+\n"));
	return true;
}

void departed_parse(struct arena *arena, struct str text, size_t known,
	struct departed *departed)
{
	struct reading r = { .arena = arena, .departed = departed };
	struct str left = text;
	bool confirmed;

	*departed = (struct departed){ 0 };
	while (left.len > 0 && take_block(&r, &left, &confirmed)) {
		size_t end = text.len - left.len;

		if (known ? end > known : !confirmed)
			return;
		departed->count = r.found;
		departed->octets = end;
		if (confirmed)
			left = str_skip(left, 2);
	}
}
