/*
 * torture/states - what a power cut may leave of a model.
 */
#include "model_inside.h"

#include "base/log.h"

static struct model_item *find_item(
	struct model_item *items, size_t count, const struct change *change)
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
		struct model_item *item =
			change->kind == NAME ? NULL :
					       find_item(items, count, change);

		if (item) {
			if (item->others < 5)
				item->others++;
			item->is_owed |= change->is_owed;
			continue;
		}
		if (count == MODEL_ITEMS_MOST)
			panic("too much that is not flushed");
		item = &items[count++];
		*item = (struct model_item){ .kind = change->kind,
			.node = change->node,
			.block = change->block,
			.change = i,
			.others = 1,
			.is_owed = change->is_owed };
		item->can_be_zero =
			change->kind == BLOCK &&
			tree_block(model->durable.nodes[change->node],
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
		!tree_block(durable, block))
		return NULL;
	octets = arena_alloc(arena, MODEL_BLOCK);
	memcpy(octets, tree_block(durable, block), (size_t)before);
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
		tree_own(arena, state, some.from_dir);
	if (some.from_dir)
		owned[some.from_dir] = true;
	if (some.to_dir && !owned[some.to_dir])
		tree_own(arena, state, some.to_dir);
	if (some.to_dir)
		owned[some.to_dir] = true;
	model_change_apply(arena, state, &some);
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
						items[item].node ==
								change->node &&
							items[item].block ==
								change->block))
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
			tree_own(arena, state, change->node);
		owned[change->node] = true;
		if (!is_lost(model, i, of, choice[item]))
			model_change_apply(arena, state, change);
		else if (of->can_be_zero && choice[item] == of->others)
			tree_set_block(arena, state->nodes[change->node],
				change->block,
				zeroes_of(model, arena, change->node,
					change->block));
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
		item->kind == NAME && choice == 2           ? "both" :
							      "old");
}
