#include "mailbox/text.h"

#include <stdlib.h>

#include "imap/fold.h"
#include "imap/match.h"
#include "io/fiber.h"
#include "mail/header.h"
#include "mail/word.h"
#include "mailbox/store.h"
#include "mailbox/words.h"

enum {
	SEGMENT_MOST = 32768,       /* messages */
	SEGMENT_OCTETS = 256 << 20, /* of memory while one is made */
	SEGMENTS_MOST = 4096,
	FIELDS_MOST = 8192,         /* octets of a message's kept fields */
	YIELD_EVERY = 8,
	PROGRESS_EVERY = 256,
};

/* Kinds of rows of a segment; the dictionaries and lists are 0 to 3. */
enum {
	UIDS = 8,
	FIELDS = 9,
};

static uint32_t kind_of(enum words_place place, bool is_list)
{
	return (uint32_t)place * 2 + is_list;
}

/* The state: this, then the segments from the oldest on. */
struct state {
	uint32_t next;  /* number of the next segment */
	uint32_t up_to; /* uids up to here are in it */
	uint32_t count;
};

struct segment {
	uint32_t number, messages;
};

struct segments {
	struct state is;
	struct segment *list;
};

static bool read_state(struct index_txn *txn, uint32_t id,
	struct arena *arena, struct segments *all)
{
	struct str row;

	*all = (struct segments){ .is.next = 1 };
	if (!index_words_find(txn, id, 0, 0, 0, &row))
		return true;
	if (row.len < sizeof(all->is))
		return false;
	memcpy(&all->is, row.p, sizeof(all->is));
	row = str_skip(row, sizeof(all->is));
	if (all->is.count > SEGMENTS_MOST ||
		row.len != all->is.count * sizeof(*all->list))
		return false;
	all->list = arena_array(arena, all->is.count + 1, sizeof(*all->list));
	if (row.len)
		memcpy(all->list, row.p, row.len);
	return true;
}

static bool write_state(struct index_txn *txn, uint32_t id,
	const struct segments *all)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf row = BUF_IN(arena);

	buf_add(&row, str_of((const char *)&all->is, sizeof(all->is)));
	buf_add(&row, str_of((const char *)all->list,
		all->is.count * sizeof(*all->list)));
	return index_words_put(txn, id, 0, 0, 0, buf_str(&row));
}

/* ---- fields ---- */

static const char *const field_names[MAILBOX_TEXT_FIELDS] = {
	"Subject", "From", "To", "Cc", "Bcc",
};

enum mailbox_text_field mailbox_text_field_of(struct str name)
{
	for (int i = 0; i < MAILBOX_TEXT_FIELDS; i++)
		if (str_is_nocase(name, field_names[i]))
			return (enum mailbox_text_field)i;
	return MAILBOX_TEXT_HEADER;
}

/* All values of each, folded, with LF behind each value and NUL behind each
 * field; a needle has neither (imap_needle's text has no NUL, values are
 * unfolded). Only NULs: they are too long, or have one of them. */
static void fields_format(struct arena *arena, struct str header,
	struct buf *out)
{
	size_t begin = out->len;
	bool ok = true;

	for (size_t i = 0; i < MAILBOX_TEXT_FIELDS; i++) {
		struct str rest = header;
		struct mail_header h;

		while (mail_header_take(&rest, &h)) {
			struct str value;
			size_t from = out->len;

			if (!str_is_nocase(h.name, field_names[i]))
				continue;
			value = mail_words_decode(arena,
				mail_header_unfold(arena, h.body));
			imap_fold_format(out, value);
			ok = ok && str_find_char(str_of(out->p + from,
				out->len - from), 0) == SIZE_MAX &&
				str_find_char(str_of(out->p + from,
					out->len - from), '\n') == SIZE_MAX;
			buf_char(out, '\n');
		}
		buf_char(out, 0);
	}
	if (ok && out->len - begin <= FIELDS_MOST)
		return;
	out->len = begin;
	for (size_t i = 0; i <= MAILBOX_TEXT_FIELDS; i++)
		buf_char(out, 0);
}

/* ---- making segments ---- */

struct making {
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

static void take_words(struct making *k, uint32_t segment,
	enum words_place place)
{
	struct str block, lists = STR_NONE;
	uint32_t have = UINT32_MAX;

	k->place = place;
	for (uint32_t n = 0; index_words_find(k->txn, k->mailbox->row.id,
		segment, kind_of(place, false), n, &block); n++) {
		struct words_list list;

		while (words_take(&block, &k->word, &list)) {
			if (list.block != have && !index_words_find(k->txn,
				k->mailbox->row.id, segment,
				kind_of(place, true), list.block, &lists))
				continue;
			have = list.block;
			words_list_each(lists, list.at, add_number, k);
		}
	}
}

static void add_uid(struct making *k, uint32_t uid)
{
	buf_add(&k->uids, str_of((const char *)&uid, sizeof(uid)));
	k->messages++;
	words_begin(k->words);
}

static bool fields_take(struct str *rows, struct str *fields)
{
	uint32_t len;

	if (rows->len < sizeof(len))
		return false;
	memcpy(&len, rows->p, sizeof(len));
	*rows = str_skip(*rows, sizeof(len));
	if (len > rows->len)
		return false;
	*fields = str_first(*rows, len);
	*rows = str_skip(*rows, len);
	return true;
}

static void fields_add(struct buf *rows, struct str fields)
{
	uint32_t len = (uint32_t)fields.len;

	buf_add(rows, str_of((const char *)&len, sizeof(len)));
	buf_add(rows, fields);
}

/* An older segment, without messages that are gone. */
static void take_segment(struct making *k, uint32_t segment)
{
	struct str uids, rows, fields;
	uint32_t id = k->mailbox->row.id;

	if (!index_words_find(k->txn, id, segment, UIDS, 0, &uids) ||
		!index_words_find(k->txn, id, segment, FIELDS, 0, &rows))
		return;
	k->map_count = (uint32_t)(uids.len / sizeof(uint32_t));
	k->map = arena_array(k->arena, k->map_count + 1, sizeof(*k->map));
	for (uint32_t i = 0; i < k->map_count; i++) {
		uint32_t uid;

		memcpy(&uid, uids.p + i * sizeof(uid), sizeof(uid));
		k->map[i] = UINT32_MAX;
		if (!fields_take(&rows, &fields) ||
			!mailbox_find(k->mailbox, uid))
			continue;
		k->map[i] = k->messages;
		add_uid(k, uid);
		fields_add(&k->fields, fields);
	}
	for (int place = 0; place < WORDS_PLACES; place++)
		take_words(k, segment, (enum words_place)place);
}

/* The youngest segments, as long as they are not much larger than what comes:
 * so each message is written only a few times. */
static void choose(struct making *k, size_t coming)
{
	size_t sum = coming;

	while (k->merged < k->before.is.count) {
		size_t next = k->before.list[k->before.is.count - 1 -
			k->merged].messages;

		if (next > 2 * sum || next + sum > SEGMENT_MOST)
			break;
		sum += next;
		k->merged++;
	}
}

static bool take_piece(void *context, enum imap_text_place place,
	struct str utf8)
{
	struct making *k = context;
	struct buf folded = BUF_IN(k->scratch);

	imap_fold_format(&folded, utf8);
	words_add(k->words, place == IMAP_TEXT_HEADER ? WORDS_HEADER :
		WORDS_BODY, buf_str(&folded));
	return true;
}

static void take_message(struct making *k, uint32_t uid, struct str message)
{
	const struct mime_part *root = mime_parse(k->scratch, message);
	struct buf fields = BUF_IN(k->scratch);

	add_uid(k, uid);
	fields_format(k->scratch, str_first(str_skip(message,
		root->header_at), root->header_len), &fields);
	fields_add(&k->fields, buf_str(&fields));
	imap_text_each(k->scratch, message, root, take_piece, k);
}

static bool put_words(void *context, enum words_place place, bool is_list,
	uint32_t block, struct str octets)
{
	struct making *k = context;

	return index_words_put(k->txn, k->mailbox->row.id, k->number,
		kind_of(place, is_list), block, octets);
}

static bool write_segment(struct making *k)
{
	uint32_t id = k->mailbox->row.id, kept;
	struct segments now;

	/* Another process of the user was faster: it is made again. */
	if (!read_state(k->txn, id, k->arena, &now) ||
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
			!index_words_put(k->txn, id, k->number, UIDS, 0,
				buf_str(&k->uids)) ||
			!index_words_put(k->txn, id, k->number, FIELDS, 0,
				buf_str(&k->fields)))
			return false;
	}
	return write_state(k->txn, id, &now);
}

/* The first message behind a uid; NULL: none. */
static struct mailbox_message *message_after(const struct mailbox *mailbox,
	uint32_t uid)
{
	size_t low = 0, high = mailbox->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mailbox->messages[middle].is.uid <= uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < mailbox->count ? &mailbox->messages[low] : NULL;
}

/* False: an error, and nothing was changed. */
static bool take_messages(struct making *k,
	mailbox_text_progress_fn *progress, void *context)
{
	size_t taken = 0;
	struct mailbox_message *m;

	while (k->messages < SEGMENT_MOST &&
		words_octets(k->words) < SEGMENT_OCTETS &&
		(m = message_after(k->mailbox, k->last_uid)) != NULL) {
		uint32_t uid = m->is.uid;
		struct str message;
		enum mailbox_result result = mailbox_read(k->mailbox, uid,
			k->scratch, 0, &message);

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
	struct mailbox_message *m = message_after(mailbox, up_to);

	return m ? mailbox->count - (size_t)(m - mailbox->messages) : 0;
}

/* One segment more. False: there is nothing to do, or it does not work. */
static bool make_segment(struct mailbox *mailbox,
	mailbox_text_progress_fn *progress, void *context)
{
	struct arena *arena auto_arena = arena_new(0);
	struct making k = { .mailbox = mailbox, .arena = arena,
		.scratch = arena_child(arena) };
	bool ok;

	k.txn = index_begin(mailbox->store->index, false);
	if (!k.txn)
		return false;
	ok = read_state(k.txn, mailbox->row.id, arena, &k.before) &&
		coming(mailbox, k.before.is.up_to) > 0;
	if (!ok) {
		index_abort(k.txn);
		return false;
	}
	k.words = words_new();
	k.last_uid = k.before.is.up_to;
	choose(&k, coming(mailbox, k.before.is.up_to));
	for (uint32_t i = k.before.is.count - k.merged;
		i < k.before.is.count; i++)
		take_segment(&k, k.before.list[i].number);
	index_abort(k.txn);
	ok = take_messages(&k, progress, context);
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
	while (mailbox->is_reading) /* another connection does it */
		if (!io_sleep(span_ms(2)))
			return;
	mailbox->is_reading = true;
	while (!mailbox->is_removed &&
		make_segment(mailbox, progress, context))
		;
	mailbox->is_reading = false;
}

/* ---- looking ---- */

struct looking {
	struct index_txn *txn;
	struct mailbox *mailbox;
	struct arena *arena;
	struct str needle;
	uint32_t segment, messages;
	enum words_place place;
	uint64_t *bits;      /* of the word that is looked for */
	struct str lists;    /* the block used last */
	uint32_t block;
};

static size_t bit_words(uint32_t messages)
{
	return messages / 64 + 1;
}

static void add_list(void *context, struct words_list list)
{
	struct looking *l = context;

	if (l->block != list.block && !index_words_find(l->txn,
		l->mailbox->row.id, l->segment, kind_of(l->place, true),
		list.block, &l->lists))
		return;
	l->block = list.block;
	words_list_add(l->lists, list.at, l->bits, l->messages);
}

static void find_word(struct looking *l, struct str word,
	enum words_match match, enum mailbox_text_field field)
{
	for (int place = 0; place < WORDS_PLACES; place++) {
		struct str block;

		if ((place == WORDS_HEADER && field == MAILBOX_TEXT_BODY) ||
			(place == WORDS_BODY &&
				field == MAILBOX_TEXT_HEADER))
			continue;
		l->place = (enum words_place)place;
		l->block = UINT32_MAX;
		for (uint32_t n = 0; index_words_find(l->txn,
			l->mailbox->row.id, l->segment,
			kind_of(l->place, false), n, &block); n++)
			words_find(block, word, match, add_list, l);
	}
}

/* Messages that have all words of the needle. */
static uint64_t *find_words(struct looking *l, enum mailbox_text_field field)
{
	size_t count = bit_words(l->messages);
	uint64_t *all = NULL;
	struct str rest = l->needle, word;
	enum words_match match;

	while (words_needle_take(&rest, l->needle, &word, &match)) {
		l->bits = arena_array(l->arena, count, sizeof(*l->bits));
		find_word(l, word, match, field);
		for (size_t i = 0; all && i < count; i++)
			all[i] &= l->bits[i];
		if (!all)
			all = l->bits;
	}
	return all;
}

/* Messages whose kept field has it; those without kept fields may. */
static uint64_t *find_fields(struct looking *l,
	enum mailbox_text_field field, bool *is_sure)
{
	uint64_t *bits = arena_array(l->arena, bit_words(l->messages),
		sizeof(*bits));
	struct str rows, fields;

	if (!index_words_find(l->txn, l->mailbox->row.id, l->segment, FIELDS,
		0, &rows))
		return NULL;
	for (uint32_t n = 0; n < l->messages && fields_take(&rows, &fields);
		n++) {
		bool has = false;

		if (fields.len == MAILBOX_TEXT_FIELDS + 1 &&
			fields.p[MAILBOX_TEXT_FIELDS] == 0) {
			has = true;
			*is_sure = false;
		} else {
			for (int i = 0; i < (int)field; i++)
				str_take_until(&fields, 0);
			has = str_find(str_take_until(&fields, 0),
				l->needle) != SIZE_MAX;
		}
		if (has)
			bits[n / 64] |= (uint64_t)1 << n % 64;
	}
	return bits;
}

static bool add_hits(struct looking *l, const uint64_t *bits,
	struct mailbox_hits *hits, size_t *capacity)
{
	struct str uids;

	if (!index_words_find(l->txn, l->mailbox->row.id, l->segment, UIDS, 0,
		&uids) || uids.len != l->messages * sizeof(uint32_t))
		return false;
	for (size_t i = 0; i < bit_words(l->messages); i++)
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			size_t n = i * 64 + (size_t)__builtin_ctzll(left);
			uint32_t uid;

			if (n >= l->messages)
				break;
			memcpy(&uid, uids.p + n * sizeof(uid), sizeof(uid));
			arena_grow(l->arena, &hits->uids, capacity,
				hits->count + 1, sizeof(uid));
			hits->uids[hits->count++] = uid;
		}
	return true;
}

static bool find_in(struct looking *l, enum mailbox_text_field field,
	struct mailbox_hits *hits, size_t *capacity)
{
	const uint64_t *bits = field < MAILBOX_TEXT_FIELDS ?
		find_fields(l, field, &hits->is_sure) : find_words(l, field);

	return bits && add_hits(l, bits, hits, capacity);
}

bool mailbox_text_find(struct mailbox *mailbox, struct arena *arena,
	enum mailbox_text_field field, struct str needle,
	struct mailbox_hits *hits)
{
	struct looking l = { .mailbox = mailbox, .arena = arena,
		.needle = needle };
	struct segments all;
	size_t capacity = 0;
	bool ok;

	*hits = (struct mailbox_hits){ .is_sure =
		field < MAILBOX_TEXT_FIELDS ||
		(field != MAILBOX_TEXT_HEADER &&
			words_needle_is_sure(needle)) };
	if (needle.len == 0)
		return false;
	l.txn = index_begin(mailbox->store->index, false);
	if (!l.txn)
		return false;
	ok = read_state(l.txn, mailbox->row.id, arena, &all);
	for (uint32_t i = 0; ok && i < all.is.count; i++) {
		l.segment = all.list[i].number;
		l.messages = all.list[i].messages;
		ok = l.messages <= SEGMENT_MOST + SEGMENT_MOST &&
			find_in(&l, field, hits, &capacity);
	}
	index_abort(l.txn);
	hits->up_to = all.is.up_to;
	return ok;
}

bool mailbox_hits_have(struct mailbox_hits *hits, uint32_t uid)
{
	if (hits->at > 0 && hits->at <= hits->count &&
		hits->uids[hits->at - 1] >= uid)
		hits->at = 0; /* a new round */
	while (hits->at < hits->count && hits->uids[hits->at] < uid)
		hits->at++;
	return hits->at < hits->count && hits->uids[hits->at] == uid;
}
