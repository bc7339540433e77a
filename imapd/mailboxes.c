/*
 * CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.
 */
#include "session.h"

#include "mailbox/metadata.h"

/* " (USE (\\Drafts \\Sent))", RFC 6154 3. */
static bool take_use(struct session *s, struct str *in, struct str *use)
{
	struct buf out = BUF_IN(s->command);
	const char *gap = "";

	*use = STR_NONE;
	if (in->len == 0)
		return true;
	if (!str_take_prefix_nocase(in, STR(" (USE (")))
		return false;
	while (!str_take_prefix(in, STR("))"))) {
		struct str word;

		str_take_char(in, ' ');
		if (!str_take_char(in, '\\') || !imap_take_atom(in, &word))
			return false;
		buf_fmt(&out, "%s\\%.*s", gap, STR_ARG(word));
		gap = " ";
	}
	*use = buf_str(&out);
	return in->len == 0;
}

static struct answer create(struct session *s, struct str name,
	struct str use)
{
	const struct mailbox_entry_value entry = {
		.name = STR(MAILBOX_SPECIAL_USE), .value = use };
	enum mailbox_result result;
	struct mailbox *mailbox;
	struct answer answer;

	if (use.len > 0 && !special_is_good(use))
		return NO_("[USEATTR] No such special use here");
	result = mailbox_store_create(s->store, name);
	if (result == MAILBOX_OK)
		notify_own_name(s, name, true);
	if (result == MAILBOX_OK && use.len > 0)
		result = mailbox_metadata_change(s->store, name, &entry, 1);
	if (result == MAILBOX_OK)
		result = mailbox_open(s->store, name, &mailbox);
	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	answer = answer_f(s, "OK", "[MAILBOXID (%s)] Create completed",
		mailbox_id(mailbox, s->command));
	mailbox_close(mailbox);
	return answer;
}

struct answer verb_create(struct session *s, struct str args)
{
	struct str name, said, use;
	struct answer answer;

	if (!name_take_said(s, &args, &name, &said) || !take_use(s, &args, &use))
		return BAD_SYNTAX;
	/* "a." announces children and is "a" here: RFC 3501 6.3.3. */
	if (name.len > 1 && name.p[name.len - 1] == '.')
		name.len--;
	if (said.len > 1 && said.p[said.len - 1] == '.')
		said.len--;
	answer = create(s, name, use);
	if (mailbox_store_has(s->store, name))
		list_tell_said(s, name, said);
	return answer;
}

struct answer verb_delete(struct session *s, struct str args)
{
	enum mailbox_result result;
	struct str name, said;

	if (!name_take_said(s, &args, &name, &said) || args.len > 0)
		return BAD_SYNTAX;
	if (s->view && str_is(mailbox_name_of(name), s->view->mailbox->name)) {
		close_view(s);
		io_text(s->io, "* OK [CLOSED] Mailbox is being deleted\r\n");
	}
	result = mailbox_store_remove(s->store, name);
	if (result == MAILBOX_OK) {
		notify_own_name(s, name, false);
		list_tell_said(s, name, said);
	}
	return answer_of(result, "Delete completed");
}

struct answer verb_rename(struct session *s, struct str args)
{
	enum mailbox_result result;
	struct str from, to, old, new;

	if (!name_take_said(s, &args, &from, &old) ||
		!str_take_char(&args, ' ') ||
		!name_take_said(s, &args, &to, &new) || args.len > 0)
		return BAD_SYNTAX;
	result = mailbox_store_rename(s->store, from, to);
	if (result == MAILBOX_OK && str_is_nocase(from, "INBOX"))
		notify_own_name(s, to, true);
	else if (result == MAILBOX_OK)
		notify_own(s, MAILBOX_EVENT_RENAMED, to, from);
	/* RFC 9051 6.3.6: either name was not in form C. */
	if (result == MAILBOX_OK &&
		(!str_eq(from, old) || !str_eq(to, new)))
		list_tell_said(s, to, old);
	return answer_of(result, "Rename completed");
}

static struct answer subscribe(struct session *s, struct str name, bool on,
	const char *done)
{
	enum mailbox_result result = mailbox_store_subscribe(s->store, name,
		on);

	if (result == MAILBOX_OK)
		notify_own_subscription(s, name, on);
	return answer_of(result, done);
}

struct answer verb_subscribe(struct session *s, struct str args)
{
	struct str name;

	if (!name_take(s, &args, &name) || args.len > 0)
		return BAD_SYNTAX;
	if (!mailbox_store_has(s->store, name))
		return answer_of(MAILBOX_NONEXISTENT, NULL);
	return subscribe(s, name, true, "Subscribe completed");
}

struct answer verb_unsubscribe(struct session *s, struct str args)
{
	struct str name;

	if (!name_take(s, &args, &name) || args.len > 0)
		return BAD_SYNTAX;
	if (!mailbox_name_is_good(s->store, name))
		return answer_of(MAILBOX_CANNOT, NULL);
	return subscribe(s, name, false, "Unsubscribe completed");
}
