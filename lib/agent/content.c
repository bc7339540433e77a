/*
 * agent/content - reading what is to be delivered.
 */
#include "agent/deliver.h"

#include <errno.h>
#include <unistd.h>

enum {
	BLOCK = 64 * 1024,
	FIRST_BLOCK = 128 * 1024,
	HEADER_BLOCK = 8 * 1024, /* most headers are not longer */
};

static void open_by(struct content_reader *reader, struct arena *arena,
	const struct content *content, size_t octets)
{
	reader->content = content;
	reader->at = 0;
	reader->octets = octets;
	reader->block = content->fd < 0 || octets == 0 ? NULL :
		arena_octets_new(arena, octets);
}

void content_open(struct content_reader *reader, struct arena *arena,
	const struct content *content)
{
	open_by(reader, arena, content, BLOCK);
}

/* From the file, behind what was read; false with errno. */
static bool read_block(struct content_reader *reader, char *into, size_t most,
	size_t *got)
{
	const struct content *content = reader->content;
	uint64_t in_file = reader->at - content->head.len + content->skip;
	ssize_t len;

	do
		len = pread(content->fd, into, most, (off_t)in_file);
	while (len < 0 && errno == EINTR);
	if (len == 0)
		errno = EIO; /* it was longer when it was handed over */
	if (len <= 0)
		return false;
	*got = (size_t)len;
	reader->at += *got;
	return true;
}

bool content_open_behind(struct content_reader *reader, struct arena *arena,
	const struct content *content, struct str front, struct str *octets)
{
	size_t front_len = front.len + content->head.len, len = 0;
	uint64_t left = content->size - content->head.len;
	char *block;

	open_by(reader, arena, content, 0);
	reader->at = content->head.len;
	if (content->fd >= 0 && left > 0)
		reader->octets = left < FIRST_BLOCK ? (size_t)left :
						      FIRST_BLOCK;
	block = arena_octets_new(arena, front_len + reader->octets);
	memcpy(block, front.p, front.len);
	memcpy(block + front.len, content->head.p, content->head.len);
	reader->block = block + front_len;
	if (reader->octets > 0 &&
		!read_block(reader, reader->block, reader->octets, &len))
		return false;
	*octets = str_of(block, front_len + len);
	return true;
}

bool content_next(struct content_reader *reader, struct str *octets)
{
	const struct content *content = reader->content;
	size_t len;

	if (reader->at < content->head.len) {
		*octets = str_skip(content->head, reader->at);
		reader->at = content->head.len;
		return true;
	}
	*octets = STR("");
	if (reader->at >= content->size)
		return true;
	if (!read_block(reader, reader->block, reader->octets, &len))
		return false;
	*octets = str_of(reader->block, len);
	return true;
}

bool content_header(struct arena *arena, const struct content *content,
	size_t most, struct str *header)
{
	struct buf all = BUF_IN(arena);
	struct content_reader reader;
	struct str octets, text;
	size_t end;

	open_by(&reader, arena, content, HEADER_BLOCK);
	do {
		if (!content_next(&reader, &octets))
			return false;
		buf_add(&all, octets);
		text = buf_str(&all);
		end = str_starts(text, STR("\n")) ? 1 :
						    str_find(text, STR("\n\n"));
		if (end != SIZE_MAX) {
			text = str_first(text, end == 1 ? 1 : end + 2);
			break;
		}
	} while (octets.len > 0 && text.len < most);
	*header = str_first(text, most);
	return true;
}
