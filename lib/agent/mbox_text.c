#include "agent/mbox_text.h"

#include <errno.h>
#include <unistd.h>

enum {
	FROM_OCTETS = 5,
	BACK_OCTETS = 4 * 1024 * 1024, /* behind the message's own length */
	BLOCK = 64 * 1024,
	FROM_LINE_MOST = 2048,
	COMPARE = 4096,
};

/* ---- writing it ---- */

void mbox_quote(struct buf *out, struct str text, bool *at_start)
{
	while (text.len > 0) {
		size_t end = str_find_char(text, '\n');
		struct str line =
			end == SIZE_MAX ? text : str_first(text, end + 1);

		if (*at_start && str_starts(line, STR("From ")))
			buf_char(out, '>');
		buf_add(out, line);
		*at_start = end != SIZE_MAX;
		text = str_skip(text, line.len);
	}
}

/* A part of a "From " at the end of a block belongs to the next. */
static struct str hold_back(struct str *octets, bool at_start)
{
	size_t line = str_rfind_char(*octets, '\n');
	size_t begin = line == SIZE_MAX ? 0 : line + 1;
	struct str tail = str_skip(*octets, begin);

	if ((line == SIZE_MAX && !at_start) || tail.len >= FROM_OCTETS)
		return STR("");
	*octets = str_first(*octets, begin);
	return tail;
}

void mbox_text_open(struct mbox_text *text, struct arena *arena,
	const struct content *content, struct str head)
{
	*text = (struct mbox_text){
		.arena = arena,
		.head = head,
		.out = BUF_IN(arena),
		.held = BUF_IN(arena),
		.at_start = true,
	};
	content_open(&text->reader, arena, content);
	mbox_quote(&text->out, head, &text->at_start);
}

/* One block of content more; at its end the empty line. */
static bool add_block(struct mbox_text *text)
{
	struct str octets, block, tail;

	if (!content_next(&text->reader, &octets))
		return false;
	buf_add(&text->held, octets);
	block = buf_str(&text->held);
	tail = octets.len ? hold_back(&block, text->at_start) : STR("");
	mbox_quote(&text->out, block, &text->at_start);
	buf_drop(&text->held, text->held.len - tail.len);
	if (octets.len == 0) {
		text->is_ending = true;
		buf_text(&text->out, text->at_start ? "\n" : "\n\n");
	}
	return true;
}

bool mbox_text_next(struct mbox_text *text, struct str *block)
{
	if (text->is_given)
		buf_clear(&text->out);
	text->is_given = true;
	while (!text->is_ending && text->out.len < BLOCK)
		if (!add_block(text))
			return false;
	*block = buf_str(&text->out);
	return true;
}

/* ---- finding it ---- */

struct search {
	struct arena *arena; /* emptied after each candidate */
	const struct content *content;
	struct str head;
	struct str first; /* block, formatted once */
	size_t least;     /* octets that are a part */
	int fd;
	off_t size;
	enum mbox_found found;
	off_t at;
};

static ssize_t read_at(int fd, char *into, size_t len, off_t at)
{
	ssize_t got;

	do
		got = pread(fd, into, len, at);
	while (got < 0 && errno == EINTR);
	return got;
}

/* How much of `block` stands at `at`: all of it, or less. */
static bool compare(const struct search *s, struct str block, off_t at,
	size_t *same)
{
	char there[COMPARE];

	*same = 0;
	while (block.len > 0) {
		size_t want = block.len < COMPARE ? block.len : COMPARE;
		ssize_t len = read_at(s->fd, there, want, at);
		size_t i = 0;

		if (len < 0)
			return false;
		while (i < (size_t)len && there[i] == block.p[i])
			i++;
		*same += i;
		if (i < want)
			return true;
		block = str_skip(block, want);
		at += (off_t)want;
	}
	return true;
}

/* A message begins at `from`, its text at `at`. */
static bool look_at(struct search *s, off_t from, off_t at)
{
	struct mbox_text text;
	struct str block = s->first;
	size_t same, all = 0;

	if (!compare(s, block, at, &same))
		return false;
	if (same == block.len) {
		arena_reset(s->arena);
		mbox_text_open(&text, s->arena, s->content, s->head);
		do {
			if (!mbox_text_next(&text, &block) ||
				!compare(s, block, at + (off_t)all, &same))
				return false;
			all += same;
		} while (block.len > 0 && same == block.len);
	} else {
		all = same;
	}
	if (same == block.len)
		s->found = MBOX_WHOLE;
	else if (at + (off_t)all == s->size && all >= s->least)
		s->found = MBOX_PART;
	s->at = from;
	return true;
}

/* "From " at `from`: the text begins after its line. */
static bool try_line(struct search *s, off_t from)
{
	char line[FROM_LINE_MOST];
	ssize_t len = read_at(s->fd, line, sizeof(line), from);
	size_t end;

	if (len < 0)
		return false;
	end = str_find_char(str_of(line, (size_t)len), '\n');
	return end == SIZE_MAX || look_at(s, from, from + (off_t)end + 1);
}

/* Each "From " at the begin of a line, from `at` on. */
static bool search(struct search *s, off_t at)
{
	char block[BLOCK + FROM_OCTETS];

	while (s->found == MBOX_ABSENT && at < s->size) {
		ssize_t len = read_at(s->fd, block, sizeof(block), at);
		struct str rest = str_of(block, len < 0 ? 0 : (size_t)len);
		size_t next;

		if (len <= 0)
			return len == 0;
		if (at == 0 && str_starts(rest, STR("From ")) &&
			!try_line(s, 0))
			return false;
		while (s->found == MBOX_ABSENT &&
			(next = str_find(rest, STR("\nFrom "))) != SIZE_MAX) {
			rest = str_skip(rest, next + 1);
			if (!try_line(s, at + (rest.p - block)))
				return false;
		}
		if (len < (ssize_t)sizeof(block))
			break;
		at += BLOCK;
	}
	return true;
}

/* Octets of the whole text; its first block stays. */
static bool measure(struct search *s, struct arena *arena, off_t *octets)
{
	struct mbox_text text;
	struct str block;

	mbox_text_open(&text, arena, s->content, s->head);
	do {
		if (!mbox_text_next(&text, &block))
			return false;
		if (*octets == 0)
			s->first = arena_copy(arena, block);
		*octets += (off_t)block.len;
	} while (block.len > 0);
	return true;
}

bool mbox_text_find(struct arena *arena, const struct content *content,
	struct str head, int fd, off_t size, enum mbox_found *found, off_t *at)
{
	auto_arena struct arena *own = arena_new(0);
	struct search s = { .arena = own, .content = content, .head = head,
		.fd = fd, .size = size };
	off_t octets = 0, begin;
	size_t line;

	if (!measure(&s, arena, &octets))
		return false;
	line = str_find_char(str_skip(s.first, head.len), '\n');
	s.least = line == SIZE_MAX ? s.first.len : head.len + line + 1;
	begin = size - octets - BACK_OCTETS;
	if (!search(&s, begin < 0 ? 0 : begin))
		return false;
	*found = s.found;
	*at = s.at;
	return true;
}
