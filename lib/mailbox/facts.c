/*
 * Reading messages, and what is kept of their text so that it is parsed once.
 */
#include "mailbox/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imap/envelope.h"
#include "mailbox/store.h"

enum {
	LEARNED_MOST = 256,
	LEARNED_OCTETS = 1024 * 1024,
};

/* In front of the three texts, in the index and in mailbox->learned. */
struct facts_header {
	uint32_t uid;
	uint32_t lens[3];
	uint64_t size;
};

static int open_message(struct mailbox *mailbox, uint32_t uid)
{
	struct mailbox_message *m = mailbox_find(mailbox, uid);
	struct mailbox_entry entry;

	if (!m) {
		errno = ENOENT;
		return -1;
	}
	entry = mailbox_entry_of(m);
	return mailbox->store->driver->open(mailbox->store->dir,
		mailbox->name, &entry);
}

enum mailbox_result mailbox_read(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, size_t most, struct str *message)
{
	int opened = open_message(mailbox, uid);
	struct stat st;
	size_t at = 0, size;
	ssize_t got = 1;
	char *octets;

	if (opened < 0 && errno == ENOENT) {
		/* Renamed by another program, or gone. */
		mailbox->row.cur_ns = 0;
		mailbox_reload(mailbox);
		mailbox->row.cur_ns = 0;
		if (mailbox_refresh(mailbox, false) == MAILBOX_OK)
			opened = open_message(mailbox, uid);
	}
	auto_close int fd = opened;

	if (fd < 0)
		return errno == ENOENT ? MAILBOX_EXPUNGED :
			mailbox_failed("read a message of", mailbox->name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return MAILBOX_EXPUNGED;
	size = (size_t)st.st_size;
	if (most && size > most)
		size = most;
	octets = arena_alloc(arena, size + 1);
	while (at < size && got > 0) {
		got = read(fd, octets + at, size - at);
		if (got < 0)
			return mailbox_failed("read a message of",
				mailbox->name);
		at += (size_t)got;
	}
	*message = str_of(octets, at);
	return MAILBOX_OK;
}

static bool parse_facts(struct str in, struct mailbox_facts *facts)
{
	struct facts_header h;
	struct str *texts[3] = { &facts->envelope, &facts->body,
		&facts->structure };

	if (in.len < sizeof(h))
		return false;
	memcpy(&h, in.p, sizeof(h));
	in = str_skip(in, sizeof(h));
	facts->size = h.size;
	for (size_t i = 0; i < 3; i++) {
		if (h.lens[i] > in.len)
			return false;
		*texts[i] = str_first(in, h.lens[i]);
		in = str_skip(in, h.lens[i]);
	}
	return in.len == 0;
}

static bool find_learned(struct mailbox *mailbox, uint32_t uid,
	struct mailbox_facts *facts)
{
	struct str in = buf_str(&mailbox->learned);
	struct facts_header h;

	while (in.len >= sizeof(h)) {
		size_t len;

		memcpy(&h, in.p, sizeof(h));
		len = sizeof(h) + h.lens[0] + h.lens[1] + h.lens[2];
		if (h.uid == uid)
			return parse_facts(str_first(in, len), facts);
		in = str_skip(in, len);
	}
	return false;
}

static bool find_kept(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, struct mailbox_facts *facts)
{
	struct index_txn *txn = index_begin(mailbox->store->index, false);
	struct str found;
	bool ok = txn && index_facts_find(txn, mailbox->row.id, uid, &found) &&
		parse_facts(arena_copy(arena, found), facts);

	index_abort(txn);
	return ok;
}

void mailbox_keep_learned(struct mailbox *mailbox)
{
	struct str in = buf_str(&mailbox->learned);
	struct index_txn *txn;
	struct facts_header h;
	bool ok = true;

	if (mailbox->learned_count == 0 || mailbox->is_removed)
		return;
	txn = index_begin(mailbox->store->index, true);
	if (txn && !mailbox_load(mailbox, txn))
		ok = false;
	while (txn && ok && in.len >= sizeof(h)) {
		struct mailbox_message *m;
		size_t len;

		memcpy(&h, in.p, sizeof(h));
		len = sizeof(h) + h.lens[0] + h.lens[1] + h.lens[2];
		m = mailbox_find(mailbox, h.uid);
		if (m) {
			m->is.size = h.size;
			ok = index_facts_put(txn, mailbox->row.id, h.uid,
				str_first(in, len)) &&
				index_message_put(txn, mailbox->row.id,
					&m->is, str_from(m->name));
		}
		in = str_skip(in, len);
	}
	if (!ok)
		index_abort(txn);
	else if (txn && !index_commit(txn))
		mailbox_reload(mailbox);
	/* If that failed, it is parsed again: nothing is lost. */
	buf_clear(&mailbox->learned);
	mailbox->learned_count = 0;
}

static void learn(struct mailbox *mailbox, uint32_t uid,
	const struct mailbox_facts *facts)
{
	struct facts_header h = {
		.uid = uid,
		.size = facts->size,
		.lens = { (uint32_t)facts->envelope.len,
			(uint32_t)facts->body.len,
			(uint32_t)facts->structure.len },
	};

	buf_add(&mailbox->learned, str_of(&h, sizeof(h)));
	buf_add(&mailbox->learned, facts->envelope);
	buf_add(&mailbox->learned, facts->body);
	buf_add(&mailbox->learned, facts->structure);
	if (++mailbox->learned_count >= LEARNED_MOST ||
		mailbox->learned.len >= LEARNED_OCTETS)
		mailbox_keep_learned(mailbox);
	else
		mailbox_store_soon(mailbox->store);
}

static uint64_t crlf_size(struct str message)
{
	uint64_t size = message.len;
	const char *p = message.p, *end = p + message.len, *lf;

	while (p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		size += lf == message.p || lf[-1] != '\r';
		p = lf + 1;
	}
	return size;
}

static void parse_message(struct arena *arena, struct str message,
	struct mailbox_facts *facts)
{
	struct mime_part *root = mime_parse(arena, message);
	struct buf envelope = BUF_IN(arena), body = BUF_IN(arena),
		   structure = BUF_IN(arena);

	imap_envelope_format(arena, &envelope,
		str_first(str_skip(message, root->header_at),
			root->header_len));
	imap_structure_format(arena, &body, message, root, false);
	imap_structure_format(arena, &structure, message, root, true);
	facts->size = crlf_size(message);
	facts->envelope = buf_str(&envelope);
	facts->body = buf_str(&body);
	facts->structure = buf_str(&structure);
}

enum mailbox_result mailbox_facts(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, struct mailbox_facts *facts)
{
	struct arena *scratch auto_arena = NULL;
	struct mailbox_message *m;
	struct mailbox_facts parsed;
	struct str message;
	enum mailbox_result result;

	if (find_kept(mailbox, uid, arena, facts))
		return MAILBOX_OK;
	if (find_learned(mailbox, uid, &parsed)) {
		facts->size = parsed.size;
		facts->envelope = arena_copy(arena, parsed.envelope);
		facts->body = arena_copy(arena, parsed.body);
		facts->structure = arena_copy(arena, parsed.structure);
		return MAILBOX_OK;
	}
	scratch = arena_new(0);
	result = mailbox_read(mailbox, uid, scratch, 0, &message);
	if (result != MAILBOX_OK)
		return result;
	parse_message(scratch, message, &parsed);
	facts->size = parsed.size;
	facts->envelope = arena_copy(arena, parsed.envelope);
	facts->body = arena_copy(arena, parsed.body);
	facts->structure = arena_copy(arena, parsed.structure);
	learn(mailbox, uid, facts);
	m = mailbox_find(mailbox, uid);
	if (m)
		m->is.size = facts->size;
	return MAILBOX_OK;
}

enum mailbox_result mailbox_size(struct mailbox *mailbox, uint32_t uid,
	uint64_t *size)
{
	struct arena *scratch auto_arena = NULL;
	struct mailbox_message *m = mailbox_find(mailbox, uid);
	struct mailbox_facts facts;
	enum mailbox_result result;

	if (!m)
		return MAILBOX_EXPUNGED;
	*size = m->is.size;
	if (*size != MAILBOX_SIZE_UNKNOWN)
		return MAILBOX_OK;
	scratch = arena_new(0);
	result = mailbox_facts(mailbox, uid, scratch, &facts);
	*size = facts.size;
	return result;
}
