#include "agent/outcome.h"

#include <sys/wait.h>
#include <sysexits.h>

#include "smtp/reply.h"

enum {
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
static bool by_output(struct str output, int exit, struct status *status)
{
	struct status said = { 0 };
	unsigned class = smtp_enhanced_take(&output, &said);

	if (class == 0 || (exit == EX_OK) != (class == 2))
		return false;
	said.code = class == 2 ? 250 : class == 4 ? 451 : 554;
	said.text = str_trim(output);
	*status = said;
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
	if (by_output(line, exit, &status))
		return status;
	if (exit == EX_OK) {
		status.text = line;
		return status;
	}
	return with_output(arena, by_table(arena, command, exit), line);
}
