/*
 * Limits on how many messages one command works on: MESSAGELIMIT (RFC 9738),
 * and UIDBATCHES (RFC 10022), by which a client cuts its work into pieces.
 */
#include "session.h"

enum {
	BATCH_LEAST = 500, /* messages, RFC 10022 3.1.3 */
	RANGE_MOST = 100000, /* messages of a range of batches, 3.1.5 */
};

/* Those with the highest uids; the answer tells how far it went. */
void limit_uids(struct session *s, uint32_t **uids, size_t *count)
{
	if (*count <= s->limit)
		return;
	*uids += *count - s->limit;
	*count = s->limit;
	s->limited_from = **uids;
}

struct answer limit_refusal(struct session *s, uint32_t from)
{
	if (from == 0)
		return answer_f(s, "NO", "[MESSAGELIMIT %u] Too many messages",
			s->limit);
	return answer_f(s, "NO", "[MESSAGELIMIT %u %u] Too many messages",
		s->limit, from);
}

/* RFC 9738 3.1: a second response code stands in a line of its own; that
 * messages are gone is said with OK then. */
struct answer limit_answer(struct session *s, struct answer answer)
{
	uint32_t from = s->limited_from;

	s->limited_from = 0;
	if (from && answer.word &&
		str_starts(answer.text, STR("[EXPUNGEISSUED]")))
		answer.word = "OK";
	if (from == 0 || !answer.word || answer.word[0] != 'O')
		return answer;
	if (!str_starts(answer.text, STR("[")))
		return answer_f(s, "OK", "[MESSAGELIMIT %u %u] %.*s, in part",
			s->limit, from, STR_ARG(answer.text));
	io_fmt(s->io, "* NO [MESSAGELIMIT %u %u] Not all messages\r\n",
		s->limit, from);
	return answer;
}

/* Batches first to last, counted from 1 at the end of the mailbox. */
static void tell_batches(struct session *s, uint32_t size, uint32_t first,
	uint32_t last)
{
	const struct mailbox_view *view = s->view;
	struct buf out = BUF_IN(s->command);
	uint64_t batches = (view->count + size - 1) / size;
	char gap = ' ';

	buf_fmt(&out, "* UIDBATCHES (TAG \"%.*s\")", STR_ARG(s->tag));
	for (uint64_t n = first; n <= last && n <= batches; n++) {
		size_t below = n == batches ? 0 : view->count - n * size;
		size_t above = view->count - (n - 1) * size;
		uint32_t high = n == 1 ? view->uids[view->count - 1] :
					 view->uids[above] - 1;
		uint32_t low = n == batches ? 1 : view->uids[below];

		buf_fmt(&out, "%c%u:%u", gap, high, low);
		gap = ',';
	}
	buf_text(&out, "\r\n");
	io_write(s->io, buf_str(&out));
}

/* "2000", "2000 10:20" */
static bool take_batches(struct str *in, uint32_t *size, uint32_t *first,
	uint32_t *last)
{
	*first = 1;
	*last = UINT32_MAX;
	if (!imap_take_nz_number(in, size))
		return false;
	if (str_take_char(in, ' ') && (!imap_take_nz_number(in, first) ||
		!str_take_char(in, ':') || !imap_take_nz_number(in, last)))
		return false;
	return in->len == 0;
}

/* RFC 10022 3.1.1: not before half a batch has come or gone, unless other
 * batches are asked for. */
static bool is_asked_again(struct session *s, uint32_t size, uint32_t first,
	uint32_t last)
{
	const struct mailbox_view *view = s->view;
	const struct batches *b = &s->batches;
	size_t came = 0;

	if (b->size != size || b->first != first || b->last != last)
		return false;
	while (came < view->count &&
		view->uids[view->count - 1 - came] > b->last_uid)
		came++;
	return came <= size / 2 && b->count - (view->count - came) <= size / 2;
}

static void note_batches(struct session *s, uint32_t size, uint32_t first,
	uint32_t last)
{
	const struct mailbox_view *view = s->view;

	s->batches = (struct batches){ .size = size, .first = first,
		.last = last, .count = view->count,
		.last_uid = view->count ? view->uids[view->count - 1] : 0 };
}

struct answer verb_uidbatches(struct session *s, struct str args)
{
	uint32_t size, first, last;

	if (!take_batches(&args, &size, &first, &last))
		return BAD_SYNTAX;
	if (first > last)
		return BAD_("[CLIENTBUG] The range is in the wrong order");
	if (size < BATCH_LEAST)
		return NO_("[TOOFEW] A batch has 500 messages at least");
	if (last != UINT32_MAX &&
		(uint64_t)(last - first + 1) * size > RANGE_MOST)
		return NO_("[TOOMANY] A range has 100000 messages at most");
	if (is_asked_again(s, size, first, last))
		return NO_("[LIMIT] The batches are as they were");
	tell_batches(s, size, first, last);
	note_batches(s, size, first, last);
	return OK_("Uidbatches completed");
}
