#include "posthorn/posthorn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/span.h"
#include "service/command.h"
#include "service/control.h"
#include "service/programs.h"

enum { PROBE_S = 60 };

static const char *const programs[] = {
#define PROGRAM(name, fibers, flags) #name,
#include "service/programs.def"
#undef PROGRAM
};

/* Everything that the daemon writes until its end; false: it took too long. */
static bool read_report(int fd, struct buf *report)
{
	struct moment until = moment_after(span_s(PROBE_S));

	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t len;

		if (poll(&ready, 1, (int)span_to_ms(moment_left(until))) <= 0 ||
			!buf_room(report, 4096))
			return false;
		len = read(fd, report->p + report->len, 4096);
		if (len <= 0)
			return len == 0;
		report->len += (size_t)len;
	}
}

/* "act succeeded must-not": a line of the matrix; false: a hole. */
static bool print_act(const char *program, struct str line)
{
	struct str act = str_take_word(&line), what = str_take_word(&line);
	bool is_hole = str_is(what, "succeeded") &&
		str_is(str_trim(line), "must-not");

	printf("%-10s %-20.*s %-10.*s %.*s%s\n", program, STR_ARG(act),
		STR_ARG(what), STR_ARG(str_trim(line)),
		is_hole ? "  NOT ENFORCED HERE" : "");
	return !is_hole;
}

static bool print_report(const char *program, struct str report)
{
	bool is_fine = report.len > 0;
	struct str line;

	if (!is_fine)
		log_error("%s: no report", program);
	while (str_take_line(&report, &line))
		is_fine = print_act(program, line) && is_fine;
	return is_fine;
}

static bool probe_one(struct command_line *line, const char *program)
{
	struct buf report = BUF_IN(line->arena);
	struct control_answer answer;
	int ends[2];
	bool is_sent, is_fine;

	if (pipe2(ends, O_CLOEXEC) < 0)
		log_fatal("pipe: %m");
	is_sent = control_ask(line->arena, line->conf, "probe",
		str_from(program), ends[1], &answer);
	if (!is_sent)
		log_error("public/control: %m");
	close(ends[1]);
	is_fine = is_sent && answer.status == 0 &&
		read_report(ends[0], &report);
	close(ends[0]);
	if (is_sent && answer.status == ENOENT)
		return true; /* no row, no program: nothing runs */
	if (is_sent && answer.status)
		log_error("%s: %.*s", program, STR_ARG(answer.text));
	return is_fine && print_report(program, buf_str(&report));
}

int run_check_sandbox(struct command_line *line)
{
	bool is_fine = true;

	command_log(line->conf, "postfix-script");
	if (!master_pid(line)) {
		log_error("the Postfix mail system is not running: its "
			"master starts the daemons that are tried");
		return 1;
	}
	for (size_t i = 0; i < COUNT(programs); i++) {
		bool is_wanted = line->argc < 2;

		for (int j = 1; j < line->argc; j++)
			is_wanted = is_wanted ||
				strcmp(line->argv[j], programs[i]) == 0;
		if (is_wanted)
			is_fine = probe_one(line, programs[i]) && is_fine;
	}
	return is_fine ? 0 : 1;
}
