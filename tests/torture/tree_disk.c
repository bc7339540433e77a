/*
 * torture/tree_disk - a tree as a disk of lib/queue.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "tree.h"

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
		tree_own(d->arena, d->tree, node);
		d->owned[node] = true;
	}
	return d->tree->nodes[node];
}

static uint32_t parent(struct tree_disk *d, const char *path, const char **name)
{
	uint32_t dir = tree_walk(d->tree, d->root, path, name);

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
	tree_set_entry(d->arena, mine(d, dir),
		arena_cstr(d->arena, str_from(name)), node);
	return node;
}

static int disk_open_(struct disk *disk, const char *path, int flags)
{
	struct tree_disk *d = of(disk);
	uint32_t node = tree_walk(d->tree, d->root, path, NULL);

	errno = node ? EEXIST : ENOENT;
	if (node ? (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) :
		   !(flags & O_CREAT))
		return -1;
	if (!node)
		node = new_in(d, path, false);
	if (!node)
		return -1;
	if (flags & O_TRUNC)
		tree_set_size(d->arena, mine(d, node), 0);
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

static ssize_t disk_pread(
	struct disk *disk, int fd, void *into, size_t len, off_t at)
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
		const unsigned char *octets = tree_block(node, (uint32_t)block);

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

static ssize_t disk_pwrite(
	struct disk *disk, int fd, const void *from, size_t len, off_t at)
{
	struct tree_disk *d = of(disk);
	struct model_node *node = mine(d, d->open[fd]);

	for (size_t done = 0; done < len;) {
		size_t block = ((size_t)at + done) / MODEL_BLOCK;
		size_t in = ((size_t)at + done) % MODEL_BLOCK;
		size_t part = MODEL_BLOCK - in;
		const unsigned char *old = tree_block(node, (uint32_t)block);
		unsigned char *fresh = arena_alloc(d->arena, MODEL_BLOCK);

		if (part > len - done)
			part = len - done;
		if (old)
			memcpy(fresh, old, MODEL_BLOCK);
		memcpy(fresh + in, (const char *)from + done, part);
		tree_set_block(d->arena, node, block, fresh);
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
	return tree_walk(d->tree, d->root, path, NULL) ? 0 : -1;
}

static int move(
	struct tree_disk *d, const char *from, const char *to, bool keep)
{
	const char *name, *name_to;
	uint32_t dir = parent(d, from, &name), dir_to = parent(d, to, &name_to);
	uint32_t node = tree_walk(d->tree, d->root, from, NULL);

	errno = ENOENT;
	if (!dir || !dir_to || !node)
		return -1;
	errno = EEXIST;
	if (keep && tree_walk(d->tree, d->root, to, NULL))
		return -1;
	if (!keep)
		tree_drop_entry(mine(d, dir), name, 0);
	tree_set_entry(d->arena, mine(d, dir_to),
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

	if (!dir || !tree_drop_entry(mine(of(disk), dir), name, 0)) {
		errno = ENOENT;
		return -1;
	}
	return 0;
}

static int disk_mkdir_(struct disk *disk, const char *path)
{
	if (tree_walk(of(disk)->tree, of(disk)->root, path, NULL)) {
		errno = EEXIST;
		return -1;
	}
	return new_in(of(disk), path, true) ? 0 : -1;
}

static int disk_list_(struct disk *disk, const char *path,
	void (*each)(void *context, const char *name), void *context)
{
	struct tree_disk *d = of(disk);
	uint32_t dir = tree_walk(d->tree, d->root, path, NULL);
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

struct disk *tree_disk(
	struct arena *arena, struct model_tree *tree, const char *directory)
{
	struct tree_disk *d = arena_new_of(arena, struct tree_disk);

	d->arena = arena;
	d->tree = tree;
	d->root = tree_find(tree, directory);
	d->disk = (struct disk){
		.open = disk_open_,
		.close = disk_close_,
		.pread = disk_pread,
		.pwrite = disk_pwrite,
		.size = disk_size,
		.sync = disk_sync_,
		.sync_dir = disk_sync_dir_,
		.rename = disk_rename_,
		.link = disk_link,
		.unlink = disk_unlink_,
		.mkdir = disk_mkdir_,
		.list = disk_list_,
		.lock = disk_lock,
		.is_sealed = disk_lock,
		.is_alone = disk_lock,
		.space = disk_space,
	};
	return &d->disk;
}
