#include "base/keyed.h"

#include <stdlib.h>

/* Open addressing with linear probing, at most three quarters full; what
 * follows a removed element moves up, so there are no tombs. */

void keyed_free(struct keyed *keyed)
{
	free(keyed->slots);
	*keyed = (struct keyed){ 0 };
}

/* Numbers that follow each other go far apart. */
static size_t home_of(const struct keyed *keyed, uint64_t key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15) >> 20) & (keyed->size - 1);
}

static size_t after(const struct keyed *keyed, size_t at)
{
	return (at + 1) & (keyed->size - 1);
}

static size_t place_of(const struct keyed *keyed, uint64_t key)
{
	size_t at = home_of(keyed, key);

	while (keyed->slots[at] && keyed->slots[at]->key != key)
		at = after(keyed, at);
	return at;
}

struct keyed_link *keyed_find(const struct keyed *keyed, uint64_t key)
{
	return keyed->size ? keyed->slots[place_of(keyed, key)] : NULL;
}

static void resize(struct keyed *keyed, size_t size)
{
	struct keyed wide = { .size = size, .count = keyed->count };
	struct keyed_link *link;

	wide.slots = mem_new(size, sizeof(*wide.slots));
	for (size_t at = 0; (link = keyed_next(keyed, &at));)
		wide.slots[place_of(&wide, link->key)] = link;
	keyed_free(keyed);
	*keyed = wide;
}

void keyed_add(struct keyed *keyed, struct keyed_link *link)
{
	size_t at;

	if (keyed->size == 0)
		resize(keyed, 16);
	else if ((keyed->count + 1) * 4 > keyed->size * 3)
		resize(keyed, keyed->size * 2);
	at = place_of(keyed, link->key);
	if (keyed->slots[at])
		panic("number %ju is there twice", (uintmax_t)link->key);
	keyed->slots[at] = link;
	keyed->count++;
}

/* Each of the run behind it that may stand there: its home is not in between. */
static void close_gap(struct keyed *keyed, size_t gap)
{
	for (size_t at = after(keyed, gap); keyed->slots[at];
		at = after(keyed, at)) {
		size_t home = home_of(keyed, keyed->slots[at]->key);
		size_t from_home = (at - home) & (keyed->size - 1);
		size_t from_gap = (at - gap) & (keyed->size - 1);

		if (from_home < from_gap)
			continue;
		keyed->slots[gap] = keyed->slots[at];
		keyed->slots[at] = NULL;
		gap = at;
	}
}

void keyed_remove(struct keyed *keyed, const struct keyed_link *link)
{
	size_t at;

	if (keyed->size == 0)
		return;
	at = place_of(keyed, link->key);
	if (keyed->slots[at] != link)
		return;
	keyed->slots[at] = NULL;
	close_gap(keyed, at);
	if (--keyed->count * 8 < keyed->size && keyed->size > 16)
		resize(keyed, keyed->size / 2);
}

struct keyed_link *keyed_next(const struct keyed *keyed, size_t *at)
{
	while (*at < keyed->size)
		if (keyed->slots[(*at)++])
			return keyed->slots[*at - 1];
	return NULL;
}
