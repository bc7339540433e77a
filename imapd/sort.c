/*
 * SORT and THREAD, RFC 5256: a search whose result comes in an order.
 */
#include "session.h"

#include "mailbox/order.h"

/* How many of the result must be in order: only those that are told. */
static size_t needed(const struct imap_returns *returns,
	const struct found *found)
{
	const unsigned all = IMAP_RETURN_MIN | IMAP_RETURN_MAX |
		IMAP_RETURN_ALL;
	size_t from, to;

	if (!returns->is_given || (returns->bits & all) ||
		!(returns->bits & IMAP_RETURN_PARTIAL))
		return found->count;
	imap_partial_window(&returns->partial, found->count, &from, &to);
	return to;
}

static enum mailbox_result put_in_order(struct session *s,
	const struct imap_sort *sort, const struct imap_returns *returns,
	struct found *found)
{
	struct mailbox_found same = { .uids = found->uids,
		.scores = found->scores, .count = found->count };

	return mailbox_sort(s->view->mailbox, s->command, sort, &same,
		needed(returns, found));
}

/* RFC 9738 3.1: the order of a part says nothing. */
static struct answer refuse_part(struct session *s)
{
	s->limited_from = 0;
	return limit_refusal(s, 0);
}

struct answer verb_sort(struct session *s, struct str args)
{
	struct imap_returns returns;
	struct imap_sort sort;
	struct found found;
	struct answer answer;
	struct str charset;

	if (!imap_returns_take(&args, &returns) ||
		!imap_sort_take(&args, &sort) || !str_take_char(&args, ' ') ||
		!imap_take_astring(s->command, &args, &charset) ||
		!str_take_char(&args, ' '))
		return BAD_SYNTAX;
	if (!search_find(s, charset, args, &returns,
		imap_sort_needs_score(&sort), &found, &answer))
		return answer;
	if (s->limited_from)
		return refuse_part(s);
	answer = answer_of(put_in_order(s, &sort, &returns, &found),
		"Sort completed");
	if (answer.word[0] == 'O')
		result_tell(s, "SORT", &returns, &found);
	return answer;
}

static const struct {
	const char *name;
	enum imap_thread_kind kind;
} kinds[] = {
	{ "ORDEREDSUBJECT", IMAP_THREAD_ORDEREDSUBJECT },
	{ "REFERENCES", IMAP_THREAD_REFERENCES },
	{ "REFS", IMAP_THREAD_REFS },
};

static bool take_kind(struct str *in, enum imap_thread_kind *kind)
{
	struct str word;

	if (!imap_take_atom(in, &word))
		return false;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_is_nocase(word, kinds[i].name)) {
			*kind = kinds[i].kind;
			return true;
		}
	return false;
}

static enum mailbox_result tell_threads(struct session *s,
	enum imap_thread_kind kind, const struct found *found)
{
	struct imap_thread_item *items = arena_array(s->command,
		found->count + 1, sizeof(*items));
	const struct imap_thread_names *names;
	struct buf out = BUF_IN(s->command);
	enum mailbox_result result = mailbox_threads(s->view->mailbox,
		s->command, found->uids, found->count, items, &names);
	struct numbers numbers = numbers_of(s, found->count);

	if (result != MAILBOX_OK)
		return result;
	for (size_t i = 0; i < found->count; i++)
		items[i].number = number_of(&numbers, found->uids[i]);
	imap_thread_format(s->command, &out, kind, items, found->count,
		names);
	io_fmt(s->io, "* THREAD%s", found->count ? " " : "");
	io_write(s->io, buf_str(&out));
	io_text(s->io, "\r\n");
	return MAILBOX_OK;
}

struct answer verb_thread(struct session *s, struct str args)
{
	const struct imap_returns none = { 0 };
	enum imap_thread_kind kind;
	struct found found;
	struct answer answer;
	struct str charset;

	if (!take_kind(&args, &kind) || !str_take_char(&args, ' ') ||
		!imap_take_astring(s->command, &args, &charset) ||
		!str_take_char(&args, ' '))
		return BAD_SYNTAX;
	if (!search_find(s, charset, args, &none, false, &found, &answer))
		return answer;
	if (s->limited_from)
		return refuse_part(s);
	return answer_of(tell_threads(s, kind, &found), "Thread completed");
}
