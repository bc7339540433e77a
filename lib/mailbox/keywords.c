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

static bool keep_keywords(struct mailbox *mailbox, struct index_txn *txn)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf rows = BUF_IN(arena), text = BUF_IN(arena);
	struct str names[MAILBOX_KEYWORDS_MOST];
	char path[MAILBOX_PATH_MOST];

	for (size_t i = 0; i < mailbox->keyword_count; i++) {
		names[i] = str_from(mailbox->keywords[i]);
		buf_add(&rows, names[i]);
		buf_char(&rows, 0);
	}
	mailbox_keywords_format(&text, names,
		mailbox->keyword_count < MAILBOX_LETTERS ?
			mailbox->keyword_count : MAILBOX_LETTERS);
	if (!mailbox_store_write(mailbox->store,
		mailbox_file_of(mailbox, "dovecot-keywords", path), buf_str(&text),
		true))
		log_warning("%s: write %s: %m", mailbox->store->path, path);
	return index_keywords_put(txn, mailbox->row.id, buf_str(&rows));
}

bool mailbox_keywords_of(struct mailbox *mailbox, struct index_txn *txn,
	const struct imap_flags *flags, bool make, uint64_t *bits)
{
	bool made = false;

	*bits = 0;
	for (size_t i = 0; i < flags->count; i++) {
		int bit = mailbox_keyword(mailbox, flags->keywords[i]);

		if (bit < 0 && make &&
			mailbox->keyword_count < MAILBOX_KEYWORDS_MOST) {
			bit = (int)mailbox->keyword_count++;
			mailbox->keywords[bit] = strndup(
				flags->keywords[i].p, flags->keywords[i].len);
			made = true;
		}
		if (bit >= 0)
			*bits |= (uint64_t)1 << bit;
	}
	return !made || keep_keywords(mailbox, txn);
}

void mailbox_keywords_take_over(struct mailbox *mailbox,
	struct index_txn *txn)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str names[MAILBOX_LETTERS];
	struct buf rows = BUF_IN(arena);
	char path[MAILBOX_PATH_MOST];
	size_t count = mailbox_keywords_parse(
		mailbox_store_read(mailbox->store, arena,
			mailbox_file_of(mailbox, "dovecot-keywords", path)),
		names, MAILBOX_LETTERS);

	for (size_t i = 0; i < count; i++) {
		buf_add(&rows, names[i]);
		buf_char(&rows, 0);
	}
	if (count && !index_keywords_put(txn, mailbox->row.id, buf_str(&rows)))
		log_warning("%s: keywords are lost", mailbox->store->path);
	mailbox_keywords_load(mailbox, txn);
}
