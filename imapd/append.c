/*
 * APPEND: the message goes from the connection to a file as it comes.
 */
#include "session.h"

#include "imap/date.h"

struct append {
	struct str name;
	struct imap_flags flags;
	int64_t internal_s;
};

/* mailbox SP [flags SP] [date-time SP], then the literal. */
static bool take_head(struct session *s, struct str *in, struct append *append)
{
	struct str literal;
	uint64_t octets;
	bool plus;

	append->flags = (struct imap_flags){ 0 };
	append->internal_s = wall_us() / 1000000;
	if (!imap_take_astring(s->command, in, &append->name) ||
		!str_take_char(in, ' '))
		return false;
	if (in->len > 0 && in->p[0] == '(' &&
		(!imap_take_flags(in, false, &append->flags) ||
			!str_take_char(in, ' ')))
		return false;
	if (in->len > 0 && in->p[0] == '"' &&
		(!imap_date_time_take(in, &append->internal_s) ||
			!str_take_char(in, ' ')))
		return false;
	literal = *in;
	return str_starts(literal, STR("{")) &&
		imap_literal_follows(literal, &octets, &plus) &&
		str_find_char(literal, '\n') == SIZE_MAX;
}

bool append_is_complete(struct session *s, struct str command)
{
	struct append append;
	struct str word;

	return imap_take_tag(&command, &word) &&
		str_take_char(&command, ' ') &&
		imap_take_atom(&command, &word) &&
		str_is_nocase(word, "APPEND") &&
		str_take_char(&command, ' ') &&
		take_head(s, &command, &append);
}

/* The octets of the literal into the file; the first error is kept, and the
 * rest is read all the same: the client has begun to send it. */
static bool receive(struct session *s, struct mailbox_save *save,
	enum mailbox_result *result, bool *has_nul)
{
	*has_nul = false;
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

static struct answer receive_and_keep(struct session *s,
	struct append *append, struct mailbox *mailbox)
{
	enum mailbox_result result;
	struct mailbox_save *save = mailbox_save_begin(s->command, mailbox,
		&result);
	struct str rest;
	uint32_t uid;
	bool has_nul;

	if (!save)
		return answer_of(result, NULL);
	if ((!s->literal_plus && !input_continue(s, "OK")) ||
		!receive(s, save, &result, &has_nul) ||
		!input_rest(s, &rest)) {
		s->stage = GONE; /* cut off: nothing is kept */
		return NO_("Connection lost");
	}
	if (has_nul)
		return NO_("Message contains NUL octets");
	if (rest.len > 0)
		return BAD_("Only one message at a time");
	if (result == MAILBOX_OK)
		result = mailbox_save_end(save, &append->flags,
			append->internal_s, &uid);
	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	return answer_f(s, "OK", "[APPENDUID %u %u] Append completed",
		mailbox->row.uidvalidity, uid);
}

struct answer verb_append(struct session *s, struct str args)
{
	struct append append;
	struct mailbox *mailbox;
	enum mailbox_result result;
	struct answer answer;

	if (!s->has_literal || !take_head(s, &args, &append))
		return BAD_SYNTAX;
	if (s->literal == 0 || s->literal > APPEND_MOST)
		return s->literal ? NO_("[LIMIT] Message is too large") :
				    NO_("Message is empty");
	result = mailbox_open(s->store, append.name, &mailbox);
	if (result == MAILBOX_NONEXISTENT)
		return mailbox_name_is_good(append.name) ?
			NO_("[TRYCREATE] Mailbox does not exist") :
			answer_of(MAILBOX_CANNOT, NULL);
	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	answer = receive_and_keep(s, &append, mailbox);
	mailbox_close(mailbox);
	return answer;
}
