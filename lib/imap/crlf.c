#include "imap/crlf.h"

#include <endian.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

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
static struct run convert_wide(struct run run)
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

#ifdef __x86_64__

enum {
	HALF = 32, /* octets that become at most twice as many: a register */
};

/* AVX-512 VBMI2 can squeeze octets out of a register. */
#define SQUEEZES \
	__attribute__((target("avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")))

static bool can_squeeze(void)
{
	return __builtin_cpu_supports("avx512vbmi2") &&
		__builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("bmi2");
}

/*
 * Each octet gets a CR before it, and then all CRs are squeezed out but those
 * that a line end needs: no jump depends on where they are, as no processor
 * foresees that. Not at the beginning: it looks at the octet before.
 */
SQUEEZES static struct run convert_squeezing(struct run run)
{
	const __m256i lf = _mm256_set1_epi8('\n'), cr = _mm256_set1_epi8('\r'),
		      dot = _mm256_set1_epi8('.');
	const __m512i crs = _mm512_set1_epi16('\r');

	while (run.end - run.p >= HALF && run.most - run.to >= 2 * HALF) {
		__m256i in = _mm256_loadu_si256((const void *)run.p);
		__m256i before = _mm256_loadu_si256((const void *)(run.p - 1));
		__mmask32 ends = _mm256_cmpeq_epi8_mask(in, lf) &
			~_mm256_cmpeq_epi8_mask(before, cr);
		__mmask32 dots = _mm256_cmpeq_epi8_mask(in, dot) &
			_mm256_cmpeq_epi8_mask(before, lf);
		__m512i pairs = _mm512_or_si512(crs,
			_mm512_slli_epi16(_mm512_cvtepu8_epi16(in), 8));
		uint64_t kept = 0xaaaaaaaaaaaaaaaa |
			_pdep_u64(ends, 0x5555555555555555);

		if (run.dots && dots) {
			run.before = run.p[-1];
			for (int i = 0; i < HALF; i++)
				run = convert_one(run);
			continue;
		}
		_mm512_storeu_si512(run.to,
			_mm512_maskz_compress_epi8(kept, pairs));
		run.to += _mm_popcnt_u64(kept);
		run.p += HALF;
	}
	run.before = run.p[-1];
	return run;
}

#else

static bool can_squeeze(void)
{
	return false;
}

static struct run convert_squeezing(struct run run)
{
	return run;
}

#endif

static size_t take(struct imap_crlf *crlf, char *out, size_t room,
	struct run (*convert)(struct run))
{
	struct run run = { .p = crlf->rest.p, .to = out,
		.end = crlf->rest.p + crlf->rest.len, .most = out + room,
		.before = crlf->before, .dots = crlf->dots };

	if (run.p < run.end) {
		run = convert_one(run);
		run = convert(run);
	}
	while (run.p < run.end && run.most - run.to >= 2)
		run = convert_one(run);
	crlf->added += run.added;
	crlf->before = run.before;
	crlf->rest = str_of(run.p, (size_t)(run.end - run.p));
	return (size_t)(run.to - out);
}

size_t imap_crlf_take_anywhere(struct imap_crlf *crlf, char *out, size_t room)
{
	return take(crlf, out, room, convert_wide);
}

size_t imap_crlf_take(struct imap_crlf *crlf, char *out, size_t room)
{
	return take(crlf, out, room,
		can_squeeze() ? convert_squeezing : convert_wide);
}
