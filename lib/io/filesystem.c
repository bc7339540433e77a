#include "io/filesystem.h"

#include <linux/magic.h>
#include <sys/statfs.h>

/*
 * By tests/bench/flush, Linux 6.18, messages of 4 KB in Maildirs of their own,
 * data and names; for a message, each by itself, by three threads at once, and all
 * by two syncfs: flushes of the device, its writes, and µs of CPU with that of the
 * kernel's threads (on a busy machine, the file system in memory).
 *
 *             ext4          XFS           btrfs           ext4 without journal
 *	 1     4.0 5 240     4.0 3 190     4.0 20   590    2.0 7.0 230
 *	 2     3.0 4 160     3.0 3 110     4.0 19   510    2.0 6.5 130
 *	   all 2.7 8 150     2.0 2 100     2.0 31 1,620    1.0 5.7  80
 *	 3     2.7 4 120     2.7 2  90     4.0 19   530    2.0 6.6 120
 *	  thr. 1.5 2 140     2.2 2 110     2.7 13   440    2.0 6.5 110
 *	   all 1.5 6 130     1.3 1  70     1.3 23 1,340    0.7 4.8  70
 *	 5     2.4 3 160     2.6 2 150     4.0 18   490    2.0 6.6 120
 *	   all 0.8 4  90     1.0 1  70     0.8 15   900    0.4 3.7  50
 *	10     2.2 3 120     2.3 2  80     4.0 18   410    2.0 6.4 110
 *	  thr. 1.3 2 110     1.8 2 130     2.7 12   380    1.7 6.2 130
 *	   all 0.4 3  90     0.5 0  60     0.4 10   440    0.2 2.4  30
 *
 * ext4: an fsync commits the journal for all; two are as cheap by themselves.
 * Without a journal they are not, but nothing tells the two apart. XFS: each fsync
 * is a write of the log, which syncfs makes once. btrfs: fsync writes a log of the
 * file alone, syncfs commits the transaction, which takes 1.2 to 2 ms of CPU
 * whatever is in it, as much as four to seven logs. Threads that flush at once
 * share some of that (who flushes by himself does so in a helper thread), but less
 * than one syncfs saves.
 */
static const struct {
	unsigned long magic;
	unsigned from;
} kinds[] = {
	{ EXT4_SUPER_MAGIC,  3 },
	{ XFS_SUPER_MAGIC,   2 },
	{ BTRFS_SUPER_MAGIC, 5 },
	{ TMPFS_MAGIC,       3 }, /* neither does anything */
};

unsigned io_syncfs_from(int fd)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return 0;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if ((unsigned long)st.f_type == kinds[i].magic)
			return kinds[i].from;
	return 0;
}
