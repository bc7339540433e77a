/*
 * The keywords of a mailbox: numbers of names, in the index and, the first 26,
 * in Dovecot's file.
 */
#include "mailbox/mailbox.h"

#include <stdlib.h>

#include "base/log.h"
#include "mailbox/store.h"
#include "mailbox/uidlist.h"

void mailbox_keywords_load(struct mailbox *mailbox, struct index_txn *txn)
{
	struct str names;

	for (size_t i = 0; i < mailbox->keyword_count; i++)
		free(mailbox->keywords[i]);
	mailbox->keyword_count = 0;
	if (!index_keywords_find(txn, mailbox->row.id, &names))
		return;
	while (names.len > 0 &&
		mailbox->keyword_count < MAILBOX_KEYWORDS_MOST) {
		struct str name = str_take_until(&names, 0);

		mailbox->keywords[mailbox->keyword_count++] =
			name.len ? strndup(name.p, name.len) : NULL;
	}
}

int mailbox_keyword(const struct mailbox *mailbox, struct str name)
{
	for (size_t i = 0; i < mailbox->keyword_count; i++)
		if (mailbox->keywords[i] &&
			str_is_nocase(name, mailbox->keywords[i]))
			return (int)i;
	return -1;
}

static bool put_keywords(struct mailbox *mailbox, struct index_txn *txn)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf rows = BUF_IN(arena);

	for (size_t i = 0; i < mailbox->keyword_count; i++) {
		buf_add(&rows, str_from(mailbox->keywords[i]));
		buf_char(&rows, 0);
	}
	return index_keywords_put(txn, mailbox->row.id, buf_str(&rows));
}

static bool keep_keywords(struct mailbox *mailbox, struct index_txn *txn)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf text = BUF_IN(arena);
	struct str names[MAILBOX_KEYWORDS_MOST];
	char path[MAILBOX_PATH_MOST];

	for (size_t i = 0; i < mailbox->keyword_count; i++)
		names[i] = str_from(mailbox->keywords[i]);
	mailbox_keywords_format(&text, names,
		mailbox->keyword_count < MAILBOX_LETTERS ?
			mailbox->keyword_count : MAILBOX_LETTERS);
	if (!mailbox_store_write(mailbox->store,
		mailbox_file_of(mailbox, "dovecot-keywords", path), buf_str(&text),
		true))
		log_warning("%s: write %s: %m", mailbox->store->path, path);
	return put_keywords(mailbox, txn);
}

/* The next number that is free; keywords that do not fit are not kept. */
static int make_keyword(struct mailbox *mailbox, struct str name)
{
	char *copy;

	if (mailbox->keyword_count == MAILBOX_KEYWORDS_MOST)
		return -1;
	copy = strndup(name.p, name.len);
	if (!copy)
		starved("out of memory");
	mailbox->keywords[mailbox->keyword_count] = copy;
	return (int)mailbox->keyword_count++;
}

bool mailbox_keywords_of(struct mailbox *mailbox, struct index_txn *txn,
	const struct imap_flags *flags, bool make, uint64_t *bits)
{
	bool made = false, taken_over = false;

	*bits = 0;
	for (size_t i = 0; i < flags->count; i++) {
		int bit = mailbox_keyword(mailbox, flags->keywords[i]);

		if (bit < 0 && make && !taken_over) {
			if (!mailbox_keywords_take_over(mailbox, txn))
				return false;
			taken_over = true;
			bit = mailbox_keyword(mailbox, flags->keywords[i]);
		}
		if (bit < 0 && make) {
			bit = make_keyword(mailbox, flags->keywords[i]);
			made |= bit >= 0;
		}
		if (bit >= 0)
			*bits |= (uint64_t)1 << bit;
	}
	return !made || keep_keywords(mailbox, txn);
}

bool mailbox_keywords_are_named(const struct mailbox *mailbox,
	uint32_t letters)
{
	for (size_t i = 0; i < MAILBOX_LETTERS; i++)
		if ((letters >> i & 1) && (i >= mailbox->keyword_count ||
			!mailbox->keywords[i]))
			return false;
	return true;
}

bool mailbox_keywords_take_over(struct mailbox *mailbox,
	struct index_txn *txn)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str names[MAILBOX_LETTERS];
	char path[MAILBOX_PATH_MOST];
	bool is_more = false;
	struct str text;
	size_t count;

	if (!mailbox_store_read(mailbox->store, arena, mailbox_file_of(mailbox,
		    "dovecot-keywords", path), &text))
		return false;
	count = mailbox_keywords_parse(text, names, MAILBOX_LETTERS);
	while (mailbox->keyword_count < count)
		mailbox->keywords[mailbox->keyword_count++] = NULL;
	for (size_t i = 0; i < count; i++) {
		if (str_is_none(names[i]) || mailbox->keywords[i])
			continue;
		mailbox->keywords[i] = strndup(names[i].p, names[i].len);
		if (!mailbox->keywords[i])
			starved("out of memory");
		is_more = true;
	}
	return !is_more || put_keywords(mailbox, txn);
}
