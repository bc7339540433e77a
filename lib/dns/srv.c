#include "dns/srv.h"

#include <stdlib.h>

/* Weight 0 first: it has a small chance then, too. */
static int by_priority(const void *a, const void *b)
{
	const struct dns_srv *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return (x->weight != 0) - (y->weight != 0);
}

static void to_front(struct dns_srv *all, size_t at)
{
	struct dns_srv kept = all[at];

	memmove(&all[1], &all[0], at * sizeof(*all));
	all[0] = kept;
}

/* One of these, of equal priority, by weight. */
static size_t pick(const struct dns_srv *all, size_t count,
	uint64_t (*below)(uint64_t n))
{
	uint64_t sum = 0, chosen, running = 0;
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		sum += all[i].weight;
	chosen = below(sum + 1);
	while (at + 1 < count && (running += all[at].weight) < chosen)
		at++;
	return at;
}

void dns_srv_sort(struct dns_srv *all, size_t count,
	uint64_t (*below)(uint64_t n))
{
	size_t same;

	qsort(all, count, sizeof(*all), by_priority);
	for (; count > 0; all++, count--) {
		for (same = 1; same < count &&
			all[same].priority == all[0].priority;
			same++)
			;
		to_front(all, pick(all, same, below));
	}
}
