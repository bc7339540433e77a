/*
 * posthorn-user - who may log in: "posthorn user add|passwd|list|delete".
 *
 * The users file is written anew beside the old one, flushed and renamed over
 * it, with both of a user's credentials: a crypt(3) hash and a SCRAM-SHA-256
 * verifier. One process does so at a time (a lock on the directory).
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "auth/password.h"
#include "auth/users.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "config/file.h"
#include "service/command.h"

static const struct command command = { "posthorn user",
	"[-c directory] add|passwd|delete name, or list [--json]" };

/* What is being changed. */
struct work {
	struct arena *arena;
	const char *path, *name;   /* of the file; the last part of it */
	int directory;
	struct str text;           /* of the file, before */
	struct stat was;           /* of the file; st_ino 0: there is none */
	struct str user;
	bool done;                 /* the user was found */
};

static void open_work(struct work *w, struct str path)
{
	size_t slash = str_rfind_char(path, '/');
	struct arena *arena = w->arena;

	if (!str_starts(path, STR("/")))
		log_fatal("auth_users_file must begin with a \"/\"");
	w->path = arena_cstr(arena, path);
	w->name = arena_cstr(arena, str_skip(path, slash + 1));
	w->directory = open(arena_cstr(arena, str_first(path, slash + 1)),
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->directory < 0)
		log_fatal("open the directory of %s: %m", w->path);
}

static void read_work(struct work *w)
{
	auto_close int fd =
		openat(w->directory, w->name, O_RDONLY | O_CLOEXEC);

	w->text = STR("");
	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || fstat(fd, &w->was) < 0 ||
		!file_read_fd(w->arena, fd, &w->text))
		log_fatal("%s: %m", w->path);
}

/* ---- writing ---- */

/* As the old one; a new one is for the auth daemon alone to read. */
static bool set_owner(const struct work *w, int fd)
{
	const struct passwd *auth;

	if (w->was.st_ino)
		return fchmod(fd, w->was.st_mode & 0777) == 0 &&
			(geteuid() != 0 ||
				fchown(fd, w->was.st_uid, w->was.st_gid) == 0);
	auth = geteuid() == 0 ? getpwnam("posthorn-auth") : NULL;
	if (!auth)
		return fchmod(fd, 0600) == 0;
	return fchown(fd, 0, auth->pw_gid) == 0 && fchmod(fd, 0640) == 0;
}

static void replace(const struct work *w, struct str text)
{
	const char *fresh = arena_fmt(w->arena, ".%s.new", w->name).p;
	auto_close int fd = -1;

	if (text.len > USERS_OCTETS_MOST)
		log_fatal("%s would be too large", w->path);
	unlinkat(w->directory, fresh, 0); /* of a command that was killed */
	fd = openat(w->directory, fresh,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && fd_write_all(fd, text.p, text.len) && set_owner(w, fd) &&
		fsync(fd) == 0 &&
		renameat(w->directory, fresh, w->directory, w->name) == 0 &&
		fsync(w->directory) == 0)
		return;
	log_error("write %s: %m", w->path);
	unlinkat(w->directory, fresh, 0);
	_exit(1);
}

/* The file with `line` in the place of the user's; NONE: without the user. */
static struct str edit(struct work *w, struct str line)
{
	struct buf out = BUF_IN(w->arena);
	struct str rest = w->text, old;

	while (str_take_line(&rest, &old)) {
		struct user user;

		if (user_line_is_comment(old) || !user_parse(old, &user) ||
			!str_eq_nocase(user.name, w->user)) {
			buf_add(&out, old);
			buf_char(&out, '\n');
			continue;
		}
		if (!w->done && !str_is_none(line))
			buf_add(&out, line);
		w->done = true;
	}
	return buf_str(&out);
}

/* ---- the password ---- */

static struct str read_line(struct arena *arena)
{
	char line[USERS_PASSWORD_MOST + 2];
	struct str text;

	if (!fgets(line, sizeof(line), stdin))
		log_fatal("no password was given");
	text = arena_copy(arena, str_from(line));
	OPENSSL_cleanse(line, sizeof(line));
	if (text.len > 0 && text.p[text.len - 1] == '\n')
		text.len--;
	if (text.len > 0 && text.p[text.len - 1] == '\r')
		text.len--;
	return text;
}

static struct str ask(struct arena *arena, const char *prompt)
{
	struct termios before, silent;
	struct str line;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return read_line(arena);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	fputs(prompt, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	line = read_line(arena);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return line;
}

static struct str ask_password(struct arena *arena)
{
	struct str password = ask(arena, "Password: ");

	if (!user_password_is_good(password))
		log_fatal("a password is 1 to %d octets of UTF-8 without "
			"control characters", USERS_PASSWORD_MOST);
	if (isatty(STDIN_FILENO) &&
		!str_eq(password, ask(arena, "Again: ")))
		log_fatal("the two are not the same");
	return password;
}

static struct str new_line(struct work *w)
{
	struct str password = ask_password(w->arena);
	uint8_t salt[SCRAM_SALT];
	struct user user = { .name = w->user, .has_scram = true };
	struct buf out = BUF_IN(w->arena);

	random_octets(salt, sizeof(salt));
	user.hash = password_hash(w->arena, password);
	if (str_is_none(user.hash))
		log_fatal("crypt: %m");
	scram_verifier_derive(password, str_of(salt, sizeof(salt)),
		SCRAM_ITERATIONS, &user.scram);
	user_format(&out, &user);
	return buf_str(&out);
}

/* ---- the verbs ---- */

static void lock(struct work *w)
{
	if (flock(w->directory, LOCK_EX) < 0)
		log_fatal("lock the directory of %s: %m", w->path);
	read_work(w);
}

/* The password first: nobody should wait for somebody who types. */
static void add(struct work *w)
{
	struct str line, text;

	if (!user_name_is_good(w->user))
		log_fatal("a name is 1 to %d octets without blanks and \":\"",
			USERS_NAME_MOST);
	line = new_line(w);
	lock(w);
	text = edit(w, line);
	if (w->done)
		log_fatal("%.*s is there already; see passwd",
			STR_ARG(w->user));
	replace(w, arena_join(w->arena, text, line));
}

static void change_password(struct work *w)
{
	struct str line = new_line(w), text;

	lock(w);
	text = edit(w, line);
	if (!w->done)
		log_fatal("there is no user %.*s", STR_ARG(w->user));
	replace(w, text);
}

static void delete(struct work *w)
{
	struct str text;

	lock(w);
	text = edit(w, STR_NONE);
	if (!w->done)
		log_fatal("there is no user %.*s", STR_ARG(w->user));
	replace(w, text);
}

/* A name in a line: plain, or as an object. */
static void print_user(struct str name, bool is_json)
{
	auto_buf struct buf line = { 0 };

	if (is_json) {
		buf_text(&line, "{\"user\": ");
		json_format(&line, name);
		buf_char(&line, '}');
	} else {
		buf_add(&line, name);
	}
	printf("%.*s\n", (int)line.len, line.p);
}

static void list(struct work *w)
{
	struct users *users;
	bool is_json = str_is(w->user, "--json");
	size_t bad;

	if (w->user.len > 0 && !is_json)
		command_usage(&command);

	read_work(w);
	users = users_parse(w->arena, w->text, &bad);
	if (bad)
		log_warning("%s, line %zu: not a user, or one who is there "
			"already", w->path, bad);
	for (size_t i = 0; i < users_count(users); i++)
		print_user(users_at(users, i)->name, is_json);
	if (fflush(stdout) != 0)
		log_fatal("write: %m");
}

static const struct verb {
	const char *name;
	void (*run)(struct work *w);
	int least, most; /* arguments */
} verbs[] = {
	{ "add", add, 1, 1 },
	{ "passwd", change_password, 1, 1 },
	{ "delete", delete, 1, 1 },
	{ "list", list, 0, 1 },
};

static const struct verb *find_verb(int argc, char **argv)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (argc > 0 && strcmp(argv[0], verbs[i].name) == 0 &&
			argc - 1 >= verbs[i].least &&
			argc - 1 <= verbs[i].most)
			return &verbs[i];
	command_usage(&command);
}

int main(int argc, char **argv)
{
	struct work w = { .arena = arena_new(0) };
	const struct verb *verb;
	const char *directory = NULL;
	const struct conf *conf;
	int option;

	command_begin(&command, argc, argv);
	while ((option = getopt(argc, argv, "+c:")) != -1) {
		if (option != 'c')
			command_usage(&command);
		directory = optarg;
	}
	verb = find_verb(argc - optind, argv + optind);
	umask(077);
	conf = command_conf(w.arena, directory);
	open_work(&w, conf->auth_users_file);
	w.user = str_from(argc - optind > 1 ? argv[optind + 1] : "");
	verb->run(&w);
	return 0;
}
