/*
 * The users file in memory; read again when another stands in its place. It
 * is read by its path, which Landlock leaves open.
 */
#include "auth.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/password.h"
#include "base/log.h"
#include "base/span.h"
#include "sandbox/sandbox.h"
#include "service/service.h"

enum {
	LOOK_MS = 100, /* between looks at the file */
};

static struct {
	const struct conf *conf;
	struct arena *arena; /* of what was read */
	struct users *users;
	struct str decoy;    /* setting of crypt(3), for an empty file */
	char *path;
	struct stat seen;
	int error;           /* of the last attempt; 0: read */
	struct moment looked;
} store;

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
		a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
		a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
		a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool read_all(struct arena *arena, int fd, size_t size,
	struct str *text)
{
	char *octets = arena_alloc(arena, size + 1);
	size_t len = 0;
	ssize_t got = 1;

	while (len < size && got > 0) {
		got = read(fd, octets + len, size - len);
		if (got > 0)
			len += (size_t)got;
	}
	*text = str_of(octets, len);
	return got >= 0;
}

static int read_file(struct arena *arena, struct stat *seen, struct str *text)
{
	auto_close int fd =
		open(store.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*text = STR("");
	if (fd < 0 || fstat(fd, seen) < 0)
		return errno;
	if (!S_ISREG(seen->st_mode) || seen->st_size > USERS_OCTETS_MOST)
		return EFBIG;
	if (seen->st_mode & 007)
		log_warning("%s should not be open to everybody: its mode is "
			"%03o", store.path, seen->st_mode & 0777);
	return read_all(arena, fd, (size_t)seen->st_size, text) ? 0 : errno;
}

/* A file that cannot be read lets nobody in; its old content would let in
 * whom it was taken from. */
static void load(void)
{
	struct arena *arena = arena_new(0);
	struct stat seen = { 0 };
	struct str text;
	size_t bad;
	int error = read_file(arena, &seen, &text);
	/* Who has all users with Dovecot needs no file. */
	bool is_optional = str_is(store.conf->smtpd_sasl_type, "dovecot");

	if (error && error != store.error && !(error == ENOENT && is_optional))
		log_warning("users file %s: %s%s", store.path, strerror(error),
			error == ENOENT ? "; make it with posthorn user add" :
					  "");
	store.users = users_parse(arena, error ? STR("") : text, &bad);
	if (bad)
		log_warning("%s, line %zu: not a user, or one who is there "
			"already", store.path, bad);
	arena_free(store.arena);
	store.arena = arena;
	store.seen = seen;
	store.error = error;
	/* Started by root, the file may be root's: a successor can read it. */
	if (error == EACCES)
		service_replace();
}

static bool has_changed(void)
{
	struct stat now;

	if (stat(store.path, &now) < 0)
		return store.error != errno;
	return store.error || !is_same(&now, &store.seen);
}

void store_open(const struct conf *conf)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str path = conf->auth_users_file;

	store.conf = conf;
	store.path = strndup(path.p, path.len);
	if (!store.path)
		starved("out of memory");
	store.decoy = password_setting(arena_new(0));
	if (!str_starts(path, STR("/")))
		log_fatal("auth_users_file must begin with a \"/\"");
	sandbox_allow('r', arena_cstr(arena, str_first(path,
		str_rfind_char(path, '/'))));
	load();
	store.looked = moment_now();
}

const struct users *store_now(void)
{
	if (moment_between(store.looked, moment_now()).us <
		span_ms(LOOK_MS).us)
		return store.users;
	store.looked = moment_now();
	if (has_changed())
		load();
	return store.users;
}

const struct user *store_find(struct arena *arena, struct str name)
{
	const struct users *users = store_now();
	const struct user *user = users_find(users, name);
	struct str domain = store.conf->smtpd_sasl_local_domain;

	if (user || domain.len == 0 || str_find_char(name, '@') != SIZE_MAX)
		return user;
	return users_find(users, arena_fmt(arena, "%.*s@%.*s", STR_ARG(name),
		STR_ARG(domain)));
}

/* The hash of one of the users, the same for a name each time: so the time is
 * that of a user of this file, whatever methods it has. */
struct str store_decoy(struct arena *arena, struct str name)
{
	const struct users *users = store_now();
	size_t count = users_count(users);
	size_t from = count ? str_hash_nocase(name) % count : 0;

	for (size_t i = 0; i < count; i++) {
		const struct user *user = users_at(users, (from + i) % count);

		if (user->hash.len > 0)
			return arena_copy(arena, user->hash);
	}
	return store.decoy;
}
