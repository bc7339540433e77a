/*
 * LIST and LSUB: names, their attributes and which of them match.
 *
 * RFC 3501 6.3.8, RFC 3348 (children), RFC 5258 (LIST-EXTENDED), RFC 5819
 * (STATUS), RFC 6154 (special use), RFC 9590 (METADATA).
 */
#include "session.h"

#include <stdlib.h>

enum {
	SELECT_SUBSCRIBED = 1,
	SELECT_SPECIAL_USE = 2,
	RETURN_SUBSCRIBED = 4,
	RETURN_STATUS = 8,
	RETURN_METADATA = 16,
	RECURSIVE = 32,
	EXTENDED = 64,
	PATTERNS_MOST = 20,
	NAME_ROOM = 2 * MAILBOX_NAME_MOST, /* on the wire, with a prefix */
};

#define CRITERIA (SELECT_SUBSCRIBED | SELECT_SPECIAL_USE)

static const struct {
	const char *name;
	unsigned bit;
} select_options[] = {
	{ "SUBSCRIBED", SELECT_SUBSCRIBED },
	{ "SPECIAL-USE", SELECT_SPECIAL_USE },
	{ "REMOTE", 0 },
	{ "RECURSIVEMATCH", RECURSIVE },
}, return_options[] = {
	{ "SUBSCRIBED", RETURN_SUBSCRIBED },
	{ "SPECIAL-USE", 0 },
	{ "CHILDREN", 0 },
	{ "STATUS", RETURN_STATUS },
	{ "METADATA", RETURN_METADATA },
};

/* A name that may be told. */
struct candidate {
	struct str name;  /* as it is shown, in modified UTF-7 */
	struct str inner; /* in the store, if it exists */
	bool exists, is_subscribed, is_met;
	struct str use;
};

struct listing {
	unsigned options, status_items;
	struct metadata_query metadata;
	char separator;
	struct str reference;
	struct str patterns[PATTERNS_MOST];
	size_t pattern_count;
	struct candidate *items; /* in order of octets */
	size_t count, capacity;
	bool is_lsub;
	struct str old; /* its name before it was renamed, RFC 5465 5.4 */
};

/* ---- what is asked for ---- */

static bool take_select_options(struct str *in, struct listing *list)
{
	if (!str_take_char(in, '('))
		return true;
	list->options |= EXTENDED;
	while (!str_take_char(in, ')')) {
		struct str word;
		bool known = false;

		str_take_char(in, ' ');
		if (!imap_take_atom(in, &word))
			return false;
		for (size_t i = 0; i < COUNT(select_options); i++)
			if (str_is_nocase(word, select_options[i].name)) {
				list->options |= select_options[i].bit;
				known = true;
			}
		if (!known)
			return false;
	}
	if ((list->options & RECURSIVE) && !(list->options & CRITERIA))
		return false;
	return str_take_char(in, ' ');
}

static bool take_return_option(struct session *s, struct str *in,
	struct listing *list)
{
	struct str word;

	if (!imap_take_atom(in, &word))
		return false;
	for (size_t i = 0; i < COUNT(return_options); i++) {
		if (!str_is_nocase(word, return_options[i].name))
			continue;
		list->options |= return_options[i].bit;
		if (return_options[i].bit == RETURN_STATUS)
			return str_take_char(in, ' ') &&
				status_items_take(in, &list->status_items);
		if (return_options[i].bit == RETURN_METADATA)
			return str_take_char(in, ' ') &&
				metadata_take(s, in, &list->metadata);
		return true;
	}
	return false;
}

static bool take_return_options(struct session *s, struct str *in,
	struct listing *list)
{
	if (in->len == 0)
		return true;
	if (!str_take_prefix_nocase(in, STR(" RETURN (")))
		return false;
	list->options |= EXTENDED;
	while (!str_take_char(in, ')')) {
		str_take_char(in, ' ');
		if (!take_return_option(s, in, list))
			return false;
	}
	return in->len == 0;
}

static bool take_pattern(struct session *s, struct str *in,
	struct str *pattern)
{
	if (!imap_take_pattern(s->command, in, pattern))
		return false;
	*pattern = pattern_of_wire(s, *pattern);
	return true;
}

static bool take_reference(struct session *s, struct str *in,
	struct str *reference)
{
	if (!imap_take_astring(s->command, in, reference))
		return false;
	*reference = pattern_of_wire(s, *reference);
	return true;
}

static bool take_patterns(struct session *s, struct str *in,
	struct listing *list)
{
	if (!str_take_char(in, '(')) {
		list->pattern_count = 1;
		return take_pattern(s, in, &list->patterns[0]);
	}
	list->options |= EXTENDED;
	do {
		if (list->pattern_count == PATTERNS_MOST ||
			!take_pattern(s, in,
				&list->patterns[list->pattern_count++]))
			return false;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')');
}

/* ---- what matches ---- */

/* A step of the pattern: it matches the first `i` octets of a name where row[i]
 * is set. False: none any more. */
static bool match_step(char c, struct str name, char separator, bool *row)
{
	bool reached = false, before = false, any = false;

	for (size_t i = 0; i <= name.len; i++) {
		bool was = row[i];

		if (c != '*' && c != '%') {
			row[i] = before && name.p[i - 1] == c;
		} else {
			if (c == '%' && i > 0 && name.p[i - 1] == separator)
				reached = false;
			reached = reached || was;
			row[i] = reached;
		}
		before = was;
		any = any || row[i];
	}
	return any;
}

/* The next octet, or what some wildcards in a row come to. */
static char take_step(struct str *pattern)
{
	char c = pattern->p[0];

	*pattern = str_skip(*pattern, 1);
	while ((c == '*' || c == '%') && pattern->len > 0 &&
		(pattern->p[0] == '*' || pattern->p[0] == '%')) {
		if (pattern->p[0] == '*')
			c = '*';
		*pattern = str_skip(*pattern, 1);
	}
	return c;
}

/* In time that grows with the square of the name's length, whatever wildcards
 * there are. */
static bool matches(struct str pattern, struct str name, char separator)
{
	bool row[NAME_ROOM] = { true };

	if (name.len >= NAME_ROOM)
		return false;
	while (pattern.len > 0)
		if (!match_step(take_step(&pattern), name, separator, row))
			return false;
	return row[name.len];
}

/* INBOX is the same in any case, also where it is the parent. */
static struct str one_inbox(struct session *s, struct str pattern)
{
	struct str below = pattern;

	if (!str_take_prefix_nocase(&below, STR("INBOX")) || below.len == 0 ||
		below.p[0] != s->ns->separator)
		return pattern;
	return arena_join(s->command, STR("INBOX"), below);
}

/* Compared as it is on the wire: a pattern is no whole name in UTF-7. */
static bool is_wanted(struct session *s, struct listing *list, struct str name)
{
	struct str wire = shown_on_wire(s, name);

	for (size_t i = 0; i < list->pattern_count; i++) {
		struct str pattern = arena_join(s->command, list->reference,
			list->patterns[i]);

		if (list->patterns[i].len == 0)
			continue; /* RFC 5258 3 */
		pattern = one_inbox(s, pattern);
		if (str_is(name, "INBOX") && str_is_nocase(pattern, "INBOX"))
			return true;
		if (matches(pattern, wire, s->ns->separator))
			return true;
	}
	return false;
}

/* ---- names ---- */

static void add(struct session *s, struct listing *list,
	struct candidate candidate)
{
	arena_grow(s->command, &list->items, &list->capacity,
		list->count + 1, sizeof(candidate));
	list->items[list->count++] = candidate;
}

static int by_name(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

/* One of each name: it exists, is subscribed, or both. */
static void join_same(struct listing *list)
{
	size_t kept = 0;

	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items),
			by_name);
	for (size_t i = 0; i < list->count; i++) {
		struct candidate *c = &list->items[i];
		struct candidate *last = kept ? &list->items[kept - 1] : NULL;

		if (!last || !str_eq(last->name, c->name)) {
			list->items[kept++] = *c;
			continue;
		}
		if (c->exists) {
			last->inner = c->inner;
			last->is_met = c->is_met;
		}
		last->exists = last->exists || c->exists;
		last->is_subscribed = last->is_subscribed || c->is_subscribed;
		if (c->use.len)
			last->use = c->use;
	}
	list->count = kept;
}

/* Levels above a name that are no names themselves. */
static void add_parents(struct session *s, struct listing *list)
{
	size_t count = list->count;

	for (size_t n = 0; n < count; n++) {
		struct str name = list->items[n].name;

		for (size_t i = 1; i < name.len; i++)
			if (name.p[i] == s->ns->separator)
				add(s, list, (struct candidate){
					.name = str_first(name, i) });
	}
	join_same(list);
}

/* Those whose status will be told; all that are new at once. */
static enum mailbox_result meet_all(struct session *s, struct listing *list,
	const struct mailbox_names *all, enum mailbox_met *met)
{
	/* What is UIDVALIDITY's, and what the index alone does not tell. */
	const unsigned told = STATUS_UIDVALIDITY | STATUS_MAILBOXID |
		STATUS_RECENT | STATUS_SIZE;
	struct str *names = arena_array(s->command, all->count + 1,
		sizeof(*names));
	size_t *places = arena_array(s->command, all->count + 1,
		sizeof(*places));
	enum mailbox_met *of_names = arena_array(s->command, all->count + 1,
		sizeof(*of_names));
	enum mailbox_result result;
	size_t count = 0;

	for (size_t i = 0; i < all->count; i++) {
		if (!is_wanted(s, list, name_shown(s, all->names[i])))
			continue;
		places[count] = i;
		names[count++] = all->names[i];
	}
	result = mailbox_store_meet(s->store, names, count,
		list->status_items & told, of_names);
	for (size_t i = 0; i < count; i++)
		met[places[i]] = of_names[i];
	return result;
}

/* Whoever was met is there. */
static void keep_mailboxes(struct session *s, struct mailbox_names *all,
	enum mailbox_met *met)
{
	bool *have = arena_array(s->command, all->count + 1, sizeof(*have));
	size_t kept = 0;

	mailbox_store_have(s->store, all->names, all->count, met, have);
	for (size_t i = 0; i < all->count; i++)
		if (have[i]) {
			all->names[kept] = all->names[i];
			met[kept++] = met[i];
		}
	all->count = kept;
}

/* With what was met of those whose status will be told. */
static enum mailbox_result read_mailboxes(struct session *s,
	struct listing *list, struct mailbox_names *all,
	enum mailbox_met **met)
{
	bool meets = list->options & RETURN_STATUS;
	enum mailbox_result result = meets ?
		mailbox_store_list_unsure(s->store, s->command, all) :
		mailbox_store_list(s->store, s->command, all);

	if (result != MAILBOX_OK)
		return result;
	*met = arena_array(s->command, all->count + 1, sizeof(**met));
	if (!meets)
		return MAILBOX_OK;
	result = meet_all(s, list, all, *met);
	if (result == MAILBOX_OK)
		keep_mailboxes(s, all, *met);
	return result;
}

static enum mailbox_result read_names(struct session *s, struct listing *list)
{
	struct mailbox_names all, subscribed;
	struct special_uses special;
	enum mailbox_met *met;
	enum mailbox_result result = read_mailboxes(s, list, &all, &met);

	if (result == MAILBOX_OK)
		result = mailbox_store_subscriptions(s->store, s->command,
			&subscribed);
	if (result != MAILBOX_OK)
		return result;
	list->separator = s->ns->separator;
	if (!special_read(s, &all, met, &special))
		return MAILBOX_TRY_LATER;
	for (size_t i = 0; i < all.count; i++)
		add(s, list, (struct candidate){
			.name = name_shown(s, all.names[i]),
			.inner = all.names[i], .exists = true,
			.is_met = met[i] != MAILBOX_NOT_MET,
			.use = special_find(&special, i) });
	for (size_t i = 0; i < subscribed.count; i++)
		add(s, list, (struct candidate){
			.name = name_shown(s, subscribed.names[i]),
			.is_subscribed = true });
	join_same(list);
	add_parents(s, list);
	return MAILBOX_OK;
}

/* ---- who is chosen ---- */

static bool meets(const struct listing *list, const struct candidate *c)
{
	if ((list->options & SELECT_SUBSCRIBED) && !c->is_subscribed)
		return false;
	return !(list->options & SELECT_SPECIAL_USE) ||
		(c->exists && c->use.len > 0);
}

/* Names below item i stand together, but not always next to it. */
static size_t first_below(const struct listing *list, size_t i)
{
	struct str name = list->items[i].name;

	while (++i < list->count) {
		struct str below = list->items[i].name;

		if (!str_starts(below, name))
			return list->count;
		if (below.p[name.len] == list->separator)
			return i;
	}
	return i;
}

static bool is_below(const struct listing *list, size_t i, size_t at)
{
	return at < list->count &&
		str_starts(list->items[at].name, list->items[i].name) &&
		list->items[at].name.p[list->items[i].name.len] ==
			list->separator;
}

static bool has_children(const struct listing *list, size_t i)
{
	for (size_t at = first_below(list, i); is_below(list, i, at); at++)
		if (list->items[at].exists)
			return true;
	return false;
}

/* Somebody below meets the criteria; hidden: and does not match itself. */
static bool has_chosen_below(struct session *s, struct listing *list, size_t i,
	bool hidden)
{
	for (size_t at = first_below(list, i); is_below(list, i, at); at++)
		if (meets(list, &list->items[at]) &&
			(!hidden || !is_wanted(s, list, list->items[at].name)))
			return true;
	return false;
}

/* ---- telling ---- */

static void add_attributes(struct listing *list, size_t i, struct buf *out)
{
	const struct candidate *c = &list->items[i];
	bool exists = list->is_lsub ? c->is_subscribed : c->exists;

	if (!exists)
		buf_text(out, list->options & EXTENDED ? "\\NonExistent " :
							 "\\Noselect ");
	buf_text(out, has_children(list, i) ? "\\HasChildren" :
					      "\\HasNoChildren");
	if (c->use.len && exists)
		buf_fmt(out, " %.*s", STR_ARG(c->use));
	if ((list->options & (RETURN_SUBSCRIBED | SELECT_SUBSCRIBED)) &&
		c->is_subscribed)
		buf_text(out, " \\Subscribed");
}

static void add_child_info(struct listing *list, struct buf *out)
{
	const char *gap = "";

	buf_text(out, " (\"CHILDINFO\" (");
	for (size_t i = 0; i < COUNT(select_options); i++) {
		if (!(list->options & select_options[i].bit & CRITERIA))
			continue;
		buf_fmt(out, "%s\"%s\"", gap, select_options[i].name);
		gap = " ";
	}
	buf_text(out, "))");
}

static void add_old_name(struct session *s, struct buf *out, struct str old)
{
	buf_text(out, " (\"OLDNAME\" (");
	name_format(s, out, old);
	buf_text(out, "))");
}

/* Who is only told for what is below has no STATUS and no METADATA, RFC 5819 2. */
static void tell(struct session *s, struct listing *list, size_t i,
	bool child_info, bool chosen)
{
	struct candidate *c = &list->items[i];
	struct buf out = BUF_IN(s->command);
	bool is_read = true;
	size_t longest;

	buf_fmt(&out, "* %s (", list->is_lsub ? "LSUB" : "LIST");
	add_attributes(list, i, &out);
	buf_fmt(&out, ") \"%c\" ", s->ns->separator);
	shown_format(s, &out, c->name);
	if (child_info)
		add_child_info(list, &out);
	if (list->old.len > 0)
		add_old_name(s, &out, list->old);
	buf_text(&out, "\r\n");
	io_write(s->io, buf_str(&out));
	if ((list->options & RETURN_METADATA) && c->exists && chosen)
		is_read = metadata_tell(s, c->inner, &list->metadata,
			&longest);
	if ((list->options & RETURN_STATUS) && c->exists && chosen &&
		status_tell(s, c->inner, list->status_items, c->is_met) ==
			MAILBOX_TRY_LATER)
		is_read = false;
	if (!is_read)
		io_text(s->io, "* NO A mailbox cannot be read\r\n");
}

/* RFC 5258 3.5 and the table there. */
static void tell_if_chosen(struct session *s, struct listing *list, size_t i)
{
	struct candidate *c = &list->items[i];
	bool chosen, recursive = list->options & RECURSIVE;

	if (!is_wanted(s, list, c->name))
		return;
	if (list->options & CRITERIA)
		chosen = meets(list, c);
	else
		chosen = c->exists || has_children(list, i);
	if (chosen)
		tell(s, list, i, recursive &&
			has_chosen_below(s, list, i, false), true);
	else if (recursive && has_chosen_below(s, list, i, true))
		tell(s, list, i, true, false);
}

/* INBOX first, as people expect. */
static void tell_all(struct session *s, struct listing *list,
	void (*each)(struct session *, struct listing *, size_t))
{
	for (int inbox = 1; inbox >= 0; inbox--)
		for (size_t i = 0; i < list->count; i++)
			if (str_is(list->items[i].name, "INBOX") == inbox)
				each(s, list, i);
}

struct answer verb_list(struct session *s, struct str args)
{
	struct listing list = { 0 };
	enum mailbox_result result;

	if (!take_select_options(&args, &list) ||
		!take_reference(s, &args, &list.reference) ||
		!str_take_char(&args, ' ') ||
		!take_patterns(s, &args, &list) ||
		!take_return_options(s, &args, &list))
		return BAD_SYNTAX;
	if (!(list.options & EXTENDED) && list.patterns[0].len == 0) {
		io_fmt(s->io, "* LIST (\\Noselect) \"%c\" \"\"\r\n",
			s->ns->separator);
		return OK_("List completed");
	}
	result = read_names(s, &list);
	if (result == MAILBOX_OK)
		tell_all(s, &list, tell_if_chosen);
	return answer_of(result, "List completed");
}

void list_tell(struct session *s, struct str name)
{
	struct listing list = { .options = EXTENDED };

	if (read_names(s, &list) != MAILBOX_OK)
		return;
	name = name_shown(s, name);
	for (size_t i = 0; i < list.count; i++)
		if (str_eq(list.items[i].name, name))
			tell(s, &list, i, false, true);
}

void list_tell_event(struct session *s, struct str name, struct str old)
{
	struct listing list = { .options = EXTENDED | RETURN_SUBSCRIBED,
		.old = old };

	if (read_names(s, &list) != MAILBOX_OK)
		return;
	name = name_shown(s, name);
	add(s, &list, (struct candidate){ .name = name });
	join_same(&list);
	for (size_t i = 0; i < list.count; i++)
		if (str_eq(list.items[i].name, name))
			tell(s, &list, i, false, true);
}

void list_tell_said(struct session *s, struct str name, struct str said)
{
	if (s->utf8 && !str_eq(mailbox_name_of(name), mailbox_name_of(said)))
		list_tell_event(s, name, said);
}

/* RFC 3501 6.3.9: a parent of subscribed names that matches where they do not
 * is \Noselect. */
static void tell_subscribed(struct session *s, struct listing *list, size_t i)
{
	struct candidate *c = &list->items[i];

	if (is_wanted(s, list, c->name) && (c->is_subscribed ||
		has_chosen_below(s, list, i, true)))
		tell(s, list, i, false, true);
}

struct answer verb_lsub(struct session *s, struct str args)
{
	struct listing list = { .is_lsub = true, .pattern_count = 1 };
	enum mailbox_result result;

	if (!take_reference(s, &args, &list.reference) ||
		!str_take_char(&args, ' ') ||
		!take_pattern(s, &args, &list.patterns[0]) ||
		args.len > 0)
		return BAD_SYNTAX;
	result = read_names(s, &list);
	/* has_chosen_below asks for these. */
	list.options = SELECT_SUBSCRIBED;
	if (result == MAILBOX_OK)
		tell_all(s, &list, tell_subscribed);
	return answer_of(result, "Lsub completed");
}
