/*
 * torture/model_inside - what model.c and states.c share.
 */
#ifndef TORTURE_MODEL_INSIDE_H
#define TORTURE_MODEL_INSIDE_H

#include "model.h"

enum kind { BLOCK, SIZE, TIMES, NAME };

/* A pending change. A name: from_dir/from goes (if it is `node`), to_dir/to
 * comes; either directory may be 0. */
struct change {
	enum kind kind;
	uint64_t number; /* of the record */
	uint32_t node;
	uint32_t block;
	const unsigned char *octets;
	int64_t size;
	uint32_t from_dir, to_dir;
	const char *from, *to;
	bool is_owed; /* by a flush that was ignored */
};

struct flush {
	uint64_t place, number;
	bool is_ignored;
};

struct model {
	struct arena *arena;
	uint64_t begin; /* what was before in the log is no news */
	char *root;     /* the directory's name when it was recorded */
	size_t root_len;
	struct model_tree durable, newest;
	uint64_t inodes[MODEL_NODES_MOST]; /* of the nodes; 0: reused */
	bool is_queue[MODEL_NODES_MOST];
	struct change *pending;
	size_t pending_count, pending_capacity;
	struct flush *flushes;
	size_t flush_count, flush_capacity;
	uint64_t *ignored;
	size_t ignored_count, ignored_capacity;
	uint64_t number; /* of changes */
	size_t version;
};

/* To a tree whose nodes may be changed. */
void model_change_apply(struct arena *arena, struct model_tree *tree,
	const struct change *change);

#endif
