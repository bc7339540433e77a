/*
 * rmail - takes a message from UUCP: "From user date remote from host" lines,
 * then header and body.
 *
 * Room       the caller's own privileges
 * Runs       sendmail
 */
#include "base/buf.h"
#include "base/log.h"
#include "service/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static const struct command command = {
	"rmail",
	"recipient ...",
};

enum {
	PATH_MOST = 2048, /* octets of the way back */
};

struct path {
	struct arena *arena;
	struct buf hosts; /* "near!far!" */
	struct str user;  /* as the host that is farthest away wrote it */
};

/* False: the line does not say who sent it. */
static bool take_from(struct str line, struct path *path)
{
	size_t remote;

	(void)str_take_char(&line, '>');
	if (!str_take_prefix(&line, STR("From ")))
		return false;
	path->user = arena_copy(path->arena, str_take_word(&line));
	remote = str_find(line, STR("remote from "));
	if (remote != SIZE_MAX) {
		line = str_skip(line, remote + strlen("remote from "));
		buf_add(&path->hosts, str_trim(line));
		buf_char(&path->hosts, '!');
	}
	if (path->hosts.len > PATH_MOST)
		log_fatal("the path of the sender is too long");
	return true;
}

static struct str sender_of(const struct path *path)
{
	return path->user.len ? arena_join(path->arena,
			buf_str(&path->hosts), path->user) : STR("<>");
}

static void pass_on(FILE *to, const char *line, size_t len)
{
	char block[32 * 1024];
	bool sent = fwrite(line, 1, len, to) == len;

	while (sent && (len = fread(block, 1, sizeof(block), stdin)) > 0)
		sent = fwrite(block, 1, len, to) == len;
	if (ferror(stdin))
		log_fatal("read standard input: %m");
	if (fclose(to) != 0 || !sent)
		log_debug("sendmail took not all of it");
}

static _Noreturn void become_sendmail(struct arena *arena,
	const struct conf *conf, const char *sender, char **recipients,
	size_t count, const int ends[2])
{
	char **argv = arena_array(arena, count + 7, sizeof(*argv)), **at = argv;
	const char *first[] = { arena_cstr(arena, conf->sendmail_path), "-G",
		"-i", "-f", sender, "--" };

	for (size_t i = 0; i < COUNT(first); i++)
		*at++ = arena_cstr(arena, str_from(first[i]));
	memcpy(at, recipients, count * sizeof(*argv));
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	close(ends[1]);
	execv(argv[0], argv);
	log_error("execute %s: %m", argv[0]);
	_exit(EX_OSFILE);
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new(0);
	struct path path = { arena, BUF_IN(arena), STR_NONE };
	const struct conf *conf;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;
	int ends[2], status;
	pid_t child;

	command_begin(&command, argc, argv);
	log_fatal_status(EX_TEMPFAIL);
	if (argc < 2) {
		fprintf(stderr, "usage: rmail %s\n", command.usage);
		return EX_USAGE;
	}
	conf = command_conf(arena, NULL);
	while ((len = getline(&line, &capacity, stdin)) > 0 &&
		take_from(str_of(line, (size_t)len), &path))
		;
	if (pipe(ends) < 0 || (child = fork()) < 0)
		log_fatal("start sendmail: %m");
	if (child == 0)
		become_sendmail(arena, conf,
			arena_cstr(arena, sender_of(&path)),
			argv + 1, (size_t)argc - 1, ends);
	close(ends[0]);
	pass_on(fdopen(ends[1], "w"), line, len > 0 ? (size_t)len : 0);
	free(line);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			log_fatal("wait for sendmail: %m");
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_TEMPFAIL;
}
