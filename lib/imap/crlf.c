#include "imap/crlf.h"

#include <endian.h>

enum {
	LANES = 16,
	WIDE = IMAP_CRLF_SPARE / 3,
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

/* Where a conversion stands: what is left to read, and to write to. */
struct run {
	const char *p, *end;
	char *to, *most;
	char before;
	bool dots;
	size_t added; /* dots */
};

#ifdef __SSE2__

/* Bit n: octet n is all ones. x86 has it in one instruction. */
static inline uint64_t bits_of(octets ones)
{
	return (uint64_t)(unsigned)__builtin_ia32_pmovmskb128(
		(char __attribute__((vector_size(LANES))))ones);
}

#else

/* Of each octet its own bit is kept, and the product has the sum of all in its
 * highest octet. */
static inline uint64_t bits_of(octets ones)
{
	uint64_t half[2], bits = 0;

	memcpy(half, &ones, sizeof(half));
	for (int k = 0; k < 2; k++)
		bits |= ((le64toh(half[k]) & 0x8040201008040201) *
			0x0101010101010101 >> 56) << (k * 8);
	return bits;
}

#endif

/* Bit n: octet n is a LF. */
static inline uint64_t line_ends(const char *p)
{
	octets lf;
	uint64_t bits = 0;

	memset(&lf, '\n', sizeof(lf));
	for (int i = 0; i < WIDE / LANES; i++)
		bits |= bits_of((octets)(load(p + i * LANES) == lf))
			<< (i * LANES);
	return bits;
}

/*
 * WIDE octets at a time, and how many are left where less than that can be read
 * or written. What stands between line ends is copied as if it were as long as
 * can be: how long the next line is no processor foresees, and to find that
 * wrong takes longer. Not at the beginning: it looks at the octet before.
 */
static inline struct run convert_wide(struct run run)
{
	if (run.before == '\n' && run.dots && run.p < run.end &&
		*run.p == '.' && run.most - run.to >= IMAP_CRLF_SPARE) {
		*run.to++ = '.';
		run.added++;
		run.before = '\0';
	}
	while (run.end - run.p >= 2 * WIDE &&
		run.most - run.to >= IMAP_CRLF_SPARE) {
		uint64_t bits = line_ends(run.p);
		size_t at = 0;

		for (; bits; bits &= bits - 1) {
			size_t lf = (size_t)__builtin_ctzll(bits);

			memcpy(run.to, run.p + at, WIDE);
			run.to += lf - at;
			*run.to = '\r';
			run.to += (run.p + lf)[-1] != '\r';
			*run.to++ = '\n';
			at = lf + 1;
			if (run.dots && run.p[at] == '.') {
				*run.to++ = '.';
				run.added++;
			}
		}
		memcpy(run.to, run.p + at, WIDE);
		run.to += WIDE - at;
		run.p += WIDE;
		/* The dot behind a LF was seen to. */
		run.before = run.p[-1] == '\n' ? '\0' : run.p[-1];
	}
	return run;
}

static inline struct run convert_one(struct run run)
{
	char c = *run.p++;

	if (c == '\n' && run.before != '\r')
		*run.to++ = '\r';
	if (c == '.' && run.before == '\n' && run.dots) {
		*run.to++ = '.';
		run.added++;
	}
	*run.to++ = c;
	run.before = c;
	return run;
}

size_t imap_crlf_take(struct imap_crlf *crlf, char *out, size_t room)
{
	struct run run = { .p = crlf->rest.p, .to = out,
		.end = crlf->rest.p + crlf->rest.len, .most = out + room,
		.before = crlf->before, .dots = crlf->dots };

	if (run.p < run.end)
		run = convert_one(run);
	run = convert_wide(run);
	while (run.p < run.end && run.most - run.to >= 2)
		run = convert_one(run);
	crlf->added += run.added;
	crlf->before = run.before;
	crlf->rest = str_of(run.p, (size_t)(run.end - run.p));
	return (size_t)(run.to - out);
}
