#include "posthorn/nearest.h"

enum { NAME_MOST = 96 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned nearest_distance(struct str a, struct str b, unsigned most)
{
	unsigned rows[3][NAME_MOST + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	if (a.len > NAME_MOST || b.len > NAME_MOST ||
		a.len > b.len + most || b.len > a.len + most)
		return most + 1;
	for (size_t j = 0; j <= b.len; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a.len; i++) {
		unsigned *old = before;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			unsigned change = a.p[i - 1] != b.p[j - 1];

			now[j] = least(last[j - 1] + change,
				least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
				a.p[i - 2] == b.p[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = old;
	}
	return least(last[b.len], most + 1);
}

struct nearest nearest_of(struct str wanted)
{
	/* one mistake in a short name, up to three in a long one */
	return (struct nearest){ .wanted = wanted, .name = STR(""),
		.distance = least(3, 1 + (unsigned)wanted.len / 8) + 1 };
}

void nearest_look(struct nearest *best, struct str name)
{
	unsigned distance = nearest_distance(best->wanted, name,
		best->distance);

	if (distance < best->distance) {
		best->distance = distance;
		best->name = name;
	}
}
