#include "base/arena.h"

#include "base/print.h"

#include <stdlib.h>

enum {
	BLOCK_FIRST = 992,      /* grows by doubling up to BLOCK_MOST */
	BLOCK_SMALL = 192,      /* that of a small one */
	BLOCK_MOST = 64 * 1024,
	ALIGNMENT = 16,
	TEXT_USUAL = 256, /* formatted once only */
};

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(ALIGNMENT) char memory[];
};

_Static_assert(sizeof(struct block) + BLOCK_FIRST <= MEM_CACHED_MOST,
	"the first block of most arenas is one that was freed just before");

struct ending {
	struct ending *next;
	void (*when)(void *context);
	void *context;
};

struct arena {
	struct arena *parent, *children, *next, **link;
	struct block *blocks;
	struct ending *endings;
	size_t ceiling, octets, next_size;
};

struct arena *arena_new(size_t ceiling)
{
	struct arena *arena = mem_new(1, sizeof(*arena));

	arena->ceiling = ceiling;
	arena->next_size = BLOCK_FIRST;
	return arena;
}

struct arena *arena_child(struct arena *parent)
{
	struct arena *arena = arena_new(0);

	arena->parent = parent;
	arena->next = parent->children;
	arena->link = &parent->children;
	if (arena->next)
		arena->next->link = &arena->next;
	parent->children = arena;
	return arena;
}

static void count(struct arena *arena, ptrdiff_t octets)
{
	for (; arena; arena = arena->parent)
		arena->octets += (size_t)octets;
}

static void empty(struct arena *arena, struct block *keep)
{
	while (arena->children)
		arena_free(arena->children);
	while (arena->endings) {
		struct ending *ending = arena->endings;

		arena->endings = ending->next;
		ending->when(ending->context);
	}
	while (arena->blocks) {
		struct block *block = arena->blocks;

		arena->blocks = block->next;
		if (block == keep)
			continue;
		count(arena, -(ptrdiff_t)block->size);
		free(block);
	}
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
		arena->blocks = keep;
	}
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	empty(arena, NULL);
	if (arena->link) {
		*arena->link = arena->next;
		if (arena->next)
			arena->next->link = arena->link;
	}
	free(arena);
}

static void forget_endings(struct arena *arena)
{
	arena->endings = NULL; /* in its blocks */
	for (struct arena *a = arena->children; a; a = a->next)
		forget_endings(a);
}

void arena_abandon(struct arena *arena)
{
	forget_endings(arena);
	arena_free(arena);
}

void arena_reset(struct arena *arena)
{
	struct block *keep = arena->blocks;

	/* Mostly there is one block, and nothing else to end. */
	if (keep && !keep->next && keep->size <= BLOCK_MOST &&
		!arena->children && !arena->endings) {
		keep->used = 0;
		return;
	}
	while (keep && keep->size > BLOCK_MOST)
		keep = keep->next;
	empty(arena, keep);
}

void arena_cleanup(struct arena **arena)
{
	arena_free(*arena);
}

bool arena_is_over(const struct arena *arena)
{
	for (; arena; arena = arena->parent)
		if (arena->ceiling && arena->octets > arena->ceiling)
			return true;
	return false;
}

size_t arena_octets(const struct arena *arena)
{
	return arena->octets;
}

static struct block *add_block(struct arena *arena, size_t least)
{
	size_t size = arena->next_size > least ? arena->next_size : least;
	struct block *block;
	unsigned tries = 0;

	do
		block = malloc(sizeof(*block) + size);
	while (!block && mem_is_awaited(++tries));
	if (!block)
		starved("out of memory: arena of %zu octets", arena->octets);
	if (size == arena->next_size && size <= BLOCK_MOST / 2)
		arena->next_size *= 2;
	block->size = size;
	block->used = 0;
	block->next = arena->blocks;
	arena->blocks = block;
	count(arena, (ptrdiff_t)size);
	return block;
}

struct arena *arena_new_small(size_t first)
{
	struct arena *arena = arena_new(0);

	arena->next_size = first;
	if (first > 0)
		add_block(arena, first);
	arena->next_size = BLOCK_SMALL;
	return arena;
}

static size_t aligned(size_t octets)
{
	return (octets + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* What is in it is left over from anybody. */
static void *take(struct arena *arena, size_t octets)
{
	struct block *block = arena->blocks;
	void *memory;

	if (octets > PTRDIFF_MAX - 2 * BLOCK_MOST)
		panic("allocation of %zu octets", octets);
	octets = aligned(octets);
	if (!block || block->size - block->used < octets)
		block = add_block(arena, octets);
	memory = block->memory + block->used;
	block->used += octets;
	return memory;
}

bool arena_stretch(struct arena *arena, const char *memory, size_t octets,
	size_t more)
{
	struct block *block = arena->blocks;
	size_t at;

	if (!block || memory < block->memory ||
		memory >= block->memory + block->used ||
		more > BLOCK_MOST || octets > more)
		return false;
	at = (size_t)(memory - block->memory);
	if (at + aligned(octets) != block->used ||
		aligned(more) > block->size - at)
		return false;
	block->used = at + aligned(more);
	return true;
}

void *arena_alloc(struct arena *arena, size_t octets)
{
	return memset(take(arena, octets), 0, octets);
}

char *arena_octets_new(struct arena *arena, size_t octets)
{
	return take(arena, octets);
}

void *arena_array(struct arena *arena, size_t elements, size_t size)
{
	size_t octets;

	if (__builtin_mul_overflow(elements, size, &octets))
		panic("array of %zu elements", elements);
	return arena_alloc(arena, octets);
}

char *arena_cstr(struct arena *arena, struct str s)
{
	char *copy = take(arena, s.len + 1);

	if (s.len)
		memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	return copy;
}

struct str arena_copy(struct arena *arena, struct str s)
{
	return s.p ? str_of(arena_cstr(arena, s), s.len) : STR_NONE;
}

/*
 * Eight octets at once: the sums set the high bit of each octet that is at
 * least 'A', and of each that is above 'Z'; where only the first did, 0x20 is
 * added. Octets of 128 and more are left.
 */
static inline void lower_eight(char *to, const char *from)
{
	const uint64_t each = 0x0101010101010101;
	uint64_t word, low, is_upper;

	memcpy(&word, from, sizeof(word));
	low = word & each * 0x7f;
	is_upper = (low + each * (0x80 - 'A')) ^ (low + each * (0x7f - 'Z'));
	is_upper &= ~word & each * 0x80;
	word |= is_upper >> 2;
	memcpy(to, &word, sizeof(word));
}

struct str arena_lower(struct arena *arena, struct str s)
{
	char *copy = take(arena, s.len + 1);

	for (size_t i = 0; i + 8 <= s.len; i += 8)
		lower_eight(copy + i, s.p + i);
	if (s.len >= 8) /* the last ones, some of them once more */
		lower_eight(copy + s.len - 8, s.p + s.len - 8);
	else
		for (size_t i = 0; i < s.len; i++)
			copy[i] = (char)ascii_lower((unsigned char)s.p[i]);
	copy[s.len] = '\0';
	return str_of(copy, s.len);
}

struct str arena_join(struct arena *arena, struct str a, struct str b)
{
	char *copy = take(arena, a.len + b.len + 1);

	if (a.len)
		memcpy(copy, a.p, a.len);
	if (b.len)
		memcpy(copy + a.len, b.p, b.len);
	copy[a.len + b.len] = '\0';
	return str_of(copy, a.len + b.len);
}

struct str arena_vfmt(struct arena *arena, const char *format, va_list args)
{
	char most[TEXT_USUAL] left_as_is;
	va_list again;
	int len;
	char *text;

	va_copy(again, args);
	len = print_v(most, sizeof(most), format, again);
	va_end(again);
	if (len < 0)
		return STR("");
	text = take(arena, (size_t)len + 1);
	if ((size_t)len < sizeof(most))
		memcpy(text, most, (size_t)len + 1);
	else
		print_v(text, (size_t)len + 1, format, args);
	return str_of(text, (size_t)len);
}

struct str arena_fmt(struct arena *arena, const char *format, ...)
{
	va_list args;
	struct str text;

	va_start(args, format);
	text = arena_vfmt(arena, format, args);
	va_end(args);
	return text;
}

void arena_on_free(struct arena *arena, void (*when)(void *context),
	void *context)
{
	struct ending *ending = arena_new_of(arena, struct ending);

	ending->when = when;
	ending->context = context;
	ending->next = arena->endings;
	arena->endings = ending;
}

void arena_grow(struct arena *arena, void *array_pointer, size_t *capacity,
	size_t need, size_t size)
{
	size_t wanted = *capacity ? *capacity : 8;
	void *old, *memory;

	if (need <= *capacity)
		return;
	while (wanted < need)
		if (__builtin_mul_overflow(wanted, (size_t)2, &wanted))
			panic("array of %zu elements", need);
	memory = arena_array(arena, wanted, size);
	memcpy(&old, array_pointer, sizeof(old));
	if (old)
		memcpy(memory, old, *capacity * size);
	memcpy(array_pointer, &memory, sizeof(memory));
	*capacity = wanted;
}
