/*
 * Writing cdb: files with libcdb (tinycdb). They are written once: there is no
 * changing of an existing one.
 */
#include "maps/build_type.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdb.h>

enum { SEEN_LEAST = 1 << 12 };

struct cdb_building {
	struct cdb_make make;
	int fd;
	/* Hashes of the keys so far, 0: none: the library looks for each key
	 * among a 256th of all; here only for those that may be there. */
	uint64_t *seen;
	size_t room, count; /* room: a power of two */
};

/* False: it was there already. */
static bool remember(uint64_t *seen, size_t room, uint64_t hash)
{
	size_t at = hash & (room - 1);

	while (seen[at] && seen[at] != hash)
		at = (at + 1) & (room - 1);
	if (seen[at])
		return false;
	seen[at] = hash;
	return true;
}

static void grow(struct cdb_building *cdb)
{
	size_t room = cdb->room ? cdb->room * 2 : SEEN_LEAST;
	uint64_t *seen = mem_new(room, sizeof(*seen));

	for (size_t i = 0; i < cdb->room; i++)
		if (cdb->seen[i])
			(void)remember(seen, room, cdb->seen[i]);
	free(cdb->seen);
	cdb->seen = seen;
	cdb->room = room;
}

static bool may_be_there(struct cdb_building *cdb, struct str key)
{
	uint64_t hash = str_hash(key);

	if (cdb->count * 2 >= cdb->room)
		grow(cdb);
	if (!remember(cdb->seen, cdb->room, hash ? hash : 1))
		return true;
	cdb->count++;
	return false;
}

static int cdb_open(struct build *build, const struct conf *conf, bool is_new)
{
	struct cdb_building *cdb = arena_new_of(build->arena,
		struct cdb_building);

	(void)conf;
	(void)is_new;
	cdb->fd = open(build->temporary, O_RDWR | O_CLOEXEC);
	if (cdb->fd < 0)
		return errno;
	if (cdb_make_start(&cdb->make, cdb->fd) < 0) {
		int error = errno;

		close(cdb->fd);
		return error;
	}
	build->state = cdb;
	return 0;
}

static int cdb_put(struct build *build, struct str key, struct str value,
	bool replace)
{
	struct cdb_building *cdb = build->state;
	int result;

	if (key.len > INT_MAX || value.len > INT_MAX)
		return EFBIG;
	if (!may_be_there(cdb, key)) {
		result = cdb_make_add(&cdb->make, key.p, (unsigned)key.len,
			value.p, (unsigned)value.len);
		return result < 0 ? errno : 0;
	}
	result = cdb_make_put(&cdb->make, key.p, (unsigned)key.len, value.p,
		(unsigned)value.len,
		replace ? CDB_PUT_REPLACE : CDB_PUT_INSERT);
	return result < 0 ? errno : result > 0 ? EEXIST : 0;
}

/* Without the end of the file's making its memory would stay. */
static int cdb_close(struct build *build, bool keep)
{
	struct cdb_building *cdb = build->state;
	int error = cdb_make_finish(&cdb->make) < 0 ? errno : 0;

	close(cdb->fd);
	free(cdb->seen);
	return keep ? error : 0;
}

static const char *cdb_text(int error)
{
	return strerror(error);
}

const struct build_type build_cdb = {
	.type = "cdb",
	.suffix = "cdb",
	.open = cdb_open,
	.put = cdb_put,
	.close = cdb_close,
	.text = cdb_text,
	.naming = BUILD_NAMED_BY_SOURCE,
	.no_nul = true,
};
