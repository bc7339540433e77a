#include "imap/search.h"

#include "imap/date.h"
#include "imap/take.h"

enum argument {
	NOTHING,
	FLAG_NAME,
	DAY,
	OCTETS,
	POSITIVE,
	STRING,      /* into text */
	FIELD,       /* a header field's name is given by the row */
	FIELD_STRING,
	MODSEQ,
	SET,
	NOT,
	FUZZY,
	OR,
};

static const struct row {
	const char *name;
	enum imap_search_key key;
	enum argument argument;
	unsigned bit;
	bool negated;
	const char *field;
} rows[] = {
	{ "ALL", IMAP_SEARCH_ALL },
	{ "ANSWERED", IMAP_SEARCH_FLAG, NOTHING, IMAP_ANSWERED },
	{ "BCC", IMAP_SEARCH_HEADER, FIELD, 0, false, "Bcc" },
	{ "BEFORE", IMAP_SEARCH_BEFORE, DAY },
	{ "BODY", IMAP_SEARCH_BODY, STRING },
	{ "CC", IMAP_SEARCH_HEADER, FIELD, 0, false, "Cc" },
	{ "DELETED", IMAP_SEARCH_FLAG, NOTHING, IMAP_DELETED },
	{ "DRAFT", IMAP_SEARCH_FLAG, NOTHING, IMAP_DRAFT },
	{ "EMAILID", IMAP_SEARCH_EMAILID, STRING },
	{ "FLAGGED", IMAP_SEARCH_FLAG, NOTHING, IMAP_FLAGGED },
	{ "FROM", IMAP_SEARCH_HEADER, FIELD, 0, false, "From" },
	{ "FUZZY", IMAP_SEARCH_AND, FUZZY },
	{ "HEADER", IMAP_SEARCH_HEADER, FIELD_STRING },
	{ "KEYWORD", IMAP_SEARCH_KEYWORD, FLAG_NAME },
	{ "LARGER", IMAP_SEARCH_LARGER, OCTETS },
	{ "MODSEQ", IMAP_SEARCH_MODSEQ, MODSEQ },
	{ "NOT", IMAP_SEARCH_AND, NOT },
	{ "OLD", IMAP_SEARCH_RECENT, NOTHING, 0, true },
	{ "OLDER", IMAP_SEARCH_OLDER, POSITIVE },
	{ "ON", IMAP_SEARCH_ON, DAY },
	{ "OR", IMAP_SEARCH_OR, OR },
	{ "RECENT", IMAP_SEARCH_RECENT },
	{ "SAVEDBEFORE", IMAP_SEARCH_SAVEDBEFORE, DAY },
	{ "SAVEDON", IMAP_SEARCH_SAVEDON, DAY },
	{ "SAVEDSINCE", IMAP_SEARCH_SAVEDSINCE, DAY },
	{ "SAVEDATESUPPORTED", IMAP_SEARCH_ALL },
	{ "SEEN", IMAP_SEARCH_FLAG, NOTHING, IMAP_SEEN },
	{ "SENTBEFORE", IMAP_SEARCH_SENTBEFORE, DAY },
	{ "SENTON", IMAP_SEARCH_SENTON, DAY },
	{ "SENTSINCE", IMAP_SEARCH_SENTSINCE, DAY },
	{ "SINCE", IMAP_SEARCH_SINCE, DAY },
	{ "SMALLER", IMAP_SEARCH_SMALLER, OCTETS },
	{ "SUBJECT", IMAP_SEARCH_HEADER, FIELD, 0, false, "Subject" },
	{ "TEXT", IMAP_SEARCH_TEXT, STRING },
	{ "THREADID", IMAP_SEARCH_THREADID, STRING },
	{ "TO", IMAP_SEARCH_HEADER, FIELD, 0, false, "To" },
	{ "UID", IMAP_SEARCH_UID, SET },
	{ "UIDAFTER", IMAP_SEARCH_UIDAFTER, POSITIVE },
	{ "UIDBEFORE", IMAP_SEARCH_UIDBEFORE, POSITIVE },
	{ "UNANSWERED", IMAP_SEARCH_FLAG, NOTHING, IMAP_ANSWERED, true },
	{ "UNDELETED", IMAP_SEARCH_FLAG, NOTHING, IMAP_DELETED, true },
	{ "UNDRAFT", IMAP_SEARCH_FLAG, NOTHING, IMAP_DRAFT, true },
	{ "UNFLAGGED", IMAP_SEARCH_FLAG, NOTHING, IMAP_FLAGGED, true },
	{ "UNKEYWORD", IMAP_SEARCH_KEYWORD, FLAG_NAME, 0, true },
	{ "UNSEEN", IMAP_SEARCH_FLAG, NOTHING, IMAP_SEEN, true },
	{ "YOUNGER", IMAP_SEARCH_YOUNGER, POSITIVE },
};

struct parser {
	struct arena *arena;
	struct str in;
	unsigned depth, nodes;
};

static struct imap_search *take_key(struct parser *p);

static struct imap_search *new_node(struct parser *p,
	enum imap_search_key key)
{
	struct imap_search *node;

	if (++p->nodes > IMAP_SEARCH_NODES)
		return NULL;
	node = arena_new_of(p->arena, struct imap_search);
	node->key = key;
	return node;
}

/* search-key *(SP search-key) */
static struct imap_search *take_keys(struct parser *p)
{
	struct imap_search *all = new_node(p, IMAP_SEARCH_AND);
	struct imap_search **last;

	if (!all)
		return NULL;
	last = &all->children;
	do {
		*last = take_key(p);
		if (!*last)
			return NULL;
		last = &(*last)->next;
	} while (str_take_char(&p->in, ' '));
	return all;
}

/* NEW is (RECENT UNSEEN). */
static struct imap_search *new_messages(struct parser *p)
{
	struct imap_search *all = new_node(p, IMAP_SEARCH_AND);
	struct imap_search *recent = new_node(p, IMAP_SEARCH_RECENT);
	struct imap_search *unseen = new_node(p, IMAP_SEARCH_FLAG);

	if (!all || !recent || !unseen)
		return NULL;
	unseen->bit = IMAP_SEEN;
	unseen->negated = true;
	recent->next = unseen;
	all->children = recent;
	return all;
}

static bool take_day(struct str *in, struct imap_search *node)
{
	return imap_date_take(in, &node->number);
}

static bool take_count(struct str *in, struct imap_search *node)
{
	uint64_t value;

	if (!str_take_u64(in, INT64_MAX, &value))
		return false;
	node->number = (int64_t)value;
	return true;
}

/* RFC 7162 3.1.5: an entry name and type may stand before the number. */
static bool take_modseq(struct parser *p, struct imap_search *node)
{
	struct str name, word;

	if (p->in.len > 0 && p->in.p[0] == '"')
		if (!imap_take_string(p->arena, &p->in, &name) ||
			!str_take_char(&p->in, ' ') ||
			!imap_take_atom(&p->in, &word) ||
			!str_take_char(&p->in, ' '))
			return false;
	return take_count(&p->in, node);
}

static bool take_children(struct parser *p, struct imap_search *node,
	size_t count)
{
	struct imap_search **last = &node->children;

	for (size_t i = 0; i < count; i++) {
		if (i > 0 && !str_take_char(&p->in, ' '))
			return false;
		*last = take_key(p);
		if (!*last)
			return false;
		last = &(*last)->next;
	}
	return true;
}

static bool take_flag_name(struct parser *p, struct imap_search *node)
{
	if (imap_take_atom(&p->in, &node->text))
		return true;
	/* KEYWORD \Seen is not in the grammar, but harmless. */
	if (!str_take_char(&p->in, '\\') ||
		!imap_take_atom(&p->in, &node->text))
		return false;
	node->text = str_of(node->text.p - 1, node->text.len + 1);
	return true;
}

static bool take_argument(struct parser *p, const struct row *row,
	struct imap_search *node)
{
	switch (row->argument) {
	case NOTHING:
		return true;
	case FLAG_NAME:
		return take_flag_name(p, node);
	case DAY:
		return take_day(&p->in, node);
	case OCTETS:
		return take_count(&p->in, node);
	case POSITIVE: /* nz-number, RFC 5032 5 */
		return take_count(&p->in, node) && node->number > 0;
	case MODSEQ:
		return take_modseq(p, node);
	case FIELD_STRING:
		return imap_take_astring(p->arena, &p->in, &node->field) &&
			str_take_char(&p->in, ' ') &&
			imap_take_astring(p->arena, &p->in, &node->text);
	case FIELD:
		node->field = str_from(row->field);
		return imap_take_astring(p->arena, &p->in, &node->text);
	case STRING:
		return imap_take_astring(p->arena, &p->in, &node->text);
	case SET:
		return imap_set_take(p->arena, &p->in, &node->set);
	case NOT:
		node->negated = true;
		return take_children(p, node, 1);
	case FUZZY:
		node->is_fuzzy = true;
		return take_children(p, node, 1);
	case OR:
		return take_children(p, node, 2);
	}
	return false;
}

static struct imap_search *take_word_key(struct parser *p)
{
	struct imap_search *node;
	struct str word;

	if (!imap_take_atom(&p->in, &word))
		return NULL;
	if (str_is_nocase(word, "NEW"))
		return new_messages(p);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!str_is_nocase(word, rows[i].name))
			continue;
		node = new_node(p, rows[i].key);
		if (!node)
			return NULL;
		node->bit = rows[i].bit;
		node->negated = rows[i].negated;
		if (rows[i].argument != NOTHING &&
			!str_take_char(&p->in, ' '))
			return NULL;
		return take_argument(p, &rows[i], node) ? node : NULL;
	}
	return NULL;
}

static struct imap_search *take_key_inside(struct parser *p)
{
	struct imap_search *node;

	if (str_take_char(&p->in, '(')) {
		node = take_keys(p);
		return node && str_take_char(&p->in, ')') ? node : NULL;
	}
	if (p->in.len > 0 &&
		(p->in.p[0] == '*' || p->in.p[0] == '$' ||
			ascii_is_digit((unsigned char)p->in.p[0]))) {
		node = new_node(p, IMAP_SEARCH_SEQ);
		return node && imap_set_take(p->arena, &p->in, &node->set) ?
			node : NULL;
	}
	return take_word_key(p);
}

static struct imap_search *take_key(struct parser *p)
{
	struct imap_search *node = NULL;

	if (++p->depth <= IMAP_SEARCH_DEPTH)
		node = take_key_inside(p);
	p->depth--;
	return node;
}

/* What stands under FUZZY is so. */
static void make_fuzzy(struct imap_search *program, bool is_fuzzy)
{
	for (struct imap_search *n = program; n; n = n->next) {
		n->is_fuzzy = n->is_fuzzy || is_fuzzy;
		make_fuzzy(n->children, n->is_fuzzy);
	}
}

bool imap_search_parse(struct arena *arena, struct str in,
	struct imap_search **program)
{
	struct parser p = { .arena = arena, .in = in };

	*program = take_keys(&p);
	if (!*program || p.in.len > 0)
		return false;
	make_fuzzy(*program, false);
	return true;
}

void imap_search_resolve(struct imap_search *program, uint32_t last_seq,
	uint32_t last_uid)
{
	for (struct imap_search *n = program; n; n = n->next) {
		if (n->key == IMAP_SEARCH_SEQ)
			imap_set_resolve(&n->set, last_seq);
		if (n->key == IMAP_SEARCH_UID)
			imap_set_resolve(&n->set, last_uid);
		imap_search_resolve(n->children, last_seq, last_uid);
	}
}

unsigned imap_search_needs(const struct imap_search *program)
{
	unsigned needs = 0;

	for (const struct imap_search *n = program; n; n = n->next) {
		if (n->key == IMAP_SEARCH_HEADER ||
			n->key == IMAP_SEARCH_SENTBEFORE ||
			n->key == IMAP_SEARCH_SENTON ||
			n->key == IMAP_SEARCH_SENTSINCE)
			needs |= IMAP_SEARCH_NEEDS_HEADER;
		if (n->key == IMAP_SEARCH_BODY || n->key == IMAP_SEARCH_TEXT)
			needs |= IMAP_SEARCH_NEEDS_BODY;
		needs |= imap_search_needs(n->children);
	}
	return needs;
}

bool imap_search_uses(const struct imap_search *program,
	enum imap_search_key key)
{
	for (const struct imap_search *n = program; n; n = n->next)
		if (n->key == key || imap_search_uses(n->children, key))
			return true;
	return false;
}

bool imap_search_uses_seq(const struct imap_search *program)
{
	for (const struct imap_search *n = program; n; n = n->next)
		if ((n->key == IMAP_SEARCH_SEQ && !n->set.is_saved) ||
			imap_search_uses_seq(n->children))
			return true;
	return false;
}

bool imap_search_is_fuzzy(const struct imap_search *program)
{
	for (const struct imap_search *n = program; n; n = n->next)
		if (n->is_fuzzy || imap_search_is_fuzzy(n->children))
			return true;
	return false;
}
