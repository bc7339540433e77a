/*
 * postmulti - does one thing for all instances of the machine; adds instances
 * and removes them.
 *
 * Room       a command of the administrator
 * Gets       its command line
 * Calls      posthorn (as `postfix`) and postconf in command_directory, once
 *            per instance
 * Files      main.cf of each instance; for -e also its folders
 */
#include "posthorn/postmulti.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "config/list.h"
#include "service/command.h"

static const struct command command = {
	"postmulti", "[-aRvjlpx] [-c directory] [-g group] [-i name] "
	"[-e init|create|import|destroy|deport|enable|disable|assign] "
	"[-I name] [-G group] [command...]",
};

/* ---- running things ---- */

static const struct exported {
	const char *name;
	enum param param;
} exported[] = {
	{ "command_directory", command_directory },
	{ "daemon_directory", daemon_directory },
	{ "config_directory", config_directory },
	{ "queue_directory", queue_directory },
	{ "data_directory", data_directory },
	{ "multi_instance_name", multi_instance_name },
	{ "multi_instance_group", multi_instance_group },
	{ "multi_instance_enable", multi_instance_enable },
};

static void set_environment(struct postmulti *p, const struct instance *one)
{
	for (size_t i = 0; i < COUNT(exported); i++) {
		struct str value = conf_text(one->conf,
			str_from(exported[i].name));

		if (exported[i].param == multi_instance_enable)
			value = str_from(one->is_enabled ? "yes" : "no");
		setenv(exported[i].name, arena_cstr(p->arena, value), 1);
	}
}

static _Noreturn void become(struct postmulti *p, struct str directory,
	bool is_ours, char *const *argv)
{
	const struct conf *primary = p->instances.all[0].conf;
	const char *path = argv[0];

	setenv("MAIL_CONFIG", arena_cstr(p->arena, directory), 1);
	if (p->verbose)
		setenv("MAIL_VERBOSE", "", 1);
	if (is_ours)
		path = arena_fmt(p->arena, "%.*s/%s",
			STR_ARG(primary->command_directory), argv[0]).p;
	execvp(path, argv);
	log_error("%s: %m", path);
	_exit(1);
}

static bool await(pid_t pid, const char *name)
{
	int status;

	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			pid = -1;
	if (pid < 0) {
		log_error("%s: %m", name);
		return false;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool postmulti_run(struct postmulti *p, struct str directory, bool is_ours,
	char *const *argv)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		become(p, directory, is_ours, argv);
	return await(pid, argv[0]);
}

/* ---- what is done for each ---- */

static bool list_one(struct postmulti *p, const struct instance *one)
{
	const char *enabled = one->is_enabled ? "y" : "n";
	struct str name = one->name.len ? one->name : STR("-");
	struct str group = one->group.len ? one->group : STR("-");
	auto_buf struct buf out = { 0 };

	if (!p->json) {
		printf("%-15.*s %-15.*s %-9s %.*s\n", STR_ARG(name),
			STR_ARG(group), enabled, STR_ARG(one->directory));
		return true;
	}
	buf_text(&out, "{\"name\": ");
	json_format(&out, name);
	buf_text(&out, ", \"group\": ");
	json_format(&out, group);
	buf_fmt(&out, ", \"enabled\": \"%s\", \"config_directory\": ",
		enabled);
	json_format(&out, one->directory);
	buf_text(&out, "}\n");
	fwrite(out.p, 1, out.len, stdout);
	return true;
}

static bool run_any(struct postmulti *p, const struct instance *one)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		set_environment(p, one);
		become(p, one->directory, false, p->arguments);
	}
	return await(pid, p->arguments[0]);
}

static bool is_command(const struct postmulti *p, struct str list)
{
	return list_has_word(list, p->arguments[0]);
}

/* What starts and what needs a running instance is not for those that are not
 * enabled; these are looked at instead of started. */
static bool run_postfix(struct postmulti *p, const struct instance *one)
{
	const struct conf *primary = p->instances.all[0].conf;
	static char postfix[] = "postfix", end[] = "--", check[] = "check";
	char *checking[] = { postfix, end, check, NULL };
	size_t count = 0;
	char **argv;

	if (!one->is_enabled) {
		if (is_command(p, primary->postmulti_start_commands))
			return postmulti_run(p, one->directory, true,
				checking);
		if (is_command(p, primary->postmulti_stop_commands) ||
			is_command(p, primary->postmulti_control_commands))
			return true;
	}
	while (p->arguments[count])
		count++;
	argv = arena_array(p->arena, count + 3, sizeof(char *));
	argv[0] = postfix;
	argv[1] = end;
	memcpy(argv + 2, p->arguments, count * sizeof(char *));
	return postmulti_run(p, one->directory, true, argv);
}

static bool is_wanted(const struct postmulti *p, const struct instance *one)
{
	if (p->group)
		return str_is(one->group, p->group);
	return !p->name || instance_find(&p->instances, p->name) == one;
}

static int each(struct postmulti *p)
{
	bool (*act)(struct postmulti *p, const struct instance *one) =
		p->mode == 'l' ? list_one :
		p->mode == 'x' ? run_any : run_postfix;
	bool backwards = p->reverse, is_fine = true;

	if (p->mode == 'p')
		backwards = is_command(p,
			p->instances.all[0].conf->postmulti_stop_commands);
	for (size_t i = 0; i < p->instances.count; i++) {
		const struct instance *one = &p->instances.all[backwards ?
			p->instances.count - 1 - i : i];

		if (is_wanted(p, one))
			is_fine = act(p, one) && is_fine;
	}
	return is_fine ? 0 : 1;
}

/* ---- the command line ---- */

static void set_mode(struct postmulti *p, int mode)
{
	if (p->mode && (p->mode != mode || mode == 'e'))
		log_fatal("one of -e, -l, -p and -x, not two");
	p->mode = mode;
}

static void set_text(const char **at, const char *value, int option)
{
	if (*at)
		log_fatal("-%c: only once", option);
	*at = value;
}

static void take_option(struct postmulti *p, int option)
{
	switch (option) {
	case 'a': p->all = true; break;
	case 'c': p->directory = optarg; break;
	case 'e': set_mode(p, 'e'); p->action = optarg; break;
	case 'g': set_text(&p->group, optarg, 'g'); break;
	case 'G': set_text(&p->new_group, optarg, 'G'); break;
	case 'i': set_text(&p->name, optarg, 'i'); break;
	case 'I': set_text(&p->new_name, optarg, 'I'); break;
	case 'j': p->json = true; set_mode(p, 'l'); break;
	case 'l': case 'p': case 'x': set_mode(p, option); break;
	case 'R': p->reverse = true; break;
	case 'v': p->verbose = true; log_verbose(true); break;
	default: command_usage(&command);
	}
}

static void check_options(struct postmulti *p)
{
	if (!p->mode)
		command_usage(&command);
	if (p->all + !!p->group + !!p->name > 1)
		log_fatal("one of -a, -g and -i, not two");
	if (p->reverse && (p->mode == 'p' || p->mode == 'e'))
		log_fatal("-R goes with -l and -x only");
	if (p->mode != 'e' && (p->new_group || p->new_name))
		log_fatal("-G and -I go with -e only");
	if (p->mode == 'l' && p->arguments[0])
		log_fatal("-l: takes no command");
	if ((p->mode == 'p' || p->mode == 'x') && !p->arguments[0])
		log_fatal("-%c: what shall be run?", p->mode);
}

/* Under an instance's MAIL_CONFIG there is no telling which are the others. */
static void check_environment(void)
{
	const char *directory = getenv("MAIL_CONFIG");
	struct stat ours, given;

	if (!directory || !*directory || strcmp(directory, CONFIG_DIRECTORY) ==
			0)
		return;
	if (stat(directory, &given) == 0 &&
		stat(CONFIG_DIRECTORY, &ours) == 0 &&
		given.st_dev == ours.st_dev && given.st_ino == ours.st_ino)
		return;
	log_fatal("MAIL_CONFIG is %s, not the primary instance's %s: unset "
		"it, or name a primary instance with -c", directory,
		CONFIG_DIRECTORY);
}

int main(int argc, char **argv)
{
	struct postmulti p = { .arena = arena_new(0) };
	int option;

	command_begin(&command, argc, argv);
	while ((option = getopt(argc, argv, "+ac:e:g:G:i:I:jlpRvx")) != -1)
		take_option(&p, option);
	p.arguments = argv + optind;
	check_options(&p);
	if (!p.directory)
		check_environment();
	instances_read(p.arena, p.directory, &p.instances);
	return p.mode == 'e' ? postmulti_edit(&p) : each(&p);
}
