#include "cuts.h"

enum {
	RANDOM = 20,     /* states with random losses, at each moment */
	SMALL_MOST = 24, /* whole: all pairs, however many are asked for */
};

static unsigned pick(struct cuts *c, unsigned below)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(c->random >> 33) % below;
}

static void choose_all(struct cuts *c, bool lost)
{
	for (size_t i = 0; i < c->count; i++)
		c->choice[i] =
			lost ? c->items[i].others -
					(c->items[i].can_be_zero ||
						(c->items[i].others == 2)) :
			       0;
	for (size_t i = 0; lost && i < c->count; i++)
		if (c->choice[i] == 0)
			c->choice[i] = 1;
}

/* The n-th single deviation: its item and choice. */
struct single {
	size_t item;
	uint8_t choice;
};

static size_t singles_of(struct cuts *c, struct single *singles, bool lost)
{
	size_t count = 0;

	for (size_t i = 0; i < c->count; i++)
		for (uint8_t k = 0; k <= c->items[i].others; k++)
			if (k != c->choice[i] &&
				(!lost || k == 0 || c->items[i].others > 1))
				singles[count++] = (struct single){ i, k };
	return count;
}

/* All of one base: singles, then pairs; at most `most`, evenly. */
static void try_around(struct cuts *c, bool lost, uint64_t most)
{
	static struct single singles[MODEL_ITEMS_MOST * 6];
	uint64_t count, pairs, step, at = 0;

	choose_all(c, lost);
	c->try(c->context);
	count = singles_of(c, singles, lost);
	pairs = count * (count ? count - 1 : 0) / 2;
	if (count <= SMALL_MOST && most < pairs)
		most = most > pairs / 2 ? pairs : most;
	step = count > most ? (count + most - 1) / most : 1;
	for (uint64_t i = pick(c, (unsigned)step); i < count; i += step) {
		choose_all(c, lost);
		c->choice[singles[i].item] = singles[i].choice;
		c->try(c->context);
	}
	if (count >= most || pairs == 0)
		return;
	step = pairs > most - count ?
		       (pairs + most - count - 1) / (most - count) :
		       1;
	at = pick(c, (unsigned)step);
	for (uint64_t i = 0, number = 0; i < count; i++)
		for (uint64_t k = i + 1; k < count; k++, number++) {
			if (number != at)
				continue;
			at += step;
			choose_all(c, lost);
			c->choice[singles[i].item] = singles[i].choice;
			c->choice[singles[k].item] = singles[k].choice;
			c->try(c->context);
		}
}

static void try_random(struct cuts *c)
{
	for (unsigned i = 0; i < RANDOM && i < c->most; i++) {
		unsigned rate = 1 + pick(c, 9);

		for (size_t k = 0; k < c->count; k++)
			c->choice[k] =
				pick(c, 10) < rate ?
					(uint8_t)pick(
						c, c->items[k].others + 1u) :
					0;
		c->try(c->context);
	}
}

void cuts_try(struct cuts *c)
{
	c->count = model_items(c->model, c->items);
	try_around(c, false, c->most);
	if (c->count < 2)
		return;
	try_around(c, true, c->most);
	if (c->count > 2)
		try_random(c);
}

/* The base, and what is owed: the newest, or its choice `from_end` from the
 * last one (0: zeroes, where it can be that). */
static void choose_owed(struct cuts *c, bool lost, unsigned from_end)
{
	choose_all(c, lost);
	for (size_t i = 0; i < c->count; i++)
		if (c->items[i].is_owed)
			c->choice[i] = c->items[i].others > from_end ?
					       (uint8_t)(c->items[i].others -
							 from_end) :
					       1;
}

static void try_owed_singles(struct cuts *c, uint64_t step)
{
	for (size_t i = pick(c, (unsigned)step); i < c->count; i += step)
		for (uint8_t k = 0;
			c->items[i].is_owed && k <= c->items[i].others; k++) {
			choose_all(c, k == 0);
			c->choice[i] = k;
			c->try(c->context);
		}
}

void cuts_try_owed(struct cuts *c)
{
	uint64_t owed = 0;

	c->count = model_items(c->model, c->items);
	for (size_t i = 0; i < c->count; i++)
		owed += c->items[i].is_owed;
	if (owed == 0)
		return;
	for (unsigned kind = 0; kind < 3; kind++) {
		choose_owed(c, kind == 2, kind == 1);
		c->try(c->context);
	}
	choose_all(c, true);
	c->try(c->context);
	try_owed_singles(
		c, owed > c->most ? (owed + c->most - 1) / c->most : 1);
	for (unsigned i = 0; i < 4; i++) {
		choose_owed(c, false, 0);
		for (size_t k = 0; k < c->count; k++)
			if (pick(c, 4) == 0)
				c->choice[k] = (uint8_t)pick(
					c, c->items[k].others + 1u);
		c->try(c->context);
	}
}
