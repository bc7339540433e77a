#include "base/crc.h"

/* The reflected polynomial; one bit at a time where the CPU cannot. */
#define POLYNOMIAL 0x82f63b78u
#define STEP(c) ((c) >> 1 ^ ((c) & 1 ? POLYNOMIAL : 0u))

static uint32_t by_bits(uint32_t crc, unsigned char octet)
{
	crc ^= octet;
	for (int i = 0; i < 8; i++)
		crc = STEP(crc);
	return crc;
}

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t by_hardware(uint32_t crc,
	struct str s)
{
	uint64_t sum = crc;

	while (s.len >= 8) {
		uint64_t word;

		memcpy(&word, s.p, sizeof(word));
		sum = _mm_crc32_u64(sum, word);
		s = str_skip(s, 8);
	}
	crc = (uint32_t)sum;
	for (size_t i = 0; i < s.len; i++)
		crc = _mm_crc32_u8(crc, (unsigned char)s.p[i]);
	return crc;
}

static bool has_hardware(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t by_hardware(uint32_t crc, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		crc = by_bits(crc, (unsigned char)s.p[i]);
	return crc;
}

static bool has_hardware(void)
{
	return false;
}
#endif

uint32_t crc32c(uint32_t crc, struct str s)
{
	crc = ~crc;
	if (has_hardware())
		return ~by_hardware(crc, s);
	for (size_t i = 0; i < s.len; i++)
		crc = by_bits(crc, (unsigned char)s.p[i]);
	return ~crc;
}
