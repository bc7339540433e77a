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

/* The next LF is looked for while what stands before it is copied: up to it, the
 * end, or the last octet that may be written. */
struct run {
	const char *p, *end;
	char *to, *most;
};

static void copy_lanes(struct run *run)
{
	octets lf;

	memset(&lf, '\n', sizeof(lf));
	while (run->end - run->p >= LANES && run->most - run->to >= LANES) {
		octets some = load(run->p), is_lf = (octets)(some == lf);
		uint64_t found[2];

		memcpy(run->to, &some, sizeof(some));
		memcpy(found, &is_lf, sizeof(found));
		if (found[0] | found[1]) {
			const char *at = memchr(run->p, '\n', LANES);

			run->to += at - run->p;
			run->p = at;
			return;
		}
		run->p += LANES;
		run->to += LANES;
	}
}

static void copy_run(struct run *run)
{
	copy_lanes(run);
	while (run->p < run->end && run->to < run->most && *run->p != '\n')
		*run->to++ = *run->p++;
}

size_t imap_crlf_take(struct imap_crlf *crlf, char *out, size_t room)
{
	struct run run = { .p = crlf->rest.p, .to = out,
		.end = crlf->rest.p + crlf->rest.len, .most = out + room };

	while (run.p < run.end && run.most - run.to >= 2) {
		const char *from = run.p;

		if (crlf->dots && crlf->before == '\n' && *run.p == '.')
			*run.to++ = '.';
		copy_run(&run);
		if (run.p > from)
			crlf->before = run.p[-1];
		if (run.p == run.end || *run.p != '\n' ||
			run.most - run.to < 2)
			continue;
		if (crlf->before != '\r')
			*run.to++ = '\r';
		*run.to++ = *run.p++;
		crlf->before = '\n';
	}
	crlf->rest = str_of(run.p, (size_t)(run.end - run.p));
	return (size_t)(run.to - out);
}
