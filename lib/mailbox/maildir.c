/*
 * Maildir++: the store is INBOX with cur/, new/ and tmp/; ".Sent.2024" in it
 * is the mailbox "Sent.2024". Names are those that Dovecot, mutt and procmail
 * use: unique,S=octets,W=crlf-octets:2,FLAGS.
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

static const char *const folders[] = { "cur", "new", "tmp" };

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

enum mailbox_result mailbox_failed(const char *what, const char *name)
{
	int error = errno;

	switch (error) {
	case ENOSPC:
	case EDQUOT:
		return MAILBOX_NO_SPACE;
	case EACCES:
	case EPERM:
	case EROFS:
		log_warning("%s %s: %m", what, name);
		return MAILBOX_NO_PERMISSION;
	case ENAMETOOLONG:
		return MAILBOX_LIMIT;
	}
	log_warning("%s %s: %m", what, name);
	return MAILBOX_TRY_LATER;
}

static bool is_inbox(const char *mailbox)
{
	return strcmp(mailbox, "INBOX") == 0;
}

/* "." or ".Sent", then, if given, "/cur" and "/name". */
static const char *path_to(char path[PATH_MOST], const char *mailbox,
	const char *folder, const char *name)
{
	snprintf(path, PATH_MOST, "%s%s%s%s%s%s", ".",
		is_inbox(mailbox) ? "" : mailbox, folder ? "/" : "",
		folder ? folder : "", name ? "/" : "", name ? name : "");
	return path;
}

static const char *path_of(char path[PATH_MOST], const char *mailbox,
	const struct mailbox_entry *entry)
{
	return path_to(path, mailbox, entry->is_new ? "new" : "cur",
		entry->name);
}

static const char *path_prefix(struct arena *arena, const char *mailbox)
{
	if (is_inbox(mailbox))
		return "";
	return arena_fmt(arena, ".%s/", mailbox).p;
}

static bool make_folders(int store, const char *mailbox)
{
	char path[PATH_MOST];

	for (size_t i = 0; i < COUNT(folders); i++)
		if (mkdirat(store, path_to(path, mailbox, folders[i], NULL),
			0700) < 0 && errno != EEXIST)
			return false;
	return true;
}

static enum mailbox_result prepare(int store)
{
	if (!make_folders(store, "INBOX"))
		return mailbox_failed("make maildir", "INBOX");
	maildir_tidy_removed(store);
	return MAILBOX_OK;
}

static void tidy(int store, const char *mailbox)
{
	char path[PATH_MOST];

	maildir_tidy(store, path_to(path, mailbox, NULL, NULL));
}

static bool exists(int store, const char *mailbox)
{
	char path[PATH_MOST];
	struct stat st;

	return fstatat(store, path_to(path, mailbox, "cur", NULL), &st, 0) ==
		0 && S_ISDIR(st.st_mode);
}

static DIR *open_folder(int store, const char *path)
{
	int fd = openat(store, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

static enum mailbox_result list(int store, struct arena *arena,
	struct str **names, size_t *count)
{
	size_t capacity = 0;
	struct dirent *e;
	DIR *dir = open_folder(store, ".");

	*count = 0;
	*names = NULL;
	if (!dir)
		return mailbox_failed("read", "maildir");
	arena_grow(arena, names, &capacity, 64, sizeof(**names));
	(*names)[(*count)++] = STR("INBOX");
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.' || e->d_name[1] == 0 ||
			e->d_name[1] == '.' || !exists(store, e->d_name + 1) ||
			strcasecmp(e->d_name + 1, "INBOX") == 0)
			continue;
		arena_grow(arena, names, &capacity, *count + 1,
			sizeof(**names));
		(*names)[(*count)++] =
			arena_copy(arena, str_from(e->d_name + 1));
	}
	closedir(dir);
	return MAILBOX_OK;
}

static bool flush_path(int store, const char *path)
{
	auto_close int fd =
		openat(store, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && io_fsync(fd) == 0;
}

/* The file "maildirfolder" tells delivery programs what this is. */
static bool mark_folder(int store, const char *mailbox)
{
	char path[PATH_MOST];
	int fd = openat(store, path_to(path, mailbox, "maildirfolder", NULL),
		O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static enum mailbox_result create(int store, const char *mailbox)
{
	char path[PATH_MOST];

	if (exists(store, mailbox))
		return MAILBOX_EXISTS;
	if (mkdirat(store, path_to(path, mailbox, NULL, NULL), 0700) < 0 &&
		errno != EEXIST)
		return mailbox_failed("create", mailbox);
	/* What is in it is flushed when its UIDVALIDITY is written there. */
	if (!make_folders(store, mailbox) || !mark_folder(store, mailbox) ||
		!flush_path(store, "."))
		return mailbox_failed("create", mailbox);
	return MAILBOX_OK;
}

static bool empty_folder(int store, const char *path)
{
	DIR *dir = open_folder(store, path);
	struct dirent *e;
	bool ok = true;

	if (!dir)
		return errno == ENOENT;
	while (ok && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
			unlinkat(dirfd(dir), e->d_name, 0) < 0 &&
			errno != EISDIR)
			ok = errno == ENOENT;
	closedir(dir);
	return ok;
}

/* It leaves its name first, so that a half-removed mailbox is none. */
static enum mailbox_result remove_mailbox(int store, const char *mailbox)
{
	char from[PATH_MOST], path[PATH_MOST], away[64];

	snprintf(away, sizeof(away), MAILDIR_REMOVED "%08x",
		(unsigned)random_below(UINT32_MAX));
	if (renameat(store, path_to(from, mailbox, NULL, NULL), store, away) <
		0)
		return errno == ENOENT ? MAILBOX_NONEXISTENT :
			mailbox_failed("delete", mailbox);
	if (!flush_path(store, "."))
		return mailbox_failed("delete", mailbox);
	for (size_t i = 0; i < COUNT(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", away, folders[i]);
		if (!empty_folder(store, path) ||
			(unlinkat(store, path, AT_REMOVEDIR) < 0 &&
				errno != ENOENT))
			log_warning("remove %s: %m", path);
	}
	if (!empty_folder(store, away) ||
		unlinkat(store, away, AT_REMOVEDIR) < 0)
		log_warning("remove %s: %m", away);
	return MAILBOX_OK;
}

static enum mailbox_result rename_mailbox(int store, const char *from,
	const char *to)
{
	char old[PATH_MOST], new[PATH_MOST];

	if (exists(store, to))
		return MAILBOX_EXISTS;
	if (renameat(store, path_to(old, from, NULL, NULL), store,
		path_to(new, to, NULL, NULL)) < 0)
		return errno == ENOENT ? MAILBOX_NONEXISTENT :
			mailbox_failed("rename", from);
	return flush_path(store, ".") ? MAILBOX_OK :
		mailbox_failed("rename", from);
}

static int64_t ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool stamp(int store, const char *mailbox,
	struct mailbox_stamp *changed)
{
	char path[PATH_MOST];
	struct stat new, cur;

	if (fstatat(store, path_to(path, mailbox, "new", NULL), &new, 0) < 0 ||
		fstatat(store, path_to(path, mailbox, "cur", NULL), &cur, 0) <
			0)
		return false;
	changed->new_ns = ns_of(new.st_mtim);
	changed->cur_ns = ns_of(cur.st_mtim);
	return true;
}

static void watched(int store, const char *mailbox, struct arena *arena,
	const char *paths[2])
{
	char path[PATH_MOST];

	(void)store;
	paths[0] = arena_cstr(arena,
		str_from(path_to(path, mailbox, "new", NULL)));
	paths[1] = arena_cstr(arena,
		str_from(path_to(path, mailbox, "cur", NULL)));
}

struct entries {
	struct mailbox_entry *items;
	size_t count, capacity;
};

static bool scan_folder(int store, const char *mailbox, bool is_new,
	struct arena *arena, struct entries *entries)
{
	char path[PATH_MOST];
	struct dirent *e;
	DIR *dir = open_folder(store, path_to(path, mailbox,
		is_new ? "new" : "cur", NULL));

	if (!dir)
		return false;
	errno = 0;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' || e->d_type == DT_DIR)
			continue;
		arena_grow(arena, &entries->items, &entries->capacity,
			entries->count + 1, sizeof(*entries->items));
		entries->items[entries->count++] = (struct mailbox_entry){
			.name = arena_cstr(arena, str_from(e->d_name)),
			.is_new = is_new,
		};
	}
	closedir(dir);
	return errno == 0;
}

/* new/ first: what is moved meanwhile is then seen twice, not never. */
static enum mailbox_result scan(int store, const char *mailbox,
	struct arena *arena, struct mailbox_entry **items, size_t *count)
{
	struct entries entries = { 0 };

	if (!scan_folder(store, mailbox, true, arena, &entries) ||
		!scan_folder(store, mailbox, false, arena, &entries))
		return errno == ENOENT ? MAILBOX_NONEXISTENT :
			mailbox_failed("read", mailbox);
	*items = entries.items;
	*count = entries.count;
	return MAILBOX_OK;
}

static size_t key(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon ? (size_t)(colon - name) : strlen(name);
}

static const char *letters_in(const char *name)
{
	const char *info = strstr(name, ":2,");

	return info ? info + 3 : "";
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
	const char *w = strstr(name, ",W=");
	uint64_t octets = 0;
	struct str digits;

	if (!w || (size_t)(w - name) > key(name))
		return 0;
	digits = str_from(w + 3);
	return str_take_u64(&digits, INT64_MAX, &octets) ? octets : 0;
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

static const char *host_name(char host[256])
{
	if (gethostname(host, 255) < 0)
		return "localhost";
	host[255] = 0;
	for (char *p = host; *p; p++)
		if (*p == '/' || *p == ':' || *p == ',' || *p < '!')
			*p = '_';
	host[60] = 0; /* room for the rest of a name */
	return host;
}

static const char *fresh(struct arena *arena, uint64_t octets,
	uint64_t crlf_octets)
{
	char host[256];
	int64_t now = wall_us();
	struct str name = arena_fmt(arena, "%lld.M%lldP%dR%08x%08x.%s",
		(long long)(now / 1000000), (long long)(now % 1000000),
		(int)getpid(), (unsigned)random_below(UINT32_MAX),
		(unsigned)random_below(UINT32_MAX), host_name(host));

	if (crlf_octets)
		name = arena_fmt(arena, "%.*s,S=%llu,W=%llu", STR_ARG(name),
			(unsigned long long)octets,
			(unsigned long long)crlf_octets);
	return name.p;
}

static int open_entry(int store, const char *mailbox,
	const struct mailbox_entry *entry)
{
	char path[PATH_MOST];

	return openat(store, path_of(path, mailbox, entry),
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static bool times(int store, const char *mailbox,
	const struct mailbox_entry *entry, int64_t *internal_s,
	int64_t *saved_s, uint64_t *octets)
{
	char path[PATH_MOST];
	struct stat st;

	if (fstatat(store, path_of(path, mailbox, entry), &st,
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

static bool unlink_entry(int store, const char *mailbox,
	const struct mailbox_entry *entry)
{
	char path[PATH_MOST];

	return unlinkat(store, path_of(path, mailbox, entry), 0) == 0;
}

/* rename(2) would overwrite; RENAME_NOREPLACE is not known everywhere. */
static bool rename_fresh(int store, const char *from, const char *to)
{
	if (renameat2(store, from, store, to, 1 /* RENAME_NOREPLACE */) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	return renameat(store, from, store, to) == 0;
}

static bool move(int store, const char *from,
	const struct mailbox_entry *entry, const char *to, const char *name)
{
	char old[PATH_MOST], new[PATH_MOST];

	path_of(old, from, entry);
	path_to(new, to, "cur", name);
	return strcmp(old, new) == 0 || rename_fresh(store, old, new);
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

static bool copy_file(int store, const char *old, const char *mailbox,
	const char *name)
{
	char temporary[PATH_MOST], new[PATH_MOST];
	auto_close int in =
		openat(store, old, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	path_to(temporary, mailbox, "tmp", name);
	path_to(new, mailbox, "cur", name);
	if (in < 0 || fstat(in, &st) < 0)
		return false;
	auto_close int out = openat(store, temporary,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct timespec dates[2] = { st.st_atim, st.st_mtim };

	if (out < 0)
		return false;
	if (copy_octets(in, out) && futimens(out, dates) == 0 &&
		io_fsync(out) == 0 && rename_fresh(store, temporary, new))
		return true;
	unlinkat(store, temporary, 0);
	return false;
}

/* A second link costs no space, and a message is never written again. */
static bool copy(int store, const char *from,
	const struct mailbox_entry *entry, const char *to, const char *name)
{
	char old[PATH_MOST], new[PATH_MOST];

	path_of(old, from, entry);
	path_to(new, to, "cur", name);
	if (linkat(store, old, store, new, 0) == 0)
		return true;
	if (errno != EMLINK && errno != EXDEV && errno != EPERM)
		return false;
	return copy_file(store, old, to, name);
}

static int save(int store, const char *mailbox, struct arena *arena,
	const char **temporary)
{
	char path[PATH_MOST];

	*temporary = fresh(arena, 0, 0);
	return openat(store, path_to(path, mailbox, "tmp", *temporary),
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static bool publish(int store, const char *mailbox, const char *temporary,
	const char *name)
{
	char old[PATH_MOST], new[PATH_MOST];

	path_to(old, mailbox, "tmp", temporary);
	path_to(new, mailbox, "cur", name);
	return rename_fresh(store, old, new);
}

static void cancel(int store, const char *mailbox, const char *temporary)
{
	char path[PATH_MOST];

	unlinkat(store, path_to(path, mailbox, "tmp", temporary), 0);
}

/* cur/ first: what moved there must not be missing in both. */
static bool flush(int store, const char *mailbox, bool new)
{
	char path[PATH_MOST];

	return flush_path(store, path_to(path, mailbox, "cur", NULL)) &&
		(!new ||
			flush_path(store,
				path_to(path, mailbox, "new", NULL)));
}

const struct mailbox_driver mailbox_maildir = {
	.scheme = "maildir",
	.prepare = prepare,
	.tidy = tidy,
	.list = list,
	.exists = exists,
	.create = create,
	.remove = remove_mailbox,
	.rename = rename_mailbox,
	.path = path_prefix,
	.stamp = stamp,
	.watched = watched,
	.scan = scan,
	.key = key,
	.flags = flags_of,
	.size = size_of,
	.with_flags = with_flags,
	.fresh = fresh,
	.open = open_entry,
	.times = times,
	.unlink = unlink_entry,
	.move = move,
	.copy = copy,
	.save = save,
	.publish = publish,
	.cancel = cancel,
	.flush = flush,
};
