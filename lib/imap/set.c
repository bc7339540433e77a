#include "imap/set.h"

#include <stdlib.h>

static bool take_one(struct str *in, uint32_t *number)
{
	uint64_t value;

	if (str_take_char(in, '*')) {
		*number = 0;
		return true;
	}
	if (!str_take_u64(in, UINT32_MAX, &value) || value == 0)
		return false;
	*number = (uint32_t)value;
	return true;
}

bool imap_set_take(struct arena *arena, struct str *in, struct imap_set *set)
{
	struct str rest = *in;

	*set = (struct imap_set){ 0 };
	if (str_take_char(in, '$')) {
		set->is_saved = true;
		return true;
	}
	do {
		struct imap_range range;

		if (set->count == IMAP_RANGES_MOST ||
			!take_one(&rest, &range.from))
			return false;
		range.to = range.from;
		if (str_take_char(&rest, ':') && !take_one(&rest, &range.to))
			return false;
		arena_grow(arena, &set->ranges, &set->capacity,
			set->count + 1, sizeof(range));
		set->ranges[set->count++] = range;
	} while (str_take_char(&rest, ','));
	*in = rest;
	return true;
}

static int by_from(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

void imap_set_resolve(struct imap_set *set, uint32_t largest)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct imap_range *r = &set->ranges[i];
		uint32_t from = r->from ? r->from : largest;
		uint32_t to = r->to ? r->to : largest;

		r->from = from < to ? from : to;
		r->to = from < to ? to : from;
	}
	if (set->count)
		qsort(set->ranges, set->count, sizeof(*set->ranges), by_from);
	for (size_t i = 0; i < set->count; i++) {
		struct imap_range r = set->ranges[i];
		struct imap_range *last =
			kept ? &set->ranges[kept - 1] : NULL;

		if (!last || (r.from > last->to && r.from - last->to > 1))
			set->ranges[kept++] = r;
		else if (r.to > last->to)
			last->to = r.to;
	}
	set->count = kept;
}

bool imap_set_has(const struct imap_set *set, uint32_t number)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (number < set->ranges[middle].from)
			high = middle;
		else if (number > set->ranges[middle].to)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

void imap_set_add_range(struct arena *arena, struct imap_set *set,
	uint32_t from, uint32_t to)
{
	struct imap_range *last =
		set->count ? &set->ranges[set->count - 1] : NULL;

	if (from > to)
		return;
	if (last && last->to + 1 == from) {
		last->to = to;
		return;
	}
	arena_grow(arena, &set->ranges, &set->capacity, set->count + 1,
		sizeof(*set->ranges));
	set->ranges[set->count++] = (struct imap_range){ from, to };
}

void imap_set_add(struct arena *arena, struct imap_set *set, uint32_t number)
{
	imap_set_add_range(arena, set, number, number);
}

void imap_set_format(struct buf *out, const struct imap_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (i > 0)
			buf_char(out, ',');
		buf_u64(out, set->ranges[i].from);
		if (set->ranges[i].to != set->ranges[i].from) {
			buf_char(out, ':');
			buf_u64(out, set->ranges[i].to);
		}
	}
}
