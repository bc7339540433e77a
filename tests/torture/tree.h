/*
 * torture/tree - files and directories in memory, as torture/model sees them.
 *
 * Nodes are shared between trees: who changes one makes it its own first.
 *
 * Memory   in the arena given
 */
#ifndef TORTURE_TREE_H
#define TORTURE_TREE_H

#include "base/buf.h"
#include "queue/disk.h"

enum {
	MODEL_BLOCK = 4096,
	MODEL_NODES_MOST = 4096,
};

struct model_entry {
	const char *name;
	uint32_t node;
};

/* A file or directory; one that others may see is never changed. */
struct model_node {
	bool is_dir;
	int64_t size, modified_s;
	const unsigned char **blocks; /* NULL: zeroes */
	size_t block_count;
	struct model_entry *entries;
	size_t entry_count, entry_capacity;
	size_t version; /* of what it says; counts in the whole model */
};

struct model_tree {
	struct model_node *nodes[MODEL_NODES_MOST];
	size_t count;
	uint32_t root;
};

/* ---- looking at it ---- */

/* 0: there is none. */
uint32_t tree_find(const struct model_tree *tree, const char *path);
/* From the node `at`; with `last`: the directory of the path, and where its
 * last name begins. */
uint32_t tree_walk(const struct model_tree *tree, uint32_t at, const char *path,
	const char **last);
struct model_entry *tree_entry(
	const struct model_node *dir, const char *name, size_t len);
/* NULL: zeroes. */
const unsigned char *tree_block(const struct model_node *node, uint32_t block);
/* All octets, in the arena. */
struct str tree_octets(const struct model_node *node, struct arena *arena);

/* ---- changing nodes that are the caller's ---- */

/* The node becomes a copy that may be changed. */
struct model_node *tree_own(
	struct arena *arena, struct model_tree *tree, uint32_t at);
void tree_set_entry(struct arena *arena, struct model_node *dir,
	const char *name, uint32_t node);
/* node 0: whichever has the name. */
bool tree_drop_entry(struct model_node *dir, const char *name, uint32_t node);
void tree_set_block(struct arena *arena, struct model_node *node, size_t block,
	const unsigned char *octets);
void tree_set_size(struct arena *arena, struct model_node *node, int64_t size);

/* The files below a directory of a state, as lib/queue sees them; it may
 * change them. Lives as long as the arena. */
struct disk *tree_disk(
	struct arena *arena, struct model_tree *tree, const char *directory);

#endif
