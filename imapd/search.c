/*
 * SEARCH: the program is asked about each message; what is in the index first,
 * the text of the message only if the program comes to it.
 */
#include "session.h"

#include "base/log.h"
#include "imap/charset.h"
#include "imap/format.h"
#include "imap/match.h"
#include "imap/search.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mailbox/text.h"

enum {
	DAY_S = 86400,
	HEADER_MOST = 64 * 1024,
};

struct candidate {
	struct session *s;
	struct arena *arena; /* until the end of this message */
	uint32_t seq, uid;
	struct index_message is;
	int64_t now_s;
	bool needs_body, has_text, is_gone, is_unread;
	struct str text, header;
	const struct mime_part *root;
};

/* Who has gone meanwhile is found no more; but of one that cannot be read
 * just now nobody knows, so that there is no result. */
static bool is_lost(struct candidate *c, enum mailbox_result result)
{
	if (result == MAILBOX_OK)
		return false;
	c->is_gone = true;
	c->is_unread = result != MAILBOX_EXPUNGED;
	return true;
}

/* The first octets are enough where only headers are asked for, unless the
 * header is longer. */
static bool read_text(struct candidate *c)
{
	size_t most = c->needs_body ? 0 : HEADER_MOST;
	bool is_complete = false;

	while (!c->has_text && !c->is_gone) {
		size_t len;

		if (is_lost(c, mailbox_read(c->s->view->mailbox, c->uid,
			c->arena, most, &c->text)))
			break;
		len = mail_header_length(c->text, &is_complete);
		c->header = str_first(c->text, len);
		c->has_text = is_complete || most == 0;
		most = 0;
	}
	return !c->is_gone;
}

/* What the search index says. True: all there is to say. */
static bool is_known(struct candidate *c, const struct imap_search *node,
	bool *has)
{
	struct mailbox_hits *hits = node->hint;

	if (!hits || c->uid > hits->up_to)
		return false;
	*has = mailbox_hits_have(hits, c->uid);
	return !*has || hits->is_sure;
}

static bool match_header(struct candidate *c, const struct imap_search *node)
{
	bool has;

	if (is_known(c, node, &has))
		return has;
	return read_text(c) && imap_match_header(c->arena, c->header,
		node->field, node->text);
}

static bool match_body(struct candidate *c, const struct imap_search *node)
{
	bool has;

	if (is_known(c, node, &has))
		return has;
	if (!read_text(c))
		return false;
	if (!c->root)
		c->root = mime_parse(c->arena, c->text);
	return imap_match_body(c->arena, c->text, c->root, node->text,
		node->key == IMAP_SEARCH_TEXT);
}

/* The day that the Date field says, in its own zone. */
static bool sent_day(struct candidate *c, int64_t *day)
{
	struct mail_header field;
	struct mail_date date;

	if (!read_text(c) || !mail_header_find(c->header, "Date", &field) ||
		!mail_date_parse(mail_header_unfold(c->arena, field.body),
			&date))
		return false;
	*day = (date.unix_s + date.zone_minutes * 60) / DAY_S;
	return true;
}

static bool match_day(enum imap_search_key key, int64_t day, int64_t wanted)
{
	switch (key) {
	case IMAP_SEARCH_BEFORE:
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SAVEDBEFORE:
		return day < wanted;
	case IMAP_SEARCH_ON:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SAVEDON:
		return day == wanted;
	default:
		return day >= wanted;
	}
}

static bool match_size(struct candidate *c, const struct imap_search *node)
{
	uint64_t size;

	if (is_lost(c, mailbox_size(c->s->view->mailbox, c->uid, &size)))
		return false;
	return node->key == IMAP_SEARCH_LARGER ?
		size > (uint64_t)node->number :
		size < (uint64_t)node->number;
}

static bool match_id(struct candidate *c, struct str id, bool of_thread)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_facts facts;

	return !is_lost(c, mailbox_facts(c->s->view->mailbox, c->uid, arena,
			!of_thread, &facts)) &&
		str_eq(of_thread ? facts.thread_id : facts.email_id, id);
}

static bool match_keyword(struct candidate *c, struct str name)
{
	int bit = mailbox_keyword(c->s->view->mailbox, name);

	for (unsigned flag = IMAP_ANSWERED; flag <= IMAP_DRAFT; flag <<= 1)
		if (str_is_nocase(name, imap_flag_name(flag)))
			return c->is.flags & flag;
	return bit >= 0 && (c->is.keywords >> bit & 1);
}

static bool match(struct candidate *c, const struct imap_search *node);

static bool match_children(struct candidate *c,
	const struct imap_search *node)
{
	bool any = node->key == IMAP_SEARCH_OR;

	for (const struct imap_search *n = node->children; n; n = n->next)
		if (match(c, n) == any)
			return any;
	return !any;
}

static bool match_plain(struct candidate *c, const struct imap_search *node)
{
	int64_t day;

	switch (node->key) {
	case IMAP_SEARCH_ALL:
		return true;
	case IMAP_SEARCH_SEQ:
		return node->set.is_saved ?
			imap_set_has(&c->s->view->saved, c->uid) :
			imap_set_has(&node->set, c->seq);
	case IMAP_SEARCH_UID:
		return imap_set_has(node->set.is_saved ?
			&c->s->view->saved : &node->set, c->uid);
	case IMAP_SEARCH_FLAG:
		return c->is.flags & node->bit;
	case IMAP_SEARCH_KEYWORD:
		return match_keyword(c, node->text);
	case IMAP_SEARCH_RECENT:
		return c->s->view->recent[c->seq - 1];
	case IMAP_SEARCH_BEFORE:
	case IMAP_SEARCH_ON:
	case IMAP_SEARCH_SINCE:
		return match_day(node->key, c->is.internal_s / DAY_S,
			node->number);
	case IMAP_SEARCH_SAVEDBEFORE:
	case IMAP_SEARCH_SAVEDON:
	case IMAP_SEARCH_SAVEDSINCE:
		return match_day(node->key, c->is.saved_s / DAY_S,
			node->number);
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SENTSINCE:
		return sent_day(c, &day) &&
			match_day(node->key, day, node->number);
	case IMAP_SEARCH_OLDER:
		return c->now_s - c->is.internal_s >= node->number;
	case IMAP_SEARCH_YOUNGER:
		return c->now_s - c->is.internal_s < node->number;
	case IMAP_SEARCH_LARGER:
	case IMAP_SEARCH_SMALLER:
		return match_size(c, node);
	case IMAP_SEARCH_MODSEQ:
		return c->is.modseq >= (uint64_t)node->number;
	case IMAP_SEARCH_UIDAFTER:
		return c->uid > node->number;
	case IMAP_SEARCH_UIDBEFORE:
		return c->uid < node->number;
	case IMAP_SEARCH_EMAILID:
		return match_id(c, node->text, false);
	case IMAP_SEARCH_THREADID:
		return match_id(c, node->text, true);
	case IMAP_SEARCH_HEADER:
		return match_header(c, node);
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		return match_body(c, node);
	case IMAP_SEARCH_AND:
	case IMAP_SEARCH_OR:
		return match_children(c, node);
	}
	return false;
}

static bool match(struct candidate *c, const struct imap_search *node)
{
	return match_plain(c, node) != node->negated;
}

/* What is searched for, as folded UTF-8. False: not of that charset. */
static bool make_needles(struct session *s, struct imap_search *program,
	struct str charset)
{
	for (struct imap_search *n = program; n; n = n->next) {
		if (n->key == IMAP_SEARCH_HEADER ||
			n->key == IMAP_SEARCH_BODY ||
			n->key == IMAP_SEARCH_TEXT) {
			n->text = imap_needle(s->command, charset, n->text);
			if (str_is_none(n->text))
				return false;
			if (n->is_fuzzy && n->text.len > 0) {
				fuzzy_expand(s->command, n);
				continue;
			}
		}
		if (!make_needles(s, n->children, charset))
			return false;
	}
	return true;
}

static bool is_of_text(const struct imap_search *n)
{
	return (n->key == IMAP_SEARCH_HEADER || n->key == IMAP_SEARCH_BODY ||
		n->key == IMAP_SEARCH_TEXT) && n->text.len > 0;
}

static bool looks_for_text(const struct imap_search *program)
{
	for (const struct imap_search *n = program; n; n = n->next)
		if (is_of_text(n) || looks_for_text(n->children))
			return true;
	return false;
}

static bool uses_dates(const struct imap_search *program)
{
	static const enum imap_search_key keys[] = {
		IMAP_SEARCH_BEFORE, IMAP_SEARCH_ON, IMAP_SEARCH_SINCE,
		IMAP_SEARCH_OLDER, IMAP_SEARCH_YOUNGER,
		IMAP_SEARCH_SAVEDBEFORE, IMAP_SEARCH_SAVEDON,
		IMAP_SEARCH_SAVEDSINCE,
	};

	for (size_t i = 0; i < COUNT(keys); i++)
		if (imap_search_uses(program, keys[i]))
			return true;
	return false;
}

/* Which messages the search index finds, for each text of the program. */
static void add_hints(struct session *s, struct imap_search *program,
	bool scores)
{
	for (struct imap_search *n = program; n; n = n->next) {
		struct mailbox_hits *hits;

		add_hints(s, n->children, scores);
		if (scores)
			add_hints(s, n->scored, false);
		if (!is_of_text(n))
			continue;
		hits = arena_new_of(s->command, struct mailbox_hits);
		if (mailbox_text_find(s->view->mailbox, s->command,
			n->key == IMAP_SEARCH_TEXT ? MAILBOX_TEXT_ALL :
			n->key == IMAP_SEARCH_BODY ? MAILBOX_TEXT_BODY :
			mailbox_text_field_of(n->field), n->text, hits))
			n->hint = hits;
	}
}

/* RFC 9585: that a command goes on, and how far it is. */
struct progress {
	struct session *s;
	struct moment next;
};

static void tell_progress(void *context, size_t done, size_t count)
{
	struct progress *p = context;
	struct buf out = BUF_IN(p->s->command);

	if (moment_left(p->next).us > 0)
		return;
	p->next = moment_after(p->s->progress);
	imap_progress_format(&out, p->s->tag, done, count);
	io_write(p->s->io, buf_str(&out));
	if (!io_flush(p->s->io, IDLE_LIMIT))
		log_debug("progress: %m");
}

static bool match_scored(void *context, const struct imap_search *node)
{
	return match(context, node);
}

/* What the sets of a program leave; texts and the like do not count. */
static bool is_in_sets(struct candidate *c, const struct imap_search *program)
{
	for (const struct imap_search *n = program->children; n; n = n->next)
		if ((n->key == IMAP_SEARCH_SEQ || n->key == IMAP_SEARCH_UID ||
			n->key == IMAP_SEARCH_UIDAFTER ||
			n->key == IMAP_SEARCH_UIDBEFORE) && !match(c, n))
			return false;
	return true;
}

/* RFC 9738 3.1: the last messages that a command may look at begin here. */
static uint32_t first_of_limit(struct session *s,
	const struct imap_search *program)
{
	uint32_t seq = (uint32_t)s->view->count, left = s->limit, last = 0;

	for (; seq > 0 && s->view->count > s->limit; seq--) {
		struct candidate c = { .s = s, .seq = seq,
			.uid = mailbox_view_uid(s->view, seq) };

		if (!is_in_sets(&c, program))
			continue;
		if (left-- == 0) {
			s->limited_from = last;
			return seq + 1;
		}
		last = c.uid;
	}
	return 1;
}

/* False: a message could not be read. */
static bool search_all(struct session *s, const struct imap_search *program,
	struct found *found)
{
	struct arena *arena = arena_child(s->command);
	int64_t now_s = wall_us() / 1000000;
	bool needs_body =
		imap_search_needs(program) & IMAP_SEARCH_NEEDS_BODY;
	size_t near = 0;

	for (uint32_t seq = first_of_limit(s, program);
		seq <= s->view->count; seq++) {
		uint32_t uid = mailbox_view_uid(s->view, seq);
		struct mailbox_message *m = mailbox_find_near(
			s->view->mailbox, uid, &near);
		struct candidate c = { .s = s, .arena = arena, .seq = seq,
			.uid = uid, .now_s = now_s,
			.needs_body = needs_body };

		if (!m)
			continue;
		c.is = m->is;
		if (match(&c, program) && !c.is_gone) {
			if (found->scores)
				found->scores[found->count] = fuzzy_score(
					program, match_scored, &c);
			found->uids[found->count++] = uid;
		}
		if (c.is_unread)
			return false;
		if (c.has_text)
			arena_reset(arena);
		if (c.has_text || seq % 1024 == 0)
			io_yield();
	}
	mailbox_keep_learned(s->view->mailbox);
	return true;
}

static bool take_charset(struct session *s, struct str *args,
	struct str *charset)
{
	*charset = STR("UTF-8"); /* of which US-ASCII is a part */
	if (!str_take_prefix_nocase(args, STR("CHARSET ")))
		return true;
	if (s->utf8 && !s->rev2)
		return false; /* RFC 6855 3 */
	return imap_take_astring(s->command, args, charset) &&
		str_take_char(args, ' ');
}

static bool find(struct session *s, struct str charset, struct str keys,
	const struct imap_returns *returns, bool scores, struct found *found,
	struct answer *answer)
{
	struct imap_search *program;

	*found = (struct found){ 0 };
	if (!imap_search_parse(s->command, keys, &program)) {
		*answer = BAD_SYNTAX;
		return false;
	}
	if (s->uid_only && imap_search_uses_seq(program)) {
		*answer = BAD_("[UIDREQUIRED] No sequence numbers");
		return false;
	}
	scores = scores || (returns->bits & IMAP_RETURN_RELEVANCY);
	if (scores && !imap_search_is_fuzzy(program)) {
		*answer = BAD_("Relevancy only with FUZZY");
		return false;
	}
	/* Also where nothing is said in it, RFC 3501 6.4.4. */
	if (!imap_charset_is_known(charset) ||
		!make_needles(s, program, charset)) {
		*answer = NO_("[BADCHARSET (US-ASCII UTF-8)] Unknown "
			"charset, or text that is not of it");
		return false;
	}
	imap_search_resolve(program, (uint32_t)s->view->count,
		mailbox_view_uid(s->view, (uint32_t)s->view->count));
	found->uids = arena_array(s->command, s->view->count + 1,
		sizeof(*found->uids));
	if (scores)
		found->scores = arena_array(s->command, s->view->count + 1,
			sizeof(*found->scores));
	if (uses_dates(program) && mailbox_dates(s->view->mailbox,
		s->view->uids, s->view->count) != MAILBOX_OK) {
		*answer = answer_of(MAILBOX_TRY_LATER, NULL);
		return false;
	}
	if (looks_for_text(program)) {
		struct progress progress = { .s = s,
			.next = moment_after(s->progress) };

		mailbox_text_follow(s->view->mailbox, tell_progress,
			&progress);
		add_hints(s, program, scores);
	}
	if (!search_all(s, program, found)) {
		*answer = answer_of(MAILBOX_TRY_LATER, NULL);
		return false;
	}
	found->has_modseq = imap_search_uses(program, IMAP_SEARCH_MODSEQ);
	if (found->has_modseq)
		use_condstore(s);
	return true;
}

/* RFC 5182 2.1: "$" is empty after a NO. */
bool search_find(struct session *s, struct str charset, struct str keys,
	const struct imap_returns *returns, bool scores, struct found *found,
	struct answer *answer)
{
	if (find(s, charset, keys, returns, scores, found, answer))
		return true;
	if (answer->word[0] == 'N' && (returns->bits & IMAP_RETURN_SAVE))
		mailbox_view_save(s->view, NULL, 0);
	return false;
}

struct answer verb_search(struct session *s, struct str args)
{
	struct imap_returns returns;
	struct found found;
	struct answer answer;
	struct str charset;

	if (!imap_returns_take(&args, &returns) ||
		!take_charset(s, &args, &charset))
		return BAD_SYNTAX;
	if (!search_find(s, charset, args, &returns, false, &found, &answer))
		return answer;
	result_tell(s, "SEARCH", &returns, &found);
	return OK_("Search completed");
}
