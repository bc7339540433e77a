/*
 * The environment and its transactions; rows are in the index_*.c beside it.
 */
#include "mailbox/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "maps/pages.h"

#define INDEX_NAME "posthorn-index"
#define INDEX_LOCK INDEX_NAME "-lock"
#define INDEX_BOOT INDEX_NAME "-boot"
#define INDEX_FORMAT "posthorn 8"

enum {
	ROOM = 1 << 30, /* of addresses, free before a transaction begins */
	READERS = 500,
};

static const char *const table_names[TABLES] = {
	"mailboxes", "messages", "facts", "digests", "expunged",
	"keywords", "words", "packs", "meta",
};

/*
 * Where the map is mapped LMDB does not tell, but a page has its number in
 * front (maps/pages knows the format), and where a value is, that is known.
 */
static char *map_of(struct index_txn *txn, size_t page_size)
{
	MDB_val val;
	uintptr_t page;
	uint64_t number;

	if (!rows_find(txn, META, val_str(STR("format")), &val))
		return NULL;
	page = (uintptr_t)val.mv_data & ~(uintptr_t)(page_size - 1);
	memcpy(&number, (const void *)page, sizeof(number));
	return (char *)(page - number * page_size);
}

void index_read_ahead(struct index_txn *txn)
{
	struct index *index = txn->index;
	MDB_envinfo info;
	MDB_stat stat;
	char *map;

	if (!index->is_sparse)
		return;
	index->is_sparse = false;
	mdb_env_info(index->env, &info);
	mdb_env_stat(index->env, &stat);
	map = map_of(txn, stat.ms_psize);
	if (map && madvise(map, info.me_mapsize, MADV_NORMAL) < 0)
		log_debug("%s: read ahead: %m", index->path);
}

/* Enough addresses that a transaction does not meet the end of the map. */
static int make_room(struct index *index)
{
	MDB_envinfo info;
	MDB_stat stat;
	size_t used;

	mdb_env_info(index->env, &info);
	mdb_env_stat(index->env, &stat);
	used = (info.me_last_pgno + 1) * stat.ms_psize;
	if (info.me_mapsize > used && info.me_mapsize - used >= ROOM / 2)
		return 0;
	index->is_sparse = true; /* it is mapped anew */
	return mdb_env_set_mapsize(index->env, used + ROOM);
}

struct index_txn *index_begin(struct index *index, bool write)
{
	struct index_txn *txn = mem_new(1, sizeof(*txn));
	int error = write ? make_room(index) : 0;

	txn->index = index;
	if (error == 0)
		error = mdb_txn_begin(index->env, NULL,
			write ? 0 : MDB_RDONLY, &txn->txn);
	if (error == MDB_MAP_RESIZED) {
		/* Another process made it larger. */
		index->is_sparse = true;
		error = mdb_env_set_mapsize(index->env, 0);
		if (error == 0)
			error = mdb_txn_begin(index->env, NULL,
				write ? 0 : MDB_RDONLY, &txn->txn);
	}
	if (error == 0 && write)
		index_read_ahead(txn);
	if (error == 0)
		return txn;
	/* After a write that failed midway LMDB does nothing more until the
	 * environment is opened anew, which the next process does. */
	if (error == MDB_PANIC)
		log_fatal("%s: %s", index->path, mdb_strerror(error));
	log_warning("%s: begin: %s", index->path, mdb_strerror(error));
	free(txn);
	return NULL;
}

bool index_commit(struct index_txn *txn)
{
	bool ok = !txn->failed;
	int error;

	if (!ok) {
		index_abort(txn);
		return false;
	}
	error = mdb_txn_commit(txn->txn);
	if (error)
		log_warning("%s: commit: %s", txn->index->path,
			mdb_strerror(error));
	free(txn);
	return error == 0;
}

void index_abort(struct index_txn *txn)
{
	if (!txn)
		return;
	mdb_txn_abort(txn->txn);
	free(txn);
}

/* Whether the file's text is that of the running system. */
static bool read_text(int dir, const char *name, char *text, size_t most)
{
	auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, most - 1);

	text[got > 0 ? got : 0] = 0;
	return got > 0;
}

/* The id of this boot: with it in the file, the index was in use when the
 * machine, if it went down, went down. Unreadable: like no power cut. */
static void boot_id(char id[64])
{
	if (!read_text(AT_FDCWD, "/proc/sys/kernel/random/boot_id", id, 64))
		snprintf(id, 64, "unknown\n");
}

/*
 * Closed by its last user, and not written to since: that is what an empty
 * file beside it says whose date is the index's. Then its pages need not be
 * looked at, which would read all of a large index.
 */
static bool is_as_left(const struct index *index)
{
	struct stat boot, st;

	return fstat(index->boot, &boot) == 0 && boot.st_size == 0 &&
		stat(index->path, &st) == 0 &&
		st.st_mtim.tv_sec == boot.st_mtim.tv_sec &&
		st.st_mtim.tv_nsec == boot.st_mtim.tv_nsec;
}

static bool leave(const struct index *index)
{
	struct timespec dates[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;

	if (mdb_env_sync(index->env, 1) != 0)
		return true; /* it is built again after a power cut */
	if (ftruncate(index->boot, 0) < 0 || stat(index->path, &st) < 0)
		return false;
	dates[1] = st.st_mtim;
	return futimens(index->boot, dates) == 0;
}

/* Nobody has it open: is it as its last user left it? Damage would end this
 * process and each that comes after it. */
static bool is_usable(const struct index *index, const char *now,
	const char *then)
{
	const char *wrong;

	if (then[0] && strcmp(now, then) && strcmp(now, "unknown\n") &&
		strcmp(then, "unknown\n")) {
		log_warning("%s: was in use when the system went down, "
			"building it again", index->path);
		return false;
	}
	wrong = pages_wrong_file(index->path);
	if (wrong)
		log_warning("%s: damaged: %s; building it again", index->path,
			wrong);
	return !wrong;
}

/*
 * The lock is shared while the index is open, and exclusive while it is found
 * out whether a power cut may have torn it.
 */
static bool open_boot(struct index *index, int store)
{
	char now[64], then[64] = "";
	bool is_new;

	index->boot = openat(store, INDEX_BOOT, O_RDWR | O_CLOEXEC);
	is_new = index->boot < 0 && errno == ENOENT;
	if (is_new)
		index->boot = openat(store, INDEX_BOOT,
			O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (index->boot < 0)
		return false;
	if (flock(index->boot, LOCK_EX | LOCK_NB) == 0) {
		boot_id(now);
		read_text(store, INDEX_BOOT, then, sizeof(then));
		if (!is_as_left(index) && !is_usable(index, now, then)) {
			unlinkat(store, INDEX_NAME, 0);
			unlinkat(store, INDEX_LOCK, 0);
		}
		if (ftruncate(index->boot, 0) < 0 ||
			pwrite(index->boot, now, strlen(now), 0) < 0 ||
			fdatasync(index->boot) < 0)
			return false;
		/* Its name, and whatever was just made on the way to it. */
		if (is_new && (syncfs(store) < 0 || fsync(store) < 0))
			return false;
	}
	return flock(index->boot, LOCK_SH) == 0;
}

/* False: another program's, or one that an older posthorn made. */
static bool take_format(struct index_txn *txn)
{
	MDB_val key = val_str(STR("format")), val;
	struct str format = STR_NONE;

	if (rows_find(txn, META, key, &val))
		format = str_of(val.mv_data, val.mv_size);
	if (str_is(format, INDEX_FORMAT))
		return true;
	return str_is_none(format) &&
		rows_put(txn, META, key, val_str(STR(INDEX_FORMAT)));
}

static int open_tables(struct index *index)
{
	struct index_txn txn = { .index = index };
	int error = mdb_txn_begin(index->env, NULL, 0, &txn.txn);

	for (int i = 0; error == 0 && i < TABLES; i++)
		error = mdb_dbi_open(txn.txn, table_names[i], MDB_CREATE,
			&index->tables[i]);
	if (error) {
		mdb_txn_abort(txn.txn);
		return error;
	}
	if (!take_format(&txn)) {
		mdb_txn_abort(txn.txn);
		return MDB_INVALID;
	}
	return mdb_txn_commit(txn.txn);
}

static int open_env(struct index *index)
{
	int dead, error = mdb_env_create(&index->env);

	if (error)
		return error;
	mdb_env_set_maxdbs(index->env, TABLES);
	mdb_env_set_maxreaders(index->env, READERS);
	mdb_env_set_mapsize(index->env, ROOM);
	memory_apart_begin(); /* it takes 3 MiB, and uses some pages of it */
	error = mdb_env_open(index->env, index->path,
		MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC | MDB_NORDAHEAD, 0600);
	memory_apart_end();
	index->is_sparse = true;
	if (error == 0) {
		mdb_reader_check(index->env, &dead);
		error = open_tables(index);
	}
	if (error) {
		mdb_env_close(index->env);
		index->env = NULL;
	}
	return error;
}

struct index *index_open(int store, const char *path)
{
	struct index *index = mem_new(1, sizeof(*index));
	int error;

	if (asprintf(&index->path, "%s/%s", path, INDEX_NAME) < 0)
		starved("out of memory");
	if (!open_boot(index, store)) {
		log_warning("%s: %m", index->path);
		index_close(index);
		return NULL;
	}
	error = open_env(index);
	if (error == MDB_INVALID || error == MDB_CORRUPTED ||
		error == MDB_VERSION_MISMATCH) {
		log_warning("%s: %s; building it again", index->path,
			mdb_strerror(error));
		unlinkat(store, INDEX_NAME, 0);
		unlinkat(store, INDEX_LOCK, 0);
		error = open_env(index);
	}
	if (error == 0)
		return index;
	log_warning("%s: %s", index->path, mdb_strerror(error));
	index_close(index);
	return NULL;
}

void index_rest(struct index *index)
{
	struct index_txn *txn = index_begin(index, false);
	MDB_envinfo info;
	MDB_stat stat;
	char *map;

	if (!txn)
		return;
	mdb_env_info(index->env, &info);
	mdb_env_stat(index->env, &stat);
	map = map_of(txn, stat.ms_psize);
	index_abort(txn);
	if (map && madvise(map, (info.me_last_pgno + 1) * stat.ms_psize,
		MADV_DONTNEED) < 0)
		log_debug("%s: rest: %m", index->path);
}

void index_close(struct index *index)
{
	if (!index)
		return;
	if (index->env) {
		/* The last one leaves it clean: nothing to fear from a power
		 * cut any more. */
		if (flock(index->boot, LOCK_EX | LOCK_NB) == 0 &&
			!leave(index))
			log_warning("%s: %m", index->path);
		mdb_env_close(index->env);
	}
	if (index->boot >= 0)
		close(index->boot);
	free(index->path);
	free(index);
}
