#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

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
};

struct flush {
	uint64_t place, number;
};

struct model {
	struct arena *arena;
	uint64_t begin; /* what was before in the log is no news */
	char *root; /* the directory's name when it was recorded */
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

/* ---- trees ---- */

static struct model_entry *find_entry(const struct model_node *dir,
	const char *name, size_t len)
{
	for (size_t i = 0; i < dir->entry_count; i++)
		if (strncmp(dir->entries[i].name, name, len) == 0 &&
			dir->entries[i].name[len] == 0)
			return &dir->entries[i];
	return NULL;
}

static uint32_t walk(const struct model_tree *tree, uint32_t at,
	const char *path, const char **last)
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
		entry = find_entry(tree->nodes[at], path, len);
		at = entry ? entry->node : 0;
		path += len;
	}
	return 0;
}

uint32_t tree_find(const struct model_tree *tree, const char *path)
{
	return walk(tree, tree->root, path, NULL);
}

static void set_entry(struct arena *arena, struct model_node *dir,
	const char *name, uint32_t node)
{
	struct model_entry *entry = find_entry(dir, name, strlen(name));

	if (entry) {
		entry->node = node;
		return;
	}
	arena_grow(arena, &dir->entries, &dir->entry_capacity,
		dir->entry_count + 1, sizeof(*dir->entries));
	dir->entries[dir->entry_count++] = (struct model_entry){ name, node };
}

static bool drop_entry(struct model_node *dir, const char *name,
	uint32_t node)
{
	struct model_entry *entry = find_entry(dir, name, strlen(name));

	if (!entry || (node && entry->node != node))
		return false;
	*entry = dir->entries[--dir->entry_count];
	return true;
}

static void set_block(struct arena *arena, struct model_node *node,
	size_t block, const unsigned char *octets)
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

static void set_size(struct arena *arena, struct model_node *node,
	int64_t size)
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
static struct model_node *own(struct arena *arena, struct model_tree *tree,
	uint32_t at)
{
	struct model_node *copy = arena_new_of(arena, struct model_node);
	const struct model_node *old = tree->nodes[at];

	if (old) {
		*copy = *old;
		copy->blocks = arena_array(arena, old->block_count + 1,
			sizeof(*copy->blocks));
		if (old->block_count)
			memcpy(copy->blocks, old->blocks,
				old->block_count * sizeof(*copy->blocks));
		copy->entries = arena_array(arena, old->entry_count + 4,
			sizeof(*copy->entries));
		copy->entry_capacity = old->entry_count + 4;
		if (old->entry_count)
			memcpy(copy->entries, old->entries,
				old->entry_count * sizeof(*copy->entries));
	}
	tree->nodes[at] = copy;
	return copy;
}

/* ---- applying a change to a tree whose nodes may be changed ---- */

static void apply(struct arena *arena, struct model_tree *tree,
	const struct change *change)
{
	struct model_node *node = tree->nodes[change->node];

	switch (change->kind) {
	case BLOCK:
		set_block(arena, node, change->block, change->octets);
		break;
	case SIZE:
		set_size(arena, node, change->size);
		break;
	case TIMES:
		node->modified_s = change->size;
		break;
	case NAME:
		if (change->from_dir)
			drop_entry(tree->nodes[change->from_dir],
				change->from, change->node);
		if (change->to_dir)
			set_entry(arena, tree->nodes[change->to_dir],
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
	*change = (struct change){ .kind = kind, .node = node,
		.number = ++model->number };
	return change;
}

static void happen(struct model *model, const struct change *change)
{
	apply(model->arena, &model->newest, change);
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
		strcmp(name, "queue") == 0 : model->is_queue[dir];
	model->newest.nodes[at] = arena_new_of(model->arena,
		struct model_node);
	model->durable.nodes[at] = arena_new_of(model->arena,
		struct model_node);
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
	from = walk(&model->newest, from, path, last);
	if (from)
		*last = arena_cstr(model->arena, str_from(*last));
	return from;
}

static uint32_t child(const struct model *model, uint32_t dir,
	const char *name)
{
	struct model_entry *entry = find_entry(model->newest.nodes[dir], name,
		strlen(name));

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
	uint32_t dir = resolve(model, r->dir, from, &name);
	uint32_t dir_to = resolve(model, r->dir_to, to, &name_to);
	uint32_t node = dir ? child(model, dir, name) : 0;
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
static bool is_covered(struct model *model, struct change *change,
	uint32_t node, bool all)
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
		apply(model->arena, &model->durable, &only);
		change->to_dir = 0;
		return false;
	}
	return true;
}

static void flushed(struct model *model, uint64_t until, uint32_t node,
	bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < model->pending_count; i++) {
		struct change *change = &model->pending[i];

		if (change->number <= until &&
			is_covered(model, change, node, all))
			apply(model->arena, &model->durable, change);
		else
			model->pending[kept++] = *change;
	}
	model->pending_count = kept;
	model->version++;
}

static void flush_begins(struct model *model, uint64_t place)
{
	for (size_t i = 0; i < model->ignored_count; i++)
		if (model->ignored[i] == place)
			return;
	arena_grow(model->arena, &model->flushes, &model->flush_capacity,
		model->flush_count + 1, sizeof(*model->flushes));
	model->flushes[model->flush_count++] =
		(struct flush){ place, model->number };
}

void model_ignore(struct model *model, uint64_t place)
{
	arena_grow(model->arena, &model->ignored, &model->ignored_capacity,
		model->ignored_count + 1, sizeof(*model->ignored));
	model->ignored[model->ignored_count++] = place;
}

static void flush_ends(struct model *model, uint64_t place,
	const struct record *begun)
{
	uint32_t node = node_of(model, begun->a);

	if (!node && !begun->b)
		return;
	for (size_t i = model->flush_count; i-- > 0;)
		if (model->flushes[i].place == place)
			flushed(model, model->flushes[i].number, node,
				begun->b);
}

bool model_apply(struct model *model, uint64_t place,
	const struct record *r)
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
		flush_ends(model, r->a, (const struct record *)
			((const char *)r - place + r->a));
		return false;
	default:
		return false;
	}
}

/* ---- states ---- */

static const unsigned char *block_of(const struct model_node *node,
	uint32_t block)
{
	return block < node->block_count ? node->blocks[block] : NULL;
}

static struct model_item *find_item(struct model_item *items, size_t count,
	const struct change *change)
{
	for (size_t i = count; i-- > 0;)
		if (items[i].kind == change->kind &&
			items[i].node == change->node &&
			items[i].block == change->block)
			return &items[i];
	return NULL;
}

/* Versions of a block: the newest, the older ones, the durable one, zeroes. */
size_t model_items(const struct model *model, struct model_item *items)
{
	size_t count = 0;

	for (size_t i = 0; i < model->pending_count; i++) {
		const struct change *change = &model->pending[i];
		struct model_item *item = change->kind == NAME ? NULL :
			find_item(items, count, change);

		if (item) {
			if (item->others < 5)
				item->others++;
			continue;
		}
		if (count == MODEL_ITEMS_MOST)
			panic("too much that is not flushed");
		item = &items[count++];
		*item = (struct model_item){ .kind = change->kind,
			.node = change->node, .block = change->block,
			.change = i, .others = 1 };
		item->can_be_zero = change->kind == BLOCK &&
			block_of(model->durable.nodes[change->node],
				change->block) != NULL;
		item->others += item->can_be_zero;
		if (change->kind == NAME && change->from_dir &&
			change->to_dir && change->from_dir != change->to_dir)
			item->others++; /* both names */
	}
	return count;
}

/* The changes of a block or size that a choice leaves out: the newest. */
static bool is_lost(const struct model *model, size_t change,
	const struct model_item *item, uint8_t choice)
{
	const struct change *this = &model->pending[change];
	unsigned newer = 0;

	if (item->can_be_zero && choice == item->others)
		return true;
	if (choice == (uint8_t)(item->others - item->can_be_zero))
		return true; /* the durable one */
	for (size_t i = change + 1; i < model->pending_count && choice; i++)
		newer += model->pending[i].kind == this->kind &&
			model->pending[i].node == this->node &&
			model->pending[i].block == this->block;
	return newer < choice;
}

/* The octets of the mail's files before an append stay what they are: no mbox
 * could live on a file system that loses them. The queue's formats can. */
static const unsigned char *zeroes_of(const struct model *model,
	struct arena *arena, uint32_t node, uint32_t block)
{
	const struct model_node *durable = model->durable.nodes[node];
	int64_t before = durable->size - (int64_t)block * MODEL_BLOCK;
	unsigned char *octets;

	if (model->is_queue[node] || before <= 0 || before >= MODEL_BLOCK ||
		!block_of(durable, block))
		return NULL;
	octets = arena_alloc(arena, MODEL_BLOCK);
	memcpy(octets, block_of(durable, block), (size_t)before);
	return octets;
}

static void apply_name(const struct model *model, struct arena *arena,
	struct model_tree *state, bool *owned, const struct change *change,
	bool both)
{
	struct change some = *change;

	(void)model;
	if (both)
		some.from_dir = 0;
	if (some.from_dir && !owned[some.from_dir])
		own(arena, state, some.from_dir);
	if (some.from_dir)
		owned[some.from_dir] = true;
	if (some.to_dir && !owned[some.to_dir])
		own(arena, state, some.to_dir);
	if (some.to_dir)
		owned[some.to_dir] = true;
	apply(arena, state, &some);
}

void model_state(const struct model *model, struct arena *arena,
	const struct model_item *items, size_t count, const uint8_t *choice,
	struct model_tree *state)
{
	static bool owned[MODEL_NODES_MOST];

	memcpy(state->nodes, model->durable.nodes,
		model->durable.count * sizeof(*state->nodes));
	state->count = model->durable.count;
	state->root = model->durable.root;
	memset(owned, 0, state->count);
	for (size_t i = 0, item = 0; i < model->pending_count; i++) {
		const struct change *change = &model->pending[i];
		const struct model_item *of;

		for (item = 0; item < count; item++)
			if (items[item].kind == change->kind &&
				(change->kind == NAME ?
					items[item].change == i :
					items[item].node == change->node &&
					items[item].block == change->block))
				break;
		if (item == count)
			panic("a change without its item");
		of = &items[item];
		if (change->kind == NAME) {
			if (choice[item] != 1)
				apply_name(model, arena, state, owned, change,
					choice[item] == 2);
			continue;
		}
		if (!owned[change->node])
			own(arena, state, change->node);
		owned[change->node] = true;
		if (!is_lost(model, i, of, choice[item]))
			apply(arena, state, change);
		else if (of->can_be_zero && choice[item] == of->others)
			set_block(arena, state->nodes[change->node],
				change->block, zeroes_of(model, arena,
					change->node, change->block));
	}
}

/* ---- for people ---- */

static void path_of(const struct model *model, struct buf *out, uint32_t node)
{
	for (size_t i = 1; i < model->newest.count; i++) {
		const struct model_node *dir = model->newest.nodes[i];

		for (size_t k = 0; dir->is_dir && k < dir->entry_count; k++) {
			if (dir->entries[k].node != node)
				continue;
			path_of(model, out, (uint32_t)i);
			buf_fmt(out, "%s%s", out->len ? "/" : "",
				dir->entries[k].name);
			return;
		}
	}
	if (node != model->newest.root)
		buf_fmt(out, "(file %u)", node);
}

void model_describe(const struct model *model, struct buf *out,
	const struct model_item *item, uint8_t choice)
{
	static const char *const kinds[] = { "block", "size", "date", "name" };
	const struct change *change = &model->pending[item->change];
	auto_buf struct buf path = { 0 };

	path_of(model, &path, item->node);
	buf_text(out, kinds[item->kind]);
	if (item->kind == BLOCK)
		buf_fmt(out, " %u", item->block);
	buf_fmt(out, " of %.*s", STR_ARG(buf_str(&path)));
	if (item->kind == NAME) {
		buf_text(out, " (");
		if (change->from_dir) {
			path_of(model, out, change->from_dir);
			buf_fmt(out, "/%s", change->from);
		}
		buf_text(out, " -> ");
		if (change->to_dir) {
			path_of(model, out, change->to_dir);
			buf_fmt(out, "/%s", change->to);
		}
		buf_text(out, ")");
	}
	buf_fmt(out, ": %s",
		item->can_be_zero && choice == item->others ? "zeroes" :
		item->kind == NAME && choice == 2	    ? "both" :
							      "old");
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
	model->newest.root = model->durable.root = new_node(model, 0, "", 1, true);
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
		set_entry(model->arena, model->newest.nodes[dir], name, node);
		set_entry(model->arena, model->durable.nodes[dir], name, node);
	}
	fclose(base);
	return model;
}

void model_free(struct model *model)
{
	arena_free(model->arena);
	free(model);
}

/* ---- a tree as a disk of lib/queue ---- */

enum { OPEN_MOST = 512 };

struct tree_disk {
	struct disk disk;
	struct arena *arena;
	struct model_tree *tree;
	uint32_t root;
	uint32_t open[OPEN_MOST]; /* nodes; 0: free */
	bool owned[MODEL_NODES_MOST];
};

static struct tree_disk *of(struct disk *disk)
{
	return CONTAINER(disk, struct tree_disk, disk);
}

static struct model_node *mine(struct tree_disk *d, uint32_t node)
{
	if (!d->owned[node]) {
		own(d->arena, d->tree, node);
		d->owned[node] = true;
	}
	return d->tree->nodes[node];
}

static uint32_t parent(struct tree_disk *d, const char *path,
	const char **name)
{
	uint32_t dir = walk(d->tree, d->root, path, name);

	errno = ENOENT;
	return dir && d->tree->nodes[dir]->is_dir ? dir : 0;
}

static uint32_t new_in(struct tree_disk *d, const char *path, bool is_dir)
{
	const char *name;
	uint32_t dir = parent(d, path, &name), node;

	if (!dir)
		return 0;
	node = (uint32_t)d->tree->count++;
	if (node >= MODEL_NODES_MOST)
		panic("too many files for the model");
	d->tree->nodes[node] = arena_new_of(d->arena, struct model_node);
	d->tree->nodes[node]->is_dir = is_dir;
	d->owned[node] = true;
	set_entry(d->arena, mine(d, dir),
		arena_cstr(d->arena, str_from(name)), node);
	return node;
}

static int disk_open_(struct disk *disk, const char *path, int flags)
{
	struct tree_disk *d = of(disk);
	uint32_t node = walk(d->tree, d->root, path, NULL);

	errno = node ? EEXIST : ENOENT;
	if (node ? (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) :
		   !(flags & O_CREAT))
		return -1;
	if (!node)
		node = new_in(d, path, false);
	if (!node)
		return -1;
	if (flags & O_TRUNC)
		set_size(d->arena, mine(d, node), 0);
	for (int fd = 0; fd < OPEN_MOST; fd++)
		if (!d->open[fd]) {
			d->open[fd] = node;
			return fd;
		}
	errno = EMFILE;
	return -1;
}

static void disk_close_(struct disk *disk, int fd)
{
	of(disk)->open[fd] = 0;
}

static ssize_t disk_pread(struct disk *disk, int fd, void *into, size_t len,
	off_t at)
{
	struct tree_disk *d = of(disk);
	const struct model_node *node = d->tree->nodes[d->open[fd]];
	char *to = into;
	size_t done = 0;

	if (at >= node->size)
		return 0;
	if ((int64_t)len > node->size - at)
		len = (size_t)(node->size - at);
	while (done < len) {
		size_t block = (size_t)at / MODEL_BLOCK;
		size_t in = (size_t)at % MODEL_BLOCK;
		size_t part = MODEL_BLOCK - in;
		const unsigned char *octets =
			block_of(node, (uint32_t)block);

		if (part > len - done)
			part = len - done;
		if (octets)
			memcpy(to + done, octets + in, part);
		else
			memset(to + done, 0, part);
		done += part;
		at += (off_t)part;
	}
	return (ssize_t)len;
}

static ssize_t disk_pwrite(struct disk *disk, int fd, const void *from,
	size_t len, off_t at)
{
	struct tree_disk *d = of(disk);
	struct model_node *node = mine(d, d->open[fd]);

	for (size_t done = 0; done < len;) {
		size_t block = ((size_t)at + done) / MODEL_BLOCK;
		size_t in = ((size_t)at + done) % MODEL_BLOCK;
		size_t part = MODEL_BLOCK - in;
		const unsigned char *old = block_of(node, (uint32_t)block);
		unsigned char *fresh = arena_alloc(d->arena, MODEL_BLOCK);

		if (part > len - done)
			part = len - done;
		if (old)
			memcpy(fresh, old, MODEL_BLOCK);
		memcpy(fresh + in, (const char *)from + done, part);
		set_block(d->arena, node, block, fresh);
		done += part;
	}
	if (at + (off_t)len > node->size)
		node->size = at + (off_t)len;
	return (ssize_t)len;
}

static int64_t disk_size(struct disk *disk, int fd)
{
	struct tree_disk *d = of(disk);

	return d->tree->nodes[d->open[fd]]->size;
}

static int disk_sync_(struct disk *disk, int fd)
{
	(void)disk;
	(void)fd;
	return 0;
}

static int disk_sync_dir_(struct disk *disk, const char *path)
{
	struct tree_disk *d = of(disk);

	errno = ENOENT;
	return walk(d->tree, d->root, path, NULL) ? 0 : -1;
}

static int move(struct tree_disk *d, const char *from, const char *to,
	bool keep)
{
	const char *name, *name_to;
	uint32_t dir = parent(d, from, &name), dir_to = parent(d, to, &name_to);
	uint32_t node = walk(d->tree, d->root, from, NULL);

	errno = ENOENT;
	if (!dir || !dir_to || !node)
		return -1;
	errno = EEXIST;
	if (keep && walk(d->tree, d->root, to, NULL))
		return -1;
	if (!keep)
		drop_entry(mine(d, dir), name, 0);
	set_entry(d->arena, mine(d, dir_to),
		arena_cstr(d->arena, str_from(name_to)), node);
	return 0;
}

static int disk_rename_(struct disk *disk, const char *from, const char *to)
{
	return move(of(disk), from, to, false);
}

static int disk_link(struct disk *disk, const char *from, const char *to)
{
	return move(of(disk), from, to, true);
}

static int disk_unlink_(struct disk *disk, const char *path)
{
	const char *name;
	uint32_t dir = parent(of(disk), path, &name);

	if (!dir || !drop_entry(mine(of(disk), dir), name, 0)) {
		errno = ENOENT;
		return -1;
	}
	return 0;
}

static int disk_mkdir_(struct disk *disk, const char *path)
{
	if (walk(of(disk)->tree, of(disk)->root, path, NULL)) {
		errno = EEXIST;
		return -1;
	}
	return new_in(of(disk), path, true) ? 0 : -1;
}

static int disk_list_(struct disk *disk, const char *path,
	void (*each)(void *context, const char *name), void *context)
{
	struct tree_disk *d = of(disk);
	uint32_t dir = walk(d->tree, d->root, path, NULL);
	const struct model_node *node = d->tree->nodes[dir];

	errno = ENOENT;
	if (!dir || !node->is_dir)
		return -1;
	for (size_t i = 0; i < node->entry_count; i++)
		each(context, node->entries[i].name);
	return 0;
}

static int disk_lock(struct disk *disk, int fd)
{
	(void)disk;
	(void)fd;
	return 0;
}

static int64_t disk_space(struct disk *disk)
{
	(void)disk;
	return INT64_MAX;
}

struct disk *tree_disk(struct arena *arena, struct model_tree *tree,
	const char *directory)
{
	struct tree_disk *d = arena_new_of(arena, struct tree_disk);

	d->arena = arena;
	d->tree = tree;
	d->root = tree_find(tree, directory);
	d->disk = (struct disk){
		.open = disk_open_, .close = disk_close_, .pread = disk_pread,
		.pwrite = disk_pwrite, .size = disk_size, .sync = disk_sync_,
		.sync_dir = disk_sync_dir_, .rename = disk_rename_,
		.link = disk_link, .unlink = disk_unlink_,
		.mkdir = disk_mkdir_, .list = disk_list_, .lock = disk_lock,
		.is_sealed = disk_lock, .space = disk_space,
	};
	return &d->disk;
}
