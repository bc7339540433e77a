#include "mailbox/view.h"

#include <stdlib.h>
#include <string.h>

void mailbox_shared_leave(struct mailbox_shared *shared)
{
	if (shared && --shared->users == 0)
		free(shared);
}

/* It has a message at least. */
static struct mailbox_shared *share(struct mailbox *m)
{
	struct mailbox_shared *shared = m->shared;

	if (shared && shared->changes == m->changes &&
		shared->count == m->count && shared->uids[m->count - 1] ==
			m->messages[m->count - 1].is.uid)
		return shared;
	mailbox_shared_leave(shared);
	shared = m->shared = mem_new(1, sizeof(*shared) +
		m->count * sizeof(*shared->uids));
	shared->users = 1;
	shared->changes = m->changes;
	shared->count = m->count;
	for (size_t i = 0; i < m->count; i++)
		shared->uids[i] = m->messages[i].is.uid;
	return shared;
}

/* Before they are changed. */
static uint32_t *own_uids(struct mailbox_view *view, size_t count)
{
	bool was_shared = view->shared;

	array_grow(&view->own_uids, &view->capacity, count,
		sizeof(*view->own_uids));
	if (was_shared)
		memcpy(view->own_uids, view->uids,
			view->count * sizeof(*view->uids));
	mailbox_shared_leave(view->shared);
	view->shared = NULL;
	view->uids = view->own_uids;
	return view->own_uids;
}

/* All that the mailbox has, from the one with that number on. */
static void add_from(struct mailbox_view *view, size_t at)
{
	struct mailbox *m = view->mailbox;
	size_t count = view->count + m->count - at;
	uint32_t *uids;

	if (view->count == 0) {
		mailbox_shared_leave(view->shared);
		view->shared = share(m);
		view->shared->users++;
		view->uids = view->shared->uids;
	} else {
		uids = own_uids(view, count);
		for (size_t i = view->count; i < count; i++, at++)
			uids[i] = m->messages[at].is.uid;
	}
	view->count = count;
}

static void mark_recent(struct mailbox_view *view, size_t before, size_t from)
{
	array_grow(&view->recent, &view->recent_capacity, view->count,
		sizeof(*view->recent));
	memset(view->recent + before, false, from - before);
	memset(view->recent + from, true, view->count - from);
	view->recent_count += view->count - from;
}

/* Messages behind the last that it knows: how many. */
static size_t add_new(struct mailbox_view *view)
{
	struct mailbox *m = view->mailbox;
	uint32_t last = view->count ? view->uids[view->count - 1] : 0;
	uint32_t recent_from;
	size_t before = view->count, from;

	if (mailbox_behind(m, last) == m->count)
		return 0;
	if (mailbox_recent(m, !view->read_only, &recent_from) != MAILBOX_OK)
		recent_from = UINT32_MAX;
	/* mailbox_recent may have loaded the mailbox anew. */
	add_from(view, mailbox_behind(m, last));
	from = view->count;
	while (from > before && view->uids[from - 1] >= recent_from)
		from--;
	mark_recent(view, before, from);
	return view->count - before;
}

enum mailbox_result mailbox_view_open(struct mailbox *mailbox,
	bool read_only, struct mailbox_view **view)
{
	enum mailbox_result result = mailbox_refresh(mailbox, !read_only);
	struct mailbox_view *v;

	if (result != MAILBOX_OK) {
		mailbox_close(mailbox);
		return result;
	}
	v = mem_new(1, sizeof(*v));
	v->mailbox = mailbox;
	v->read_only = read_only;
	v->own_arena = arena_new(0);
	v->saved_arena = arena_new(0);
	add_new(v);
	v->changes = mailbox->changes;
	v->modseq = mailbox->row.modseq;
	v->keywords_told = mailbox->keyword_count;
	*view = v;
	return MAILBOX_OK;
}

void mailbox_view_close(struct mailbox_view *view)
{
	if (!view)
		return;
	mailbox_close(view->mailbox);
	arena_free(view->own_arena);
	arena_free(view->saved_arena);
	mailbox_shared_leave(view->shared);
	free(view->own_uids);
	free(view->recent);
	free(view);
}

bool mailbox_view_has_news(const struct mailbox_view *view, unsigned look)
{
	const struct mailbox *m = view->mailbox;

	if (m->is_suspect || m->is_removed)
		return true;
	return view->changes != m->changes &&
		(view->looked != m->changes || (look & ~view->looked_for));
}

static void look_for_expunged(struct mailbox_view *view, struct arena *arena,
	struct mailbox_news *news)
{
	struct mailbox *m = view->mailbox;
	uint32_t last = view->count ? view->uids[view->count - 1] : 0;
	size_t at = 0, kept = 0;
	uint32_t *uids;

	/* What the mailbox has up to there, the view has, too. */
	if (mailbox_behind(m, last) == view->count)
		return;
	uids = own_uids(view, view->count);
	for (size_t i = 0; i < view->count; i++) {
		while (at < m->count &&
			m->messages[at].is.uid < view->uids[i])
			at++;
		if (at < m->count && m->messages[at].is.uid == view->uids[i]) {
			uids[kept] = uids[i];
			view->recent[kept++] = view->recent[i];
			continue;
		}
		if (!news->expunged) {
			news->expunged = arena_array(arena, view->count,
				sizeof(*news->expunged));
			news->vanished = arena_array(arena, view->count,
				sizeof(*news->vanished));
		}
		news->vanished[news->expunged_count] = view->uids[i];
		news->expunged[news->expunged_count++] = (uint32_t)kept + 1;
		view->recent_count -= view->recent[i];
	}
	view->count = kept;
}

static bool is_own(const struct mailbox_view *view,
	const struct index_message *message)
{
	return message->modseq == view->own_modseq &&
		imap_set_has(&view->own, message->uid);
}

static void look_for_changed(struct mailbox_view *view, struct arena *arena,
	struct mailbox_news *news)
{
	struct mailbox *m = view->mailbox;
	size_t at = 0;

	for (size_t i = 0; i < view->count; i++) {
		while (at < m->count &&
			m->messages[at].is.uid < view->uids[i])
			at++;
		if (at == m->count ||
			m->messages[at].is.uid != view->uids[i] ||
			m->messages[at].is.modseq <= view->modseq ||
			is_own(view, &m->messages[at].is))
			continue;
		if (!news->changed)
			news->changed = arena_array(arena, view->count,
				sizeof(*news->changed));
		news->changed[news->changed_count++] = (uint32_t)i + 1;
	}
}

void mailbox_view_look(struct mailbox_view *view, struct arena *arena,
	unsigned look, struct mailbox_news *news)
{
	struct mailbox *m = view->mailbox;

	*news = (struct mailbox_news){ 0 };
	if (m->is_suspect && mailbox_refresh(m, !view->read_only) !=
		MAILBOX_OK)
		m->is_suspect = false;
	if (m->is_removed) {
		news->is_gone = true;
		return;
	}
	if (!mailbox_view_has_news(view, look))
		return;
	if (look & MAILBOX_LOOK_EXPUNGED)
		look_for_expunged(view, arena, news);
	if (look & MAILBOX_LOOK_CHANGED) {
		if (m->changed_modseq > view->modseq)
			look_for_changed(view, arena, news);
		view->modseq = m->row.modseq;
		view->own_modseq = 0;
		news->has_keywords = m->keyword_count != view->keywords_told;
		view->keywords_told = m->keyword_count;
	}
	if (look & MAILBOX_LOOK_NEW)
		news->new_count = add_new(view);
	view->looked = m->changes;
	view->looked_for = look;
	if (look == MAILBOX_LOOK_ALL)
		view->changes = m->changes;
}

void mailbox_view_told(struct mailbox_view *view, const uint32_t *uids,
	size_t count, uint64_t modseq)
{
	arena_reset(view->own_arena);
	view->own = (struct imap_set){ 0 };
	for (size_t i = 0; i < count; i++)
		imap_set_add(view->own_arena, &view->own, uids[i]);
	view->own_modseq = modseq;
}

void mailbox_view_save(struct mailbox_view *view, const uint32_t *uids,
	size_t count)
{
	arena_reset(view->saved_arena);
	view->saved = (struct imap_set){ 0 };
	for (size_t i = 0; i < count; i++)
		imap_set_add(view->saved_arena, &view->saved, uids[i]);
}

uint32_t mailbox_view_seq(const struct mailbox_view *view, uint32_t uid)
{
	size_t low = 0, high = view->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (view->uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < view->count && view->uids[low] == uid ?
		(uint32_t)low + 1 : 0;
}

static size_t first_from(const struct mailbox_view *view, uint32_t uid)
{
	size_t low = 0, high = view->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (view->uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool mailbox_view_uids(const struct mailbox_view *view, struct arena *arena,
	struct imap_set *set, bool is_uids, uint32_t **uids, size_t *count)
{
	uint32_t largest = !is_uids ? (uint32_t)view->count :
		view->count ? view->uids[view->count - 1] : 0;

	if (set->is_saved) {
		*set = view->saved;
		is_uids = true;
	} else {
		imap_set_resolve(set, largest);
	}
	*uids = arena_array(arena, view->count + 1, sizeof(**uids));
	*count = 0;
	for (size_t i = 0; i < set->count; i++) {
		struct imap_range r = set->ranges[i];

		if (!is_uids && (r.from < 1 || r.to > view->count))
			return false;
		if (!is_uids) {
			for (uint32_t seq = r.from; seq <= r.to; seq++)
				(*uids)[(*count)++] = view->uids[seq - 1];
			continue;
		}
		for (size_t at = first_from(view, r.from);
			at < view->count && view->uids[at] <= r.to; at++)
			(*uids)[(*count)++] = view->uids[at];
	}
	return true;
}
