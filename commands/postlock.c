/*
 * postlock - runs a command while a mailbox file is locked.
 *
 * Room       the caller's own privileges
 */
#include "agent/lock.h"
#include "base/log.h"
#include "service/command.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static const struct command command = {
	"postlock",
	"[-c config_dir] [-l lock_style] [-v] file command...",
	.says_path = true,
};

static void check_styles(struct str styles)
{
	static const char *const known[] = { "flock", "fcntl", "dotlock" };
	struct str rest = styles, item;

	while (str_take_item(&rest, ", \t\r\n", &item)) {
		bool is_known = false;

		for (size_t i = 0; i < COUNT(known); i++)
			is_known |= str_is_nocase(item, known[i]);
		if (!is_known)
			log_fatal("unknown mailbox_delivery_lock value "
				"\"%.*s\" in \"%.*s\"",
				STR_ARG(item), STR_ARG(styles));
	}
}

static _Noreturn void become(char **argv)
{
	static const int signals[] = { SIGPIPE, SIGINT, SIGQUIT, SIGHUP };

	for (size_t i = 0; i < COUNT(signals); i++)
		signal(signals[i], SIG_DFL);
	execvp(argv[0], argv);
	log_at(LOG_LEVEL_FATAL, "execvp %s: %m", argv[0]);
	_exit(errno == ENOMEM || errno == EAGAIN ? EX_TEMPFAIL : 1);
}

/* The command's exit status; 1 if a signal ended it. */
static int run(char **argv)
{
	static const int signals[] = { SIGINT, SIGQUIT, SIGHUP };
	pid_t child = fork();
	int status;

	if (child == 0)
		become(argv);
	if (child < 0) {
		log_error("fork: %m");
		return EX_TEMPFAIL;
	}
	/* They are for the command; the lock has to go in any case. */
	for (size_t i = 0; i < COUNT(signals); i++)
		signal(signals[i], SIG_IGN);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EX_TEMPFAIL;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_locked(struct file_lock *lock, const char *path, char **argv)
{
	auto_close int fd = -1;
	int status;

	if (!lock_dot(lock)) {
		log_at(LOG_LEVEL_FATAL, "open file %s: unable to create lock file %s: %m",
			path, lock->lock_path);
		return EX_TEMPFAIL;
	}
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		log_at(LOG_LEVEL_FATAL, "open file %s: %m", path);
	else if (!lock_open_file(lock, fd))
		log_at(LOG_LEVEL_FATAL, "lock file %s: %m", path);
	else {
		status = run(argv);
		lock_release(lock);
		return status;
	}
	lock_release(lock);
	return EX_TEMPFAIL;
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new(0);
	struct file_lock lock = { .base = AT_FDCWD };
	const char *directory = NULL, *styles = NULL;
	int letter;

	command_begin(&command, argc, argv);
	log_fatal_status(EX_TEMPFAIL);
	while ((letter = getopt(argc, argv, "+c:l:v")) >= 0) {
		if (letter == 'c')
			directory = optarg;
		else if (letter == 'l')
			styles = optarg;
		else if (letter == 'v')
			log_verbose(true);
		else
			log_fatal("usage: %s %s", argv[0], command.usage);
	}
	if (argc - optind < 2)
		log_fatal("usage: %s %s", argv[0], command.usage);
	lock.conf = command_conf(arena, directory);
	lock.styles = styles ? str_from(styles) :
			       lock.conf->mailbox_delivery_lock;
	check_styles(lock.styles);
	lock.lock_path = arena_cstr(arena,
		arena_fmt(arena, "%s.lock", argv[optind]));
	lock.folder = dirname(arena_cstr(arena, str_from(argv[optind])));
	return run_locked(&lock, argv[optind], argv + optind + 1);
}
