/*
 * Messages in a Maildir: cur/, new/ and tmp/ in the directory that the layout
 * says. Names are those that Dovecot, mutt and procmail use:
 * unique,S=octets,W=crlf-octets:2,FLAGS.
 */
#include "mailbox/driver.h"
#include "mailbox/tidy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/buf.h"
#include "base/random.h"
#include "base/span.h"
#include "imap/take.h"
#include "io/helper.h"

enum {
	PATH_MOST = 1024,
	PIECE = 64 * 1024,
};

static const struct {
	char letter;
	unsigned flag;
} letters_of_flags[] = {
	/* In the order of a name's letters. */
	{ 'D', IMAP_DRAFT },
	{ 'F', IMAP_FLAGGED },
	{ 'R', IMAP_ANSWERED },
	{ 'S', IMAP_SEEN },
	{ 'T', IMAP_DELETED },
};

/* The mailbox's directory, then, if given, "/cur" and "/name". Made for each
 * message of many: copied, not formatted. */
static const char *path_to(char path[PATH_MOST],
	const struct mailbox_place *place, const char *mailbox,
	const char *folder, const char *name)
{
	char directory[LAYOUT_PATH];
	const char *const parts[] = { layout_path(place, mailbox, directory),
		folder, name };
	size_t len = 0;

	for (size_t i = 0; i < COUNT(parts); i++) {
		size_t more = parts[i] ? strlen(parts[i]) : 0;

		if (!parts[i] || more + 2 > PATH_MOST - len)
			continue;
		if (i > 0)
			path[len++] = '/';
		memcpy(path + len, parts[i], more);
		len += more;
	}
	path[len] = 0;
	return path;
}

static const char *path_of(char path[PATH_MOST],
	const struct mailbox_place *place, const char *mailbox,
	const struct mailbox_entry *entry)
{
	return path_to(path, place, mailbox, entry->is_new ? "new" : "cur",
		entry->name);
}

static void tidy(const struct mailbox_place *place, const char *mailbox)
{
	char path[PATH_MOST];

	maildir_tidy(place->dir,
		path_to(path, place, mailbox, NULL, NULL));
}

static int64_t ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool stamp(const struct mailbox_place *place, const char *mailbox,
	struct mailbox_stamp *changed)
{
	char path[PATH_MOST];
	struct stat new, cur;

	path_to(path, place, mailbox, "new", NULL);
	if (fstatat(place->dir, path, &new, 0) < 0)
		return false;
	path_to(path, place, mailbox, "cur", NULL);
	if (fstatat(place->dir, path, &cur, 0) < 0)
		return false;
	changed->new_ns = ns_of(new.st_mtim);
	changed->cur_ns = ns_of(cur.st_mtim);
	return true;
}

static void watched(const struct mailbox_place *place, const char *mailbox,
	struct arena *arena, const char *paths[2])
{
	char path[PATH_MOST];

	paths[0] = arena_cstr(arena,
		str_from(path_to(path, place, mailbox, "new", NULL)));
	paths[1] = arena_cstr(arena,
		str_from(path_to(path, place, mailbox, "cur", NULL)));
}

struct entries {
	struct mailbox_entry *items;
	size_t count, capacity;
};

/* File systems need not say what an entry is. */
static bool is_file(int dir, const struct dirent64 *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_REG;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(st.st_mode);
}

static void add_entries(int dir, bool is_new, struct str piece,
	struct arena *arena, struct entries *entries)
{
	while (piece.len > 0) {
		const struct dirent64 *e = (const void *)piece.p;

		piece = str_skip(piece, e->d_reclen);
		if (e->d_name[0] == '.' || e->d_type == DT_DIR)
			continue;
		arena_grow(arena, &entries->items, &entries->capacity,
			entries->count + 1, sizeof(*entries->items));
		entries->items[entries->count++] = (struct mailbox_entry){
			.name = arena_cstr(arena, str_from(e->d_name)),
			.is_new = is_new,
			.is_file = is_file(dir, e),
		};
	}
}

/* When it was read nobody wants to know, and the inode would be written for
 * that. Of what belongs to somebody else this may not be asked. */
static int open_to_read(int dir, const char *path, int flags)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOATIME | flags);

	return fd < 0 && errno == EPERM ?
		openat(dir, path, O_RDONLY | O_CLOEXEC | flags) : fd;
}

static int open_folder(int dir, const char *path)
{
	return open_to_read(dir, path, O_DIRECTORY);
}

/* Without a DIR, whose making takes longer than to read the few messages that
 * most mailboxes have. */
static bool scan_folder(const struct mailbox_place *place,
	const char *mailbox, bool is_new, struct arena *arena,
	struct entries *entries)
{
	_Alignas(struct dirent64) char piece[PIECE] left_as_is;
	char path[PATH_MOST] left_as_is;
	auto_close int dir = open_folder(place->dir, path_to(path, place,
		mailbox, is_new ? "new" : "cur", NULL));
	ssize_t got = dir < 0 ? -1 : 1;

	while (got > 0) {
		got = getdents64(dir, piece, sizeof(piece));
		if (got > 0)
			add_entries(dir, is_new, str_of(piece, (size_t)got),
				arena, entries);
	}
	return got == 0;
}

/* new/ first: what is moved meanwhile is then seen twice, not never. */
static enum mailbox_result scan(const struct mailbox_place *place,
	const char *mailbox, bool new_only, struct arena *arena,
	struct mailbox_entry **items, size_t *count)
{
	struct entries entries = { 0 };

	if (!scan_folder(place, mailbox, true, arena, &entries) ||
		(!new_only && !scan_folder(place, mailbox, false, arena,
				      &entries)))
		return errno == ENOENT ? MAILBOX_NONEXISTENT :
			mailbox_failed("read", mailbox);
	*items = entries.items;
	*count = entries.count;
	return MAILBOX_OK;
}

/* Was this piece of a directory the last one? The place to go on from is, on
 * ext4, the end of all numbers then; other file systems are asked once more. */
static bool is_last(struct str piece)
{
	const struct dirent64 *e = NULL;

	while (piece.len > 0) {
		e = (const void *)piece.p;
		piece = str_skip(piece, e->d_reclen);
	}
	return e && e->d_off == INT64_MAX;
}

static bool look_in(int mailbox, bool is_new, char piece[PIECE],
	struct arena *arena, struct entries *entries, int64_t *changed_ns)
{
	auto_close int dir = open_folder(mailbox, is_new ? "new" : "cur");
	struct str read;
	struct stat st;
	ssize_t got;

	if (dir < 0 || fstat(dir, &st) < 0)
		return false;
	*changed_ns = ns_of(st.st_mtim);
	do {
		got = getdents64(dir, piece, PIECE);
		read = str_of(piece, got > 0 ? (size_t)got : 0);
		add_entries(dir, is_new, read, arena, entries);
	} while (got > 0 && !is_last(read));
	return got >= 0;
}

static bool is_of_folders(const char *name)
{
	static const char *const names[] = { ".", "..", "cur", "new", "tmp",
		"maildirfolder" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* One piece has all of it, or there is more. While it is read nothing gets
 * another name in that directory. */
static bool is_bare(int mailbox, char piece[PIECE])
{
	ssize_t got = getdents64(mailbox, piece, PIECE);
	struct str read = str_of(piece, got > 0 ? (size_t)got : 0), left = read;

	while (left.len > 0) {
		const struct dirent64 *e = (const void *)left.p;

		if (!is_of_folders(e->d_name))
			return false;
		left = str_skip(left, e->d_reclen);
	}
	return got > 0 && (is_last(read) ||
		getdents64(mailbox, piece, PIECE) == 0);
}

static bool look(const struct mailbox_place *place, const char *mailbox,
	struct arena *arena, struct mailbox_looks *looks)
{
	_Alignas(struct dirent64) char piece[PIECE] left_as_is;
	char path[PATH_MOST] left_as_is;
	auto_close int dir = open_folder(place->dir,
		path_to(path, place, mailbox, NULL, NULL));
	struct entries entries = { 0 };
	bool ok = dir >= 0 &&
		look_in(dir, true, piece, arena, &entries,
			&looks->stamp.new_ns) &&
		look_in(dir, false, piece, arena, &entries,
			&looks->stamp.cur_ns);

	looks->entries = entries.items;
	looks->count = entries.count;
	looks->is_bare = ok && looks->is_bare && is_bare(dir, piece);
	return ok;
}

static size_t key(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon ? (size_t)(colon - name) : strlen(name);
}

static const char *letters_in(const char *name)
{
	while ((name = strchr(name, ':')) != NULL)
		if (*++name == '2' && name[1] == ',')
			return name + 2;
	return "";
}

static void flags_of(const char *name, unsigned *flags, uint32_t *letters)
{
	*flags = 0;
	*letters = 0;
	for (const char *p = letters_in(name); *p && *p != ','; p++) {
		for (size_t i = 0; i < COUNT(letters_of_flags); i++)
			if (*p == letters_of_flags[i].letter)
				*flags |= letters_of_flags[i].flag;
		if (*p >= 'a' && *p <= 'z')
			*letters |= 1u << (*p - 'a');
	}
}

/* ",W=" is the size in CRLF form. */
static uint64_t size_of(const char *name)
{
	struct str left = str_of(name, key(name));
	uint64_t octets = 0;
	size_t comma;

	while ((comma = str_find_char(left, ',')) != SIZE_MAX) {
		left = str_skip(left, comma + 1);
		if (str_take_prefix(&left, STR("W=")))
			return str_take_u64(&left, INT64_MAX, &octets) ?
				octets : 0;
	}
	return 0;
}

/* Letters that we do not know (P, of other programs) are kept. */
static const char *with_flags(struct arena *arena, const char *name,
	unsigned flags, uint32_t letters)
{
	struct buf out = BUF_IN(arena);
	size_t key_len = key(name), at = 0;
	const char *old = letters_in(name);

	buf_add(&out, str_of(name, key_len));
	buf_text(&out, ":2,");
	for (char c = 'A'; c <= 'Z'; c++) {
		if (at < COUNT(letters_of_flags) &&
			letters_of_flags[at].letter == c) {
			if (flags & letters_of_flags[at].flag)
				buf_char(&out, c);
			at++;
		} else if (strchr(old, c)) {
			buf_char(&out, c);
		}
	}
	for (unsigned i = 0; i < MAILBOX_LETTERS; i++)
		if (letters >> i & 1)
			buf_char(&out, (char)('a' + i));
	return arena_cstr(arena, buf_str(&out));
}

static void begin(struct mailbox_place *place)
{
	if (gethostname(place->host, sizeof(place->host)) < 0)
		snprintf(place->host, sizeof(place->host), "localhost");
	place->host[60] = 0; /* room for the rest of a name */
	place->pid = (int)getpid();
	random_octets(&place->serial, sizeof(place->serial));
	for (char *p = place->host; *p; p++)
		if (*p == '/' || *p == ':' || *p == ',' || *p < '!')
			*p = '_';
}

static const char *fresh(struct mailbox_place *place, struct arena *arena)
{
	int64_t now = wall_us();

	return arena_fmt(arena, "%lld.M%lldP%dR%016llx.%s",
		(long long)(now / 1000000), (long long)(now % 1000000),
		place->pid, (unsigned long long)++place->serial,
		place->host).p;
}

static const char *sized(struct arena *arena, const char *name,
	uint64_t octets, uint64_t crlf_octets)
{
	return arena_fmt(arena, "%s,S=%llu,W=%llu", name,
		(unsigned long long)octets,
		(unsigned long long)crlf_octets).p;
}

/* A FIFO of that name must not stop us. */
static int open_message(int dir, const char *path)
{
	return open_to_read(dir, path, O_NOFOLLOW | O_NONBLOCK);
}

static int open_entry(const struct mailbox_place *place, const char *mailbox,
	const struct mailbox_entry *entry)
{
	char path[PATH_MOST];

	return open_message(place->dir, path_of(path, place, mailbox, entry));
}

static int open_folder_of(const struct mailbox_place *place,
	const char *mailbox, bool is_new)
{
	char path[PATH_MOST];

	return open_folder(place->dir, path_to(path, place, mailbox,
		is_new ? "new" : "cur", NULL));
}

static int open_in(int folder, const struct mailbox_entry *entry)
{
	return open_message(folder, entry->name);
}

static bool times(const struct mailbox_place *place, const char *mailbox,
	const struct mailbox_entry *entry, int64_t *internal_s,
	int64_t *saved_s, uint64_t *octets)
{
	char path[PATH_MOST];
	struct stat st;

	if (fstatat(place->dir, path_of(path, place, mailbox, entry), &st,
		AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (!S_ISREG(st.st_mode)) {
		errno = ENOENT;
		return false;
	}
	*internal_s = st.st_mtim.tv_sec;
	*saved_s = st.st_ctim.tv_sec;
	*octets = (uint64_t)st.st_size;
	return true;
}

static bool unlink_entry(const struct mailbox_place *place,
	const char *mailbox, const struct mailbox_entry *entry)
{
	char path[PATH_MOST];

	return unlinkat(place->dir, path_of(path, place, mailbox, entry), 0) ==
		0;
}

/* rename(2) would overwrite; RENAME_NOREPLACE is not known everywhere. */
static bool rename_fresh(int dir, const char *from, const char *to)
{
	if (renameat2(dir, from, dir, to, 1 /* RENAME_NOREPLACE */) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	return renameat(dir, from, dir, to) == 0;
}

static bool move(const struct mailbox_place *place, const char *from,
	const struct mailbox_entry *entry, const char *to, const char *name)
{
	char old[PATH_MOST], new[PATH_MOST];

	path_of(old, place, from, entry);
	path_to(new, place, to, "cur", name);
	return strcmp(old, new) == 0 || rename_fresh(place->dir, old, new);
}

static bool copy_octets(int in, int out)
{
	char piece[PIECE];
	ssize_t got;

	while ((got = read(in, piece, sizeof(piece))) > 0)
		if (!fd_write_all(out, piece, (size_t)got))
			return false;
	return got == 0;
}

static bool copy_file(const struct mailbox_place *place, const char *old,
	const char *mailbox, const char *name)
{
	char temporary[PATH_MOST], new[PATH_MOST];
	auto_close int in =
		openat(place->dir, old, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	path_to(temporary, place, mailbox, "tmp", name);
	path_to(new, place, mailbox, "cur", name);
	if (in < 0 || fstat(in, &st) < 0)
		return false;
	auto_close int out = openat(place->dir, temporary,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct timespec dates[2] = { st.st_atim, st.st_mtim };

	if (out < 0)
		return false;
	if (copy_octets(in, out) && futimens(out, dates) == 0 &&
		io_fsync(out) == 0 && rename_fresh(place->dir, temporary, new))
		return true;
	unlinkat(place->dir, temporary, 0);
	return false;
}

/* A second link costs no space, and a message is never written again. */
static bool copy(const struct mailbox_place *place, const char *from,
	const struct mailbox_entry *entry, const char *to, const char *name)
{
	char old[PATH_MOST], new[PATH_MOST];

	path_of(old, place, from, entry);
	path_to(new, place, to, "cur", name);
	if (linkat(place->dir, old, place->dir, new, 0) == 0)
		return true;
	if (errno != EMLINK && errno != EXDEV && errno != EPERM)
		return false;
	return copy_file(place, old, to, name);
}

static int save(struct mailbox_place *place, const char *mailbox,
	struct arena *arena, const char **temporary)
{
	char path[PATH_MOST];

	*temporary = fresh(place, arena);
	return openat(place->dir,
		path_to(path, place, mailbox, "tmp", *temporary),
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static bool publish(const struct mailbox_place *place, const char *mailbox,
	const char *temporary, const char *name)
{
	char old[PATH_MOST], new[PATH_MOST];

	path_to(old, place, mailbox, "tmp", temporary);
	path_to(new, place, mailbox, "cur", name);
	return rename_fresh(place->dir, old, new);
}

static void cancel(const struct mailbox_place *place, const char *mailbox,
	const char *temporary)
{
	char path[PATH_MOST];

	unlinkat(place->dir,
		path_to(path, place, mailbox, "tmp", temporary), 0);
}

static bool restore(const struct mailbox_place *place, const char *mailbox,
	const char *temporary, const char *name, struct str text,
	int64_t internal_s)
{
	const struct timespec dates[2] = { { .tv_sec = internal_s },
		{ .tv_sec = internal_s } };
	char old[PATH_MOST], new[PATH_MOST];

	path_to(old, place, mailbox, "tmp", temporary);
	path_to(new, place, mailbox, "cur", name);
	if (unlinkat(place->dir, old, 0) < 0 && errno != ENOENT)
		return false;
	auto_close int fd = openat(place->dir, old,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0 && fd_write_all(fd, text.p, text.len) &&
		futimens(fd, dates) == 0 && fsync(fd) == 0 &&
		rename_fresh(place->dir, old, new);
}

/* cur/ first: what moved there must not be missing in both. */
static bool flush(const struct mailbox_place *place, const char *mailbox,
	bool new)
{
	char path[PATH_MOST];

	return layout_flush(place->dir,
		       path_to(path, place, mailbox, "cur", NULL)) &&
		(!new ||
			layout_flush(place->dir,
				path_to(path, place, mailbox, "new", NULL)));
}

const struct mailbox_driver mailbox_maildir = {
	.scheme = "maildir",
	.begin = begin,
	.tidy = tidy,
	.stamp = stamp,
	.watched = watched,
	.scan = scan,
	.look = look,
	.key = key,
	.flags = flags_of,
	.size = size_of,
	.with_flags = with_flags,
	.fresh = fresh,
	.sized = sized,
	.open = open_entry,
	.open_folder = open_folder_of,
	.open_in = open_in,
	.times = times,
	.unlink = unlink_entry,
	.move = move,
	.copy = copy,
	.save = save,
	.publish = publish,
	.cancel = cancel,
	.restore = restore,
	.flush = flush,
};
