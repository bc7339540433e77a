/*
 * FETCH. A message that another connection removed meanwhile is passed over,
 * and the answer says so.
 */
#include "session.h"

#include "imap/crlf.h"
#include "imap/date.h"
#include "imap/fetch.h"
#include "imap/format.h"
#include "mail/header.h"
#include "mailbox/ahead.h"
#include "mailbox/parse.h"

enum {
	HEADER_MOST = 64 * 1024, /* read at once where a header is enough */
	SOME_OCTETS = 48 * 1024, /* written at once, of responses without text */
	BEGIN_OCTETS = 96,       /* of a response, before the text, mostly */
};

#define FACTS \
	(IMAP_FETCH_ENVELOPE | IMAP_FETCH_BODY | IMAP_FETCH_BODYSTRUCTURE | \
		IMAP_FETCH_PREVIEW | IMAP_FETCH_EMAILID | IMAP_FETCH_THREADID)

struct one {
	struct session *s;
	const struct imap_fetch *fetch;
	struct arena *arena; /* until the end of this message */
	struct mailbox_kept *kept; /* NULL: text follows, which waits */
	struct mailbox_ahead *ahead; /* NULL: each is read when its turn comes */
	struct mailbox_parse *parse; /* the same, of what is not kept */
	size_t at;        /* of the uids that `parse` knows */
	size_t near;      /* where the next one may stand in the mailbox */
	bool is_behind;   /* its facts are on their way: nothing was added */
	uint32_t uid, seq;
	struct buf out;
	const char *gap;
	struct index_message is;
	struct str text;
	bool is_crlf;         /* as it is sent, not as it is on disk */
	uint64_t crlf_octets; /* of it; 0: not counted yet */
	const struct mime_part *root;
	struct str *binaries; /* of each section of that kind */
	bool unknown_cte;
};

static void begin_item(struct one *one, const char *name)
{
	buf_text(&one->out, one->gap);
	buf_text(&one->out, name);
	buf_char(&one->out, ' ');
	one->gap = " ";
}

/* Of a message of which mailbox_kept_find has not enough. */
static enum mailbox_result find_unkept(struct one *one,
	struct mailbox_facts *facts)
{
	one->is_behind = mailbox_parse_is_behind(one->parse, one->at);
	if (one->is_behind || mailbox_parse_find(one->parse, one->at, facts))
		return MAILBOX_OK;
	return mailbox_facts_unkept(one->s->view->mailbox, one->uid,
		one->arena, one->fetch->items & IMAP_FETCH_EMAILID, facts);
}

static enum mailbox_result find_facts(struct one *one, unsigned items,
	struct mailbox_facts *facts)
{
	struct mailbox *m = one->s->view->mailbox;
	bool with_id = items & IMAP_FETCH_EMAILID;

	if (!(items & FACTS) && one->is.size != MAILBOX_SIZE_UNKNOWN)
		facts->size = one->is.size;
	else if (!one->kept && (items & FACTS))
		return mailbox_facts(m, one->uid, one->arena, with_id, facts);
	else if (!one->kept)
		return mailbox_size(m, one->uid, &facts->size);
	else if (!mailbox_kept_find(one->kept, one->uid, facts) ||
		!mailbox_facts_suffice(facts, with_id))
		return find_unkept(one, facts);
	return MAILBOX_OK;
}

static enum mailbox_result add_facts(struct one *one)
{
	unsigned items = one->fetch->items;
	struct mailbox_facts facts = { 0 };
	enum mailbox_result result = MAILBOX_OK;

	if (items & (FACTS | IMAP_FETCH_SIZE))
		result = find_facts(one, items, &facts);
	if (result != MAILBOX_OK || one->is_behind)
		return result;
	if (items & IMAP_FETCH_SIZE) {
		begin_item(one, "RFC822.SIZE");
		buf_u64(&one->out, facts.size);
	}
	if (items & IMAP_FETCH_ENVELOPE) {
		begin_item(one, "ENVELOPE");
		buf_add(&one->out, facts.envelope);
	}
	if (items & IMAP_FETCH_BODY) {
		begin_item(one, "BODY");
		buf_add(&one->out, facts.body);
	}
	if (items & IMAP_FETCH_BODYSTRUCTURE) {
		begin_item(one, "BODYSTRUCTURE");
		buf_add(&one->out, facts.structure);
	}
	if (items & IMAP_FETCH_PREVIEW) {
		begin_item(one, "PREVIEW");
		imap_string_format(&one->out, facts.preview);
	}
	if (items & IMAP_FETCH_EMAILID) {
		begin_item(one, "EMAILID");
		buf_fmt(&one->out, "(%.*s)", STR_ARG(facts.email_id));
	}
	if (items & IMAP_FETCH_THREADID) {
		begin_item(one, "THREADID");
		buf_fmt(&one->out, "(%.*s)", STR_ARG(facts.thread_id));
	}
	return MAILBOX_OK;
}

static void add_fields(struct one *one, bool seen_now)
{
	unsigned items = one->fetch->items;

	if ((items & IMAP_FETCH_UID) ||
		(one->s->is_uid && !one->s->uid_only)) {
		begin_item(one, "UID");
		buf_u64(&one->out, one->uid);
	}
	if ((items & IMAP_FETCH_FLAGS) || seen_now) {
		begin_item(one, "FLAGS");
		flags_format(one->s, &one->out, &one->is,
			one->s->view->recent[one->seq - 1]);
	}
	if (items & IMAP_FETCH_MODSEQ || (seen_now && one->s->condstore)) {
		begin_item(one, "MODSEQ");
		buf_fmt(&one->out, "(%llu)",
			(unsigned long long)one->is.modseq);
	}
	if (items & IMAP_FETCH_INTERNALDATE) {
		begin_item(one, "INTERNALDATE");
		imap_date_time_format(&one->out, one->is.internal_s);
	}
	if (items & IMAP_FETCH_SAVEDATE) {
		begin_item(one, "SAVEDATE");
		imap_date_time_format(&one->out, one->is.saved_s);
	}
}

static bool is_header_only(const struct imap_fetch *fetch)
{
	for (size_t i = 0; i < fetch->count; i++) {
		enum imap_section_kind kind = fetch->sections[i].kind;

		if (fetch->sections[i].depth > 0 ||
			(kind != IMAP_SECTION_HEADER &&
				kind != IMAP_SECTION_FIELDS &&
				kind != IMAP_SECTION_FIELDS_NOT))
			return false;
	}
	return true;
}

/* Nothing but the message as it is. */
static bool is_sent_whole(const struct imap_fetch *fetch)
{
	for (size_t i = 0; i < fetch->count; i++)
		if (fetch->sections[i].depth > 0 ||
			fetch->sections[i].kind != IMAP_SECTION_WHOLE)
			return false;
	return true;
}

static bool is_whole_only(const struct imap_fetch *fetch)
{
	for (size_t i = 0; i < fetch->count; i++)
		if (fetch->sections[i].depth > 0 ||
			(fetch->sections[i].kind != IMAP_SECTION_WHOLE &&
				fetch->sections[i].kind !=
					IMAP_SECTION_BINARY))
			return false;
	return true;
}

/* The message, or as much of it as the sections need. */
static enum mailbox_result read_text(struct one *one)
{
	struct mailbox *m = one->s->view->mailbox;
	struct mime_part *header = arena_new_of(one->arena, struct mime_part);
	enum mailbox_result result;
	bool is_complete;

	if (is_header_only(one->fetch)) {
		result = mailbox_read(m, one->uid, one->arena, HEADER_MOST,
			&one->text);
		if (result != MAILBOX_OK)
			return result;
		header->header_len = mail_header_length(one->text,
			&is_complete);
		one->root = header;
		if (is_complete)
			return MAILBOX_OK;
	}
	if (mailbox_ahead_takes_back(one->ahead, one->uid))
		io_take_back(one->s->io);
	if (mailbox_ahead_find(one->ahead, one->uid, &one->text,
		&one->crlf_octets)) {
		one->is_crlf = is_sent_whole(one->fetch);
		result = MAILBOX_OK;
	} else {
		result = mailbox_read(m, one->uid, one->arena, 0, &one->text);
	}
	if (result == MAILBOX_OK)
		one->root = is_whole_only(one->fetch) ? header :
			mime_parse(one->arena, one->text);
	return result;
}

/* All parts that are to be decoded, before anything is written. */
static enum mailbox_result decode_binaries(struct one *one)
{
	one->binaries = arena_array(one->arena, one->fetch->count + 1,
		sizeof(*one->binaries));
	for (size_t i = 0; i < one->fetch->count; i++) {
		if (one->fetch->sections[i].kind != IMAP_SECTION_BINARY)
			continue;
		one->binaries[i] = STR_NONE;
		if (imap_section_decode(one->arena, one->text, one->root,
			&one->fetch->sections[i], &one->binaries[i]) ==
			IMAP_BINARY_UNKNOWN)
			one->unknown_cte = true;
	}
	return one->unknown_cte ? MAILBOX_CANNOT : MAILBOX_OK;
}

/* RFC 3516 4.2: octets that are no text make it a literal8. */
static void write_binary(struct one *one, const struct imap_section *section,
	struct str octets)
{
	buf_fmt(&one->out, "%s%.*s", one->gap, STR_ARG(section->label));
	one->gap = " ";
	if (section->is_size) {
		buf_fmt(&one->out, " %zu", octets.len);
		return;
	}
	if (section->is_partial) {
		buf_fmt(&one->out, "<%u>", section->from);
		octets = str_first(str_skip(octets, section->from),
			section->most);
	}
	if (str_is_none(octets)) {
		buf_text(&one->out, " NIL");
		return;
	}
	buf_fmt(&one->out, " %s{%zu}\r\n",
		octets.len > 0 && memchr(octets.p, 0, octets.len) ? "~" : "",
		octets.len);
	io_write(one->s->io, buf_str(&one->out));
	buf_clear(&one->out);
	io_write(one->s->io, octets);
}

/* What stands in the buffer, then the section's octets. */
static void write_section(struct one *one, const struct imap_section *section)
{
	struct str octets;
	uint64_t size, from = 0, most = UINT64_MAX;

	buf_text(&one->out, one->gap);
	buf_add(&one->out, section->alias ? str_from(section->alias) :
		section->label);
	one->gap = " ";
	if (section->is_partial)
		buf_fmt(&one->out, "<%u>", section->from);
	if (!imap_section_find(one->arena, one->text, one->root, section,
		&octets)) {
		buf_text(&one->out, " NIL");
		return;
	}
	size = one->crlf_octets && octets.len == one->text.len ?
		one->crlf_octets : imap_crlf_octets(octets);
	if (section->is_partial) {
		from = section->from < size ? section->from : size;
		most = section->most;
		size = size - from < most ? size - from : most;
	}
	buf_text(&one->out, " {");
	buf_u64(&one->out, size);
	buf_text(&one->out, "}\r\n");
	io_write(one->s->io, buf_str(&one->out));
	buf_clear(&one->out);
	if (one->is_crlf)
		io_lend(one->s->io, str_first(str_skip(octets, (size_t)from),
			(size_t)size));
	else
		write_crlf(one->s, octets, from, size);
}

static bool is_wanted(const struct one *one)
{
	return !one->fetch->has_changed_since ||
		one->is.modseq > one->fetch->changed_since;
}

/* All that needs no text. */
static enum mailbox_result add_start(struct one *one, bool seen_now)
{
	(void)!buf_room(&one->out, BEGIN_OCTETS);
	fetch_begin(one->s, &one->out, one->seq, one->uid);
	one->gap = "";
	add_fields(one, seen_now);
	return add_facts(one);
}

/* Uids come in order, so the next is mostly where the last one was found. */
static struct mailbox_message *find_next(struct mailbox *m, uint32_t uid,
	size_t *at)
{
	struct mailbox_message *found = *at < m->count &&
			m->messages[*at].is.uid == uid ?
		&m->messages[*at] : mailbox_find(m, uid);

	if (found)
		*at = (size_t)(found - m->messages) + 1;
	return found;
}

/* Nothing is written before all is at hand, so that a response is whole. */
static enum mailbox_result fetch_one(struct one *one, bool seen_now)
{
	struct mailbox_message *m = find_next(one->s->view->mailbox, one->uid,
		&one->near);
	enum mailbox_result result;

	if (!m || one->seq == 0)
		return MAILBOX_EXPUNGED;
	one->is = m->is;
	if (!is_wanted(one))
		return MAILBOX_OK;
	result = add_start(one, seen_now);
	if (result == MAILBOX_OK)
		result = read_text(one);
	if (result == MAILBOX_OK)
		result = decode_binaries(one);
	if (result != MAILBOX_OK)
		return result;
	for (size_t i = 0; i < one->fetch->count; i++) {
		const struct imap_section *section = &one->fetch->sections[i];

		if (section->kind == IMAP_SECTION_BINARY)
			write_binary(one, section, one->binaries[i]);
		else
			write_section(one, section);
	}
	buf_text(&one->out, ")\r\n");
	io_write(one->s->io, buf_str(&one->out));
	return MAILBOX_OK;
}

/* Reading a message's text makes it \Seen; all of them in one change. */
static enum mailbox_result mark_seen(struct session *s,
	const struct imap_fetch *fetch, const uint32_t *uids, size_t count,
	struct imap_set *seen)
{
	const struct imap_flags flags = { .system = IMAP_SEEN };
	struct mailbox_change change = { .mode = MAILBOX_FLAGS_ADD,
		.flags = &flags };
	uint32_t *unseen;
	size_t unseen_count = 0;
	bool reads = false;
	enum mailbox_result result;

	for (size_t i = 0; i < fetch->count; i++)
		reads = reads || !fetch->sections[i].peek;
	if (!reads || s->view->read_only)
		return MAILBOX_OK;
	unseen = arena_array(s->command, count + 1, sizeof(*unseen));
	for (size_t i = 0; i < count; i++) {
		struct mailbox_message *m =
			mailbox_find(s->view->mailbox, uids[i]);

		if (!m || (m->is.flags & IMAP_SEEN))
			continue;
		unseen[unseen_count++] = uids[i];
		imap_set_add(s->command, seen, uids[i]);
	}
	if (unseen_count == 0)
		return MAILBOX_OK;
	result = mailbox_change(s->view->mailbox, unseen, unseen_count,
		&change);
	mailbox_view_told(s->view, unseen, unseen_count, change.modseq);
	return result;
}

static uint32_t seq_next(const struct mailbox_view *view, uint32_t uid,
	uint32_t last)
{
	return last < view->count && view->uids[last] == uid ? last + 1 :
		mailbox_view_seq(view, uid);
}

/* As many as fit a write, or up to one whose facts are still on their way. */
static void fetch_some(struct one *one, const uint32_t *uids, size_t count,
	enum mailbox_result *worst)
{
	struct session *s = one->s;
	struct mailbox *m = s->view->mailbox;
	struct mailbox_kept kept;
	size_t near = m->count;

	mailbox_kept_begin(m, &kept);
	one->kept = &kept;
	for (; one->at < count && one->out.len < SOME_OCTETS; one->at++) {
		uint32_t uid = uids[one->at];
		struct mailbox_message *message = find_next(m, uid, &near);
		enum mailbox_result result = MAILBOX_EXPUNGED;
		size_t whole = one->out.len;

		one->is_behind = false;
		one->uid = uid;
		one->seq = seq_next(s->view, uid, one->seq);
		if (message && one->seq) {
			one->is = message->is;
			if (!is_wanted(one))
				continue;
			result = add_start(one, false);
		}
		if (result == MAILBOX_OK && !one->is_behind) {
			buf_text(&one->out, ")\r\n");
			continue;
		}
		one->out.len = whole;
		if (one->is_behind)
			break;
		if (result != MAILBOX_EXPUNGED || !s->is_uid)
			*worst = result;
	}
	mailbox_kept_end(&kept);
}

static enum mailbox_result read_dates(struct session *s,
	const struct imap_fetch *fetch, const uint32_t *uids, size_t count)
{
	return fetch->items & (IMAP_FETCH_INTERNALDATE | IMAP_FETCH_SAVEDATE) ?
		mailbox_dates(s->view->mailbox, uids, count) : MAILBOX_OK;
}

/* No text is asked for: many responses go out at a time. */
static struct answer fetch_facts(struct session *s,
	const struct imap_fetch *fetch, const uint32_t *uids, size_t count)
{
	struct one one = { .s = s, .fetch = fetch, .out = BUF_IN(s->command),
		.arena = arena_child(s->command) };
	enum mailbox_result worst = read_dates(s, fetch, uids, count);

	if (worst != MAILBOX_OK)
		return answer_of(worst, NULL);
	if (!fetch->has_changed_since)
		one.parse = mailbox_parse_new(s->view->mailbox, uids, count,
			fetch->items & IMAP_FETCH_EMAILID);
	while (one.at < count && !io_failure(s->io)) {
		fetch_some(&one, uids, count, &worst);
		io_write(s->io, buf_str(&one.out));
		buf_clear(&one.out);
		arena_reset(one.arena);
		if (one.is_behind)
			mailbox_parse_wait(one.parse);
		else
			io_yield();
	}
	mailbox_parse_end(one.parse);
	mailbox_keep_learned(s->view->mailbox);
	return answer_of(worst, "Fetch completed");
}

/* Where all of them are read, and each as a whole. */
static struct mailbox_ahead *read_ahead(struct session *s,
	const struct imap_fetch *fetch, const uint32_t *uids, size_t count)
{
	return is_header_only(fetch) || fetch->has_changed_since ? NULL :
		mailbox_ahead_begin(s->view->mailbox, uids, count,
			is_sent_whole(fetch) ? MAILBOX_AHEAD_CRLF :
					       MAILBOX_AHEAD_STORED);
}

static struct answer fetch_all(struct session *s,
	const struct imap_fetch *fetch, const uint32_t *uids, size_t count)
{
	struct imap_set seen = { 0 };
	struct arena *arena = arena_child(s->command);
	enum mailbox_result result = read_dates(s, fetch, uids, count);
	enum mailbox_result worst;
	struct mailbox_ahead *ahead;
	bool unknown_cte = false;
	uint32_t seq = 0;
	size_t near = 0;

	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	worst = mark_seen(s, fetch, uids, count, &seen);
	ahead = read_ahead(s, fetch, uids, count);
	for (size_t i = 0; i < count && !io_failure(s->io); i++) {
		struct one one = { .s = s, .fetch = fetch, .arena = arena,
			.uid = uids[i], .gap = "", .out = BUF_IN(arena),
			.ahead = ahead, .near = near };

		one.seq = seq = seq_next(s->view, uids[i], seq);
		result = fetch_one(&one, imap_set_has(&seen, uids[i]));
		if (result != MAILBOX_OK &&
			(result != MAILBOX_EXPUNGED || !s->is_uid))
			worst = result;
		unknown_cte = unknown_cte || one.unknown_cte;
		near = one.near;
		arena_reset(arena);
		if (i % 64 == 63)
			io_yield();
	}
	io_take_back(s->io);
	mailbox_ahead_end(ahead);
	mailbox_keep_learned(s->view->mailbox);
	if (unknown_cte)
		return NO_("[UNKNOWN-CTE] A part has an encoding that is not "
			"known");
	return answer_of(worst, "Fetch completed");
}

void fetch_tell(struct session *s, const struct imap_fetch *fetch,
	const uint32_t *uids, size_t count)
{
	bool was_uid = s->is_uid;
	struct answer answer;

	s->is_uid = true; /* a message that is gone again is passed over */
	answer = fetch->count ? fetch_all(s, fetch, uids, count) :
				fetch_facts(s, fetch, uids, count);
	if (answer.word[0] != 'O')
		io_fmt(s->io, "* NO %.*s\r\n", STR_ARG(answer.text));
	s->is_uid = was_uid;
}

/* RFC 7162 3.2.6, RFC 9394 3.3. */
static bool may_modify(struct session *s, const struct imap_fetch *fetch)
{
	if (fetch->has_vanished &&
		(!s->is_uid || !s->qresync || !fetch->has_changed_since))
		return false;
	return !fetch->has_partial || s->is_uid;
}

/* How many are asked for, whatever there are: RFC 9738 3.1. */
static uint64_t partial_count(const struct imap_partial *partial)
{
	int64_t more = (int64_t)partial->to - partial->from;

	return (uint64_t)(more < 0 ? -more : more) + 1;
}

struct answer verb_fetch(struct session *s, struct str args)
{
	struct imap_fetch fetch;
	struct imap_set set;
	uint32_t *uids;
	size_t count;

	if (!imap_set_take(s->command, &args, &set) ||
		!str_take_char(&args, ' ') ||
		!imap_fetch_parse(s->command, args, &fetch) ||
		!may_modify(s, &fetch))
		return BAD_SYNTAX;
	if (!mailbox_view_uids(s->view, s->command, &set, s->is_uid, &uids,
		&count))
		return BAD_("No such message");
	if (fetch.has_partial && partial_count(&fetch.partial) > s->limit)
		return limit_refusal(s, 0);
	if (fetch.items & IMAP_FETCH_MODSEQ)
		use_condstore(s);
	if (fetch.has_vanished && !tell_vanished(s, &set,
		fetch.changed_since, 1))
		return answer_of(MAILBOX_TRY_LATER, NULL);
	if (fetch.has_partial) {
		size_t from, to;

		imap_partial_window(&fetch.partial, count, &from, &to);
		uids += from;
		count = to - from;
	}
	limit_uids(s, &uids, &count);
	return fetch.count ? fetch_all(s, &fetch, uids, count) :
			     fetch_facts(s, &fetch, uids, count);
}
