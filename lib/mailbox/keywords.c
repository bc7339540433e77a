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

static bool is_said_before(const struct imap_flags *flags, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (str_eq_nocase(flags->keywords[i], flags->keywords[at]))
			return true;
	return false;
}

static size_t count_new(const struct mailbox *mailbox,
	const struct imap_flags *flags)
{
	size_t count = 0;

	for (size_t i = 0; i < flags->count; i++)
		count += mailbox_keyword(mailbox, flags->keywords[i]) < 0 &&
			!is_said_before(flags, i);
	return count;
}

/* Those that are new to the mailbox. */
static enum mailbox_result make_keywords(struct mailbox *mailbox,
	struct index_txn *txn, const struct imap_flags *flags, bool all)
{
	bool made = false;
	size_t count;

	/* Another program may have named them. */
	if (!mailbox_keywords_take_over(mailbox, txn))
		return MAILBOX_TRY_LATER;
	count = count_new(mailbox, flags);
	if (all && count > MAILBOX_KEYWORDS_MOST - mailbox->keyword_count)
		return MAILBOX_LIMIT;
	for (size_t i = 0; count > 0 && i < flags->count; i++)
		if (mailbox_keyword(mailbox, flags->keywords[i]) < 0 &&
			make_keyword(mailbox, flags->keywords[i]) >= 0)
			made = true;
	return !made || keep_keywords(mailbox, txn) ? MAILBOX_OK :
						      MAILBOX_TRY_LATER;
}

enum mailbox_result mailbox_keywords_of(struct mailbox *mailbox,
	struct index_txn *txn, const struct imap_flags *flags,
	enum mailbox_keywords_new new, uint64_t *bits)
{
	enum mailbox_result result = MAILBOX_OK;

	*bits = 0;
	if (new != MAILBOX_KEYWORDS_KNOWN && count_new(mailbox, flags) > 0)
		result = make_keywords(mailbox, txn, flags,
			new == MAILBOX_KEYWORDS_ALL);
	for (size_t i = 0; i < flags->count; i++) {
		int bit = mailbox_keyword(mailbox, flags->keywords[i]);

		if (bit >= 0)
			*bits |= (uint64_t)1 << bit;
	}
	return result;
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
