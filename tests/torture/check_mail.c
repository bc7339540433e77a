/*
 * torture/check_mail - is each message that was accepted in the queue or
 * where it had to go?
 */
#include "check.h"

#include <errno.h>
#include <stdarg.h>

#include "base/table.h"
#include "queue/id.h"
#include "queue/journal.h"
#include "queue/maildrop.h"
#include "queue/serial.h"
#include "queue/store.h"

const char *check_wrong(const struct now *now, const char *format, ...)
{
	va_list args;
	struct str text;

	va_start(args, format);
	text = arena_vfmt(now->arena, format, args);
	va_end(args);
	return arena_cstr(now->arena, text);
}

struct found {
	struct str content;
	const struct str *text; /* that it should have; NULL: not known */
	bool is_whole;
	bool done;
	bool is_held;
	const struct stored *stored;
	struct found *next;
};

struct search {
	const struct now *now;
	struct disk *disk;
	struct serials serials;
	uint64_t next; /* serial that is given next */
	struct journal *journal;
	struct store store;
	struct found *found;
	const char *wrong;
};

static void freed(void *context, const struct place *place)
{
	struct search *search = context;

	journal_free(search->journal, place);
}

static struct str content_of(struct search *search, struct stored *stored)
{
	struct arena *arena = search->now->arena;
	struct str large;
	char *octets;
	bool done;
	int fd;

	if (!stored->head.large_octets)
		return stored->content;
	fd = store_large(&search->store, stored);
	if (fd < 0)
		return STR_NONE;
	octets = arena_alloc(arena, stored->head.large_octets + 1);
	done = disk_read_all(
		search->disk, fd, octets, stored->head.large_octets, 0);
	disk_close(search->disk, &fd);
	large = str_of(octets, stored->head.large_octets);
	return done ? arena_join(arena, stored->content,
			      str_skip(large, stored->envelope.skip)) :
		      STR_NONE;
}

static void add_found(struct search *search, struct found *one)
{
	one->text = text_named_in(search->now->ledger, one->content);
	one->is_whole = one->text && text_is_in(one->content, *one->text);
	one->next = search->found;
	search->found = one;
}

static void found(struct search *search, struct stored *stored)
{
	struct found *one = arena_new_of(search->now->arena, struct found);

	*one = (struct found){ .content = content_of(search, stored),
		.done = stored->left == 0,
		.is_held = stored->queue == QUEUE_HOLD,
		.stored = stored };
	add_found(search, one);
}

static void found_place(void *context, const struct place *place)
{
	struct search *search = context;
	struct stored *stored;
	enum store_result result = store_load_slot(
		&search->store, search->now->arena, place, true, &stored);

	if (result == STORE_FOUND)
		found(search, stored);
	else if (result == STORE_ERROR)
		search->wrong = "a slot cannot be read";
}

static void find_files(struct search *search, enum queue_name queue)
{
	struct spool_ids ids;

	if (!spool_list(search->disk, search->now->arena, queue, true, &ids)) {
		search->wrong = "a queue cannot be listed";
		return;
	}
	for (size_t i = 0; i < ids.count; i++) {
		struct stored *stored;
		enum store_result result = store_load_file(&search->store,
			search->now->arena, queue, ids.ids[i], &stored);

		if (result == STORE_FOUND)
			found(search, stored);
		else if (result == STORE_CORRUPT)
			search->wrong = "a file of the queue is damaged";
	}
}

/* maildrop/: what sendmail left while the suite was down. */
static bool take_drop(struct arena *arena, struct str octets, struct str *text)
{
	struct buf content = BUF_IN(arena);
	struct maildrop_line line;

	while (octets.len > 0) {
		size_t end = str_find_char(octets, '\n');

		if (end == SIZE_MAX || !maildrop_line_parse(arena,
					       str_first(octets, end), &line))
			return false;
		octets = str_skip(octets, end + 1);
		if (line.kind == MAILDROP_END) {
			*text = buf_str(&content);
			return true;
		}
		if (line.kind != MAILDROP_CHUNK)
			continue;
		if (line.number > octets.len)
			return false;
		buf_add(&content, str_first(octets, line.number));
		octets = str_skip(octets, line.number);
	}
	return false;
}

static void find_drops(struct search *search, const struct model_tree *state)
{
	uint32_t dir = tree_find(state, "queue/maildrop");
	const struct model_node *node = state->nodes[dir];

	for (size_t i = 0; dir && i < node->entry_count; i++) {
		struct arena *arena = search->now->arena;
		struct found *one = arena_new_of(arena, struct found);
		struct str octets =
			tree_octets(state->nodes[node->entries[i].node], arena);

		if (strncmp(node->entries[i].name, "tmp-", 4) == 0 ||
			!take_drop(arena, octets, &one->content))
			continue;
		add_found(search, one);
	}
}

static bool recover(struct search *search)
{
	if (!serials_open(&search->serials, search->disk) ||
		!journal_open(&search->journal, search->disk, NULL, 0) ||
		!store_open(
			&search->store, search->disk, false, freed, search)) {
		search->wrong = "the queue does not open";
		return false;
	}
	find_files(search, QUEUE_DEFERRED);
	find_files(search, QUEUE_HOLD);
	if (!store_scan(&search->store, true, found_place, search))
		search->wrong = "the journal cannot be read";
	return true;
}

static bool is_file(const struct now *now, const struct model_node *n,
	struct str text, bool report)
{
	struct str octets = tree_octets(n, now->arena);
	const struct str *named;

	if (report)
		return text_is_reported_in(octets, text);
	named = text_named_in(now->ledger, octets);
	return named && named->p == text.p && text_is_in(octets, text);
}

/* Is it, or a report of it, in new/ or cur/ somewhere below? */
static bool is_below(const struct now *now, const struct model_tree *state,
	const struct model_node *dir, struct str text, bool report)
{
	for (size_t i = 0; i < dir->entry_count; i++) {
		const struct model_node *n =
			state->nodes[dir->entries[i].node];

		if (strcmp(dir->entries[i].name, "tmp") != 0 &&
			(n->is_dir ? is_below(now, state, n, text, report) :
				     is_file(now, n, text, report)))
			return true;
	}
	return false;
}

/* In the Maildir, or anywhere in the mbox. */
static bool is_delivered(const struct now *now,
	const struct model_tree *state, struct str place, struct str text,
	bool report)
{
	uint32_t node = tree_find(state, arena_cstr(now->arena, place));

	if (!node)
		return false;
	return state->nodes[node]->is_dir ?
		is_below(now, state, state->nodes[node], text, report) :
		text_is_in(tree_octets(state->nodes[node], now->arena), text);
}

static bool is_queued(const struct search *search, struct str text,
	bool report)
{
	for (const struct found *f = search->found; f; f = f->next) {
		if (f->done)
			continue;
		if (report && f->stored &&
			f->stored->envelope.sender.len == 0 &&
			text_is_reported_in(f->content, text))
			return true;
		if (f->text && f->text->p == text.p && f->is_whole &&
			(!f->stored || f->stored->envelope.sender.len > 0))
			return true;
	}
	return false;
}

static const char *check_message(struct search *search,
	const struct model_tree *state, const struct promise *p)
{
	struct str kind = p->fields[2];
	bool report = str_is(kind, "bounce");

	if (ledger_is_said(search->now, PROMISE_DROP, STR_NONE, p->fields[0]) ||
		is_queued(search, p->text, report))
		return NULL;
	if (!str_is(kind, "queue") &&
		is_delivered(search->now, state, p->fields[3], p->text, report))
		return NULL;
	return check_wrong(search->now, "lost: message %.*s to %.*s",
		STR_ARG(p->fields[0]), STR_ARG(p->fields[1]));
}

/* The first that has this queue ID; NULL. */
static const struct found *find_id(
	const struct search *search, struct str queue_id)
{
	for (const struct found *f = search->found; f; f = f->next)
		if (f->stored && str_eq(f->stored->envelope.queue_id, queue_id))
			return f;
	return NULL;
}

static const char *check_held(struct search *search, const struct promise *p)
{
	const struct found *f = find_id(search, p->fields[0]);

	if (!f || f->is_held ||
		ledger_is_said(
			search->now, PROMISE_RELEASE, STR_NONE, p->fields[0]))
		return NULL;
	return check_wrong(search->now, "not on hold any more: %.*s",
		STR_ARG(p->fields[0]));
}

static const char *check_free(struct search *search, const struct promise *p)
{
	const struct found *f = find_id(search, p->fields[0]);

	return f && f->is_held ? check_wrong(search->now, "on hold again: %.*s",
					 STR_ARG(p->fields[0])) :
				 NULL;
}

static const char *check_expired(struct search *search, const struct promise *p)
{
	const struct found *f = find_id(search, p->fields[0]);

	return f && !f->done && !f->stored->expire ?
		       check_wrong(search->now, "not expired any more: %.*s",
			       STR_ARG(p->fields[0])) :
		       NULL;
}

/* A recipient that was done some seconds ago would get it again. */
static const char *check_done(struct search *search, const struct promise *p)
{
	const struct found *f = find_id(search, p->fields[0]);

	if (!f || !ledger_is_due(search->now, p, p->fields[2]))
		return NULL;
	for (size_t i = 0; i < f->stored->envelope.recipient_count; i++)
		if (str_eq(f->stored->envelope.recipients[i].address,
			    p->fields[1]) &&
			!f->stored->done[i])
			return check_wrong(search->now,
				"would be delivered again: %.*s to %.*s",
				STR_ARG(p->fields[0]), STR_ARG(p->fields[1]));
	return NULL;
}

static const char *check_told(struct search *search, const struct promise *p)
{
	uint64_t serial;

	if (!queue_id_parse(p->fields[0], &serial) || serial < search->next)
		return NULL;
	return check_wrong(search->now, "a queue ID would be given again: %.*s",
		STR_ARG(p->fields[0]));
}

/* Whatever would be delivered is what somebody sent. */
static const char *check_whole(struct search *search)
{
	for (const struct found *f = search->found; f; f = f->next)
		if (!f->done && f->text && !f->is_whole)
			return check_wrong(search->now,
				"a damaged message would be delivered: %.*s",
				STR_ARG(str_first(*f->text,
					str_find_char(*f->text, '\n'))));
	return NULL;
}

static const char *check_gone(struct search *search, const struct promise *p)
{
	struct str *text = table_find(search->now->ledger->texts, p->fields[0]);

	return text && is_queued(search, *text, false) ?
		       check_wrong(search->now, "deleted, but came back: %.*s",
			       STR_ARG(p->fields[0])) :
		       NULL;
}

static const char *check_serial(struct search *search)
{
	if (!serials_take(&search->serials, 1, &search->next))
		return "no serial can be had";
	for (const struct found *f = search->found; f; f = f->next)
		if (f->stored && f->stored->head.serial >= search->next)
			return "a serial would be given twice";
	return NULL;
}

static const char *(*const checks[])(
	struct search *, const struct promise *) = {
	[PROMISE_HOLD] = check_held,
	[PROMISE_GONE] = check_gone,
	[PROMISE_FREE] = check_free,
	[PROMISE_DONE] = check_done,
	[PROMISE_EXPIRED] = check_expired,
	[PROMISE_TOLD] = check_told,
	[PROMISE_NOTE] = NULL, /* the last one */
};

static const char *check_promises(
	struct search *search, const struct model_tree *state)
{
	const struct now *now = search->now;
	const char *result = check_serial(search);

	if (!result)
		result = check_whole(search);
	for (size_t i = 0; !result && i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (!ledger_is_made(now, p))
			continue;
		if (p->kind == PROMISE_MAIL)
			result = check_message(search, state, p);
		else if (checks[p->kind])
			result = checks[p->kind](search, p);
	}
	return result;
}

const char *check_mail(const struct now *now, struct model_tree *state)
{
	struct search search = { .now = now };
	const char *result;
	bool opened;

	search.disk = tree_disk(now->arena, state, "queue");
	opened = recover(&search);
	if (opened)
		find_drops(&search, state);
	result = search.wrong ? search.wrong : check_promises(&search, state);
	if (search.journal)
		journal_close(search.journal);
	if (opened)
		store_close(&search.store);
	serials_close(&search.serials);
	return result;
}
