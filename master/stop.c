#include "master/state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	KILL_AFTER_S = 15, /* from SIGTERM to SIGKILL */
	ROOMS_S = 30,      /* for deliveries to end */
	LOG_S = 2,
};

/* ---- stop, drain, abort ---- */

static bool is_log(const struct child *child)
{
	return strcmp(child->program, "postlogd") == 0;
}

/* Is this child asked to go at the present stage? */
static bool is_due(const struct child *child)
{
	if (child->state == CHILD_NONE)
		return false;
	switch (state.stage) {
	case STAGE_DOORS:
		return child->row && (child->row->type == MASTER_CF_INET ||
			child->row->type == MASTER_CF_PASS ||
			strcmp(child->program, "pickup") == 0);
	case STAGE_ROOMS:
		return !is_log(child);
	case STAGE_LOG:
		return true;
	default:
		return false;
	}
}

static size_t signal_due(int signal_number)
{
	size_t count = 0;

	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		struct child *c = &state.children[i];

		if (!is_due(c))
			continue;
		count++;
		if (signal_number == 0)
			child_retire(c);
		else
			kill(c->pid, signal_number);
	}
	return count;
}

static void enter_stage(enum stage stage, struct span patience)
{
	state.stage = stage;
	state.stage_until = state.is_patient ? MOMENT_NEVER :
					       moment_after(patience);
	state.stage_terminated = false;
	signal_due(0);
	if (stage == STAGE_ROOMS)
		introduce_fail_all(); /* nobody starts any more */
}

static _Noreturn void leave(void)
{
	lock_release();
	notify_systemd("STATUS=stopped");
	exit(0);
}

static void close_doors(void)
{
	for (size_t i = 0; i < state.row_count; i++) {
		struct row *row = &state.rows[i];

		listen_unwatch(row);
		if (row->type == MASTER_CF_DGRAM)
			continue; /* commands may still say something */
		for (size_t j = 0; j < row->listener_count; j++)
			if (row->listeners[j].fd >= 0)
				listen_close(&row->listeners[j]);
	}
}

void stop_begin(const char *why, struct span doors, bool patient)
{
	if (state.stage > STAGE_RUNNING) {
		if (patient)
			return;
		state.is_patient = false; /* drain, then stop */
		state.stage_until = moment_after(doors);
		return;
	}
	if (why)
		log_info("%s", why);
	notify_systemd("STOPPING=1");
	state.is_patient = patient;
	introduce_tick();
	close_doors();
	enter_stage(STAGE_DOORS, doors);
}

void stop_abort(void)
{
	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		const struct child *c = &state.children[i];

		if (c->state != CHILD_NONE && !is_log(c))
			kill(c->pid, SIGKILL);
	}
	log_info("aborting");
	close_doors();
	state.is_patient = false;
	enter_stage(STAGE_ROOMS, span_us(0));
}

static void next_stage(void)
{
	if (state.stage == STAGE_DOORS)
		enter_stage(STAGE_ROOMS, span_s(ROOMS_S));
	else if (state.stage == STAGE_ROOMS)
		enter_stage(STAGE_LOG, span_s(LOG_S));
	else
		leave();
}

void stop_tick(void)
{
	bool any = false;

	for (size_t i = 0; i < CHILDREN_MOST; i++)
		any = any || is_due(&state.children[i]);
	if (!any) {
		next_stage();
		return;
	}
	if (moment_left(state.stage_until).us > 0)
		return;
	signal_due(state.stage_terminated ? SIGKILL : SIGTERM);
	state.stage_terminated = true;
	state.stage_until = moment_after(span_s(KILL_AFTER_S));
}

/* ---- reload ---- */

static void answer_reload(int status, struct str text)
{
	if (state.reload_client >= 0)
		control_answer(state.reload_client, status, text);
	state.reload_client = -1;
	arena_free(state.checked.arena);
	state.checked = (struct rows_files){ 0 };
}

/* In a child: what is wrong with the files goes to `says`. */
static _Noreturn void check_files(int says)
{
	dup2(says, STDERR_FILENO);
	log_sink(NULL);
	rows_check(&state.checked);
	_exit(0);
}

/*
 * The new files are first parsed by a child that ends at a mistake: master goes
 * on with what it has then.
 */
void reload_begin(int client)
{
	struct str wrong;
	int says = -1;

	state.reload_client = client;
	if (!rows_read(&state.checked, &wrong)) {
		log_error("reload: %.*s -- not done", STR_ARG(wrong));
		answer_reload(EIO, wrong);
		return;
	}
	says = memfd_create("reload", MFD_CLOEXEC);
	state.checker = says < 0 ? -1 : fork();
	if (state.checker == 0)
		check_files(says);
	if (state.checker < 0) {
		int error = errno;

		log_warning("reload: %m -- not done");
		answer_reload(error, STR("cannot fork"));
		base_close(&says);
		state.checker = 0;
		return;
	}
	state.checker_says = says;
}

/* Its lines begin with the program's name, as on standard error. */
static void refuse_reload(int says)
{
	char text[4096];
	ssize_t len = pread(says, text, sizeof(text), 0);
	struct str all = str_of(text, len > 0 ? (size_t)len : 0), line;
	struct str rest = all;

	while (str_take_line(&rest, &line)) {
		size_t colon = str_find(line, STR(": "));

		log_error("reload: %.*s", STR_ARG(str_skip(line,
			colon == SIZE_MAX ? 0 : colon + 2)));
	}
	log_error("reload: the new configuration is not used");
	answer_reload(EINVAL, all);
}

static void use_new_files(void)
{
	rows_use(&state.checked);
	log_info("reload -- version %.*s, configuration %.*s",
		STR_ARG(state.conf->mail_version),
		STR_ARG(state.conf->config_directory));
	for (size_t i = 0; i < CHILDREN_MOST; i++)
		if (!state.children[i].is_probe)
			child_retire(&state.children[i]);
	children_tick();
	for (size_t i = 0; i < state.row_count; i++)
		listen_watch(&state.rows[i]);
}

void reload_checked(bool is_fine)
{
	auto_close int says = state.checker_says;

	if (!is_fine) {
		refuse_reload(says);
	} else if (state.stage != STAGE_RUNNING) {
		answer_reload(EBUSY, STR("stopping"));
	} else {
		notify_systemd("RELOADING=1");
		use_new_files();
		answer_reload(0, STR(""));
		notify_systemd("READY=1");
	}
}
