#include "commands/sendmail_input.h"

#include "base/log.h"

#include <errno.h>
#include <sysexits.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	PIECE_MOST = 16 * 1024,
};

void input_open(struct input *input, int fd, enum line_ends ends,
	bool dot_ends)
{
	*input = (struct input){
		.fd = fd,
		.ends = ends,
		.dot_ends = dot_ends,
		.first = true,
		.strip = ends == LINE_ENDS_ALWAYS,
	};
}

static bool fill(struct input *input)
{
	ssize_t len;

	do
		len = read(input->fd, input->block, sizeof(input->block));
	while (len < 0 && errno == EINTR);
	if (len < 0) {
		log_error("read message: %m");
		exit(EX_TEMPFAIL);
	}
	input->at = 0;
	input->len = (size_t)len;
	return len > 0;
}

/* Octets up to an LF, the limit, or the end of input into input->line. */
static void collect(struct input *input)
{
	buf_clear(&input->line);
	while (input->line.len < PIECE_MOST) {
		struct str have;
		size_t end;

		if (input->at == input->len && !fill(input)) {
			input->over = true;
			return;
		}
		have = str_first(str_of(input->block + input->at,
					 input->len - input->at),
			PIECE_MOST - input->line.len);
		end = str_find_char(have, '\n');
		if (end != SIZE_MAX)
			have = str_first(have, end + 1);
		buf_add(&input->line, have);
		input->at += have.len;
		if (end != SIZE_MAX)
			return;
	}
}

static bool ends_line(const struct buf *line)
{
	return line->len > 0 && line->p[line->len - 1] == '\n';
}

/* However many CR stand before the LF. */
static void fix_end(struct input *input)
{
	struct buf *line = &input->line;
	bool crlf = str_ends(buf_str(line), STR("\r\n"));

	if (input->first && input->ends == LINE_ENDS_STRICT)
		input->strip = crlf;
	if (!input->strip)
		return;
	while (str_ends(buf_str(line), STR("\r\n"))) {
		line->p[line->len - 2] = '\n';
		line->len--;
	}
}

bool input_next(struct input *input, struct str *piece, bool *starts)
{
	if (input->over)
		return false;
	collect(input);
	*starts = !input->in_text;
	if (input->over && input->line.len == 0 && !input->in_text)
		return false;
	fix_end(input);
	if (input->over && !ends_line(&input->line))
		buf_char(&input->line, '\n');
	input->first = false;
	input->in_text = !ends_line(&input->line);
	*piece = buf_str(&input->line);
	if (*starts && input->dot_ends && str_is(*piece, ".\n")) {
		input->over = true;
		return false;
	}
	return true;
}

void input_end(struct input *input)
{
	input->over = true;
}
