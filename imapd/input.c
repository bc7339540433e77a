/*
 * Reading commands: lines and the literals in them (RFC 3501 4.3, RFC 7888).
 */
#include "session.h"

#include <errno.h>

bool input_continue(struct session *s, const char *text)
{
	return io_fmt(s->io, "+ %s\r\n", text) && io_flush(s->io, IDLE_LIMIT);
}

enum input input_end(struct session *s)
{
	if (errno == ETIMEDOUT)
		io_text(s->io, "* BYE Disconnected for inactivity\r\n");
	if (errno == ECANCELED) {
		io_uncancel();
		io_text(s->io, "* BYE Server is going down\r\n");
	}
	return INPUT_END;
}

/* The tag of a command that is refused before it is whole. */
static void refuse(struct session *s, struct str command, const char *word,
	const char *text)
{
	struct str tag;

	if (!imap_take_tag(&command, &tag))
		tag = STR("*");
	io_fmt(s->io, "%.*s %s %s\r\n", STR_ARG(tag), word, text);
}

/* Read `octets` and drop them (keep: NULL), or append them. */
static bool read_literal(struct session *s, uint64_t octets,
	struct buf *keep)
{
	while (octets > 0) {
		struct str piece;

		if (!io_peek(s->io, &piece, IDLE_LIMIT))
			return false;
		piece = str_first(piece, octets > piece.len ? piece.len :
			(size_t)octets);
		if (keep)
			buf_add(keep, piece);
		octets -= piece.len;
		stream_consume(s->io, piece.len);
	}
	return true;
}

/* A literal that is too large: the client that waits for "+" hears no; the
 * one that does not wait is heard out. */
static enum input refuse_literal(struct session *s, struct str command,
	uint64_t octets, bool plus)
{
	struct str line;
	bool again = plus;

	if (plus && octets > APPEND_MOST) {
		io_text(s->io, "* BYE [LIMIT] Literal is too large\r\n");
		return INPUT_END;
	}
	while (again) {
		if (!read_literal(s, octets, NULL) ||
			!io_line(s->io, &line, IDLE_LIMIT))
			return input_end(s);
		again = imap_literal_follows(line, &octets, &plus) && plus;
	}
	refuse(s, command, "NO", "[LIMIT] Literal is too large");
	return INPUT_REFUSED;
}

/* A literal that comes behind such a line without waiting would be read as
 * commands. */
static enum input refuse_line(struct session *s, struct str command)
{
	uint64_t octets;
	bool plus;

	if (imap_literal_follows(stream_line_end(s->io), &octets, &plus) &&
		plus) {
		io_text(s->io, "* BYE [LIMIT] Line is too long\r\n");
		return INPUT_END;
	}
	refuse(s, command, "BAD", "Line is too long");
	return INPUT_REFUSED;
}

static enum input take_literal(struct session *s, struct buf *out,
	uint64_t octets, bool plus)
{
	if (append_is_complete(s, buf_str(out))) {
		s->has_literal = true;
		s->literal = octets;
		s->literal_plus = plus;
		return INPUT_COMMAND;
	}
	if (octets > LITERAL_MOST || out->len + octets > COMMAND_MOST)
		return refuse_literal(s, buf_str(out), octets, plus);
	if (!plus && !input_continue(s, "OK"))
		return INPUT_END;
	buf_text(out, "\r\n");
	if (!read_literal(s, octets, out))
		return input_end(s);
	return INPUT_COMMAND;
}

enum input input_command(struct session *s, struct str *command)
{
	struct buf out = BUF_IN(s->command);
	enum input input;
	struct str line;
	uint64_t octets;
	bool plus;

	for (;;) {
		if (!io_line(s->io, &line, IDLE_LIMIT)) {
			if (errno != EMSGSIZE)
				return input_end(s);
			return refuse_line(s, out.len ? buf_str(&out) :
							STR("*"));
		}
		buf_add(&out, line);
		*command = buf_str(&out);
		if (!imap_literal_follows(line, &octets, &plus))
			return INPUT_COMMAND;
		input = take_literal(s, &out, octets, plus);
		*command = buf_str(&out);
		if (input != INPUT_COMMAND || s->has_literal)
			return input;
	}
}

bool input_rest(struct session *s, struct str *line)
{
	return io_line(s->io, line, IDLE_LIMIT);
}
