/*
 * torture/cuts - which states of one moment are tried.
 *
 * A state is a choice for each thing that is not flushed. `try` is called
 * with `choice` filled in; when `most` is too few for all, they are taken
 * evenly.
 */
#ifndef TORTURE_CUTS_H
#define TORTURE_CUTS_H

#include "model.h"

struct cuts {
	struct model *model;
	uint64_t most; /* of each sort */
	uint64_t random;
	void (*try)(void *context);
	void *context;
	struct model_item items[MODEL_ITEMS_MOST];
	size_t count;
	uint8_t choice[MODEL_ITEMS_MOST];
};

/* Nothing lost, all lost, each single loss and survivor, each pair of them,
 * and random ones. */
void cuts_try(struct cuts *cuts);
/* Those that an ignored flush makes possible; none: there is nothing that it
 * should have made durable. */
void cuts_try_owed(struct cuts *cuts);

#endif
