/*
 * What SEARCH and SORT found, in one of two forms: "* SEARCH 2 84" or, with
 * RETURN, "* ESEARCH (TAG "a") MIN 2 COUNT 3" (RFC 4731, 5182, 5267, 9394).
 */
#include "session.h"

#include <stdlib.h>

enum {
	NUMBERS_MANY = 1000,
	NUMBERS_SPARSE = 8, /* uids for each message */
};

/* Of many, each is looked up at once unless uids are too far apart. */
struct numbers numbers_of(struct session *s, size_t count)
{
	const struct mailbox_view *view = s->view;
	struct numbers n = { .s = s };
	uint32_t last;

	if (s->is_uid || count < NUMBERS_MANY || view->count == 0)
		return n;
	last = view->uids[view->count - 1];
	n.first = view->uids[0];
	if ((last - n.first) / NUMBERS_SPARSE >= view->count)
		return n;
	n.count = last - n.first + (size_t)1;
	n.seqs = arena_array(s->command, n.count, sizeof(*n.seqs));
	for (uint32_t i = 0; i < view->count; i++)
		n.seqs[view->uids[i] - n.first] = i + 1;
	return n;
}

uint32_t number_of(const struct numbers *n, uint32_t uid)
{
	if (n->s->is_uid)
		return uid;
	if (!n->seqs)
		return mailbox_view_seq(n->s->view, uid);
	return uid >= n->first && uid - n->first < n->count ?
		n->seqs[uid - n->first] : 0;
}

static uint64_t modseq_of(struct session *s, uint32_t uid)
{
	struct mailbox_message *m = mailbox_find(s->view->mailbox, uid);

	return m ? m->is.modseq : 0;
}

static uint64_t highest_modseq(struct session *s, const uint32_t *uids,
	size_t count)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t modseq = modseq_of(s, uids[i]);

		if (modseq > highest)
			highest = modseq;
	}
	return highest;
}

static void add_set(struct session *s, struct buf *out, const uint32_t *uids,
	size_t count)
{
	struct numbers numbers = numbers_of(s, count);
	struct imap_set set = { 0 };

	for (size_t i = 0; i < count; i++) {
		uint32_t number = number_of(&numbers, uids[i]);

		if (number)
			imap_set_add(s->command, &set, number);
	}
	imap_set_format(out, &set);
}

static void add_partial(struct session *s, struct buf *out,
	const struct imap_returns *returns, const struct found *found)
{
	size_t from, to;

	imap_partial_window(&returns->partial, found->count, &from, &to);
	buf_text(out, " PARTIAL (");
	imap_partial_format(out, &returns->partial);
	buf_char(out, ' ');
	if (from == to)
		buf_text(out, "NIL");
	else
		add_set(s, out, found->uids + from, to - from);
	buf_char(out, ')');
}

/* RFC 6203 4: in the order of the result. */
static void add_scores(struct buf *out, const struct imap_returns *returns,
	const struct found *found)
{
	size_t from = 0, to = found->count;
	const char *gap = "";

	if (returns->bits & IMAP_RETURN_PARTIAL)
		imap_partial_window(&returns->partial, found->count, &from,
			&to);
	buf_text(out, " RELEVANCY (");
	for (size_t i = from; i < to; i++) {
		buf_fmt(out, "%s%u", gap, found->scores[i]);
		gap = " ";
	}
	buf_char(out, ')');
}

/* RFC 4731 3.2: of the first, the last, or all. */
static uint64_t told_modseq(struct session *s,
	const struct imap_returns *returns, const struct found *found)
{
	const unsigned ends = IMAP_RETURN_MIN | IMAP_RETURN_MAX;
	uint64_t first = modseq_of(s, found->uids[0]);
	uint64_t last = modseq_of(s, found->uids[found->count - 1]);

	if (!(returns->bits & ends) ||
		(returns->bits & ~(ends | IMAP_RETURN_SAVE)))
		return highest_modseq(s, found->uids, found->count);
	if (!(returns->bits & IMAP_RETURN_MAX))
		return first;
	if (!(returns->bits & IMAP_RETURN_MIN))
		return last;
	return first > last ? first : last;
}

static void tell_extended(struct session *s,
	const struct imap_returns *returns, const struct found *found)
{
	struct numbers numbers = numbers_of(s, 1);
	struct buf out = BUF_IN(s->command);
	unsigned bits = returns->bits;

	if (bits == IMAP_RETURN_SAVE)
		return;
	buf_fmt(&out, "* ESEARCH (TAG \"%.*s\")%s", STR_ARG(s->tag),
		s->is_uid ? " UID" : "");
	if (found->count && (bits & IMAP_RETURN_MIN))
		buf_fmt(&out, " MIN %u", number_of(&numbers, found->uids[0]));
	if (found->count && (bits & IMAP_RETURN_MAX))
		buf_fmt(&out, " MAX %u", number_of(&numbers,
			found->uids[found->count - 1]));
	if (found->count && (bits & IMAP_RETURN_ALL)) {
		buf_text(&out, " ALL ");
		add_set(s, &out, found->uids, found->count);
	}
	if (bits & IMAP_RETURN_PARTIAL)
		add_partial(s, &out, returns, found);
	if (found->count && (bits & IMAP_RETURN_RELEVANCY))
		add_scores(&out, returns, found);
	if (bits & IMAP_RETURN_COUNT)
		buf_fmt(&out, " COUNT %zu", found->count);
	if (found->count && found->has_modseq)
		buf_fmt(&out, " MODSEQ %llu", (unsigned long long)
			told_modseq(s, returns, found));
	buf_text(&out, "\r\n");
	io_write(s->io, buf_str(&out));
}

static void tell_plain(struct session *s, const char *word,
	const struct found *found)
{
	struct numbers numbers = numbers_of(s, found->count);
	struct buf out = BUF_IN(s->command);

	buf_fmt(&out, "* %s", word);
	for (size_t i = 0; i < found->count; i++) {
		uint32_t number = number_of(&numbers, found->uids[i]);

		if (!number)
			continue;
		buf_char(&out, ' ');
		buf_u64(&out, number);
	}
	if (found->count && found->has_modseq)
		buf_fmt(&out, " (MODSEQ %llu)", (unsigned long long)
			highest_modseq(s, found->uids, found->count));
	buf_text(&out, "\r\n");
	io_write(s->io, buf_str(&out));
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* RFC 5182 2.4 and RFC 9394 3.2: what "$" means after which options. */
static void save(struct session *s, const struct imap_returns *returns,
	const struct found *found)
{
	unsigned bits = returns->bits;
	uint32_t *uids = arena_array(s->command, found->count + 3,
		sizeof(*uids));
	size_t count = 0, from = 0, to = found->count, kept = 0;

	if (bits & IMAP_RETURN_PARTIAL)
		imap_partial_window(&returns->partial, found->count, &from,
			&to);
	else if ((bits & (IMAP_RETURN_MIN | IMAP_RETURN_MAX)) &&
		!(bits & IMAP_RETURN_ALL))
		to = 0;
	if (bits & IMAP_RETURN_COUNT) {
		from = 0;
		to = found->count;
	}
	for (size_t i = from; i < to; i++)
		uids[count++] = found->uids[i];
	if (found->count && (bits & IMAP_RETURN_MIN))
		uids[count++] = found->uids[0];
	if (found->count && (bits & IMAP_RETURN_MAX))
		uids[count++] = found->uids[found->count - 1];
	if (count)
		qsort(uids, count, sizeof(*uids), by_number);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || uids[kept - 1] != uids[i])
			uids[kept++] = uids[i];
	mailbox_view_save(s->view, uids, kept);
}

void result_tell(struct session *s, const char *word,
	const struct imap_returns *returns, const struct found *found)
{
	struct imap_returns all = { .bits = IMAP_RETURN_ALL };

	if (returns->bits & IMAP_RETURN_SAVE)
		save(s, returns, found);
	if (returns->is_given)
		tell_extended(s, returns, found);
	else if (s->rev2 && word[1] == 'E') /* not SORT */
		tell_extended(s, &all, found);
	else
		tell_plain(s, word, found);
}
