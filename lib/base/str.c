#include "base/str.h"

#include "base/random.h"

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_eq_nocase(struct str a, struct str b)
{
	return a.len == b.len && str_cmp_nocase(a, b) == 0;
}

bool str_is(struct str a, const char *text)
{
	return str_eq(a, str_from(text));
}

bool str_is_nocase(struct str a, const char *text)
{
	return str_eq_nocase(a, str_from(text));
}

static int by_length(struct str a, struct str b)
{
	return a.len < b.len ? -1 : a.len > b.len;
}

static size_t shorter(struct str a, struct str b)
{
	return a.len < b.len ? a.len : b.len;
}

int str_cmp(struct str a, struct str b)
{
	size_t len = shorter(a, b);
	int order = len ? memcmp(a.p, b.p, len) : 0;

	return order ? order : by_length(a, b);
}

int str_cmp_nocase(struct str a, struct str b)
{
	size_t len = shorter(a, b);

	for (size_t i = 0; i < len; i++) {
		int order = ascii_lower((unsigned char)a.p[i]) -
			ascii_lower((unsigned char)b.p[i]);

		if (order)
			return order;
	}
	return by_length(a, b);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_first(s, prefix.len), prefix);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
	return s.len >= prefix.len &&
		str_eq_nocase(str_first(s, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
		str_eq(str_skip(s, s.len - suffix.len), suffix);
}

bool str_ends_nocase(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
		str_eq_nocase(str_skip(s, s.len - suffix.len), suffix);
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && ascii_is_blank((unsigned char)s.p[0]))
		s = str_skip(s, 1);
	while (s.len > 0 && ascii_is_blank((unsigned char)s.p[s.len - 1]))
		s.len--;
	return s;
}

size_t str_find_char(struct str s, char c)
{
	const char *at = s.len ? memchr(s.p, c, s.len) : NULL;

	return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t str_rfind_char(struct str s, char c)
{
	const char *at = s.len ? memrchr(s.p, c, s.len) : NULL;

	return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t str_find(struct str s, struct str what)
{
	const char *at;

	if (what.len == 0)
		return 0;
	at = s.len ? memmem(s.p, s.len, what.p, what.len) : NULL;
	return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t str_find_nocase(struct str s, struct str what)
{
	for (size_t i = 0; i + what.len <= s.len; i++)
		if (str_starts_nocase(str_skip(s, i), what))
			return i;
	return SIZE_MAX;
}

bool str_take_char(struct str *in, char c)
{
	if (in->len == 0 || in->p[0] != c)
		return false;
	*in = str_skip(*in, 1);
	return true;
}

bool str_take_prefix(struct str *in, struct str prefix)
{
	if (!str_starts(*in, prefix))
		return false;
	*in = str_skip(*in, prefix.len);
	return true;
}

bool str_take_prefix_nocase(struct str *in, struct str prefix)
{
	if (!str_starts_nocase(*in, prefix))
		return false;
	*in = str_skip(*in, prefix.len);
	return true;
}

static struct str take(struct str *in, size_t len)
{
	struct str front = str_first(*in, len);

	*in = str_skip(*in, len);
	return front;
}

struct str str_take_while(struct str *in, bool (*is)(unsigned char octet))
{
	size_t len = 0;

	while (len < in->len && is((unsigned char)in->p[len]))
		len++;
	return take(in, len);
}

struct str str_take_until(struct str *in, char c)
{
	size_t at = str_find_char(*in, c);
	struct str front = take(in, at);

	if (at != SIZE_MAX)
		*in = str_skip(*in, 1);
	return front;
}

struct str str_take_word(struct str *in)
{
	size_t len = 0;
	struct str word;

	while (in->len > 0 && ascii_is_blank((unsigned char)in->p[0]))
		*in = str_skip(*in, 1);
	while (len < in->len && !ascii_is_blank((unsigned char)in->p[len]))
		len++;
	word = take(in, len);
	*in = str_skip(*in, 1);
	return word;
}

bool str_take_item(struct str *in, const char *separators, struct str *item)
{
	struct str set = str_from(separators);
	size_t len = 0;

	while (in->len > 0 && str_find_char(set, in->p[0]) != SIZE_MAX)
		*in = str_skip(*in, 1);
	while (len < in->len && str_find_char(set, in->p[len]) == SIZE_MAX)
		len++;
	*item = take(in, len);
	return item->len > 0;
}

bool str_take_line(struct str *in, struct str *line)
{
	if (in->len == 0)
		return false;
	*line = str_take_until(in, '\n');
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return true;
}

bool str_take_u64(struct str *in, uint64_t max, uint64_t *value)
{
	struct str rest = *in;
	uint64_t sum = 0;

	if (rest.len == 0 || !ascii_is_digit((unsigned char)rest.p[0]))
		return false;
	while (rest.len > 0 && ascii_is_digit((unsigned char)rest.p[0])) {
		if (__builtin_mul_overflow(sum, (uint64_t)10, &sum) ||
			__builtin_add_overflow(
				sum, (uint64_t)(rest.p[0] - '0'), &sum))
			return false;
		rest = str_skip(rest, 1);
	}
	if (sum > max)
		return false;
	*in = rest;
	*value = sum;
	return true;
}

bool str_parse_u64(struct str s, uint64_t max, uint64_t *value)
{
	uint64_t got;

	if (!str_take_u64(&s, max, &got) || s.len > 0)
		return false;
	*value = got;
	return true;
}

bool str_parse_i64(struct str s, int64_t min, int64_t max, int64_t *value)
{
	bool negative = str_take_char(&s, '-');
	uint64_t got;
	int64_t result;

	if (!str_parse_u64(s, INT64_MAX, &got))
		return false;
	result = negative ? -(int64_t)got : (int64_t)got;
	if (result < min || result > max)
		return false;
	*value = result;
	return true;
}

/* The length of the sequence at the front, 0 if it is malformed. */
static size_t utf8_sequence(struct str s)
{
	unsigned char first = (unsigned char)s.p[0];
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first == 0xe0)
		low = 0xa0; /* overlong */
	else if (first == 0xed)
		high = 0x9f; /* surrogates */
	else if (first == 0xf0)
		low = 0x90; /* overlong */
	else if (first == 0xf4)
		high = 0x8f; /* above U+10FFFF */
	if (s.len < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < low || c > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

bool str_is_utf8(struct str s)
{
	while (s.len > 0) {
		size_t len = utf8_sequence(s);

		if (len == 0)
			return false;
		s = str_skip(s, len);
	}
	return true;
}

typedef unsigned char sixteen __attribute__((vector_size(16)));

/* 64 octets at a time: whole messages are asked about. */
static size_t ascii_in_blocks(struct str s)
{
	size_t at = 0;

	for (; s.len - at >= 4 * sizeof(sixteen); at += 4 * sizeof(sixteen)) {
		sixteen four[4], any;
		uint64_t half[2];

		memcpy(four, s.p + at, sizeof(four));
		any = (four[0] | four[1]) | (four[2] | four[3]);
		memcpy(half, &any, sizeof(half));
		if ((half[0] | half[1]) & 0x8080808080808080)
			break;
	}
	return at;
}

bool str_is_ascii(struct str s)
{
	size_t at = ascii_in_blocks(s);
	uint64_t eight;

	for (; s.len - at >= sizeof(eight); at += sizeof(eight)) {
		memcpy(&eight, s.p + at, sizeof(eight));
		if (eight & 0x8080808080808080)
			return false;
	}
	for (; at < s.len; at++)
		if ((unsigned char)s.p[at] >= 0x80)
			return false;
	return true;
}

int ascii_hex(unsigned char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* SipHash-1-3: strong enough that a stranger cannot make keys collide. */
struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

/* At most 8 octets of it. */
static inline uint64_t sip_word(struct str s,
	unsigned char (*fold)(unsigned char))
{
	unsigned char octets[8] = { 0 };
	uint64_t word;

	memcpy(octets, s.p, s.len);
	for (size_t i = 0; fold && i < s.len; i++)
		octets[i] = fold(octets[i]);
	memcpy(&word, octets, sizeof(word));
	return word;
}

static inline uint64_t sip(struct str s, unsigned char (*fold)(unsigned char))
{
	static uint64_t key[2]; /* written once, on the first call */
	struct sip state;
	uint64_t word = (uint64_t)s.len << 56;

	if (!key[0])
		random_octets(key, sizeof(key));
	state.v0 = key[0] ^ 0x736f6d6570736575u;
	state.v1 = key[1] ^ 0x646f72616e646f6du;
	state.v2 = key[0] ^ 0x6c7967656e657261u;
	state.v3 = key[1] ^ 0x7465646279746573u;
	for (; s.len >= 8; s = str_skip(s, 8)) {
		uint64_t eight = sip_word(str_first(s, 8), fold);

		state.v3 ^= eight;
		sip_round(&state);
		state.v0 ^= eight;
	}
	if (s.len)
		word ^= sip_word(s, fold);
	state.v3 ^= word;
	sip_round(&state);
	state.v0 ^= word;
	state.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&state);
	return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

uint64_t str_hash(struct str s)
{
	return sip(s, NULL);
}

uint64_t str_hash_nocase(struct str s)
{
	return sip(s, ascii_lower);
}
