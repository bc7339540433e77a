#include "mailbox/words.h"

#include <stdlib.h>

enum {
	SLOTS_FIRST = 4096,
	REF = 5,         /* octets of a place of a list */
	LIST_FIRST = 8,
};

struct word {
	uint32_t text;   /* in the pool */
	uint8_t len, place;
	uint32_t count, last;
	uint32_t len_list, room;
	unsigned char *list; /* varints: differences */
};

struct words_builder {
	struct word *words;
	size_t count, capacity;
	uint32_t *slots; /* number of a word + 1; 0: free */
	size_t slot_count;
	struct buf pool;
	uint32_t messages;
	size_t octets;
};

struct words_builder *words_new(void)
{
	struct words_builder *b = mem_new(1, sizeof(*b));

	b->slot_count = SLOTS_FIRST;
	b->slots = mem_new(b->slot_count, sizeof(*b->slots));
	return b;
}

void words_free(struct words_builder *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->count; i++)
		free(b->words[i].list);
	buf_free(&b->pool);
	free(b->words);
	free(b->slots);
	free(b);
}

size_t words_octets(const struct words_builder *b)
{
	return b->octets;
}

static uint32_t hash_of(enum words_place place, struct str text)
{
	uint32_t hash = 2166136261u + (uint32_t)place;

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.p[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static struct str text_of(const struct words_builder *b,
	const struct word *word)
{
	return str_of(b->pool.p + word->text, word->len);
}

static uint32_t *slot_of(struct words_builder *b, enum words_place place,
	struct str text)
{
	size_t at = hash_of(place, text) & (b->slot_count - 1);

	while (b->slots[at]) {
		const struct word *word = &b->words[b->slots[at] - 1];

		if (word->place == place && str_eq(text_of(b, word), text))
			break;
		at = (at + 1) & (b->slot_count - 1);
	}
	return &b->slots[at];
}

static void grow_slots(struct words_builder *b)
{
	if (b->count * 2 < b->slot_count)
		return;
	free(b->slots);
	b->slot_count *= 2;
	b->slots = mem_new(b->slot_count, sizeof(*b->slots));
	for (size_t i = 0; i < b->count; i++)
		*slot_of(b, b->words[i].place, text_of(b, &b->words[i])) =
			(uint32_t)i + 1;
}

static struct word *word_of(struct words_builder *b, enum words_place place,
	struct str text)
{
	uint32_t *slot = slot_of(b, place, text);
	struct word *word;

	if (*slot)
		return &b->words[*slot - 1];
	array_grow(&b->words, &b->capacity, b->count + 1, sizeof(*b->words));
	word = &b->words[b->count++];
	*word = (struct word){ .text = (uint32_t)b->pool.len,
		.len = (uint8_t)text.len, .place = (uint8_t)place };
	*slot = (uint32_t)b->count;
	buf_add(&b->pool, text);
	b->octets += text.len + sizeof(*word);
	grow_slots(b);
	return &b->words[b->count - 1];
}

static void add_varint(struct words_builder *b, struct word *word,
	uint32_t value)
{
	if (word->len_list + REF > word->room) {
		word->room = word->room ? word->room * 2 : LIST_FIRST;
		word->list = realloc(word->list, word->room);
		if (!word->list)
			starved("out of memory");
		b->octets += word->room / 2;
	}
	for (; value >= 0x80; value >>= 7)
		word->list[word->len_list++] = (unsigned char)(value | 0x80);
	word->list[word->len_list++] = (unsigned char)value;
}

void words_add_to(struct words_builder *b, enum words_place place,
	struct str text, uint32_t number)
{
	struct word *word = word_of(b, place, text);

	if (word->count > 0 && word->last >= number)
		return;
	add_varint(b, word, word->count ? number - word->last : number);
	word->last = number;
	word->count++;
}

void words_begin(struct words_builder *b)
{
	b->messages++;
}

static bool is_word_octet(unsigned char c)
{
	return c >= 0x80 || (c >= '0' && c <= '9') ||
		(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void words_add(struct words_builder *b, enum words_place place,
	struct str folded)
{
	while (folded.len > 0) {
		struct str run = str_take_while(&folded, is_word_octet);

		if (run.len == 0) {
			folded = str_skip(folded, 1);
			continue;
		}
		while (run.len > WORDS_PIECE) {
			words_add_to(b, place, str_first(run, WORDS_PIECE),
				b->messages - 1);
			run = str_skip(run, WORDS_STEP);
		}
		words_add_to(b, place, run, b->messages - 1);
	}
}

/* ---- rows ---- */

struct writer {
	words_put_fn *put;
	void *context;
	enum words_place place;
	struct buf rows[2]; /* dictionary, lists */
	uint32_t blocks[2];
	bool ok;
};

static void end_block(struct writer *w, bool is_list)
{
	if (w->rows[is_list].len == 0)
		return;
	w->ok = w->ok && w->put(w->context, w->place, is_list,
		w->blocks[is_list]++, buf_str(&w->rows[is_list]));
	buf_clear(&w->rows[is_list]);
}

static void room_for(struct writer *w, bool is_list, size_t octets)
{
	if (w->rows[is_list].len + octets > WORDS_BLOCK)
		end_block(w, is_list);
}

static void put_varint(struct buf *out, uint32_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_char(out, (char)(value | 0x80));
	buf_char(out, (char)value);
}

static void write_word(struct writer *w, const struct words_builder *b,
	const struct word *word)
{
	uint64_t where;

	room_for(w, true, word->len_list + REF);
	where = (uint64_t)w->blocks[1] << 16 | w->rows[1].len;
	put_varint(&w->rows[1], word->count);
	buf_add(&w->rows[1], str_of((const char *)word->list,
		word->len_list));
	room_for(w, false, word->len + 1u + REF);
	buf_add(&w->rows[0], text_of(b, word));
	buf_char(&w->rows[0], 0);
	for (size_t i = 0; i < REF; i++, where >>= 7)
		buf_char(&w->rows[0], (char)(0x80 | (where & 0x7f)));
}

bool words_write(struct words_builder *b, words_put_fn *put, void *context)
{
	struct writer w = { .put = put, .context = context, .ok = true };

	for (int place = 0; place < WORDS_PLACES; place++) {
		w.place = (enum words_place)place;
		w.blocks[0] = w.blocks[1] = 0;
		for (size_t i = 0; w.ok && i < b->count; i++)
			if (b->words[i].place == place)
				write_word(&w, b, &b->words[i]);
		end_block(&w, true);
		end_block(&w, false);
	}
	buf_free(&w.rows[0]);
	buf_free(&w.rows[1]);
	return w.ok;
}

/* ---- looking ---- */

static struct words_list list_at(const char *ref)
{
	uint64_t where = 0;

	for (size_t i = REF; i-- > 0;)
		where = where << 7 | ((unsigned char)ref[i] & 0x7f);
	return (struct words_list){ (uint32_t)(where >> 16),
		(uint32_t)(where & 0xffff) };
}

bool words_take(struct str *dictionary, struct str *word,
	struct words_list *list)
{
	size_t end = str_find_char(*dictionary, 0);

	if (end == SIZE_MAX || dictionary->len < end + 1 + REF ||
		end > WORDS_PIECE)
		return false;
	*word = str_first(*dictionary, end);
	*list = list_at(dictionary->p + end + 1);
	*dictionary = str_skip(*dictionary, end + 1 + REF);
	return true;
}

static bool fits(enum words_match match, bool is_start, bool is_end)
{
	switch (match) {
	case WORDS_BEGINS:
		return is_start;
	case WORDS_ENDS:
		return is_end;
	case WORDS_IS:
		return is_start && is_end;
	default:
		return true;
	}
}

/* Where the word of a hit begins: behind the reference of the one before. */
static const char *start_of(const char *begin, const char *hit)
{
	const char *end = hit > begin ?
		memrchr(begin, 0, (size_t)(hit - begin)) : NULL;

	return end ? end + 1 + REF : begin;
}

void words_find(struct str dictionary, struct str needle,
	enum words_match match, void (*each)(void *context,
		struct words_list list), void *context)
{
	const char *at = dictionary.p, *last = at + dictionary.len;
	const char *hit, *begin = at;

	while (needle.len > 0 && (hit = memmem(at, (size_t)(last - at),
		needle.p, needle.len)) != NULL) {
		const char *start = start_of(begin, hit);
		const char *end = memchr(hit, 0, (size_t)(last - hit));

		if (!end || last - end < 1 + REF)
			return;
		if (hit < start) { /* inside a reference */
			at = hit + 1;
			continue;
		}
		if (!fits(match, hit == start, hit + needle.len == end)) {
			at = hit + 1;
			continue;
		}
		each(context, list_at(end + 1));
		at = begin = end + 1 + REF;
	}
}

static bool take_varint(struct str *in, uint32_t *value)
{
	*value = 0;
	for (unsigned shift = 0; in->len > 0 && shift < 32; shift += 7) {
		unsigned char c = (unsigned char)in->p[0];

		*in = str_skip(*in, 1);
		*value |= (uint32_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return true;
	}
	return false;
}

void words_list_each(struct str block, uint32_t at,
	void (*each)(void *context, uint32_t number), void *context)
{
	struct str in = str_skip(block, at < block.len ? at : block.len);
	uint32_t count, step, number = 0;

	if (!take_varint(&in, &count))
		return;
	for (uint32_t i = 0; i < count && take_varint(&in, &step); i++) {
		if (__builtin_add_overflow(number, step, &number))
			return;
		each(context, number);
	}
}

void words_list_add(struct str block, uint32_t at, uint64_t *bits,
	size_t bit_count)
{
	struct str in = str_skip(block, at < block.len ? at : block.len);
	uint32_t count, step, number = 0;

	if (!take_varint(&in, &count))
		return;
	for (uint32_t i = 0; i < count && take_varint(&in, &step); i++) {
		if (__builtin_add_overflow(number, step, &number) ||
			number >= bit_count)
			return;
		bits[number / 64] |= (uint64_t)1 << number % 64;
	}
}

/* ---- what is looked for ---- */

bool words_needle_take(struct str *rest, struct str whole, struct str *word,
	enum words_match *match)
{
	bool is_first, is_last;

	while (rest->len > 0 && !is_word_octet((unsigned char)rest->p[0]))
		*rest = str_skip(*rest, 1);
	if (rest->len == 0)
		return false;
	is_first = rest->p == whole.p;
	*word = str_take_while(rest, is_word_octet);
	is_last = rest->len == 0;
	*match = is_first && is_last ? WORDS_CONTAINS :
		is_first ? WORDS_ENDS : is_last ? WORDS_BEGINS : WORDS_IS;
	/* Of a long run one piece has what is sure. */
	if (word->len > WORDS_SURE) {
		*word = str_first(*word, WORDS_SURE);
		*match = WORDS_CONTAINS;
	}
	return true;
}

bool words_needle_is_sure(struct str needle)
{
	struct str rest = needle;

	return needle.len > 0 && needle.len <= WORDS_SURE &&
		str_take_while(&rest, is_word_octet).len == needle.len;
}
