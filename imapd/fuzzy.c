/*
 * SEARCH=FUZZY, RFC 6203: of a text that is looked for FUZZY every word must
 * be there, in any order, and the end of a long word may differ ("meetings"
 * finds "meeting"). The score of a message says how much of it is there as it
 * was asked for: 100 all of it, else 1 and more for each whole word.
 */
#include "session.h"

#include "imap/search.h"

enum {
	WORDS_MOST = 50, /* of one text; the others are part of the last */
};

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Without its last letters, if it is long. */
static struct str stem_of(struct str word)
{
	size_t letters = 0, drop;

	for (size_t i = 0; i < word.len; i++)
		letters += !is_continuation(word.p[i]);
	drop = letters >= 7 ? 2 : letters >= 5 ? 1 : 0;
	for (; drop > 0; drop--) {
		word.len--;
		while (is_continuation(word.p[word.len]))
			word.len--;
	}
	return word;
}

static struct imap_search *copy_of(struct arena *arena,
	const struct imap_search *node, struct str text)
{
	struct imap_search *copy = arena_new_of(arena, struct imap_search);

	copy->key = node->key;
	copy->field = node->field;
	copy->text = text;
	return copy;
}

void fuzzy_expand(struct arena *arena, struct imap_search *node)
{
	struct imap_search **stem = &node->children, **whole;
	struct str rest = node->text, word;

	node->scored = copy_of(arena, node, node->text);
	whole = &node->scored->next;
	for (unsigned words = 1; rest.len > 0; words++) {
		word = words == WORDS_MOST ? rest : str_take_word(&rest);
		if (words == WORDS_MOST)
			rest = STR_NONE;
		if (word.len == 0)
			continue;
		*stem = copy_of(arena, node, stem_of(word));
		stem = &(*stem)->next;
		*whole = copy_of(arena, node, word);
		whole = &(*whole)->next;
	}
	node->key = IMAP_SEARCH_AND;
}

/* What one text is worth in a message: 1 to 100. */
static unsigned score_text(const struct imap_search *scored,
	bool (*match)(void *context, const struct imap_search *), void *context)
{
	unsigned words = 0, found = 0;

	if (match(context, scored))
		return 100;
	for (const struct imap_search *n = scored->next; n; n = n->next) {
		words++;
		found += match(context, n);
	}
	return words ? 1 + 98 * found / words : 1;
}

static void add_scores(const struct imap_search *program,
	bool (*match)(void *context, const struct imap_search *),
	void *context, unsigned *sum, unsigned *count)
{
	for (const struct imap_search *n = program; n; n = n->next) {
		add_scores(n->children, match, context, sum, count);
		if (!n->scored)
			continue;
		*sum += score_text(n->scored, match, context);
		(*count)++;
	}
}

uint8_t fuzzy_score(const struct imap_search *program,
	bool (*match)(void *context, const struct imap_search *),
	void *context)
{
	unsigned sum = 0, count = 0;

	add_scores(program, match, context, &sum, &count);
	return count ? (uint8_t)(sum / count) : 100;
}
