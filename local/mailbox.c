/*
 * local/mailbox - the ends of a recipient: a user's mailbox in the form that
 * is configured, a file, a command, nobody at all.
 */
#include "local/local.h"

#include "agent/command.h"
#include "agent/trace.h"
#include "base/log.h"
#include "config/list.h"

#include <string.h>

/* prepend_delivered_header says where Delivered-To belongs; a mailbox is a
 * file, too. What comes to a list is from its owner. */
static struct str head_for(const struct task *task, const char *kind)
{
	struct buf head = BUF_IN(task->arena);
	unsigned lines = TRACE_ALL;
	struct deliver_recipient recipient = *task->recipient;
	struct delivery shown = *task->delivery;

	recipient.address = task->delivered_to;
	if (!str_is_none(task->owner))
		recipient.orig = STR("");
	shown.m.sender = task_sender(task);
	if (!list_has_word(room.conf->prepend_delivered_header, kind))
		lines &= ~(unsigned)TRACE_DELIVERED_TO;
	trace_format(&head, &shown, &recipient, lines);
	return buf_str(&head);
}

static bool is_probe(struct task *task, const char *text)
{
	if (!(task->delivery->m.flags & DELIVER_VERIFY))
		return false;
	task_add(task, (struct status){ 250, 0, 0, str_from(text) });
	return true;
}

static struct str without_slash(struct str path)
{
	while (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

/* base and path: of a Maildir the folder that is there, and the one below. */
static void fill(struct task *task, struct deed *deed, enum child_kind kind,
	const struct rights *rights, struct str home, struct str base,
	struct str path, bool is_strict, const char *what)
{
	bool is_maildir = str_ends(path, STR("/"));

	*deed = (struct deed){
		.kind = kind,
		.rights = *rights,
		.home = home,
		.act = {
			.act = is_maildir ? ACT_MAILDIR : ACT_MBOX,
			.base = base,
			.path = is_maildir ?
				without_slash(path) :
				arena_fmt(task->arena, "%.*s/%.*s",
					STR_ARG(base), STR_ARG(path)),
			.what = str_from(what),
			.user = kind == CHILD_PLAIN ? STR("") : rights->user,
			.head = head_for(task, "file"),
			.directory = STR_NONE,
			.extension = STR_NONE,
			.limit = (uint64_t)room.conf->mailbox_size_limit,
			.is_strict = is_strict,
		},
	};
}

static struct deed *deed_new(const struct task *task)
{
	return arena_new_of(task->arena, struct deed);
}

static void deliver_to(struct task *task, const struct deed *deed)
{
	struct status status = child_may_be(task->arena, &deed->rights);

	if (status_is_ok(status))
		status = child_act(task, deed);
	if (status_is_ok(status))
		task->action = DSN_ACTION_DELIVERED;
	task_add(task, status);
}

static struct rights rights_of(const struct user *user)
{
	return (struct rights){ user->sys_uid, user->sys_gid, user->name };
}

static bool is_safe_name(struct str name)
{
	return name.len > 0 && name.p[0] != '.' &&
		str_find_char(name, '/') == SIZE_MAX;
}

/* False: his login name is no name for a file. */
static bool fill_of_user(struct task *task, const struct user *user,
	struct str extension, struct deed *deed)
{
	struct rights rights = rights_of(user);
	struct str in_home = room.conf->home_mailbox;
	struct str spool = room.conf->mail_spool_directory;
	bool is_strict = room.conf->strict_mailbox_ownership;

	if (in_home.len > 0) {
		fill(task, deed, CHILD_MAILBOX, &rights, user->home,
			user->home, in_home, is_strict, "mailbox");
		deed->act.extension = extension;
		return true;
	}
	if (!is_safe_name(user->name))
		return false;
	if (room.spool_is_shared)
		rights.sys_gid = room.spool_gid;
	fill(task, deed, CHILD_MAILBOX, &rights, user->home,
		without_slash(spool),
		str_ends(spool, STR("/")) ?
			arena_fmt(task->arena, "%.*s/", STR_ARG(user->name)) :
			user->name,
		is_strict, "mailbox");
	deed->act.extension = extension;
	return true;
}

bool mailbox_deed(struct task *task, const struct user *user,
	struct str extension, struct deed *deed)
{
	return room.has_mailboxes_only &&
		!(task->delivery->m.flags & DELIVER_VERIFY) &&
		fill_of_user(task, user, extension, deed) &&
		deed->rights.sys_gid == user->sys_gid;
}

/* 250 when to_command(_maps) has one. */
static enum maps_result find_command(struct task *task,
	const struct user *user, struct str *command)
{
	enum maps_result result = maps_find(
		room.mailbox_commands, task->arena, user->name, command);

	if (result == MAPS_ERROR)
		task_add(task,
			STATUS(451, 3, 5,
				"mailbox_command_maps: table lookup problem"));
	if (result != MAPS_ABSENT)
		return result;
	*command = str_trim(room.conf->mailbox_command);
	return command->len > 0 ? MAPS_FOUND : MAPS_ABSENT;
}

void to_mailbox(struct task *task, const struct user *user,
	struct str extension)
{
	struct rights rights = rights_of(user);
	struct str command = STR("");
	struct deed *deed = deed_new(task);

	if (pass_by(task, room.mailbox_transports, user->name,
		    room.conf->mailbox_transport))
		return;
	if (is_probe(task, "delivers to mailbox"))
		return;
	switch (find_command(task, user, &command)) {
	case MAPS_FOUND:
		to_command(task, &rights, user, command);
		return;
	case MAPS_ERROR:
		return;
	case MAPS_ABSENT:
		break;
	}
	if (fill_of_user(task, user, extension, deed))
		deliver_to(task, deed);
	else
		task_add(task, STATUS(451, 3, 5, "bad login name"));
}

void to_file(struct task *task, const struct rights *rights,
	struct str path)
{
	struct str plain = without_slash(path);
	size_t slash = str_rfind_char(plain, '/');
	struct str base = str_first(path, slash ? slash : 1);
	struct str name = str_skip(path, slash + 1);
	struct str what =
		arena_fmt(task->arena, "file: %.*s", STR_ARG(path));
	struct deed *deed = deed_new(task);

	if (!task_is_new(task, ALIAS_FILE, path) ||
		is_probe(task, arena_fmt(task->arena, "delivers to file: %.*s",
			STR_ARG(path)).p))
		return;
	if (str_is(path, "/dev/null"))
		task_add(task,
			STATUS(250, 0, 0, "delivered to file: /dev/null"));
	else if (name.len == 0)
		task_add(task, STATUS(550, 2, 0, "destination is no file"));
	else {
		fill(task, deed, CHILD_PLAIN, rights, STR(""), base, name,
			false, what.p);
		deliver_to(task, deed);
	}
}

static struct msg_list words_of(struct arena *arena, struct str command)
{
	struct str shell = str_trim(room.conf->local_command_shell);
	char **argv = command_words(
		arena, shell.len > 0 ? shell : command);
	struct msg_list list = { 0 };
	struct str *items;

	while (argv[list.count])
		list.count++;
	items = arena_array(arena, list.count + 1, sizeof(*items));
	for (size_t i = 0; i < list.count; i++)
		items[i] = str_from(argv[i]);
	if (shell.len > 0)
		items[list.count++] = command;
	list.items = items;
	return list;
}

void to_command(struct task *task, const struct rights *rights,
	const struct user *user, struct str command)
{
	/* nothing that mail causes runs as root */
	const struct rights *as = rights->sys_uid ? rights : &room.defaults;
	struct deed deed = {
		.kind = CHILD_PLAIN,
		.rights = *as,
		.home = STR(""),
		.act = {
			.act = ACT_COMMAND,
			.what = command,
			.user = STR(""),
			.head = head_for(task, "command"),
			.words = words_of(task->arena, command),
			.environment = values_environment(task, user),
			.directory = STR_NONE,
			.extension = STR_NONE,
		},
	};

	if (!task_is_new(task, ALIAS_COMMAND,
		    arena_fmt(task->arena, "%u %.*s", as->sys_uid,
			    STR_ARG(command))) ||
		is_probe(task, arena_fmt(task->arena,
			"delivers to command: %.*s", STR_ARG(command)).p))
		return;
	if (room.conf->command_execution_directory.len > 0) {
		deed.act.directory = values_expand(task, user,
			room.conf->command_execution_directory,
			room.conf->execution_directory_expansion_filter);
		if (str_is_none(deed.act.directory)) {
			task_add(task,
				STATUS(451, 3, 5,
					"command_execution_directory is "
					"malformed"));
			return;
		}
	}
	deliver_to(task, &deed);
}

/* RFC 5321 4.5.1: these are there, whatever the tables say. */
static bool is_required(struct str name)
{
	return str_is_nocase(name, "mailer-daemon") ||
		str_is_nocase(name, "postmaster");
}

/* One address, whatever is in it: no list, no command and no file. */
static void deliver_to_luser(struct task *task)
{
	struct str text = values_expand(task, NULL, room.conf->luser_relay,
		STR_NONE);

	if (str_is_none(text) || text.len == 0) {
		task_add(task, STATUS(451, 3, 5, "luser_relay is malformed"));
		return;
	}
	forward_add(task, task->delivery->m.sender, false,
		rewrite_address(room.rewriter, task->arena, REWRITE_LOCAL,
			text));
}

/* mailbox_transport knows users that the system does not have to know. */
void to_stranger(struct task *task, struct str name)
{
	if (pass_by(task, room.mailbox_transports, name,
		    room.conf->mailbox_transport) ||
		pass_by(task, room.fallback_transports, name,
			room.conf->fallback_transport))
		return;
	if (room.conf->luser_relay.len > 0) {
		deliver_to_luser(task);
	} else if (is_required(name)) {
		log_warning("required alias not found: %.*s", STR_ARG(name));
		task_add(task, STATUS(250, 0, 0, "discarded"));
	} else {
		task_add(task,
			status_f(task->arena, 550, 1, 1,
				"unknown user: \"%.*s\"", STR_ARG(name)));
	}
}
