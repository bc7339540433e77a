/*
 * torture/model - a recorded run as a file system under strict POSIX rules.
 *
 * Records of torture/record are applied one by one. What a flush has not made
 * durable yet is pending: blocks of 4 KiB, sizes, names. A power cut leaves
 * the durable tree with a part of that: model_items are the things that may
 * be lost or not, each by itself; model_state builds the tree that a choice
 * leaves.
 *
 *	a block      the newest octets, those of an earlier write that was not
 *	             flushed either, the durable ones, or zeroes (outside of
 *	             the queue only instead of what was appended)
 *	a size       the newest, or the durable one
 *	a name       made or removed, or not; a rename is atomic: the old name
 *	             or the new one or both, never neither
 *
 * Memory   a model's own; a state's in its arena
 */
#ifndef TORTURE_MODEL_H
#define TORTURE_MODEL_H

#include "record.h"
#include "tree.h"

enum {
	MODEL_ITEMS_MOST = 4096,
};

struct model;

struct model *model_new(const char *base_file);
void model_free(struct model *model);
/* The flush that began at this place does nothing. */
void model_ignore(struct model *model, uint64_t place);
bool model_is_ignored(const struct model *model, uint64_t place);
/* True: it changed something that may be lost. */
bool model_apply(
	struct model *model, uint64_t place, const struct record *record);

/* One thing that may be lost, at this moment. */
struct model_item {
	uint8_t kind;
	uint32_t node;
	uint32_t block;
	size_t change;  /* of a name: its place among the pending ones */
	uint8_t others; /* choices beside 0, the newest */
	bool can_be_zero;
	bool is_owed; /* by a flush that was ignored */
};

size_t model_items(const struct model *model, struct model_item *items);
/* choice[i] from 0 to items[i].others. */
void model_state(const struct model *model, struct arena *arena,
	const struct model_item *items, size_t count, const uint8_t *choice,
	struct model_tree *state);
/* "block 3 of journal/0-1: zero", for people. */
void model_describe(const struct model *model, struct buf *out,
	const struct model_item *item, uint8_t choice);

#endif
