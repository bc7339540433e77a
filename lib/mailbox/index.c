#include "mailbox/index.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "maps/pages.h"

#define INDEX_NAME "posthorn-index"
#define INDEX_LOCK INDEX_NAME "-lock"
#define INDEX_BOOT INDEX_NAME "-boot"
#define INDEX_FORMAT "posthorn 5"

enum {
	ROOM = 1 << 30, /* of addresses, free before a transaction begins */
	READERS = 500,
	KEY_MOST = 500, /* LMDB's limit is 511 */
	EXPUNGED_MOST = 20000, /* remembered of one mailbox; then half goes */
};

enum {
	MAILBOXES,
	MESSAGES,
	FACTS,
	DIGESTS,
	EXPUNGED,
	KEYWORDS,
	WORDS,
	META,
	TABLES,
};

static const char *const table_names[TABLES] = {
	"mailboxes", "messages", "facts", "digests", "expunged",
	"keywords", "words", "meta",
};

struct index {
	MDB_env *env;
	MDB_dbi tables[TABLES];
	int boot;
	char *path;
};

struct index_txn {
	MDB_txn *txn;
	struct index *index;
	bool failed;
};

struct message_key {
	uint32_t id, uid; /* in network order, so that they sort */
};

static struct message_key key_of(uint32_t id, uint32_t uid)
{
	return (struct message_key){ htonl(id), htonl(uid) };
}

static MDB_val val_of(const void *p, size_t len)
{
	union {
		const void *in;
		void *out;
	} same = { .in = p }; /* LMDB reads only */

	return (MDB_val){ .mv_size = len, .mv_data = same.out };
}

static MDB_val val_str(struct str s)
{
	return val_of(s.p, s.len);
}

static bool failed(struct index_txn *txn, const char *what, int error)
{
	if (error == 0 || error == MDB_NOTFOUND)
		return error != 0;
	log_warning("%s: %s: %s", txn->index->path, what, mdb_strerror(error));
	txn->failed = true;
	return true;
}

static bool find(struct index_txn *txn, int table, MDB_val key, MDB_val *val)
{
	return !failed(txn, "read", mdb_get(txn->txn,
		txn->index->tables[table], &key, val));
}

static bool put(struct index_txn *txn, int table, MDB_val key, MDB_val val)
{
	return !failed(txn, "write", mdb_put(txn->txn,
		txn->index->tables[table], &key, &val, 0));
}

/* Fine when it is not there. */
static bool drop(struct index_txn *txn, int table, MDB_val key)
{
	failed(txn, "remove", mdb_del(txn->txn, txn->index->tables[table],
		&key, NULL));
	return !txn->failed;
}

/* Numbers under a name in "meta". */
static bool next_number(struct index_txn *txn, const char *name,
	uint32_t least, uint32_t *number)
{
	MDB_val val;

	*number = least;
	if (find(txn, META, val_str(str_from(name)), &val) &&
		val.mv_size == sizeof(*number)) {
		memcpy(number, val.mv_data, sizeof(*number));
		*number = *number + 1 > least ? *number + 1 : least;
	}
	return put(txn, META, val_str(str_from(name)),
		val_of(number, sizeof(*number)));
}

bool index_mailbox_new(struct index_txn *txn, struct index_mailbox *row)
{
	return next_number(txn, "next_id", 1, &row->id) &&
		next_number(txn, "uidvalidity", (uint32_t)time(NULL),
			&row->uidvalidity);
}

bool index_mailbox_find(struct index_txn *txn, struct str name,
	struct index_mailbox *row)
{
	MDB_val val;

	if (name.len == 0 || name.len > KEY_MOST ||
		!find(txn, MAILBOXES, val_str(name), &val) ||
		val.mv_size != sizeof(*row))
		return false;
	memcpy(row, val.mv_data, sizeof(*row));
	return true;
}

bool index_mailbox_put(struct index_txn *txn, struct str name,
	const struct index_mailbox *row)
{
	return name.len <= KEY_MOST && put(txn, MAILBOXES, val_str(name),
		val_of(row, sizeof(*row)));
}

/* All rows whose keys begin so. */
static bool clear_rows(struct index_txn *txn, int table, const void *prefix,
	size_t len)
{
	MDB_val key = val_of(prefix, len), val;
	MDB_cursor *cursor;
	int error;

	if (failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[table], &cursor)))
		return false;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size >= len &&
		memcmp(key.mv_data, prefix, len) == 0) {
		error = mdb_cursor_del(cursor, 0);
		if (error == 0)
			error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	failed(txn, "clear", error);
	return !txn->failed;
}

static bool clear_table(struct index_txn *txn, int table, uint32_t id)
{
	struct message_key first = key_of(id, 0);

	return clear_rows(txn, table, &first.id, sizeof(first.id));
}

bool index_mailbox_clear(struct index_txn *txn, uint32_t id)
{
	return clear_table(txn, MESSAGES, id) &&
		clear_table(txn, FACTS, id) &&
		clear_table(txn, DIGESTS, id) &&
		clear_table(txn, EXPUNGED, id) &&
		clear_table(txn, WORDS, id);
}

bool index_mailbox_remove(struct index_txn *txn, struct str name)
{
	struct index_mailbox row;
	uint32_t id;

	if (!index_mailbox_find(txn, name, &row))
		return !txn->failed;
	id = htonl(row.id);
	return index_mailbox_clear(txn, row.id) &&
		drop(txn, KEYWORDS, val_of(&id, sizeof(id))) &&
		drop(txn, MAILBOXES, val_str(name));
}

bool index_mailbox_rename(struct index_txn *txn, struct str from,
	struct str to)
{
	struct index_mailbox row;

	if (!index_mailbox_remove(txn, to))
		return false;
	if (!index_mailbox_find(txn, from, &row))
		return !txn->failed;
	return index_mailbox_put(txn, to, &row) &&
		drop(txn, MAILBOXES, val_str(from));
}

void index_messages_each(struct index_txn *txn, uint32_t id,
	void (*each)(void *context, const struct index_message *message,
		struct str name), void *context)
{
	struct message_key first = key_of(id, 0);
	MDB_val key = val_of(&first, sizeof(first)), val;
	struct index_message message;
	MDB_cursor *cursor;
	int error;

	if (failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[MESSAGES], &cursor)))
		return;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size == sizeof(first) &&
		memcmp(key.mv_data, &first.id, sizeof(first.id)) == 0) {
		if (val.mv_size > sizeof(message)) {
			memcpy(&message, val.mv_data, sizeof(message));
			each(context, &message,
				str_skip(str_of(val.mv_data, val.mv_size),
					sizeof(message)));
		}
		error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	failed(txn, "read", error);
}

bool index_message_put(struct index_txn *txn, uint32_t id,
	const struct index_message *message, struct str name)
{
	struct message_key key = key_of(id, message->uid);
	MDB_val at = val_of(&key, sizeof(key));
	MDB_val val = { .mv_size = sizeof(*message) + name.len };

	if (failed(txn, "write", mdb_put(txn->txn,
		txn->index->tables[MESSAGES], &at, &val, MDB_RESERVE)))
		return false;
	memcpy(val.mv_data, message, sizeof(*message));
	memcpy((char *)val.mv_data + sizeof(*message), name.p, name.len);
	return true;
}

bool index_message_remove(struct index_txn *txn, uint32_t id, uint32_t uid)
{
	struct message_key key = key_of(id, uid);

	return drop(txn, MESSAGES, val_of(&key, sizeof(key))) &&
		drop(txn, FACTS, val_of(&key, sizeof(key))) &&
		drop(txn, DIGESTS, val_of(&key, sizeof(key)));
}

bool index_facts_find(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct str *facts)
{
	struct message_key key = key_of(id, uid);
	MDB_val val;

	if (!find(txn, FACTS, val_of(&key, sizeof(key)), &val))
		return false;
	*facts = str_of(val.mv_data, val.mv_size);
	return true;
}

bool index_facts_put(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct str facts)
{
	struct message_key key = key_of(id, uid);

	return put(txn, FACTS, val_of(&key, sizeof(key)), val_str(facts));
}

struct index_walk {
	struct index_txn *txn;
	MDB_cursor *cursor;
	uint32_t id;
	bool is_placed; /* on a row */
};

struct index_walk *index_walk_begin(struct index_txn *txn, uint32_t id)
{
	struct index_walk *walk = mem_new(1, sizeof(*walk));

	walk->txn = txn;
	walk->id = id;
	if (!failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[FACTS], &walk->cursor)))
		return walk;
	free(walk);
	return NULL;
}

bool index_walk_find(struct index_walk *walk, uint32_t uid,
	struct str *facts)
{
	struct message_key wanted = key_of(walk->id, uid);
	MDB_val key = val_of(&wanted, sizeof(wanted)), val;
	int error = MDB_NOTFOUND;

	if (walk->is_placed) {
		error = mdb_cursor_get(walk->cursor, &key, &val, MDB_NEXT);
		if (error == 0 && (key.mv_size != sizeof(wanted) ||
			memcmp(key.mv_data, &wanted, sizeof(wanted)) != 0))
			error = MDB_NOTFOUND;
	}
	if (error != 0) {
		key = val_of(&wanted, sizeof(wanted));
		error = mdb_cursor_get(walk->cursor, &key, &val, MDB_SET_KEY);
	}
	walk->is_placed = error == 0;
	if (failed(walk->txn, "read", error))
		return false;
	*facts = str_of(val.mv_data, val.mv_size);
	return true;
}

void index_walk_end(struct index_walk *walk)
{
	if (!walk)
		return;
	mdb_cursor_close(walk->cursor);
	free(walk);
}

bool index_digest_put(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct str digest)
{
	struct message_key key = key_of(id, uid);

	return put(txn, DIGESTS, val_of(&key, sizeof(key)), val_str(digest));
}

void index_digests_each(struct index_txn *txn, uint32_t id, uint32_t from,
	uint32_t to, void (*each)(void *context, uint32_t uid,
		struct str digest), void *context)
{
	struct message_key first = key_of(id, from), found;
	MDB_val key = val_of(&first, sizeof(first)), val;
	MDB_cursor *cursor;
	int error;

	if (failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[DIGESTS], &cursor)))
		return;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size == sizeof(found)) {
		memcpy(&found, key.mv_data, sizeof(found));
		if (found.id != first.id || ntohl(found.uid) > to)
			break;
		each(context, ntohl(found.uid),
			str_of(val.mv_data, val.mv_size));
		error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	failed(txn, "read", error);
}

/* In network order, so that they sort. */
struct expunged_key {
	uint32_t id, high, low, uid;
};

static struct expunged_key expunged_key_of(uint32_t id, uint64_t modseq,
	uint32_t uid)
{
	return (struct expunged_key){ htonl(id),
		htonl((uint32_t)(modseq >> 32)), htonl((uint32_t)modseq),
		htonl(uid) };
}

/* All that happened at one modseq goes together. */
static bool forget_half(struct index_txn *txn, struct index_mailbox *row)
{
	struct expunged_key first = expunged_key_of(row->id, 0, 0), found;
	MDB_val key = val_of(&first, sizeof(first)), val;
	MDB_cursor *cursor;
	int error;

	if (failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[EXPUNGED], &cursor)))
		return false;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size == sizeof(found)) {
		uint64_t modseq;

		memcpy(&found, key.mv_data, sizeof(found));
		modseq = (uint64_t)ntohl(found.high) << 32 | ntohl(found.low);
		if (found.id != first.id ||
			(row->expunged_count <= EXPUNGED_MOST / 2 &&
				modseq > row->expunged_from))
			break;
		row->expunged_from = modseq;
		row->expunged_count--;
		error = mdb_cursor_del(cursor, 0);
		if (error == 0)
			error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	failed(txn, "forget", error);
	return !txn->failed;
}

bool index_expunged_put(struct index_txn *txn, struct index_mailbox *row,
	uint64_t modseq, uint32_t uid)
{
	struct expunged_key key = expunged_key_of(row->id, modseq, uid);

	if (!put(txn, EXPUNGED, val_of(&key, sizeof(key)), val_of("", 0)))
		return false;
	return ++row->expunged_count <= EXPUNGED_MOST ||
		forget_half(txn, row);
}

void index_expunged_each(struct index_txn *txn, uint32_t id, uint64_t after,
	void (*each)(void *context, uint32_t uid), void *context)
{
	struct expunged_key first = expunged_key_of(id, after + 1, 0), found;
	MDB_val key = val_of(&first, sizeof(first)), val;
	MDB_cursor *cursor;
	int error;

	if (failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[EXPUNGED], &cursor)))
		return;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size == sizeof(found)) {
		memcpy(&found, key.mv_data, sizeof(found));
		if (found.id != first.id)
			break;
		each(context, ntohl(found.uid));
		error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	failed(txn, "read", error);
}

struct words_key {
	uint32_t id, segment, kind, block;
};

static struct words_key words_key_of(uint32_t id, uint32_t segment,
	uint32_t kind, uint32_t block)
{
	return (struct words_key){ htonl(id), htonl(segment), htonl(kind),
		htonl(block) };
}

bool index_words_find(struct index_txn *txn, uint32_t id, uint32_t segment,
	uint32_t kind, uint32_t block, struct str *row)
{
	struct words_key key = words_key_of(id, segment, kind, block);
	MDB_val val;

	if (!find(txn, WORDS, val_of(&key, sizeof(key)), &val))
		return false;
	*row = str_of(val.mv_data, val.mv_size);
	return true;
}

bool index_words_put(struct index_txn *txn, uint32_t id, uint32_t segment,
	uint32_t kind, uint32_t block, struct str row)
{
	struct words_key key = words_key_of(id, segment, kind, block);

	return put(txn, WORDS, val_of(&key, sizeof(key)), val_str(row));
}

bool index_words_remove(struct index_txn *txn, uint32_t id, uint32_t segment)
{
	struct words_key key = words_key_of(id, segment, 0, 0);

	return clear_rows(txn, WORDS, &key, offsetof(struct words_key, kind));
}

bool index_keywords_find(struct index_txn *txn, uint32_t id,
	struct str *names)
{
	uint32_t key = htonl(id);
	MDB_val val;

	if (!find(txn, KEYWORDS, val_of(&key, sizeof(key)), &val))
		return false;
	*names = str_of(val.mv_data, val.mv_size);
	return true;
}

bool index_keywords_put(struct index_txn *txn, uint32_t id,
	struct str names)
{
	uint32_t key = htonl(id);

	return put(txn, KEYWORDS, val_of(&key, sizeof(key)), val_str(names));
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
		error = mdb_env_set_mapsize(index->env, 0);
		if (error == 0)
			error = mdb_txn_begin(index->env, NULL,
				write ? 0 : MDB_RDONLY, &txn->txn);
	}
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
		if (!is_usable(index, now, then)) {
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

static int open_tables(struct index *index)
{
	struct index_txn txn = { .index = index };
	MDB_val val = val_of("", 0);
	int error = mdb_txn_begin(index->env, NULL, 0, &txn.txn);

	for (int i = 0; error == 0 && i < TABLES; i++)
		error = mdb_dbi_open(txn.txn, table_names[i], MDB_CREATE,
			&index->tables[i]);
	if (error) {
		mdb_txn_abort(txn.txn);
		return error;
	}
	if (!find(&txn, META, val_str(STR("format")), &val))
		put(&txn, META, val_str(STR("format")),
			val_str(STR(INDEX_FORMAT)));
	else if (!str_is(str_of(val.mv_data, val.mv_size), INDEX_FORMAT))
		txn.failed = true;
	if (txn.failed) {
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
	error = mdb_env_open(index->env, index->path,
		MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC, 0600);
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

void index_close(struct index *index)
{
	if (!index)
		return;
	if (index->env) {
		/* The last one leaves it clean: nothing to fear from a power
		 * cut any more. */
		if (flock(index->boot, LOCK_EX | LOCK_NB) == 0 &&
			mdb_env_sync(index->env, 1) == 0 &&
			ftruncate(index->boot, 0) < 0)
			log_warning("%s: %m", index->path);
		mdb_env_close(index->env);
	}
	if (index->boot >= 0)
		close(index->boot);
	free(index->path);
	free(index);
}
