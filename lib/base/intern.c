#include "base/intern.h"

#include <stdlib.h>

enum {
	FIRST_SLOTS = 64,
};

struct intern {
	struct buf texts; /* one after the other ... */
	size_t *ends;     /* ... number n ends at ends[n] */
	size_t count, capacity;
	uint32_t *slots;  /* numbers; 0: unused. A power of two of them */
	size_t size;
};

struct intern *intern_new(void)
{
	struct intern *intern = mem_new(1, sizeof(*intern));

	array_grow(&intern->ends, &intern->capacity, 1,
		sizeof(*intern->ends));
	intern->ends[0] = 0;
	return intern;
}

void intern_free(struct intern *intern)
{
	if (!intern)
		return;
	buf_free(&intern->texts);
	free(intern->ends);
	free(intern->slots);
	free(intern);
}

uint32_t intern_count(const struct intern *intern)
{
	return (uint32_t)intern->count;
}

static struct str text_of(const struct intern *intern, uint32_t number)
{
	size_t begin = intern->ends[number - 1];

	return str_of(intern->texts.p + begin,
		intern->ends[number] - begin);
}

/* The text's slot, or an unused one for it. */
static uint32_t *find_slot(const struct intern *intern, struct str text)
{
	size_t mask = intern->size - 1, i = str_hash(text) & mask;

	while (intern->slots[i] &&
		!str_eq(text_of(intern, intern->slots[i]), text))
		i = (i + 1) & mask;
	return &intern->slots[i];
}

static void grow(struct intern *intern)
{
	free(intern->slots);
	intern->size = intern->size ? intern->size * 2 : FIRST_SLOTS;
	intern->slots = mem_new(intern->size, sizeof(*intern->slots));
	for (uint32_t n = 1; n <= intern->count; n++)
		*find_slot(intern, text_of(intern, n)) = n;
}

uint32_t intern_number(struct intern *intern, struct str text)
{
	uint32_t *slot;

	if (text.len == 0)
		return 0;
	if (intern->count * 2 >= intern->size)
		grow(intern);
	slot = find_slot(intern, text);
	if (*slot)
		return *slot;
	buf_add(&intern->texts, text);
	array_grow(&intern->ends, &intern->capacity, intern->count + 2,
		sizeof(*intern->ends));
	intern->ends[++intern->count] = intern->texts.len;
	*slot = (uint32_t)intern->count;
	return *slot;
}
