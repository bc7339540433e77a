/*
 * COPY and MOVE.
 */
#include "session.h"

static void uids_format(struct buf *out, uint32_t uidvalidity,
	const struct imap_set *from, const struct imap_set *to)
{
	buf_fmt(out, "[COPYUID %u ", uidvalidity);
	imap_set_format(out, from);
	buf_char(out, ' ');
	imap_set_format(out, to);
	buf_text(out, "] ");
}

static struct answer copy_to(struct session *s, const uint32_t *uids,
	size_t count, struct mailbox *to, bool move)
{
	struct buf out = BUF_IN(s->command);
	struct imap_set a, b;
	enum mailbox_result result = mailbox_copy(s->command,
		s->view->mailbox, uids, count, to, move, &a, &b);

	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	if (a.count)
		uids_format(&out, to->row.uidvalidity, &a, &b);
	for (size_t i = 0; i < b.count; i++)
		notify_own_messages(s, to, b.ranges[i].from,
			b.ranges[i].to - b.ranges[i].from + 1);
	if (!move)
		return answer_f(s, "OK", "%.*sCopy completed",
			STR_ARG(buf_str(&out)));
	/* Before the EXPUNGE responses: RFC 6851 4.3. */
	if (a.count)
		io_fmt(s->io, "* OK %.*sMoved\r\n", STR_ARG(buf_str(&out)));
	return OK_("Move completed");
}

static struct answer copy(struct session *s, struct str args, bool move)
{
	struct mailbox *to;
	enum mailbox_result result;
	struct answer answer;
	struct imap_set set;
	struct str name;
	uint32_t *uids;
	size_t count;

	if (!imap_set_take(s->command, &args, &set) ||
		!str_take_char(&args, ' ') ||
		!name_take(s, &args, &name) || args.len > 0)
		return BAD_SYNTAX;
	if (!mailbox_view_uids(s->view, s->command, &set, s->is_uid, &uids,
		&count))
		return BAD_("No such message");
	if (move && s->view->read_only)
		return NO_("[READ-ONLY] Mailbox is open read-only");
	if (!move && count > s->limit)
		return limit_refusal(s, uids[count - s->limit]);
	limit_uids(s, &uids, &count);
	result = mailbox_open(s->store, name, &to);
	if (result == MAILBOX_NONEXISTENT)
		return mailbox_name_is_good(s->store, name) ?
			NO_("[TRYCREATE] Mailbox does not exist") :
			answer_of(MAILBOX_CANNOT, NULL);
	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	answer = copy_to(s, uids, count, to, move);
	mailbox_close(to);
	return answer;
}

struct answer verb_copy(struct session *s, struct str args)
{
	return copy(s, args, false);
}

struct answer verb_move(struct session *s, struct str args)
{
	return copy(s, args, true);
}
