/*
 * mailbox/words - the words of many messages, for finding those that contain
 * a text: a segment of the search index (mailbox/text.h).
 *
 * A word is a run of ASCII letters, digits and octets from 0x80 on, of text
 * that was folded (imap/fold.h); what is between words is not kept. A long run
 * is cut into pieces that overlap, so that any WORDS_SURE octets of it stand
 * in one piece. A segment numbers its messages from 0 on.
 *
 *	dictionary  word, NUL, where its list is (5 octets with the high bit)
 *	lists       of each word: the numbers of the messages that have it
 *
 * Memory   the builder's is its own; slices are borrowed
 * Waits    no
 * Errors   a list that is damaged has nothing behind the damage
 */
#ifndef MAILBOX_WORDS_H
#define MAILBOX_WORDS_H

#include "base/buf.h"

enum words_place {
	WORDS_HEADER,
	WORDS_BODY,
	WORDS_PLACES,
};

enum {
	WORDS_PIECE = 64, /* octets of a word at most */
	WORDS_STEP = 32,  /* from a piece of a long run to the next */
	WORDS_SURE = WORDS_PIECE - WORDS_STEP,
	WORDS_BLOCK = 60 * 1024, /* octets of a row of dictionary or lists */
};

/* ---- making a segment ---- */

struct words_builder;

struct words_builder *words_new(void);
void words_free(struct words_builder *builder);
/* Messages come in order; words of the last one that began. */
void words_begin(struct words_builder *builder);
void words_add(struct words_builder *builder, enum words_place place,
	struct str folded);
/* The number of the message is given: a word of an older segment. */
void words_add_to(struct words_builder *builder, enum words_place place,
	struct str word, uint32_t number);
size_t words_octets(const struct words_builder *builder);

/* A row: a block of a dictionary or of lists, by its number. */
typedef bool words_put_fn(void *context, enum words_place place,
	bool is_list, uint32_t block, struct str octets);
must_check bool words_write(struct words_builder *builder, words_put_fn *put,
	void *context);

/* ---- looking ---- */

struct words_list {
	uint32_t block, at; /* where it begins */
};

/* Take the next word and where its list is. */
must_check bool words_take(struct str *dictionary, struct str *word,
	struct words_list *list);

/* What a word must be like. */
enum words_match {
	WORDS_CONTAINS,
	WORDS_ENDS,   /* in it */
	WORDS_BEGINS, /* with it */
	WORDS_IS,
};

/* Call each() for words of a block of a dictionary. */
void words_find(struct str dictionary, struct str needle,
	enum words_match match, void (*each)(void *context,
		struct words_list list), void *context);

/* Set the bits of a list that begins at `at` of a block. */
void words_list_add(struct str block, uint32_t at, uint64_t *bits,
	size_t count);
/* Call each() for its numbers. */
void words_list_each(struct str block, uint32_t at,
	void (*each)(void *context, uint32_t number), void *context);

/* ---- what is looked for ---- */

/* Take the next word of folded text; how it must be matched. is_sure: what
 * was found is all there is to know about the word. */
must_check bool words_needle_take(struct str *rest, struct str whole,
	struct str *word, enum words_match *match);
/* The needle is one word that no list is too coarse for. */
bool words_needle_is_sure(struct str needle);

#endif
