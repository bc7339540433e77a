/*
 * CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.
 */
#include "session.h"

static bool take_name(struct session *s, struct str *args, struct str *name)
{
	return imap_take_astring(s->command, args, name);
}

struct answer verb_create(struct session *s, struct str args)
{
	struct str name;

	if (!take_name(s, &args, &name) || args.len > 0)
		return BAD_SYNTAX;
	/* "a." announces children and is "a" here: RFC 3501 6.3.3. */
	if (name.len > 1 && name.p[name.len - 1] == '.')
		name.len--;
	return answer_of(mailbox_store_create(s->store, name),
		"Create completed");
}

struct answer verb_delete(struct session *s, struct str args)
{
	struct str name;

	if (!take_name(s, &args, &name) || args.len > 0)
		return BAD_SYNTAX;
	if (s->view && str_is(mailbox_name_of(name), s->view->mailbox->name)) {
		close_view(s);
		io_text(s->io, "* OK [CLOSED] Mailbox is being deleted\r\n");
	}
	return answer_of(mailbox_store_remove(s->store, name),
		"Delete completed");
}

struct answer verb_rename(struct session *s, struct str args)
{
	struct str from, to;

	if (!take_name(s, &args, &from) || !str_take_char(&args, ' ') ||
		!take_name(s, &args, &to) || args.len > 0)
		return BAD_SYNTAX;
	return answer_of(mailbox_store_rename(s->store, from, to),
		"Rename completed");
}

struct answer verb_subscribe(struct session *s, struct str args)
{
	struct str name;

	if (!take_name(s, &args, &name) || args.len > 0)
		return BAD_SYNTAX;
	if (!mailbox_store_has(s->store, name))
		return answer_of(MAILBOX_NONEXISTENT, NULL);
	return answer_of(mailbox_store_subscribe(s->store, name, true),
		"Subscribe completed");
}

struct answer verb_unsubscribe(struct session *s, struct str args)
{
	struct str name;

	if (!take_name(s, &args, &name) || args.len > 0)
		return BAD_SYNTAX;
	if (!mailbox_name_is_good(name))
		return answer_of(MAILBOX_CANNOT, NULL);
	return answer_of(mailbox_store_subscribe(s->store, name, false),
		"Unsubscribe completed");
}
