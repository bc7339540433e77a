/*
 * Reading messages, and what is kept of their text so that it is parsed once.
 */
#include "mailbox/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/encode.h"
#include "imap/crlf.h"
#include "imap/envelope.h"
#include "imap/preview.h"
#include "io/fiber.h"
#include "mailbox/store.h"

enum {
	LEARNED_MOST = 256,
	LEARNED_OCTETS = 1024 * 1024,
	EMAIL_ID_OCTETS = 16, /* of the hash */
};

/* The digest has a row of its own, so it comes last. */
enum {
	TEXTS = 7,
	DIGEST = TEXTS - 1,
};

/* In front of the texts, in the index and in mailbox->learned. */
struct facts_header {
	uint32_t uid;
	uint32_t lens[TEXTS];
	uint64_t size;
};

static size_t texts_octets(const struct facts_header *h)
{
	size_t sum = 0;

	for (size_t i = 0; i < TEXTS; i++)
		sum += h->lens[i];
	return sum;
}

static int open_message(struct mailbox *mailbox, uint32_t uid, size_t *at)
{
	struct mailbox_message *m = mailbox_find_whole(mailbox, uid);
	struct mailbox_entry entry;

	if (!m) {
		errno = ENOENT;
		return -1;
	}
	*at = (size_t)(m - mailbox->messages);
	entry = mailbox_entry_of(m);
	return mailbox->store->driver->open(&mailbox->store->place,
		mailbox->name, &entry);
}

enum mailbox_result mailbox_read(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, size_t most, struct str *message)
{
	size_t number = 0, at = 0, size;
	int opened = open_message(mailbox, uid, &number);
	struct stat st;
	ssize_t got = 1;
	char *octets;

	if (opened < 0 && errno == ENOENT) {
		/* Renamed by another program, or gone. */
		mailbox_reload(mailbox);
		mailbox_stamp_forget(mailbox);
		if (mailbox_refresh(mailbox, false) == MAILBOX_OK)
			opened = open_message(mailbox, uid, &number);
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
	octets = arena_octets_new(arena, size + 1);
	while (at < size && got > 0) {
		got = at > 0 ? read(fd, octets + at, size - at) :
			mailbox_prefetch_read(mailbox, number, fd, octets,
				size);
		if (got < 0)
			return mailbox_failed("read a message of",
				mailbox->name);
		at += (size_t)got;
	}
	*message = str_of(octets, at);
	return MAILBOX_OK;
}

bool mailbox_facts_parse(struct str in, struct mailbox_facts *facts)
{
	struct facts_header h;
	struct str *texts[TEXTS] = { &facts->envelope, &facts->body,
		&facts->structure, &facts->preview, &facts->email_id,
		&facts->thread_id, &facts->digest };

	if (in.len < sizeof(h))
		return false;
	memcpy(&h, in.p, sizeof(h));
	in = str_skip(in, sizeof(h));
	facts->size = h.size;
	for (size_t i = 0; i < TEXTS; i++) {
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

	if (uid > mailbox->learned_last)
		return false; /* so it is for who goes through them all */
	while (in.len >= sizeof(h)) {
		size_t len;

		memcpy(&h, in.p, sizeof(h));
		len = sizeof(h) + texts_octets(&h);
		if (h.uid == uid)
			return mailbox_facts_parse(str_first(in, len), facts);
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
		mailbox_facts_parse(arena_copy(arena, found), facts);

	index_abort(txn);
	return ok;
}

/* One of them, with its header: the digest apart from the rest. */
static bool keep_one(struct mailbox *mailbox, struct index_txn *txn,
	struct str learned)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf facts = BUF_IN(arena);
	struct mailbox_message *m;
	struct facts_header h;
	size_t digest_len;

	memcpy(&h, learned.p, sizeof(h));
	m = mailbox_find(mailbox, h.uid);
	if (!m)
		return true;
	m->is.size = h.size;
	digest_len = h.lens[DIGEST];
	h.lens[DIGEST] = 0;
	buf_add(&facts, str_of(&h, sizeof(h)));
	buf_add(&facts, str_skip(str_first(learned, learned.len - digest_len),
		sizeof(h)));
	return index_facts_put(txn, mailbox->row.id, h.uid,
			buf_str(&facts)) &&
		index_digest_put(txn, mailbox->row.id, h.uid,
			str_skip(learned, learned.len - digest_len)) &&
		index_message_put(txn, mailbox->row.id, &m->is,
			str_from(m->name));
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
		size_t len;

		memcpy(&h, in.p, sizeof(h));
		len = sizeof(h) + texts_octets(&h);
		ok = keep_one(mailbox, txn, str_first(in, len));
		in = str_skip(in, len);
	}
	if (!ok)
		index_abort(txn);
	else if (txn && !index_commit(txn))
		mailbox_reload(mailbox);
	/* If that failed, it is parsed again: nothing is lost. */
	buf_clear(&mailbox->learned);
	mailbox->learned_count = 0;
	mailbox->learned_last = 0;
}

struct str mailbox_facts_record(struct arena *arena, uint32_t uid,
	const struct mailbox_facts *facts)
{
	struct facts_header h = {
		.uid = uid,
		.size = facts->size,
	};
	const struct str texts[TEXTS] = { facts->envelope, facts->body,
		facts->structure, facts->preview, facts->email_id,
		facts->thread_id, facts->digest };
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < TEXTS; i++)
		h.lens[i] = (uint32_t)texts[i].len;
	if (!buf_room(&out, sizeof(h) + texts_octets(&h)))
		return STR_NONE;
	buf_add(&out, str_of(&h, sizeof(h)));
	for (size_t i = 0; i < TEXTS; i++)
		buf_add(&out, texts[i]);
	return buf_str(&out);
}

bool mailbox_facts_take(struct mailbox *mailbox, struct str record,
	struct mailbox_facts *facts)
{
	struct mailbox_message *m;
	struct facts_header h;

	if (!mailbox_facts_parse(record, facts))
		return false;
	memcpy(&h, record.p, sizeof(h));
	m = mailbox_find(mailbox, h.uid);
	if (m)
		m->is.size = h.size;
	buf_add(&mailbox->learned, record);
	if (h.uid > mailbox->learned_last)
		mailbox->learned_last = h.uid;
	if (++mailbox->learned_count >= LEARNED_MOST ||
		mailbox->learned.len >= LEARNED_OCTETS)
		mailbox_keep_learned(mailbox);
	else
		mailbox_store_soon(mailbox->store);
	return true;
}

/* Looked for once: that takes longer than to hash a header. Helper threads do
 * it, too, and find the same. */
static const EVP_MD *sha256(void)
{
	static const EVP_MD *found;
	const EVP_MD *it = __atomic_load_n(&found, __ATOMIC_ACQUIRE);

	if (!it) {
		it = EVP_MD_fetch(NULL, "SHA256", NULL);
		__atomic_store_n(&found, it, __ATOMIC_RELEASE);
	}
	return it;
}

static struct str id_of(struct arena *arena, char letter, struct str octets)
{
	unsigned char hash[EVP_MAX_MD_SIZE] = { 0 };
	struct buf out = BUF_IN(arena);

	if (!EVP_Digest(octets.p, octets.len, hash, NULL, sha256(), NULL))
		return STR("");
	buf_char(&out, letter);
	hex_format(&out, str_of(hash, EMAIL_ID_OCTETS));
	return buf_str(&out);
}

/* Where its thread begins: the oldest message that it refers to, itself if it
 * does to none. So the id is the same in each mailbox, and for good. */
static struct str thread_id(struct arena *arena, struct str message,
	const struct imap_digest *digest)
{
	struct str ids = digest->texts[IMAP_DIGEST_REFERENCES];
	struct str root = str_take_until(&ids, '\n');

	if (root.len == 0)
		root = digest->texts[IMAP_DIGEST_ID];
	return id_of(arena, 'T', root.len ? root : message);
}

void mailbox_facts_make(struct arena *arena, struct str message, bool with_id,
	struct mailbox_facts *facts)
{
	struct mime_part *root = mime_parse(arena, message);
	struct str header = str_first(str_skip(message, root->header_at),
		root->header_len);
	struct buf envelope = BUF_IN(arena), body = BUF_IN(arena),
		   structure = BUF_IN(arena), row = BUF_IN(arena);
	struct imap_digest digest;

	imap_envelope_format(arena, &envelope, header);
	imap_digest_make(arena, header, &digest);
	imap_digest_format(&row, &digest);
	imap_structure_format(arena, &body, message, root, false);
	imap_structure_format(arena, &structure, message, root, true);
	facts->size = imap_crlf_octets(message);
	facts->envelope = buf_str(&envelope);
	facts->body = buf_str(&body);
	facts->structure = buf_str(&structure);
	facts->preview = imap_preview(arena, message, root);
	facts->email_id = with_id ? id_of(arena, 'M', message) : STR("");
	facts->thread_id = thread_id(arena, message, &digest);
	facts->digest = buf_str(&row);
}

static void copy_facts(struct arena *arena, const struct mailbox_facts *from,
	struct mailbox_facts *facts)
{
	facts->size = from->size;
	facts->envelope = arena_copy(arena, from->envelope);
	facts->body = arena_copy(arena, from->body);
	facts->structure = arena_copy(arena, from->structure);
	facts->preview = arena_copy(arena, from->preview);
	facts->email_id = arena_copy(arena, from->email_id);
	facts->thread_id = arena_copy(arena, from->thread_id);
	facts->digest = arena_copy(arena, from->digest);
}

static void make_and_learn(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, struct str message, bool with_id,
	struct mailbox_facts *facts)
{
	struct mailbox_facts made;

	mailbox_facts_make(arena, message, with_id, &made);
	if (!mailbox_facts_take(mailbox,
		mailbox_facts_record(arena, uid, &made), facts))
		*facts = made;
}

static enum mailbox_result read_facts(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, bool with_id, struct mailbox_facts *facts)
{
	struct arena *scratch auto_arena = arena_new(0);
	struct mailbox_facts parsed;
	struct str message;
	enum mailbox_result result = mailbox_read(mailbox, uid, scratch, 0,
		&message);

	if (result != MAILBOX_OK)
		return result;
	make_and_learn(mailbox, uid, scratch, message, with_id, &parsed);
	copy_facts(arena, &parsed, facts);
	return MAILBOX_OK;
}

void mailbox_facts_learn(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, struct str message)
{
	struct mailbox_facts facts;

	if (!find_kept(mailbox, uid, arena, &facts) &&
		!find_learned(mailbox, uid, &facts))
		make_and_learn(mailbox, uid, arena, message, true, &facts);
}

bool mailbox_facts_suffice(const struct mailbox_facts *facts, bool with_id)
{
	return !with_id || facts->email_id.len > 0;
}

enum mailbox_result mailbox_facts(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, bool with_id, struct mailbox_facts *facts)
{
	return find_kept(mailbox, uid, arena, facts) &&
			mailbox_facts_suffice(facts, with_id) ? MAILBOX_OK :
		mailbox_facts_unkept(mailbox, uid, arena, with_id, facts);
}

enum mailbox_result mailbox_facts_unkept(struct mailbox *mailbox,
	uint32_t uid, struct arena *arena, bool with_id,
	struct mailbox_facts *facts)
{
	struct mailbox_facts learned;

	if (find_learned(mailbox, uid, &learned) &&
		mailbox_facts_suffice(&learned, with_id)) {
		copy_facts(arena, &learned, facts);
		return MAILBOX_OK;
	}
	return read_facts(mailbox, uid, arena, with_id, facts);
}

void mailbox_kept_begin(struct mailbox *mailbox, struct mailbox_kept *kept)
{
	*kept = (struct mailbox_kept){
		.txn = index_begin(mailbox->store->index, false) };
	if (kept->txn)
		kept->walk = index_walk_begin(kept->txn, mailbox->row.id);
}

bool mailbox_kept_find(struct mailbox_kept *kept, uint32_t uid,
	struct mailbox_facts *facts)
{
	struct str found;

	return kept->walk && index_walk_find(kept->walk, uid, &found) &&
		mailbox_facts_parse(found, facts);
}

void mailbox_kept_end(struct mailbox_kept *kept)
{
	index_walk_end(kept->walk);
	index_abort(kept->txn);
	*kept = (struct mailbox_kept){ 0 };
}

enum mailbox_result mailbox_size(struct mailbox *mailbox, uint32_t uid,
	uint64_t *size)
{
	struct arena *scratch auto_arena = NULL;
	struct mailbox_message *m = mailbox_find_whole(mailbox, uid);
	struct mailbox_facts facts;
	enum mailbox_result result;

	if (!m)
		return MAILBOX_EXPUNGED;
	*size = m->is.size;
	if (*size != MAILBOX_SIZE_UNKNOWN)
		return MAILBOX_OK;
	scratch = arena_new(0);
	result = mailbox_facts(mailbox, uid, scratch, false, &facts);
	*size = facts.size;
	return result;
}

/* ---- digests ---- */

struct digests {
	struct arena *arena;
	const uint32_t *uids;
	size_t count, at;
	struct imap_digest *digests;
	bool *found;
};

static void take_digest(void *context, uint32_t uid, struct str row)
{
	struct digests *d = context;

	while (d->at < d->count && d->uids[d->at] < uid)
		d->at++;
	if (d->at < d->count && d->uids[d->at] == uid)
		d->found[d->at] = imap_digest_parse(arena_copy(d->arena, row),
			&d->digests[d->at]);
}

static enum mailbox_result read_digest(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, struct imap_digest *digest)
{
	struct arena *scratch auto_arena = arena_new(0);
	struct mailbox_facts facts;
	enum mailbox_result result = MAILBOX_OK;

	if (!find_learned(mailbox, uid, &facts))
		result = read_facts(mailbox, uid, scratch, false, &facts);
	if (result == MAILBOX_OK && !imap_digest_parse(
		arena_copy(arena, facts.digest), digest))
		*digest = (struct imap_digest){ .sent_s = IMAP_NOT_SENT };
	return result;
}

enum mailbox_result mailbox_digests(struct mailbox *mailbox,
	struct arena *arena, const uint32_t *uids, size_t count,
	struct imap_digest *digests)
{
	struct digests d = { .arena = arena, .uids = uids, .count = count,
		.digests = digests,
		.found = arena_array(arena, count + 1, sizeof(*d.found)) };
	struct index_txn *txn = index_begin(mailbox->store->index, false);
	size_t read = 0;

	if (!txn)
		return MAILBOX_TRY_LATER;
	if (count)
		index_digests_each(txn, mailbox->row.id, uids[0],
			uids[count - 1], take_digest, &d);
	index_abort(txn);
	for (size_t i = 0; i < count; i++) {
		enum mailbox_result result;

		if (d.found[i])
			continue;
		digests[i] = (struct imap_digest){ .sent_s = IMAP_NOT_SENT };
		result = read_digest(mailbox, uids[i], arena, &digests[i]);
		if (result != MAILBOX_OK && result != MAILBOX_EXPUNGED)
			return result;
		if (++read % 16 == 0 && io_self())
			io_yield();
	}
	mailbox_keep_learned(mailbox);
	return MAILBOX_OK;
}

struct each_digest {
	struct mailbox *mailbox;
	const uint32_t *uids;
	size_t count, at, near;
	void (*each)(void *context, size_t n,
		const struct imap_digest *digest);
	void *context;
	bool ok;
};

/* Those before this one have none: which is wrong unless they are gone. */
static void pass_over(struct each_digest *e, uint32_t uid)
{
	for (; e->at < e->count && e->uids[e->at] < uid; e->at++)
		if (mailbox_find_near(e->mailbox, e->uids[e->at], &e->near))
			e->ok = false;
}

static void each_row(void *context, uint32_t uid, struct str row)
{
	struct each_digest *e = context;
	struct imap_digest digest;

	pass_over(e, uid);
	if (e->at == e->count || e->uids[e->at] != uid)
		return;
	if (!imap_digest_parse(row, &digest))
		e->ok = false;
	else if (e->each)
		e->each(e->context, e->at, &digest);
	e->at++;
}

bool mailbox_digests_each(struct mailbox *mailbox, struct index_txn *txn,
	const uint32_t *uids, size_t count, void (*each)(void *context,
		size_t n, const struct imap_digest *digest), void *context)
{
	struct each_digest e = { .mailbox = mailbox, .uids = uids,
		.count = count, .each = each, .context = context, .ok = true };

	if (count == 0)
		return true;
	index_digests_each(txn, mailbox->row.id, uids[0], uids[count - 1],
		each_row, &e);
	pass_over(&e, UINT32_MAX);
	return e.ok;
}

/* Which of the uids have one in the index. */
struct known {
	const uint32_t *uids;
	bool *has;
	size_t count, at;
};

static void note_known(void *context, uint32_t uid, struct str row)
{
	struct known *k = context;
	struct imap_digest digest;

	while (k->at < k->count && k->uids[k->at] < uid)
		k->at++;
	if (k->at < k->count && k->uids[k->at] == uid)
		k->has[k->at] = imap_digest_parse(row, &digest);
}

bool mailbox_digests_read(struct mailbox *mailbox, const uint32_t *uids,
	size_t count)
{
	struct arena *arena auto_arena = arena_new(0);
	struct arena *scratch = arena_child(arena);
	struct known known = { .uids = uids, .count = count,
		.has = arena_array(arena, count + 1, sizeof(bool)) };
	struct index_txn *txn;
	size_t read = 0;

	mailbox_keep_learned(mailbox);
	txn = index_begin(mailbox->store->index, false);
	if (!txn)
		return false;
	if (count)
		index_digests_each(txn, mailbox->row.id, uids[0],
			uids[count - 1], note_known, &known);
	index_abort(txn);
	for (size_t i = 0; i < count; i++) {
		struct imap_digest digest;

		if (known.has[i])
			continue;
		if (read_digest(mailbox, uids[i], scratch, &digest) ==
			MAILBOX_TRY_LATER)
			return false;
		arena_reset(scratch);
		if (++read % 16 == 0 && io_self())
			io_yield();
	}
	mailbox_keep_learned(mailbox);
	return true;
}
