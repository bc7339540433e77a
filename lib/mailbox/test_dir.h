/*
 * mailbox/test_dir - the folder of a test case, as cmocka's fixtures: what unit
 * tests beside this file share.
 */
#ifndef MAILBOX_TEST_DIR_H
#define MAILBOX_TEST_DIR_H

#include <stdio.h>

#include "mailbox/stand.h"

static char dir[64];

static inline int make_dir(void **state)
{
	(void)state;
	return stand_folder_make(dir);
}

static inline int remove_dir(void **state)
{
	(void)state;
	return stand_folder_remove(dir);
}

/* Good until the next call. */
static inline const char *path_in(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

#endif
