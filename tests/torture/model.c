#include "model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "model_inside.h"

void model_change_apply(struct arena *arena, struct model_tree *tree,
	const struct change *change)
{
	struct model_node *node = tree->nodes[change->node];

	switch (change->kind) {
	case BLOCK:
		tree_set_block(arena, node, change->block, change->octets);
		break;
	case SIZE:
		tree_set_size(arena, node, change->size);
		break;
	case TIMES:
		node->modified_s = change->size;
		break;
	case NAME:
		if (change->from_dir)
			tree_drop_entry(tree->nodes[change->from_dir],
				change->from, change->node);
		if (change->to_dir)
			tree_set_entry(arena, tree->nodes[change->to_dir],
				change->to, change->node);
		break;
	}
}

static struct change *add(struct model *model, enum kind kind, uint32_t node)
{
	struct change *change;

	arena_grow(model->arena, &model->pending, &model->pending_capacity,
		model->pending_count + 1, sizeof(*model->pending));
	change = &model->pending[model->pending_count++];
	*change = (struct change){
		.kind = kind, .node = node, .number = ++model->number
	};
	return change;
}

static void happen(struct model *model, const struct change *change)
{
	model_change_apply(model->arena, &model->newest, change);
}

/* ---- records ---- */

static uint32_t new_node(struct model *model, uint32_t dir, const char *name,
	uint64_t inode, bool is_dir)
{
	uint32_t at = (uint32_t)model->newest.count++;

	if (at >= MODEL_NODES_MOST)
		panic("too many files for the model");
	for (uint32_t i = 1; i < at; i++)
		if (model->inodes[i] == inode)
			model->inodes[i] = 0;
	model->inodes[at] = inode;
	model->is_queue[at] = dir == model->newest.root ?
				      strcmp(name, "queue") == 0 :
				      model->is_queue[dir];
	model->newest.nodes[at] = arena_new_of(model->arena, struct model_node);
	model->durable.nodes[at] =
		arena_new_of(model->arena, struct model_node);
	model->newest.nodes[at]->is_dir = is_dir;
	model->durable.nodes[at]->is_dir = is_dir;
	model->durable.count = model->newest.count;
	return at;
}

static uint32_t node_of(const struct model *model, uint64_t inode)
{
	for (size_t i = model->newest.count; inode && i-- > 1;)
		if (model->inodes[i] == inode)
			return (uint32_t)i;
	return 0;
}

/* The directory of a path and its last name; 0: not of ours. */
static uint32_t resolve(const struct model *model, uint64_t dir,
	const char *path, const char **last)
{
	uint32_t from = node_of(model, dir);

	if (path[0] == '/') {
		if (strncmp(path, model->root, model->root_len) != 0 ||
			path[model->root_len] != '/')
			return 0;
		path += model->root_len + 1;
		from = model->newest.root;
	}
	from = tree_walk(&model->newest, from, path, last);
	if (from)
		*last = arena_cstr(model->arena, str_from(*last));
	return from;
}

static uint32_t child(const struct model *model, uint32_t dir, const char *name)
{
	struct model_entry *entry =
		tree_entry(model->newest.nodes[dir], name, strlen(name));

	return entry ? entry->node : 0;
}

static void resize(struct model *model, uint32_t node, int64_t size)
{
	struct change *change;

	if (model->newest.nodes[node]->size == size)
		return;
	change = add(model, SIZE, node);
	change->size = size;
	happen(model, change);
}

static bool opened(struct model *model, const struct record *r)
{
	const char *name;
	uint32_t dir = resolve(model, r->dir, (const char *)(r + 1), &name);
	uint32_t node = dir ? child(model, dir, name) : 0;
	struct change *change;

	if (!dir)
		return false;
	if (r->b & __O_TMPFILE) {
		new_node(model, dir, "", r->a, false);
		return false;
	}
	if (node && node_of(model, r->a) == node) {
		if (!(r->b & O_TRUNC) || !model->newest.nodes[node]->size)
			return false;
		resize(model, node, 0);
		return true;
	}
	if (!(r->b & O_CREAT))
		return false;
	node = new_node(model, dir, name, r->a, false);
	change = add(model, NAME, node);
	change->to_dir = dir;
	change->to = name;
	happen(model, change);
	return true;
}

static bool is_zero(const unsigned char *octets)
{
	return octets[0] == 0 &&
	       memcmp(octets, octets + 1, MODEL_BLOCK - 1) == 0;
}

static void write_block(struct model *model, uint32_t node, size_t block,
	size_t at, const unsigned char *octets, size_t len)
{
	struct model_node *n = model->newest.nodes[node];
	const unsigned char *old =
		block < n->block_count ? n->blocks[block] : NULL;
	unsigned char *fresh = arena_alloc(model->arena, MODEL_BLOCK);
	struct change *change;

	if (old)
		memcpy(fresh, old, MODEL_BLOCK);
	memcpy(fresh + at, octets, len);
	if (old ? memcmp(old, fresh, MODEL_BLOCK) == 0 : is_zero(fresh))
		return;
	change = add(model, BLOCK, node);
	change->block = (uint32_t)block;
	change->octets = fresh;
	happen(model, change);
}

static bool written(struct model *model, const struct record *r)
{
	uint32_t node = node_of(model, r->a);
	const unsigned char *octets = (const unsigned char *)(r + 1);
	size_t before = model->pending_count;

	if (!node)
		return false;
	for (uint64_t at = 0; at < r->len;) {
		uint64_t in = (r->b + at) % MODEL_BLOCK;
		uint64_t len = MODEL_BLOCK - in;

		if (len > r->len - at)
			len = r->len - at;
		write_block(model, node, (r->b + at) / MODEL_BLOCK, in,
			octets + at, len);
		at += len;
	}
	if ((int64_t)(r->b + r->len) > model->newest.nodes[node]->size)
		resize(model, node, (int64_t)(r->b + r->len));
	return model->pending_count > before;
}

static bool renamed(struct model *model, const struct record *r, bool is_link)
{
	const char *from = (const char *)(r + 1), *to = from + strlen(from) + 1;
	const char *name, *name_to;
	uint32_t dir = *from ? resolve(model, r->dir, from, &name) : 0;
	uint32_t dir_to = resolve(model, r->dir_to, to, &name_to);
	uint32_t node = !*from ? node_of(model, r->a) :
			dir    ? child(model, dir, name) :
				 0;
	struct change *change;

	if (!node || !dir_to)
		return false;
	change = add(model, NAME, node);
	change->from_dir = is_link ? 0 : dir;
	change->from = name;
	change->to_dir = dir_to;
	change->to = name_to;
	happen(model, change);
	return true;
}

static bool unlinked(struct model *model, const struct record *r)
{
	const char *name;
	uint32_t dir = resolve(model, r->dir, (const char *)(r + 1), &name);
	uint32_t node = dir ? child(model, dir, name) : 0;
	struct change *change;

	if (!node)
		return false;
	change = add(model, NAME, node);
	change->from_dir = dir;
	change->from = name;
	happen(model, change);
	return true;
}

static bool made(struct model *model, const struct record *r)
{
	const char *name;
	uint32_t dir = resolve(model, r->dir, (const char *)(r + 1), &name);
	struct change *change;

	if (!dir || child(model, dir, name))
		return false;
	change = add(model, NAME, new_node(model, dir, name, r->a, true));
	change->to_dir = dir;
	change->to = name;
	happen(model, change);
	return true;
}

/* ---- flushes ---- */

/* Does this flush make the change durable? Of a rename between directories
 * the flush of the new name's makes only that durable. */
static bool is_covered(
	struct model *model, struct change *change, uint32_t node, bool all)
{
	if (all)
		return true;
	if (change->kind != NAME)
		return change->node == node;
	if (change->from_dir == node)
		return true;
	if (change->to_dir != node)
		return false;
	if (change->from_dir) {
		struct change only = *change;

		only.from_dir = 0;
		model_change_apply(model->arena, &model->durable, &only);
		change->to_dir = 0;
		return false;
	}
	return true;
}

static void flushed(
	struct model *model, uint64_t until, uint32_t node, bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < model->pending_count; i++) {
		struct change *change = &model->pending[i];

		if (change->number <= until &&
			is_covered(model, change, node, all))
			model_change_apply(
				model->arena, &model->durable, change);
		else
			model->pending[kept++] = *change;
	}
	model->pending_count = kept;
	model->version++;
}

/* What the flush should have made durable. */
static void owe(struct model *model, uint64_t until, uint32_t node, bool all)
{
	for (size_t i = 0; i < model->pending_count; i++) {
		struct change *change = &model->pending[i];

		if (change->number <= until &&
			(all || (change->kind != NAME ?
						change->node == node :
						change->from_dir == node ||
							change->to_dir ==
								node)))
			change->is_owed = true;
	}
}

bool model_is_ignored(const struct model *model, uint64_t place)
{
	for (size_t i = 0; i < model->ignored_count; i++)
		if (model->ignored[i] == place)
			return true;
	return false;
}

static void flush_begins(struct model *model, uint64_t place)
{
	arena_grow(model->arena, &model->flushes, &model->flush_capacity,
		model->flush_count + 1, sizeof(*model->flushes));
	model->flushes[model->flush_count++] = (struct flush){ place,
		model->number, model_is_ignored(model, place) };
}

void model_ignore(struct model *model, uint64_t place)
{
	arena_grow(model->arena, &model->ignored, &model->ignored_capacity,
		model->ignored_count + 1, sizeof(*model->ignored));
	model->ignored[model->ignored_count++] = place;
}

static void flush_ends(
	struct model *model, uint64_t place, const struct record *begun)
{
	uint32_t node = node_of(model, begun->a);

	if (!node && !begun->b)
		return;
	for (size_t i = model->flush_count; i-- > 0;) {
		const struct flush *flush = &model->flushes[i];

		if (flush->place != place)
			continue;
		if (flush->is_ignored)
			owe(model, flush->number, node, begun->b);
		else
			flushed(model, flush->number, node, begun->b);
	}
}

bool model_apply(struct model *model, uint64_t place, const struct record *r)
{
	uint32_t node;

	if (place < model->begin)
		return false;
	switch (r->op) {
	case OP_OPEN:
		return opened(model, r);
	case OP_WRITE:
		return written(model, r);
	case OP_TRUNCATE:
		node = node_of(model, r->a);
		if (!node)
			return false;
		resize(model, node, (int64_t)r->b);
		return true;
	case OP_TIMES:
		node = node_of(model, r->a);
		if (!node)
			return false;
		add(model, TIMES, node)->size = (int64_t)r->b;
		happen(model, &model->pending[model->pending_count - 1]);
		return true;
	case OP_RENAME:
	case OP_LINK:
		return renamed(model, r, r->op == OP_LINK);
	case OP_UNLINK:
	case OP_RMDIR:
		return unlinked(model, r);
	case OP_MKDIR:
		return made(model, r);
	case OP_FLUSH:
		flush_begins(model, place);
		return false;
	case OP_FLUSHED:
		flush_ends(model, r->a,
			(const struct record *)((const char *)r - place +
						r->a));
		return false;
	default:
		return false;
	}
}

/* ---- the beginning ---- */

/* The base file: "BEGIN ROOT", then "INODE PATH" a line, parents first. */
struct model *model_new(const char *base_file)
{
	struct model *model = mem_new(1, sizeof(*model));
	FILE *base = fopen(base_file, "re");
	char line[4096], *root;
	unsigned long long inode;

	model->arena = arena_new(0);
	model->newest.count = model->durable.count = 1;
	if (!base || !fgets(line, sizeof(line), base))
		panic("%s: %m", base_file);
	line[strcspn(line, "\n")] = 0;
	model->begin = strtoull(line, &root, 10);
	root += strspn(root, " ");
	model->root = arena_cstr(model->arena, str_from(root));
	model->root_len = strlen(root);
	model->newest.root = model->durable.root =
		new_node(model, 0, "", 1, true);
	model->inodes[model->newest.root] = 0;
	while (fgets(line, sizeof(line), base)) {
		const char *name;
		char *path = strchr(line, '/');
		uint32_t dir, node;

		line[strcspn(line, "\n")] = 0;
		if (!path || sscanf(line, "%llu", &inode) != 1)
			continue;
		dir = resolve(model, 0, path, &name);
		if (!dir)
			continue;
		node = new_node(model, dir, name, inode, true);
		tree_set_entry(
			model->arena, model->newest.nodes[dir], name, node);
		tree_set_entry(
			model->arena, model->durable.nodes[dir], name, node);
	}
	fclose(base);
	return model;
}

void model_free(struct model *model)
{
	arena_free(model->arena);
	free(model);
}
