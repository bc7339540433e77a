/*
 * Taking messages up in the search index.
 */
#include "mailbox/text.h"

#include <stdlib.h>

#include "io/fiber.h"
#include "mailbox/background.h"
#include "mailbox/segment.h"
#include "mailbox/store.h"

enum {
	SEGMENT_OCTETS = 256 << 20, /* of memory while one is made */
	YIELD_EVERY = 8,
	PROGRESS_EVERY = 256,
	GENTLE_MESSAGES = 1024,     /* in the background: of one segment ... */
	GENTLE_MERGED = 8192,       /* ... and with those that join it */
	GENTLE_OCTETS = 32 << 20,   /* of memory */
};

struct making {
	bool is_gentle;        /* nobody waits for it */
	struct mailbox *mailbox;
	struct arena *arena, *scratch;
	struct segments before;
	uint32_t merged; /* how many of the youngest segments go into this */
	struct words_builder *words;
	struct buf uids, fields; /* fields: length (4), octets */
	uint32_t messages, last_uid;
	uint32_t number;       /* of the segment that is made */
	struct index_txn *txn;
	uint32_t *map;         /* numbers of an older segment to ours */
	uint32_t map_count;
	enum words_place place;
	struct str word;
};

static void add_number(void *context, uint32_t number)
{
	struct making *k = context;

	if (number < k->map_count && k->map[number] != UINT32_MAX)
		words_add_to(k->words, k->place, k->word, k->map[number]);
}

/* No transaction lasts across a wait. */
static bool breathe(struct making *k)
{
	bool go_on;

	if (!k->is_gentle)
		return true;
	index_abort(k->txn);
	go_on = mailbox_background_rest(k->mailbox->store, k->mailbox);
	k->txn = index_begin(k->mailbox->store->index, false);
	return go_on && k->txn;
}

/* False: it was told to end. */
static bool take_words(struct making *k, uint32_t segment,
	enum words_place place)
{
	struct str block, lists = STR_NONE;
	uint32_t have = UINT32_MAX;

	k->place = place;
	for (uint32_t n = 0; index_words_find(k->txn, k->mailbox->row.id,
		segment, segment_kind(place, false), n, &block); n++) {
		struct words_list list;

		while (words_take(&block, &k->word, &list)) {
			if (list.block != have && !index_words_find(k->txn,
				k->mailbox->row.id, segment,
				segment_kind(place, true), list.block, &lists))
				continue;
			have = list.block;
			words_list_each(lists, list.at, add_number, k);
		}
		have = UINT32_MAX;
		if (!breathe(k))
			return false;
	}
	return true;
}

static void add_uid(struct making *k, uint32_t uid)
{
	buf_add(&k->uids, str_of((const char *)&uid, sizeof(uid)));
	k->messages++;
	words_begin(k->words);
}

/* An older segment, without messages that are gone. False: told to end. */
static bool take_segment(struct making *k, uint32_t segment)
{
	struct str uids, rows, fields;
	uint32_t id = k->mailbox->row.id;

	if (!index_words_find(k->txn, id, segment, SEGMENT_UIDS, 0, &uids) ||
		!index_words_find(k->txn, id, segment, SEGMENT_FIELDS, 0, &rows))
		return true;
	k->map_count = (uint32_t)(uids.len / sizeof(uint32_t));
	k->map = arena_array(k->arena, k->map_count + 1, sizeof(*k->map));
	for (uint32_t i = 0; i < k->map_count; i++) {
		uint32_t uid;

		memcpy(&uid, uids.p + i * sizeof(uid), sizeof(uid));
		k->map[i] = UINT32_MAX;
		if (!segment_fields_take(&rows, &fields) ||
			!mailbox_find(k->mailbox, uid))
			continue;
		k->map[i] = k->messages;
		add_uid(k, uid);
		segment_fields_add(&k->fields, fields);
	}
	for (int place = 0; place < WORDS_PLACES; place++)
		if (!take_words(k, segment, (enum words_place)place))
			return false;
	return true;
}

/* The youngest segments, as long as they are not much larger than what comes:
 * so each message is written only a few times. */
static void choose(struct making *k, size_t coming)
{
	size_t most = k->is_gentle ? GENTLE_MERGED : SEGMENT_MOST;
	size_t sum = coming;

	if (k->is_gentle && sum > GENTLE_MESSAGES)
		sum = GENTLE_MESSAGES;

	while (k->merged < k->before.is.count) {
		size_t next = k->before.list[k->before.is.count - 1 -
			k->merged].messages;

		if (next > 2 * sum || next + sum > most)
			break;
		sum += next;
		k->merged++;
	}
}

static void take_message(struct making *k, uint32_t uid, struct str message)
{
	struct buf fields = BUF_IN(k->scratch);

	add_uid(k, uid);
	segment_take_message(k->scratch, message, k->words, &fields);
	segment_fields_add(&k->fields, buf_str(&fields));
}

static bool put_words(void *context, enum words_place place, bool is_list,
	uint32_t block, struct str octets)
{
	struct making *k = context;

	return index_words_put(k->txn, k->mailbox->row.id, k->number,
		segment_kind(place, is_list), block, octets);
}

static bool write_segment(struct making *k)
{
	uint32_t id = k->mailbox->row.id, kept;
	struct segments now;

	/* Another process of the user was faster: it is made again. */
	if (!segments_read(k->txn, id, k->arena, &now) ||
		now.is.next != k->before.is.next)
		return false;
	kept = now.is.count - k->merged;
	for (uint32_t i = kept; i < now.is.count; i++)
		if (!index_words_remove(k->txn, id, now.list[i].number))
			return false;
	k->number = now.is.next++;
	now.is.up_to = k->last_uid;
	now.is.count = kept;
	if (k->messages > 0) {
		struct segment *list = arena_array(k->arena, kept + 1,
			sizeof(*list));

		for (uint32_t i = 0; i < kept; i++)
			list[i] = now.list[i];
		list[now.is.count++] = (struct segment){ k->number,
			k->messages };
		now.list = list;
		if (!words_write(k->words, put_words, k) ||
			!index_words_put(k->txn, id, k->number, SEGMENT_UIDS, 0,
				buf_str(&k->uids)) ||
			!index_words_put(k->txn, id, k->number, SEGMENT_FIELDS, 0,
				buf_str(&k->fields)))
			return false;
	}
	return segments_write(k->txn, id, &now);
}

/* NULL: none. */
static struct mailbox_message *message_after(const struct mailbox *mailbox,
	uint32_t uid)
{
	size_t at = mailbox_behind(mailbox, uid);

	return at < mailbox->count ? &mailbox->messages[at] : NULL;
}

/* False: an error, and nothing was changed. */
static bool take_messages(struct making *k,
	mailbox_text_progress_fn *progress, void *context)
{
	size_t taken = 0, most = k->is_gentle ? GENTLE_OCTETS : SEGMENT_OCTETS;
	struct mailbox_message *m;

	while (k->messages < SEGMENT_MOST &&
		!(k->is_gentle && (taken >= GENTLE_MESSAGES ||
			!mailbox_background_rest(k->mailbox->store,
				k->mailbox))) &&
		(taken == 0 || words_octets(k->words) < most) &&
		(m = message_after(k->mailbox, k->last_uid)) != NULL) {
		uint32_t uid = m->is.uid;
		struct str message;
		enum mailbox_result result = mailbox_read(k->mailbox, uid,
			k->scratch, 0, &message);

		if (result == MAILBOX_OK && k->is_gentle)
			mailbox_facts_learn(k->mailbox, uid, k->scratch,
				message);
		if (result == MAILBOX_OK)
			take_message(k, uid, message);
		else if (result != MAILBOX_EXPUNGED)
			return false;
		k->last_uid = uid;
		arena_reset(k->scratch);
		if (++taken % YIELD_EVERY == 0 && io_self())
			io_yield();
		if (progress && taken % PROGRESS_EVERY == 0)
			progress(context, mailbox_find(k->mailbox, uid) ?
				(size_t)(mailbox_find(k->mailbox, uid) -
					k->mailbox->messages) : 0,
				k->mailbox->count);
		if (k->mailbox->is_removed)
			return false;
	}
	return true;
}

static size_t coming(const struct mailbox *mailbox, uint32_t up_to)
{
	return mailbox->count - mailbox_behind(mailbox, up_to);
}

/* One segment more. False: there is nothing to do, or it does not work. */
static bool make_segment(struct mailbox *mailbox, bool is_gentle,
	mailbox_text_progress_fn *progress, void *context)
{
	struct arena *arena auto_arena = arena_new(0);
	struct making k = { .mailbox = mailbox, .arena = arena,
		.is_gentle = is_gentle,
		.scratch = arena_child(arena) };
	bool ok;

	k.txn = index_begin(mailbox->store->index, false);
	if (!k.txn)
		return false;
	ok = segments_read(k.txn, mailbox->row.id, arena, &k.before) &&
		coming(mailbox, k.before.is.up_to) > 0;
	if (!ok) {
		index_abort(k.txn);
		return false;
	}
	k.words = words_new();
	k.last_uid = k.before.is.up_to;
	choose(&k, coming(mailbox, k.before.is.up_to));
	for (uint32_t i = k.before.is.count - k.merged;
		ok && i < k.before.is.count; i++)
		ok = take_segment(&k, k.before.list[i].number);
	index_abort(k.txn);
	ok = ok && take_messages(&k, progress, context);
	k.txn = ok ? index_begin(mailbox->store->index, true) : NULL;
	if (!k.txn)
		ok = false;
	else if (!write_segment(&k)) {
		index_abort(k.txn);
		ok = false;
	} else {
		ok = index_commit(k.txn);
	}
	words_free(k.words);
	buf_free(&k.uids);
	buf_free(&k.fields);
	return ok;
}

void mailbox_text_follow(struct mailbox *mailbox,
	mailbox_text_progress_fn *progress, void *context)
{
	bool go_on = true;

	mailbox->awaited++;
	while (go_on && mailbox->is_reading) /* another connection does it */
		go_on = io_sleep(span_ms(2));
	mailbox->awaited--;
	if (!go_on)
		return;
	mailbox->is_reading = true;
	while (!mailbox->is_removed &&
		make_segment(mailbox, false, progress, context))
		;
	mailbox->is_reading = false;
}

bool mailbox_text_take_some(struct mailbox *mailbox)
{
	return make_segment(mailbox, true, NULL, NULL);
}
