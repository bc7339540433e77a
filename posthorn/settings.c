#include "posthorn/posthorn.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/command.h"

/* postconf knows how: comments, order, owner and mode stay. */
static char **postconf_argv(struct command_line *line, char *const *settings,
	size_t count)
{
	struct arena *arena = line->arena;
	char **argv = arena_array(arena, count + 5, sizeof(char *));

	argv[0] = arena_cstr(arena, arena_fmt(arena, "%.*s/postconf",
		STR_ARG(line->conf->command_directory)));
	argv[1] = arena_cstr(arena, STR("-c"));
	argv[2] = arena_cstr(arena, line->conf->config_directory);
	argv[3] = arena_cstr(arena, STR("-e"));
	if (count > 0)
		memcpy(argv + 4, settings, count * sizeof(char *));
	return argv;
}

bool settings_write(struct command_line *line, char *const *settings,
	size_t count)
{
	char **argv = postconf_argv(line, settings, count);
	int status = 0;
	pid_t pid;

	if (count == 0)
		return true;
	pid = fork();
	if (pid == 0) {
		execv(argv[0], argv);
		log_error("%s: %m", argv[0]);
		_exit(1);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			pid = -1;
	if (pid < 0)
		log_error("%s: %m", argv[0]);
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return false;
	line->conf = command_conf(line->arena, arena_cstr(line->arena,
		line->conf->config_directory));
	return true;
}

bool settings_take(struct command_line *line)
{
	for (int i = 0; i < line->argc; i++)
		if (!strchr(line->argv[i], '=') || line->argv[i][0] == '-') {
			log_error("%s: name=value", line->argv[i]);
			return false;
		}
	return settings_write(line, line->argv, (size_t)line->argc);
}
