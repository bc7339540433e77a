/*
 * local/recipient - what a recipient stands for: aliases, then .forward, then
 * the mailbox.
 *
 * A single address that is a user or alias of ours is followed right here;
 * several, those of an :include: file and those of an alias with an owner
 * become a message of their own, so that each is tried again by itself.
 */
#include "local/local.h"

#include <errno.h>

#include "agent/trace.h"
#include "base/log.h"
#include "config/list.h"
#include "service/service.h"

enum {
	DEPTH_MOST = 25, /* as Postfix has it */
	LOGGED_MOST = 1000, /* octets; with more a line would lose its end */
};

/* A list of destinations being followed. */
struct list_of {
	const struct chain *chain;
	const struct rights *rights; /* of its commands and files */
	const struct user *user;     /* whose .forward it is, or NULL */
	struct str sender;
	const char *source; /* alias, forward, include: allow_mail_to_... */
	bool is_list;       /* addresses become a message of their own */
	bool has_owner;     /* who is `sender` */
};

static void run_name(struct task *task, struct str local,
	const struct chain *chain);
static void run_list(struct task *task, const struct alias_list *items,
	const struct list_of *of);

static struct str lower(const struct task *task, struct str s)
{
	return arena_lower(task->arena, s);
}

static bool is_in(const struct chain *chain, char kind, struct str name)
{
	for (; chain; chain = chain->up)
		if ((kind == 0 || chain->kind == kind) &&
			str_eq_nocase(chain->name, name))
			return true;
	return false;
}

static bool is_too_deep(struct task *task, const struct chain *chain,
	struct str name)
{
	if (!chain || chain->depth < DEPTH_MOST)
		return false;
	task_add(task,
		status_f(task->arena, 554, 4, 6, "alias database loop for %.*s",
			STR_ARG(name)));
	return true;
}

static struct chain longer(const struct chain *up, char kind, struct str name)
{
	return (struct chain){ up, kind, name, up ? up->depth + 1 : 1 };
}

/* ---- one destination ---- */

/* propagate_unmatched_extensions: user+ext that became joe is joe+ext. */
static struct str with_extension(const struct task *task,
	const struct list_of *of, struct str address)
{
	const struct mail_address *parts = &task->parts;
	struct mail_address to;

	if (parts->extension.len == 0 ||
		!list_has_word(room.conf->propagate_unmatched_extensions,
			of->source))
		return address;
	mail_address_split(address, room.conf->recipient_delimiter,
		room.conf->owner_request_special, &to);
	if (!str_is_none(to.extension))
		return address;
	return arena_fmt(task->arena, "%.*s%c%.*s%s%.*s", STR_ARG(to.local),
		parts->delimiter, STR_ARG(parts->extension),
		str_is_none(to.domain) ? "" : "@", STR_ARG(to.domain));
}

static bool is_local(const struct resolved *resolved)
{
	return str_eq(resolved->transport, service_row());
}

/* From here on it is about this address, in the log and for commands. */
static void set_address(struct task *task, struct str address)
{
	struct str domain = mail_address_domain(address);
	struct str local = lower(task, mail_address_local(address));

	if (address.len <= LOGGED_MOST)
		task->at = address;
	mail_address_split(str_is_none(domain) ?
			local :
			arena_fmt(task->arena, "%.*s@%.*s", STR_ARG(local),
				STR_ARG(domain)),
		room.conf->recipient_delimiter,
		room.conf->owner_request_special, &task->parts);
}

/* frozen_delivered_to: the address that came, whatever it stands for. */
static void run_followed(struct task *task, struct str address,
	struct str local, const struct chain *chain)
{
	struct str before = task->delivered_to, at = task->at;
	struct mail_address parts = task->parts;

	set_address(task, address);
	if (!room.conf->frozen_delivered_to)
		task->delivered_to = address;
	run_name(task, local, chain);
	task->delivered_to = before;
	task->at = at;
	task->parts = parts;
}

static void run_address(struct task *task, const struct list_of *of,
	struct str address, bool is_only)
{
	struct resolved resolved = { 0 };
	struct str full = rewrite_address(room.rewriter, task->arena,
		REWRITE_LOCAL, with_extension(task, of, address));
	struct str local = lower(task, mail_address_local(full));

	resolve(room.router, task->arena, of->sender, full, &resolved);
	if (resolved.flags & RESOLVE_FAIL) {
		task_add(task,
			status_f(task->arena, 451, 3, 0,
				"address resolver failure for %.*s",
				STR_ARG(full)));
	} else if (resolved.flags & RESOLVE_ERROR) {
		log_warning("%.*s: bad address syntax: %.*s",
			STR_ARG(task->delivery->m.queue_id), STR_ARG(full));
		task_add(task,
			status_f(task->arena, 550, 1, 3,
				"bad address syntax: \"%.*s\"",
				STR_ARG(full)));
	} else if (is_local(&resolved) && !of->is_list &&
		(is_only || is_in(of->chain, 0, local))) {
		run_followed(task, full, local, of->chain);
	} else {
		forward_add(task, of->sender, of->is_list, full);
	}
}

static bool is_allowed(struct task *task, struct str list, const char *source,
	const char *what)
{
	if (list_has_word(list, source))
		return true;
	task_add(task,
		status_f(task->arena, 550, 7, 1, "mail to %s is restricted",
			what));
	return false;
}

static void run_include(struct task *task, const struct list_of *of,
	struct str path)
{
	const struct chain chain = longer(of->chain, 'i', path);
	const struct rights *rights =
		of->rights->sys_uid ? of->rights : &room.defaults;
	const struct list_of inner = {
		.chain = &chain,
		.rights = rights,
		.user = of->user,
		.sender = of->sender,
		.source = "include",
		.is_list = true,
	};
	const struct msg_local_read what = {
		.paths = { .items = &path, .count = 1 },
	};
	struct alias_list items;
	struct status status = child_may_be(task->arena, rights);

	if (is_too_deep(task, of->chain, path))
		return;
	if (is_in(of->chain, 'i', path) || path.len == 0 ||
		path.p[0] != '/')
		status = status_f(task->arena, 550, 3, 5,
			"bad :include: of \"%.*s\"", STR_ARG(path));
	if (!status_is_ok(status))
		task_add(task, status);
	else if (child_read(task, CHILD_PLAIN, rights, STR(""), &what,
			 &items, NULL, NULL) == MAPS_FOUND)
		run_list(task, &items, &inner);
}

/* user+ext as a whole, then user. MAPS_ERROR: the task has the status. */
static enum maps_result find_user(struct task *task, struct str local,
	struct str plain, struct user *user)
{
	enum maps_result result = users_find(task->arena, local, user);

	if (result == MAPS_ABSENT && !str_eq(local, plain))
		result = users_find(task->arena, plain, user);
	if (result == MAPS_ERROR)
		task_add(task, STATUS(451, 3, 0, "user lookup error"));
	if (result != MAPS_FOUND || !room.conf->require_home_directory ||
		user->home_error == 0)
		return result;
	errno = user->home_error;
	task_add(task, status_f(task->arena, 451, 3, 0,
		"cannot access home directory %.*s: %m", STR_ARG(user->home)));
	return MAPS_ERROR;
}

/* "\joe": the mailbox, whatever aliases and .forward say. */
static void run_user_only(struct task *task, struct str name)
{
	struct user user;
	struct str local = lower(task, mail_address_local(name));
	struct str at = task->at;
	struct mail_address parts = task->parts;

	set_address(task, rewrite_address(room.rewriter, task->arena,
		REWRITE_LOCAL, name));
	switch (find_user(task, local, local, &user)) {
	case MAPS_FOUND:
		if (task_is_new(task, ALIAS_USER, user.name))
			to_mailbox(task, &user, STR_NONE);
		break;
	case MAPS_ABSENT:
		to_stranger(task, local);
		break;
	case MAPS_ERROR:
		break;
	}
	task->at = at;
	task->parts = parts;
}

static void run_item(struct task *task, const struct list_of *of,
	const struct alias_item *item, bool is_only)
{
	switch (item->kind) {
	case ALIAS_ADDRESS:
		run_address(task, of, item->value, is_only);
		break;
	case ALIAS_USER:
		run_user_only(task, item->value);
		break;
	case ALIAS_COMMAND:
		if (is_allowed(task, room.conf->allow_mail_to_commands,
			    of->source, "command"))
			to_command(
				task, of->rights, of->user, item->value);
		break;
	case ALIAS_FILE:
		if (is_allowed(task, room.conf->allow_mail_to_files,
			    of->source, "file"))
			to_file(task, of->rights, item->value);
		break;
	case ALIAS_INCLUDE:
		run_include(task, of, item->value);
		break;
	case ALIAS_JUNK:
		log_warning("%.*s: no destination: \"%.*s\"",
			STR_ARG(task->delivery->m.queue_id),
			STR_ARG(item->value));
		task_add(task,
			status_f(task->arena, 550, 3, 5,
				"\"%.*s\" is no destination",
				STR_ARG(item->value)));
	}
}

/* What cannot be taken back first: what is collected is submitted only if
 * nothing of it has to be tried again. */
static void run_list(struct task *task, const struct alias_list *items,
	const struct list_of *of)
{
	bool is_only = items->count == 1;

	for (size_t i = 0; i < items->count; i++)
		run_item(task, of, &items->items[i], is_only);
}

/* ---- aliases ---- */

/* owner-<alias>: reports go there, not to the sender. False: table failed. */
static bool find_owner(struct task *task, struct str name,
	struct list_of *of)
{
	const struct alias_table *table;
	struct str owner = arena_fmt(
		task->arena, "owner-%.*s", STR_ARG(name));
	struct str value = STR("");
	struct alias_list list;
	enum maps_result result;

	if (str_starts_nocase(name, STR("owner-")))
		return true;
	result = aliases_find(task->arena, owner, &value, &table);
	if (result != MAPS_FOUND)
		return result == MAPS_ABSENT;
	of->is_list = true;
	of->has_owner = true;
	if (room.conf->expand_owner_alias &&
		alias_parse(task->arena, value, &list) && list.count == 1 &&
		list.items[0].kind == ALIAS_ADDRESS)
		owner = list.items[0].value;
	of->sender = rewrite_address(
		room.rewriter, task->arena, REWRITE_LOCAL, owner);
	return true;
}

static struct status no_table(struct task *task)
{
	return status_f(task->arena, 451, 3, 0, "alias database unavailable");
}

static void run_alias(struct task *task, struct str name, struct str value,
	const struct alias_table *table, const struct chain *up)
{
	const struct chain chain = longer(up, 'a', name);
	struct list_of of = {
		.chain = &chain,
		.rights = &table->rights,
		.sender = task->delivery->m.sender,
		.source = "alias",
	};
	struct alias_list items;
	struct str owner = task->owner;

	if (is_too_deep(task, up, name))
		return;
	if (!alias_parse(task->arena, value, &items) || items.count == 0) {
		task_add(task,
			status_f(task->arena, 451, 3, 5,
				"alias %.*s names nobody", STR_ARG(name)));
	} else if (!find_owner(task, name, &of)) {
		task_add(task, no_table(task));
	} else if (task->delivery->m.flags & DELIVER_VERIFY) {
		task_add(task,
			status_f(task->arena, 250, 0, 0, "aliased to %.*s",
				STR_ARG(value)));
	} else {
		if (of.has_owner)
			task->owner = of.sender;
		run_list(task, &items, &of);
		task->owner = owner;
	}
}

/* "joe: joe, jim" means the user joe. */
static bool is_itself(const struct chain *chain, struct str name)
{
	return chain && chain->kind == 'a' && str_eq_nocase(chain->name, name);
}

/* True: an alias, or doubt: nothing else is to be looked at. */
static bool try_alias(struct task *task, struct str name,
	const struct chain *chain)
{
	const struct alias_table *table;
	struct str value = STR("");

	if (name.len == 0 || is_itself(chain, name))
		return false;
	switch (aliases_find(task->arena, name, &value, &table)) {
	case MAPS_FOUND:
		run_alias(task, name, value, table, chain);
		return true;
	case MAPS_ERROR:
		task_add(task, no_table(task));
		return true;
	case MAPS_ABSENT:
		break;
	}
	return false;
}

/* ---- .forward ---- */

/* Where it may be; *kind: whether a child that sees the home is enough. */
static struct msg_local_read forward_paths(struct task *task,
	const struct user *user, enum child_kind *kind)
{
	struct str rest = room.conf->forward_path, element;
	struct msg_local_read what = { .is_forward = true,
		.owner = user->sys_uid };
	struct str inside =
		arena_fmt(task->arena, "%.*s/", STR_ARG(user->home));
	struct str *paths = arena_array(task->arena, rest.len + 1,
		sizeof(*paths));

	*kind = CHILD_MAILBOX;
	while (list_take(&rest, &element)) {
		struct str path = values_expand(task, user, element,
			room.conf->forward_expansion_filter);

		if (str_is_none(path) || path.len == 0 || path.p[0] != '/')
			continue;
		if (what.paths.count > 0 &&
			str_eq(paths[what.paths.count - 1], path))
			continue;
		if (!str_starts(path, inside))
			*kind = CHILD_PLAIN;
		paths[what.paths.count++] = path;
	}
	what.paths.items = paths;
	return what;
}

/* A deed that needs no other child than .forward does, and was not done yet;
 * else NULL. */
static struct deed *deed_with_forward(struct task *task,
	const struct user *user, struct str extension, enum child_kind kind)
{
	struct deed *deed = arena_new_of(task->arena, struct deed);

	if (kind != CHILD_MAILBOX || task_had(task, ALIAS_USER, user->name) ||
		!mailbox_deed(task, user, extension, deed))
		return NULL;
	return deed;
}

static void add_done(struct task *task, const struct user *user,
	struct status done)
{
	(void)task_is_new(task, ALIAS_USER, user->name);
	if (status_is_ok(done))
		task->action = DSN_ACTION_DELIVERED;
	task_add(task, done);
}

/* True: it says where the mail goes, or there is doubt, or the mail is in the
 * mailbox already. */
static bool try_forward(struct task *task, const struct user *user,
	struct str extension, const struct chain *up)
{
	const struct chain chain = longer(up, 'u', user->name);
	const struct rights rights = { user->sys_uid, user->sys_gid,
		user->name };
	const struct list_of of = {
		.chain = &chain,
		.rights = &rights,
		.user = user,
		.sender = task->delivery->m.sender,
		.source = "forward",
	};
	enum child_kind kind;
	struct msg_local_read what;
	struct alias_list items;
	struct status status;
	struct deed *deed;

	if (is_in(up, 'u', user->name) ||
		(task->delivery->m.flags & DELIVER_VERIFY))
		return false;
	what = forward_paths(task, user, &kind);
	if (what.paths.count == 0)
		return false;
	status = child_may_be(task->arena, &rights);
	if (!status_is_ok(status)) {
		task_add(task, status);
		return true;
	}
	deed = deed_with_forward(task, user, extension, kind);
	switch (child_read(task, kind, &rights, user->home, &what, &items,
		deed, &status)) {
	case MAPS_FOUND:
		if (items.count == 0)
			return false;
		run_list(task, &items, &of);
		return true;
	case MAPS_ERROR:
		return true;
	case MAPS_ABSENT:
		break;
	}
	if (deed)
		add_done(task, user, status);
	return deed != NULL;
}

/* ---- names ---- */

static void run_name(struct task *task, struct str local,
	const struct chain *chain)
{
	struct mail_address parts;
	struct str extension;
	struct user user;

	mail_address_split(local, room.conf->recipient_delimiter,
		room.conf->owner_request_special, &parts);
	if (try_alias(task, local, chain))
		return;
	if (!str_eq(parts.user, local) && try_alias(task, parts.user, chain))
		return;
	switch (find_user(task, local, parts.user, &user)) {
	case MAPS_FOUND:
		extension = str_eq_nocase(user.name, local) ? STR_NONE :
							      parts.extension;
		if (!try_forward(task, &user, extension, chain) &&
			task_is_new(task, ALIAS_USER, user.name))
			to_mailbox(task, &user, extension);
		break;
	case MAPS_ABSENT:
		to_stranger(task, parts.user);
		break;
	case MAPS_ERROR:
		break;
	}
}

/* ---- from the beginning to the report ---- */

/* What is forwarded is looked at by nobody else. */
static void check_loop(struct task *task)
{
	const struct deed deed = {
		.kind = CHILD_LOOKUP,
		.rights = room.defaults,
		.home = STR(""),
		.act = { .act = ACT_LOOK, .directory = STR_NONE,
			.extension = STR_NONE },
	};
	struct status status = child_act(task, &deed);

	if (!status_is_ok(status)) {
		list_init(&task->forwards);
		task_add(task, status);
	}
}

void recipient_deliver(struct task *task)
{
	struct str address = task->recipient->address;
	struct str local = lower(task, mail_address_local(address));

	task->delivered_to = task->at = address;
	set_address(task, address);
	run_name(task, local, NULL);
	if (task->is_passed)
		return;
	if (!list_is_empty(&task->forwards))
		check_loop(task);
	if (task->status.code == 0 || status_class(task->status) != 4)
		forward_commit(task);
	if (task->status.code == 0)
		task_add(task,
			STATUS(550, 3, 5, "the alias leads to no destination"));
	deliver_report(task->delivery, task->recipient,
		&(struct deliver_report){
			.status = task->status,
			.action = task->action,
			.lines = task->lines,
			.line_count = task->line_count,
			.unsettled = !list_is_empty(&task->unsettled),
		});
}
