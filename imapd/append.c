/*
 * APPEND and REPLACE: messages go from the connection to files as they come.
 *
 * RFC 3501 6.3.11, RFC 3502 (several at once, all or none), RFC 3516
 * (literal8), RFC 6855 4 (UTF8), RFC 8508 (REPLACE).
 */
#include "session.h"

#include "imap/date.h"

enum {
	FLUSHES = 4, /* of one command at once, while what follows comes */
};

/* What stands before the literal of one message. */
struct head {
	struct imap_flags flags;
	int64_t internal_s;
	bool is_binary, is_utf8;
};

struct append {
	bool is_replace, is_uid;
	uint32_t number; /* of the message to be replaced */
	struct str name;
	struct head head;
	struct mailbox_save **saves;
	size_t count, capacity;
};

/* [flags SP] [date-time SP] ["UTF8 ("], then the literal. */
static bool take_head(struct str *in, struct head *head)
{
	struct str literal;
	uint64_t octets;
	bool plus;

	*head = (struct head){ .internal_s = wall_us() / 1000000 };
	if (in->len > 0 && in->p[0] == '(' &&
		(!imap_take_flags(in, false, &head->flags) ||
			!str_take_char(in, ' ')))
		return false;
	if (in->len > 0 && in->p[0] == '"' &&
		(!imap_date_time_take(in, &head->internal_s) ||
			!str_take_char(in, ' ')))
		return false;
	head->is_utf8 = str_take_prefix_nocase(in, STR("UTF8 ("));
	head->is_binary = str_take_char(in, '~');
	if (head->is_utf8 && !head->is_binary)
		return false;
	literal = *in;
	return str_starts(literal, STR("{")) &&
		imap_literal_follows(literal, &octets, &plus) &&
		str_find_char(literal, '\n') == SIZE_MAX;
}

/* [number SP] mailbox SP, then the first message. */
static bool take_append(struct session *s, struct str *in,
	struct append *append)
{
	if (append->is_replace &&
		(!imap_take_nz_number(in, &append->number) ||
			!str_take_char(in, ' ')))
		return false;
	return name_take(s, in, &append->name) &&
		str_take_char(in, ' ') && take_head(in, &append->head);
}

bool append_is_complete(struct session *s, struct str command)
{
	struct append append = { 0 };
	struct str word;

	if (!imap_take_tag(&command, &word) ||
		!str_take_char(&command, ' '))
		return false;
	str_take_prefix_nocase(&command, STR("UID "));
	if (!imap_take_atom(&command, &word) ||
		!str_take_char(&command, ' '))
		return false;
	append.is_replace = str_is_nocase(word, "REPLACE");
	return (append.is_replace || str_is_nocase(word, "APPEND")) &&
		take_append(s, &command, &append);
}

/* The octets of the literal into the file; the first error is kept, and the
 * rest is read all the same: the client has begun to send it. */
static bool receive(struct session *s, struct mailbox_save *save,
	enum mailbox_result *result, bool *has_nul)
{
	while (s->literal > 0) {
		struct str piece;

		if (!io_peek(s->io, &piece, IDLE_LIMIT))
			return false;
		piece = str_first(piece, s->literal > piece.len ? piece.len :
			(size_t)s->literal);
		if (memchr(piece.p, 0, piece.len))
			*has_nul = true;
		if (*result == MAILBOX_OK && !*has_nul)
			*result = mailbox_save_write(save, piece);
		s->literal -= piece.len;
		stream_consume(s->io, piece.len);
	}
	s->has_literal = false;
	return true;
}

static bool is_refused(struct session *s, const struct append *append,
	struct answer *answer)
{
	if (s->literal > 0 && s->literal <= APPEND_MOST &&
		append->count < s->limit)
		return false;
	*answer = s->literal == 0 ? NO_("Message is empty") :
		append->count < s->limit ?
			NO_("[TOOBIG] Message is too large") :
			limit_refusal(s, 0);
	return true;
}

/* What stands behind a message: nothing, or the head of the next one, whose
 * literal is then to be read. False: *answer tells why not. */
static bool take_next(struct session *s, struct append *append,
	struct str *rest, struct answer *answer)
{
	bool closed = !append->head.is_utf8 || str_take_char(rest, ')');

	if (closed && rest->len == 0)
		return true;
	*rest = arena_copy(s->command, *rest);
	if (imap_literal_follows(*rest, &s->literal, &s->literal_plus))
		s->has_literal = true;
	if (!closed || !s->has_literal || !str_take_char(rest, ' ') ||
		!take_head(rest, &append->head)) {
		*answer = BAD_SYNTAX;
		return false;
	}
	return true;
}

/* One message; *more: another one follows. */
static bool receive_one(struct session *s, struct append *append,
	struct mailbox *mailbox, struct answer *answer, bool *more)
{
	enum mailbox_result result;
	struct mailbox_save *save;
	struct head head = append->head;
	bool has_nul = false;
	struct str rest;

	if (is_refused(s, append, answer))
		return false;
	save = mailbox_save_begin(s->command, mailbox, &result);
	if (!save) {
		*answer = answer_of(result, NULL);
		return false;
	}
	if ((!s->literal_plus && !input_continue(s, "OK")) ||
		!receive(s, save, &result, &has_nul) ||
		!input_rest(s, &rest)) {
		s->stage = GONE; /* cut off: nothing is kept */
		*answer = NO_("Connection lost");
		return false;
	}
	if (!take_next(s, append, &rest, answer))
		return false;
	*more = s->has_literal;
	if (has_nul)
		*answer = head.is_binary ?
			NO_("[UNKNOWN-CTE] Binary content cannot be kept") :
			NO_("Message contains NUL octets");
	else if (result == MAILBOX_OK)
		result = mailbox_save_close(save, &head.flags,
			head.internal_s,
			append->count < MAILBOX_ARRIVALS_MOST);
	if (result != MAILBOX_OK)
		*answer = answer_of(result, NULL);
	if (has_nul || result != MAILBOX_OK)
		return false;
	arena_grow(s->command, &append->saves, &append->capacity,
		append->count + 1, sizeof(save));
	append->saves[append->count++] = save;
	if (append->count <= FLUSHES)
		return true;
	/* Its descriptor is needed no more: there may be many messages. */
	result = mailbox_save_settle(append->saves[append->count - 1 -
		FLUSHES]);
	if (result != MAILBOX_OK)
		*answer = answer_of(result, NULL);
	return result == MAILBOX_OK;
}

static struct answer appended(struct session *s, const struct append *append,
	struct mailbox *mailbox, uint32_t uid)
{
	struct buf code = BUF_IN(s->command);
	uint32_t last = uid + (uint32_t)append->count - 1;

	buf_fmt(&code, "[APPENDUID %u %u", mailbox->row.uidvalidity, uid);
	if (last > uid)
		buf_fmt(&code, ":%u", last);
	if (!append->is_replace)
		return answer_f(s, "OK", "%.*s] Append completed",
			STR_ARG(buf_str(&code)));
	io_fmt(s->io, "* OK %.*s] Replacement is there\r\n",
		STR_ARG(buf_str(&code)));
	return OK_("Replace completed");
}

/* The old message goes when the new one is durable. */
static enum mailbox_result remove_replaced(struct session *s,
	const struct append *append)
{
	uint32_t uid = append->number;

	if (!append->is_uid)
		uid = mailbox_view_uid(s->view, append->number);
	if (!mailbox_find(s->view->mailbox, uid))
		return MAILBOX_OK; /* another one was faster */
	return mailbox_expunge(s->view->mailbox, &uid, 1, true);
}

static struct answer receive_and_keep(struct session *s,
	struct append *append, struct mailbox *mailbox)
{
	enum mailbox_result result;
	struct answer answer;
	bool more = true;
	uint32_t uid;

	while (more)
		if (!receive_one(s, append, mailbox, &answer, &more))
			return answer;
	if (append->is_replace && append->count > 1)
		return BAD_("Only one message replaces another");
	result = mailbox_save_publish(append->saves, append->count, &uid);
	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	notify_own_messages(s, mailbox, uid, (uint32_t)append->count);
	answer = appended(s, append, mailbox, uid);
	if (append->is_replace)
		result = remove_replaced(s, append);
	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	if (!append->is_replace || !s->qresync)
		return answer;
	/* As of UID EXPUNGE: RFC 8508 4.5, RFC 7162 3.2.9. */
	return answer_f(s, "OK", "[HIGHESTMODSEQ %llu] Replace completed",
		(unsigned long long)s->view->mailbox->row.modseq);
}

static struct answer run_append(struct session *s, struct str args,
	struct append *append)
{
	struct mailbox *mailbox;
	enum mailbox_result result;
	struct answer answer;

	if (!s->has_literal || !take_append(s, &args, append))
		return BAD_SYNTAX;
	if (append->is_replace && s->view->read_only)
		return NO_("[READ-ONLY] Mailbox is open read-only");
	if (append->is_replace && !(append->is_uid ?
		mailbox_view_seq(s->view, append->number) :
		mailbox_view_uid(s->view, append->number)))
		return append->is_uid ? NO_("[NONEXISTENT] No such message") :
					BAD_("No such message");
	result = mailbox_open_to_add(s->store, append->name, &mailbox);
	if (result == MAILBOX_NONEXISTENT)
		return mailbox_name_is_good(s->store, append->name) ?
			NO_("[TRYCREATE] Mailbox does not exist") :
			answer_of(MAILBOX_CANNOT, NULL);
	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	answer = receive_and_keep(s, append, mailbox);
	mailbox_close(mailbox);
	return answer;
}

struct answer verb_append(struct session *s, struct str args)
{
	struct append append = { 0 };

	return run_append(s, args, &append);
}

struct answer verb_replace(struct session *s, struct str args)
{
	struct append append = { .is_replace = true, .is_uid = s->is_uid };

	return run_append(s, args, &append);
}
