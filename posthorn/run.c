#include "posthorn/posthorn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/span.h"
#include "log/sink.h"
#include "queue/foreign.h"
#include "service/command.h"
#include "service/control.h"

enum {
	STOP_S = 120,    /* for a running system to end */
	LOOK_MS = 20,    /* between looks whether it has */
	BEGIN_S = 10,    /* for a new log file's first line */
};

/* Log lines of Postfix's postfix-script have this name. */
static void log_as_script(struct command_line *line)
{
	command_log_quietly(line->conf, "postfix-script");
}

int master_pid(struct command_line *line)
{
	/* a read lock, so that a descriptor to read will do */
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	const char *path = arena_cstr(line->arena,
		arena_fmt(line->arena, "%.*s/%.*s/master.pid",
			STR_ARG(line->conf->queue_directory),
			STR_ARG(line->conf->process_id_directory)));
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 ||
		lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : 0;
}

static bool must_run(struct command_line *line)
{
	log_as_script(line);
	if (master_pid(line))
		return true;
	log_error("the Postfix mail system is not running");
	return false;
}

/* ---- start ---- */

static char **master_argv(struct command_line *line, const char *how)
{
	char **argv = arena_array(line->arena, 6, sizeof(char *));
	size_t count = 0;

	argv[count++] = arena_cstr(line->arena,
		arena_fmt(line->arena, "%.*s/master",
			STR_ARG(line->conf->daemon_directory)));
	argv[count++] = arena_cstr(line->arena, str_from(how));
	argv[count++] = arena_cstr(line->arena, STR("-c"));
	argv[count++] = arena_cstr(line->arena,
		line->conf->config_directory);
	if (line->verbose)
		argv[count++] = arena_cstr(line->arena, STR("-v"));
	return argv;
}

static bool may_start(struct command_line *line)
{
	struct str foreign;

	log_as_script(line);
	if (master_pid(line)) {
		log_error("the Postfix mail system is already running");
		return false;
	}
	foreign = foreign_find(line->arena, line->conf->queue_directory);
	if (!str_is_none(foreign)) {
		log_error("%.*s", STR_ARG(foreign));
		return false;
	}
	if (!log_file_is_allowed(line->conf->maillog_file,
		    line->conf->maillog_file_prefixes)) {
		log_error("the maillog_file value '%.*s' does not match any "
			"prefix in maillog_file_prefixes",
			STR_ARG(line->conf->maillog_file));
		return false;
	}
	if (!folders_set(line, false))
		return false;
	/* Who reads such a value ends, and no mail would pass. */
	if (!check_configuration(line, true)) {
		log_error("the Postfix mail system does not start with this "
			"configuration");
		return false;
	}
	log_info("starting the Postfix mail system");
	return true;
}

int run_start(struct command_line *line)
{
	char **argv;
	int status, pid;

	if (!may_start(line))
		return 1;
	argv = master_argv(line, "-w");
	pid = fork();
	if (pid == 0) {
		execv(argv[0], argv);
		log_error("%s: %m", argv[0]);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		log_error("%s: %m", argv[0]);
		return 1;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	log_error("the Postfix mail system did not start");
	return 1;
}

int run_start_fg(struct command_line *line)
{
	char **argv;

	if (!may_start(line))
		return 1;
	argv = master_argv(line, "-f");
	execv(argv[0], argv);
	log_error("%s: %m", argv[0]);
	return 1;
}

/* ---- requests to master ---- */

static bool ask(struct command_line *line, const char *verb,
	struct str argument, struct control_answer *answer)
{
	if (!control_ask(line->arena, line->conf, verb, argument, -1, answer)) {
		log_error("public/control: %m");
		return false;
	}
	if (answer->status == 0)
		return true;
	log_error("%s: %.*s", verb, STR_ARG(answer->text.len ? answer->text :
		str_from(strerror(answer->status))));
	return false;
}

static bool await_end(struct command_line *line, struct span patience)
{
	struct moment until = moment_after(patience);
	const struct timespec look = { .tv_nsec = LOOK_MS * 1000000L };

	while (master_pid(line)) {
		if (moment_left(until).us == 0)
			return false;
		nanosleep(&look, NULL);
	}
	return true;
}

static int end(struct command_line *line, const char *verb, const char *says,
	struct span patience)
{
	struct control_answer answer;
	int pid;

	if (!must_run(line))
		return 1;
	log_info("%s the Postfix mail system", says);
	pid = master_pid(line);
	if (!control_ask(line->arena, line->conf, verb, STR(""), -1, &answer)) {
		if (pid && kill(pid, SIGTERM) < 0 && errno != ESRCH) {
			log_error("kill %d: %m", pid);
			return 1;
		}
	} else if (answer.status) {
		log_error("%s: %.*s", verb, STR_ARG(answer.text));
		return 1;
	}
	if (await_end(line, patience))
		return 0;
	log_error("the Postfix mail system has not ended yet");
	return 1;
}

int run_stop(struct command_line *line)
{
	return end(line, "stop", "stopping", span_s(STOP_S));
}

int run_quick_stop(struct command_line *line)
{
	return end(line, "quick_stop", "stopping", span_s(STOP_S));
}

int run_drain(struct command_line *line)
{
	return end(line, "drain", "stopping", SPAN_FOREVER);
}

int run_abort(struct command_line *line)
{
	return end(line, "abort", "aborting", span_s(STOP_S));
}

int run_reload(struct command_line *line)
{
	struct control_answer answer;

	if (!must_run(line))
		return 1;
	log_info("refreshing the Postfix mail system");
	return ask(line, "reload", STR(""), &answer) ? 0 : 1;
}

int run_flush(struct command_line *line)
{
	struct control_answer answer;

	return must_run(line) && ask(line, "flush", STR(""), &answer) ? 0 : 1;
}

/* "smtp/inet smtpd processes=1 clients=0 throttled" as a JSON object. */
static void put_service(struct buf *out, struct str row)
{
	struct str name = str_take_word(&row), word;
	size_t slash = str_rfind_char(name, '/');

	buf_text(out, "{\"service\": ");
	json_format(out, str_first(name, slash));
	buf_text(out, ", \"type\": ");
	json_format(out, str_skip(name, slash + 1));
	buf_text(out, ", \"command\": ");
	json_format(out, str_take_word(&row));
	while ((word = str_take_word(&row)).len > 0) {
		struct str key = str_take_until(&word, '=');

		buf_text(out, ", ");
		json_format(out, key);
		buf_fmt(out, ": %.*s", STR_ARG(word.len ? word : STR("true")));
	}
	buf_char(out, '}');
}

/* pid 0: it does not run. */
static int say_json(int pid, struct str rows)
{
	auto_buf struct buf out = { 0 };
	struct str row;

	buf_fmt(&out, "{\"running\": %s", pid ? "true" : "false");
	if (pid)
		buf_fmt(&out, ", \"pid\": %d", pid);
	buf_text(&out, ", \"services\": [");
	for (size_t i = 0; str_take_line(&rows, &row); i++) {
		buf_text(&out, i ? ",\n  " : "\n  ");
		put_service(&out, row);
	}
	buf_text(&out, "]}\n");
	fwrite(out.p, 1, out.len, stdout);
	return pid ? 0 : 1;
}

int run_status(struct command_line *line)
{
	struct control_answer answer = { .status = -1 };
	int pid = master_pid(line);
	bool knows = pid && control_ask(line->arena, line->conf, "services",
		STR(""), -1, &answer) && answer.status == 0;

	if (line->argc > 0 && strcmp(line->argv[0], "--json") == 0)
		return say_json(pid, knows ? answer.text : STR(""));
	command_log(line->conf, "postfix-script");
	if (!pid) {
		log_info("the Postfix mail system is not running");
		return 1;
	}
	log_info("the Postfix mail system is running: PID: %d", pid);
	if (knows && strcmp(program_invocation_short_name, "postfix") != 0)
		fwrite(answer.text.p, 1, answer.text.len, stdout);
	return 0;
}

/* ---- maillog_file ---- */

/* strftime with a format of the administrator's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t strftime_any(char *text, size_t room, const char *form,
	const struct tm *time)
{
	return strftime(text, room, form, time);
}
#pragma GCC diagnostic pop

static int compress_file(struct command_line *line, const char *path)
{
	struct str rest = line->conf->maillog_file_compressor, word;
	char *argv[16];
	int count = 0, status, pid;

	while (count < 14 && str_take_item(&rest, " \t", &word))
		argv[count++] = arena_cstr(line->arena, word);
	if (count == 0)
		return 0;
	argv[count++] = arena_cstr(line->arena, str_from(path));
	argv[count] = NULL;
	pid = fork();
	if (pid == 0) {
		execvp(argv[0], argv);
		log_error("%s: %m", argv[0]);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

/* postlogd may have no right to make files in that folder: the new one is there
 * before the old one goes, with its owner and mode. */
static bool replace_file(const char *path, const char *to)
{
	char fresh[4352];
	struct stat st;
	auto_close int fd = -1;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (stat(path, &st) < 0) {
		log_error("%s: %m", path);
		return false;
	}
	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		0600);
	if (fd < 0 || fchown(fd, st.st_uid, st.st_gid) < 0 ||
		fchmod(fd, st.st_mode & 0777) < 0) {
		log_error("%s: %m", fresh);
		return false;
	}
	if (rename(path, to) < 0) {
		log_error("rename %s to %s: %m", path, to);
		return false;
	}
	if (rename(fresh, path) == 0)
		return true;
	log_error("rename %s to %s: %m", fresh, path);
	if (rename(to, path) < 0) /* it goes on as it was */
		log_error("rename %s to %s: %m", to, path);
	return false;
}

/* Until postlogd writes to the new file: its first line tells. */
static bool has_begun(struct command_line *line, const char *path)
{
	struct moment until = moment_after(span_s(BEGIN_S));
	const struct timespec look = { .tv_nsec = LOOK_MS * 1000000L };
	struct control_answer answer;
	struct stat st;

	if (!master_pid(line))
		return true;
	if (!ask(line, "rotate", STR(""), &answer))
		return false;
	while (stat(path, &st) < 0 || st.st_size == 0) {
		if (moment_left(until).us == 0) {
			log_error("%s: postlogd has not begun it", path);
			return false;
		}
		nanosleep(&look, NULL);
	}
	return true;
}

int run_logrotate(struct command_line *line)
{
	const char *path = arena_cstr(line->arena, line->conf->maillog_file);
	const char *form = arena_cstr(line->arena,
		line->conf->maillog_file_rotate_suffix);
	char suffix[128], to[4352];
	time_t now = time(NULL);
	struct tm local;

	log_as_script(line);
	if (path[0] != '/' || strncmp(path, "/dev/", 5) == 0) {
		log_error("maillog_file is not a file that can be rotated");
		return 1;
	}
	localtime_r(&now, &local);
	if (strftime_any(suffix, sizeof(suffix), form, &local) == 0 ||
		(size_t)snprintf(to, sizeof(to), "%s.%s", path, suffix) >=
			sizeof(to)) {
		log_error("maillog_file_rotate_suffix: too long");
		return 1;
	}
	if (!replace_file(path, to) || !has_begun(line, path))
		return 1;
	return compress_file(line, to);
}
