/*
 * posthorn/in_place - a folder whose files are written in place also on a file
 * system that would write anew elsewhere.
 *
 * The queue's journal is written over and over, with its own checksums. On btrfs
 * each slot would become a piece of its own, with a checksum and a reference to be
 * written at every flush, and a full disk would refuse what has its place already.
 * By tests/bench/flush, a slot and its flush in memory: 280 µs of CPU, 11 writes;
 * in place 120 µs, 7 writes. Ten that share a flush: 46 µs and 1.2; 20 and 0.7.
 */
#ifndef POSTHORN_IN_PLACE_H
#define POSTHORN_IN_PLACE_H

#include <stdbool.h>

/*
 * For a folder that has just been made: what is made in it is written in place,
 * and without the file system's checksums. Not where btrfs keeps data more than
 * once: after a power cut the copies of what was being written may differ, and
 * checksums alone say which one is right. On other file systems it does nothing.
 * False with errno: it could not be asked for; the folder is as good, but slow.
 */
bool write_in_place(const char *folder);

#endif
