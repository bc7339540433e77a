#include "posthorn/in_place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>

#include "base/arena.h"

enum { SPACES_MOST = 32 }; /* kinds of room: what it is for, how it is kept */

#define KEPT_TWICE                                                             \
	(BTRFS_BLOCK_GROUP_RAID1_MASK | BTRFS_BLOCK_GROUP_RAID56_MASK |        \
		BTRFS_BLOCK_GROUP_DUP | BTRFS_BLOCK_GROUP_RAID10)

static bool is_btrfs(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 &&
		(unsigned long)st.f_type == BTRFS_SUPER_MAGIC;
}

/* In doubt no. */
static bool keeps_data_once(int fd)
{
	auto_arena struct arena *arena = arena_new(0);
	struct btrfs_ioctl_space_args *all = arena_alloc(arena, sizeof(*all) +
		SPACES_MOST * sizeof(all->spaces[0]));

	*all = (struct btrfs_ioctl_space_args){ .space_slots = SPACES_MOST };
	if (ioctl(fd, BTRFS_IOC_SPACE_INFO, all) < 0 ||
		all->total_spaces == 0 || all->total_spaces >= SPACES_MOST)
		return false;
	for (size_t i = 0; i < all->total_spaces; i++)
		if (all->spaces[i].flags & BTRFS_BLOCK_GROUP_DATA &&
			all->spaces[i].flags & KEPT_TWICE)
			return false;
	return true;
}

bool write_in_place(const char *folder)
{
	auto_close int fd = open(folder,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int flags;

	if (fd < 0)
		return false;
	if (!is_btrfs(fd) || !keeps_data_once(fd))
		return true;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return false;
	flags |= FS_NOCOW_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}
