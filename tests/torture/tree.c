#include "tree.h"

#include <stdlib.h>

#include "base/log.h"

struct model_entry *tree_entry(
	const struct model_node *dir, const char *name, size_t len)
{
	for (size_t i = 0; i < dir->entry_count; i++)
		if (strncmp(dir->entries[i].name, name, len) == 0 &&
			dir->entries[i].name[len] == 0)
			return &dir->entries[i];
	return NULL;
}

uint32_t tree_walk(const struct model_tree *tree, uint32_t at, const char *path,
	const char **last)
{
	while (at) {
		size_t len;
		struct model_entry *entry;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (last && path[len] == 0) {
			*last = path;
			return at;
		}
		if (len == 0)
			return at;
		if (!tree->nodes[at] || !tree->nodes[at]->is_dir)
			return 0;
		if (len == 1 && path[0] == '.') {
			path += len;
			continue;
		}
		entry = tree_entry(tree->nodes[at], path, len);
		at = entry ? entry->node : 0;
		path += len;
	}
	return 0;
}

uint32_t tree_find(const struct model_tree *tree, const char *path)
{
	return tree_walk(tree, tree->root, path, NULL);
}

void tree_set_entry(struct arena *arena, struct model_node *dir,
	const char *name, uint32_t node)
{
	struct model_entry *entry = tree_entry(dir, name, strlen(name));

	if (entry) {
		entry->node = node;
		return;
	}
	arena_grow(arena, &dir->entries, &dir->entry_capacity,
		dir->entry_count + 1, sizeof(*dir->entries));
	dir->entries[dir->entry_count++] = (struct model_entry){ name, node };
}

bool tree_drop_entry(struct model_node *dir, const char *name, uint32_t node)
{
	struct model_entry *entry = tree_entry(dir, name, strlen(name));

	if (!entry || (node && entry->node != node))
		return false;
	*entry = dir->entries[--dir->entry_count];
	return true;
}

void tree_set_block(struct arena *arena, struct model_node *node, size_t block,
	const unsigned char *octets)
{
	size_t capacity = node->block_count;

	if (block >= node->block_count) {
		if (!octets)
			return;
		arena_grow(arena, &node->blocks, &capacity, block + 1,
			sizeof(*node->blocks));
		for (size_t i = node->block_count; i <= block; i++)
			node->blocks[i] = NULL;
		node->block_count = block + 1;
	}
	node->blocks[block] = octets;
}

void tree_set_size(struct arena *arena, struct model_node *node, int64_t size)
{
	size_t whole = (size_t)(size / MODEL_BLOCK);
	size_t part = (size_t)(size % MODEL_BLOCK);

	if (size < node->size && whole < node->block_count) {
		if (part && node->blocks[whole]) {
			unsigned char *copy = arena_alloc(arena, MODEL_BLOCK);

			memcpy(copy, node->blocks[whole], part);
			node->blocks[whole] = copy;
		}
		node->block_count = whole + (part > 0);
	}
	node->size = size;
}

struct str tree_octets(const struct model_node *node, struct arena *arena)
{
	char *octets = arena_alloc(arena, (size_t)node->size + 1);

	for (size_t i = 0; i < node->block_count; i++) {
		int64_t at = (int64_t)i * MODEL_BLOCK, left = node->size - at;

		if (left <= 0)
			break;
		if (node->blocks[i])
			memcpy(octets + at, node->blocks[i],
				left < MODEL_BLOCK ? (size_t)left :
						     MODEL_BLOCK);
	}
	return str_of(octets, (size_t)node->size);
}

/* A copy that may be changed. */
struct model_node *tree_own(
	struct arena *arena, struct model_tree *tree, uint32_t at)
{
	struct model_node *copy = arena_new_of(arena, struct model_node);
	const struct model_node *old = tree->nodes[at];

	if (old) {
		*copy = *old;
		copy->blocks = arena_array(
			arena, old->block_count + 1, sizeof(*copy->blocks));
		if (old->block_count)
			memcpy(copy->blocks, old->blocks,
				old->block_count * sizeof(*copy->blocks));
		copy->entries = arena_array(
			arena, old->entry_count + 4, sizeof(*copy->entries));
		copy->entry_capacity = old->entry_count + 4;
		if (old->entry_count)
			memcpy(copy->entries, old->entries,
				old->entry_count * sizeof(*copy->entries));
	}
	tree->nodes[at] = copy;
	return copy;
}

const unsigned char *tree_block(const struct model_node *node, uint32_t block)
{
	return block < node->block_count ? node->blocks[block] : NULL;
}
