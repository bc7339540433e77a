/*
 * local/values - what commands and configured paths may say about a delivery:
 * $user, $extension, ... and the environment of commands.
 */
#include "local/local.h"

#include "agent/command.h"
#include "base/log.h"
#include "config/expand.h"

struct values {
	const struct task *task;
	const struct user *user;
	struct str allowed;
	struct arena *arena;
};

static struct str or_empty(struct str s)
{
	return str_is_none(s) ? STR("") : s;
}

static struct str value_of(const struct values *v, const char *name)
{
	static const struct user nobody = { { "", 0 }, { "", 0 }, { "", 0 } };
	const struct user *user = v->user ? v->user : &nobody;
	const struct mail_address *parts = &v->task->parts;
	const struct deliver_recipient *recipient = v->task->recipient;
	const struct msg_deliver *m = &v->task->delivery->m;
	bool extended = parts->extension.len > 0;
	const struct {
		const char *name;
		struct str value;
	} values[] = {
		{ "user", v->user ? user->name : parts->user },
		{ "home", user->home },
		{ "shell", user->shell },
		{ "logname", v->user ? user->name : parts->user },
		{ "recipient", v->task->at },
		{ "original_recipient", !str_is_none(v->task->owner) ?
				STR("") : recipient->orig.len ?
				recipient->orig : recipient->address },
		{ "extension", or_empty(parts->extension) },
		{ "domain", or_empty(parts->domain) },
		{ "local", parts->local },
		{ "recipient_delimiter", extended ?
				str_of(&parts->delimiter, 1) :
				room.conf->recipient_delimiter },
		{ "sender", task_sender(v->task) },
		{ "envid", m->dsn_envid },
		{ "client_address", m->client_address },
		{ "client_helo", m->helo },
		{ "client_hostname", m->client_name },
		{ "client_protocol", m->protocol },
		{ "sasl_method", m->sasl_method },
		{ "sasl_sender", m->sasl_sender },
		{ "sasl_username", m->sasl_username },
	};

	for (size_t i = 0; i < COUNT(values); i++)
		if (str_is_nocase(str_from(name), values[i].name))
			return or_empty(values[i].value);
	return STR_NONE;
}

static struct str filtered(const struct values *v, const char *name)
{
	struct str value = value_of(v, name);

	if (str_is_none(value) || str_is_none(v->allowed))
		return value;
	return command_filter(v->arena, value, v->allowed);
}

static struct str find(void *context, struct str name)
{
	struct values *v = context;
	struct str value = filtered(v, arena_cstr(v->arena, name));

	return str_is_none(value) ? conf_text(room.conf, name) : value;
}

struct str values_expand(const struct task *task, const struct user *user,
	struct str text, struct str allowed)
{
	struct values v = { task, user, allowed, task->arena };
	struct expand expand = { .find = find, .context = &v,
		.is_flat = true };
	struct buf out = BUF_IN(task->arena);

	if (!expand_text(task->arena, &expand, &out, text)) {
		log_warning("\"%.*s\": %.*s", STR_ARG(text),
			STR_ARG(expand.error));
		return STR_NONE;
	}
	return buf_str(&out);
}

struct msg_list values_environment(const struct task *task,
	const struct user *user)
{
	static const char *const names[] = { "CLIENT_ADDRESS", "CLIENT_HELO",
		"CLIENT_HOSTNAME", "CLIENT_PROTOCOL", "DOMAIN", "ENVID",
		"EXTENSION", "LOCAL", "ORIGINAL_RECIPIENT", "RECIPIENT",
		"SASL_METHOD", "SASL_SENDER", "SASL_USERNAME", "SENDER" };
	static const char *const of_user[] = { "LOGNAME", "USER", "HOME",
		"SHELL" };
	size_t user_count = user ? COUNT(of_user) : 2;
	struct values v = { task, user, room.conf->command_expansion_filter,
		task->arena };
	size_t count;
	struct str *items = command_environment(task->arena, room.conf,
		COUNT(names) + COUNT(of_user), &count);

	for (size_t i = 0; i < COUNT(names); i++) {
		struct str value = filtered(&v, names[i]);

		if (value.len > 0)
			items[count++] = arena_fmt(task->arena, "%s=%.*s",
				names[i], STR_ARG(value));
	}
	for (size_t i = 0; i < user_count; i++)
		items[count++] = arena_fmt(task->arena, "%s=%.*s", of_user[i],
			STR_ARG(filtered(&v, of_user[i])));
	return (struct msg_list){ .items = items, .count = count };
}
