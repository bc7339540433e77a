/*
 * pipe - hands mail to a program.
 *
 * Room       the user that the row's user= names, from the start on; not root,
 *            not the mail system's own; NO_NEW_PRIVS, refused system calls;
 *            no shell
 * Gets       deliveries from qmgr
 * Calls      nobody
 */
#include "pipe/pipe.h"

#include "agent/command.h"
#include "agent/trace.h"
#include "base/log.h"
#include "service/service.h"

#include <unistd.h>

enum {
	HEADER_MOST = 100 * 1024,
	SAID_MOST = 100, /* octets of output, in the log of a success */
};

static const enum param params[] = { command_time_limit,
	delay_logging_resolution_limit, export_environment, mail_owner,
	myhostname, owner_request_special, pipe_delivery_status_filter,
	recipient_delimiter, soft_bounce, PARAMS_END };

/* What the row says; set before the sandbox closes. */
static struct {
	struct attributes attributes;
	char *const *args;
	struct run_as as;
} own;

static void prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0); /* of the process */
	struct str unknown = STR("");
	const char *wrong =
		attributes_parse(arena, own.args + optind, &own.attributes);

	if (wrong)
		log_fatal("%s", wrong);
	if (!words_expand(arena, &own.attributes, NULL, &unknown))
		log_fatal("argv=: unknown macro: %.*s", STR_ARG(unknown));
	run_as_find(conf, own.attributes.user, &own.as);
	deliver_filter_open(arena, conf, "pipe_delivery_status_filter",
		conf->pipe_delivery_status_filter);
}

static void start(const struct conf *conf)
{
	const char *root = own.attributes.root;

	(void)conf;
	if (own.as.is_misplaced) {
		run_as_warn(&own.as, "mail is deferred");
		return;
	}
	if (root && (chroot(root) < 0 || chdir("/") < 0))
		log_fatal("chroot=%s: %m", root);
	run_as_become(&own.as);
}

static struct status check(struct delivery *delivery)
{
	unsigned flags = own.attributes.flags;
	struct arena *arena = delivery->arena;
	struct str header;

	if (own.as.is_misplaced)
		return STATUS(451, 3, 5, "cannot run commands as that user");
	if (own.attributes.size > 0 &&
		delivery->content.size > own.attributes.size)
		return STATUS(552, 2, 3, "message too large");
	if (!(flags & PIPE_DELIVERED_TO))
		return STATUS_OK;
	if (delivery->count > 1)
		return status_f(arena, 451, 3, 5,
			"flag D requires %.*s_destination_recipient_limit = 1",
			STR_ARG(service_row()));
	if (!content_header(arena, &delivery->content, HEADER_MOST, &header))
		return STATUS(451, 3, 0, "queue file read error");
	if (trace_is_loop(header, delivery->recipients[0].address))
		return status_f(arena, 554, 4, 6,
			"mail forwarding loop for %.*s",
			STR_ARG(delivery->recipients[0].address));
	return STATUS_OK;
}

/* null_sender= stands for the empty sender here, too. */
static struct str head_of(struct delivery *delivery)
{
	static const struct {
		unsigned flag, line;
	} lines[] = {
		{ PIPE_RETURN_PATH, TRACE_RETURN_PATH },
		{ PIPE_ORIGINAL_TO, TRACE_ORIGINAL_TO },
		{ PIPE_DELIVERED_TO, TRACE_DELIVERED_TO },
	};
	struct buf head = BUF_IN(delivery->arena);
	struct delivery shown = *delivery;
	unsigned wanted = 0;

	if (shown.m.sender.len == 0)
		shown.m.sender = own.attributes.null_sender;

	for (size_t i = 0; i < COUNT(lines); i++)
		if (own.attributes.flags & lines[i].flag)
			wanted |= lines[i].line;
	trace_format(&head, &shown, &delivery->recipients[0], wanted);
	return buf_str(&head);
}

static unsigned command_flags(void)
{
	static const struct {
		unsigned pipe, command;
	} same[] = {
		{ PIPE_FROM_LINE, COMMAND_FROM_LINE },
		{ PIPE_BLANK_LINE, COMMAND_BLANK_LINE },
		{ PIPE_QUOTE_FROM, COMMAND_QUOTE_FROM },
		{ PIPE_DOTS, COMMAND_STUFF_DOTS },
	};
	unsigned flags = 0;

	for (size_t i = 0; i < COUNT(same); i++)
		if (own.attributes.flags & same[i].pipe)
			flags |= same[i].command;
	return flags;
}

static struct span time_limit(const struct conf *conf)
{
	return conf_transport_span(conf, service_row(), "time_limit");
}

static struct status run(struct delivery *delivery)
{
	struct arena *arena = delivery->arena;
	struct str unknown = STR("");
	const struct command_plan plan = {
		.program.argv = words_expand(
			arena, &own.attributes, delivery, &unknown),
		.program.environment = command_environ(delivery->arena,
			delivery->conf),
		.program.directory = own.attributes.directory,
		.program.sys_uid = own.as.sys_uid,
		.program.sys_gid = own.as.sys_gid,
		.time_limit = time_limit(delivery->conf),
		.head = head_of(delivery),
		.flags = command_flags(),
		.null_sender = own.attributes.null_sender,
		.eol = own.attributes.eol,
		.program.what = own.attributes.words[0],
	};
	struct status status;

	if (!plan.program.argv)
		return status_f(arena, 451, 3, 5, "unknown macro: %.*s",
			STR_ARG(unknown));
	status = command_run(delivery, &plan);
	if (!status_is_ok(status))
		return status;
	status.text = arena_fmt(arena, "delivered via %.*s service%s%.*s%s",
		STR_ARG(service_row()), status.text.len ? " (" : "",
		STR_ARG(str_first(status.text, SAID_MOST)),
		status.text.len ? ")" : "");
	return status;
}

/* One command for all of its recipients, one outcome for all. */
static void deliver(struct delivery *delivery)
{
	struct deliver_report report = {
		.status = check(delivery),
		.action = own.attributes.flags & PIPE_FINAL ?
			DSN_ACTION_DELIVERED :
			DSN_ACTION_RELAYED,
	};

	if (!status_is_ok(report.status))
		report.action = DSN_ACTION_NONE;
	else if (delivery->m.flags & DELIVER_VERIFY)
		report.status = status_f(delivery->arena, 250, 0, 0,
			"delivers to command: %s", own.attributes.words[0]);
	else
		report.status = run(delivery);
	if (!status_is_ok(report.status))
		report.action = DSN_ACTION_NONE;
	deliver_report_rest(delivery, &report);
}

static void serve(const struct conf *conf, struct call *call)
{
	deliver_serve(conf, call, deliver);
}

static const struct service service = {
	.name = "pipe",
	.fibers = 20,
	.profile = PROFILE_DELIVER,
	.calls = "",
	.params = params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
};

int main(int argc, char **argv)
{
	own.args = argv;
	return service_main(&service, argc, argv);
}
