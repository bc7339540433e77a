#include "agent/outcome.h"

#include <sys/wait.h>
#include <sysexits.h>

enum {
	CODE_MOST = 999, /* of subject and detail */
	LINE_MOST = 1000, /* octets of output that a status carries */
};

/* clang-format off */
static const struct {
	int exit;
	uint16_t code, subject, detail;
	const char *text;
} exits[] = {
	{ EX_USAGE,       554, 3, 0, "command line usage error" },
	{ EX_DATAERR,     554, 6, 0, "data format error" },
	{ EX_NOINPUT,     554, 3, 0, "cannot open input" },
	{ EX_NOUSER,      550, 1, 1, "user unknown" },
	{ EX_NOHOST,      550, 1, 2, "host name unknown" },
	{ EX_UNAVAILABLE, 554, 3, 0, "service unavailable" },
	{ EX_SOFTWARE,    554, 3, 0, "internal software error" },
	{ EX_OSERR,       451, 3, 0, "system resource problem" },
	{ EX_OSFILE,      554, 3, 0, "critical OS file missing" },
	{ EX_CANTCREAT,   554, 2, 0, "can't create user output file" },
	{ EX_IOERR,       554, 3, 0, "input/output error" },
	{ EX_TEMPFAIL,    451, 3, 0, "temporary failure" },
	{ EX_PROTOCOL,    554, 5, 0, "remote error in protocol" },
	{ EX_NOPERM,      554, 7, 0, "permission denied" },
	{ EX_CONFIG,      554, 3, 5, "local configuration error" },
};
/* clang-format on */

bool outcome_code_take(struct str *text, struct outcome_code *code)
{
	struct str rest = *text;
	uint64_t class, subject, detail;

	if (!str_take_u64(&rest, 5, &class) || class < 2 || class == 3 ||
		!str_take_char(&rest, '.') ||
		!str_take_u64(&rest, CODE_MOST, &subject) ||
		!str_take_char(&rest, '.') ||
		!str_take_u64(&rest, CODE_MOST, &detail))
		return false;
	if (rest.len > 0 && !ascii_is_blank((unsigned char)rest.p[0]))
		return false;
	code->class = (unsigned)class;
	code->subject = (unsigned)subject;
	code->detail = (unsigned)detail;
	*text = str_trim(rest);
	return true;
}

struct status outcome_parse(struct str text, struct status otherwise)
{
	struct outcome_code code;

	text = str_trim(text);
	if (outcome_code_take(&text, &code)) {
		otherwise.subject = (uint16_t)code.subject;
		otherwise.detail = (uint16_t)code.detail;
	}
	if (text.len > 0)
		otherwise.text = text;
	return otherwise;
}

struct str outcome_line(struct arena *arena, struct str output)
{
	struct str text = str_first(str_trim(output), LINE_MOST);
	char *line = arena_cstr(arena, text);

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	return str_of(line, text.len);
}

/* A code that the command wrote itself goes before the table. */
static bool by_output(struct str *output, int exit, struct status *status)
{
	struct outcome_code code;
	struct str rest = *output;

	if (!outcome_code_take(&rest, &code) ||
		(exit == EX_OK) != (code.class == 2))
		return false;
	status->code = code.class == 2 ? 250 : code.class == 4 ? 451 : 554;
	status->subject = (uint16_t)code.subject;
	status->detail = (uint16_t)code.detail;
	*output = rest;
	return true;
}

static struct status by_table(struct arena *arena, struct str command, int exit)
{
	for (size_t i = 0; i < COUNT(exits); i++)
		if (exits[i].exit == exit)
			return (struct status){ exits[i].code,
				exits[i].subject, exits[i].detail,
				str_from(exits[i].text) };
	return status_f(arena, 554, 3, 0,
		"Command died with status %d: \"%.*s\"", exit,
		STR_ARG(command));
}

static struct status with_output(struct arena *arena, struct status status,
	struct str output)
{
	if (output.len > 0)
		status.text = arena_fmt(arena, "%.*s. Command output: %.*s",
			STR_ARG(status.text), STR_ARG(output));
	return status;
}

struct status outcome_of_command(struct arena *arena, struct str command,
	int wait_status, struct str output)
{
	struct str line = outcome_line(arena, output);
	struct status status = STATUS_OK;
	int exit;

	if (!WIFEXITED(wait_status))
		return with_output(arena,
			status_f(arena, 451, 3, 0,
				"Command died with signal %d: \"%.*s\"",
				WTERMSIG(wait_status), STR_ARG(command)),
			line);
	exit = WEXITSTATUS(wait_status);
	if (by_output(&line, exit, &status)) {
		status.text = line;
		return status;
	}
	if (exit == EX_OK) {
		status.text = line;
		return status;
	}
	return with_output(arena, by_table(arena, command, exit), line);
}
