#include "imap/crlf.h"

enum {
	LANES = 16,
	ROUNDS_MOST = 255, /* until a lane of the sum is full */
};

typedef unsigned char octets __attribute__((vector_size(LANES)));

static octets load(const char *p)
{
	octets all;

	memcpy(&all, p, sizeof(all));
	return all;
}

/* Behind the first octet of the text, LANES at a time: a message has a line
 * end in every fifth of them, so that looking for the next one costs more. */
static size_t count_lanes(const char *p, size_t rounds)
{
	octets lf, cr, sum = { 0 };
	size_t count = 0;

	memset(&lf, '\n', sizeof(lf));
	memset(&cr, '\r', sizeof(cr));
	for (size_t i = 0; i < rounds; i++, p += LANES)
		sum -= (octets)(load(p) == lf) & (octets)(load(p - 1) != cr);
	for (size_t i = 0; i < LANES; i++)
		count += sum[i];
	return count;
}

uint64_t imap_crlf_octets(struct str text)
{
	uint64_t count = text.len;
	size_t at = 1;

	if (text.len == 0)
		return 0;
	count += text.p[0] == '\n';
	while (at + LANES <= text.len) {
		size_t rounds = (text.len - at) / LANES;

		if (rounds > ROUNDS_MOST)
			rounds = ROUNDS_MOST;
		count += count_lanes(text.p + at, rounds);
		at += rounds * LANES;
	}
	for (; at < text.len; at++)
		count += text.p[at] == '\n' && text.p[at - 1] != '\r';
	return count;
}

/* A line, or what is left of one, that ends before its LF. */
static size_t take_run(struct str *text, char *out, size_t room, size_t len)
{
	if (len > room)
		len = room;
	memcpy(out, text->p, len);
	*text = str_skip(*text, len);
	return len;
}

size_t imap_crlf_take(struct str *text, char *out, size_t room)
{
	size_t used = 0;

	while (text->len > 0 && room - used >= 2) {
		const char *lf = memchr(text->p, '\n', text->len);
		size_t len = lf ? (size_t)(lf - text->p) : text->len;
		char before = '\n';

		/* Never all of a line: CR is seen together with its LF. */
		if (lf && len > 0 && len + 2 > room - used) {
			if (used > 0)
				break;
			return take_run(text, out, room, len - 1);
		}
		if (!lf)
			return used + take_run(text, out + used, room - used,
				len);
		if (len > 0)
			before = lf[-1];
		used += take_run(text, out + used, len, len);
		if (before != '\r')
			out[used++] = '\r';
		out[used++] = '\n';
		*text = str_skip(*text, 1);
	}
	return used;
}
