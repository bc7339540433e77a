/*
 * LIST and LSUB: names, their attributes and which of them match.
 *
 * RFC 3501 6.3.8, RFC 3348 (children), RFC 6154 (special use), and of RFC 5258
 * the selection and return options that these need.
 */
#include "session.h"

#include "imap/format.h"

enum {
	SELECT_SUBSCRIBED = 1,
	SELECT_SPECIAL_USE = 2,
	RETURN_SUBSCRIBED = 4,
	RETURN_STATUS = 8,
	RECURSIVE = 16,
	PATTERNS_MOST = 20,
	STEPS_MOST = 10000, /* of one match: "*" in "*" gets expensive */
};

/* By their usual names; RFC 6154 2. */
static const struct {
	const char *name, *use;
} special_uses[] = {
	{ "Drafts", "\\Drafts" },
	{ "Sent", "\\Sent" },
	{ "Sent Items", "\\Sent" },
	{ "Sent Messages", "\\Sent" },
	{ "Trash", "\\Trash" },
	{ "Deleted Items", "\\Trash" },
	{ "Deleted Messages", "\\Trash" },
	{ "Junk", "\\Junk" },
	{ "Spam", "\\Junk" },
	{ "Archive", "\\Archive" },
	{ "Archives", "\\Archive" },
};

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
};

struct listing {
	unsigned options, status_items;
	struct str reference;
	struct str patterns[PATTERNS_MOST];
	size_t pattern_count;
	struct mailbox_names all, subscribed;
	const char *word; /* LIST or LSUB */
};

static bool take_select_options(struct str *in, struct listing *list)
{
	if (!str_take_char(in, '('))
		return true;
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
	return str_take_char(in, ' ');
}

static bool take_return_options(struct str *in, struct listing *list)
{
	if (in->len == 0)
		return true;
	if (!str_take_prefix_nocase(in, STR(" RETURN (")))
		return false;
	while (!str_take_char(in, ')')) {
		struct str word;
		bool known = false;
		unsigned bit = 0;

		str_take_char(in, ' ');
		if (!imap_take_atom(in, &word))
			return false;
		for (size_t i = 0; i < COUNT(return_options); i++)
			if (str_is_nocase(word, return_options[i].name)) {
				bit = return_options[i].bit;
				known = true;
			}
		list->options |= bit;
		if (!known || (bit == RETURN_STATUS &&
			(!str_take_char(in, ' ') ||
				!status_items_take(in, &list->status_items))))
			return false;
	}
	return in->len == 0;
}

static bool take_patterns(struct session *s, struct str *in,
	struct listing *list)
{
	if (!str_take_char(in, '(')) {
		list->pattern_count = 1;
		return imap_take_pattern(s->command, in, &list->patterns[0]);
	}
	do {
		if (list->pattern_count == PATTERNS_MOST ||
			!imap_take_pattern(s->command, in,
				&list->patterns[list->pattern_count++]))
			return false;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')');
}

static bool matches(struct str pattern, struct str name, unsigned *steps)
{
	while (pattern.len > 0) {
		char c = pattern.p[0];

		if (++*steps > STEPS_MOST)
			return false;
		if (c == '*' || c == '%') {
			pattern = str_skip(pattern, 1);
			for (size_t i = 0; i <= name.len; i++) {
				if (matches(pattern, str_skip(name, i), steps))
					return true;
				if (c == '%' && i < name.len &&
					name.p[i] == '.')
					return false;
			}
			return false;
		}
		if (name.len == 0 || name.p[0] != c)
			return false;
		pattern = str_skip(pattern, 1);
		name = str_skip(name, 1);
	}
	return name.len == 0;
}

static bool is_wanted(struct session *s, struct listing *list, struct str name)
{
	for (size_t i = 0; i < list->pattern_count; i++) {
		struct str pattern = arena_join(s->command, list->reference,
			list->patterns[i]);
		unsigned steps = 0;

		if (str_is(name, "INBOX") && str_is_nocase(pattern, "INBOX"))
			return true;
		if (matches(pattern, name, &steps))
			return true;
	}
	return false;
}

static bool has(const struct mailbox_names *names, struct str name)
{
	for (size_t i = 0; i < names->count; i++)
		if (str_eq(names->names[i], name))
			return true;
	return false;
}

static bool has_below(const struct mailbox_names *names, struct str name)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->names[i].len > name.len &&
			names->names[i].p[name.len] == '.' &&
			str_starts(names->names[i], name))
			return true;
	return false;
}

static const char *special_use(struct str name)
{
	for (size_t i = 0; i < COUNT(special_uses); i++)
		if (str_is_nocase(name, special_uses[i].name))
			return special_uses[i].use;
	return NULL;
}

static void tell(struct session *s, struct listing *list, struct str name)
{
	struct buf out = BUF_IN(s->command);
	const char *use = special_use(name);
	bool exists = has(&list->all, name) &&
		(list->word[1] == 'I' || has(&list->subscribed, name));

	buf_fmt(&out, "* %s (%s%s", list->word, exists ? "" : "\\Noselect ",
		has_below(&list->all, name) ? "\\HasChildren" :
					      "\\HasNoChildren");
	if (use && exists)
		buf_fmt(&out, " %s", use);
	if ((list->options & (RETURN_SUBSCRIBED | SELECT_SUBSCRIBED)) &&
		has(&list->subscribed, name))
		buf_text(&out, " \\Subscribed");
	buf_text(&out, ") \".\" ");
	imap_astring_format(&out, name);
	buf_text(&out, "\r\n");
	io_write(s->io, buf_str(&out));
	if ((list->options & RETURN_STATUS) && exists &&
		status_tell(s, name, list->status_items) ==
			MAILBOX_TRY_LATER)
		io_text(s->io, "* NO A mailbox cannot be read\r\n");
}

/* Levels above a name that are no mailboxes themselves: each once. */
static void tell_parents(struct session *s, struct listing *list,
	struct mailbox_names *names, size_t at)
{
	struct str name = names->names[at];

	for (size_t i = 1; i < name.len; i++) {
		struct str parent = str_first(name, i);
		bool told = false;

		if (name.p[i] != '.' || has(names, parent))
			continue;
		for (size_t j = 0; j < at && !told; j++)
			told = names->names[j].len > i &&
				names->names[j].p[i] == '.' &&
				str_starts(names->names[j], parent);
		/* LSUB: only instead of a name that does not match. */
		if (!told && is_wanted(s, list, parent) &&
			(list->word[1] == 'I' || !is_wanted(s, list, name)))
			tell(s, list, parent);
	}
}

static void tell_matching(struct session *s, struct listing *list,
	struct mailbox_names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		struct str name = names->names[i];

		if (i > 0 && str_eq(name, names->names[i - 1]))
			continue;
		if (!(list->options &
			(SELECT_SUBSCRIBED | SELECT_SPECIAL_USE)))
			tell_parents(s, list, names, i);
		if ((list->options & SELECT_SPECIAL_USE) &&
			!special_use(name))
			continue;
		if (is_wanted(s, list, name))
			tell(s, list, name);
	}
}

static enum mailbox_result read_names(struct session *s, struct listing *list)
{
	enum mailbox_result result = mailbox_store_list(s->store, s->command,
		&list->all);

	if (result != MAILBOX_OK)
		return result;
	return mailbox_store_subscriptions(s->store, s->command,
		&list->subscribed);
}

struct answer verb_list(struct session *s, struct str args)
{
	struct listing list = { .word = "LIST" };
	enum mailbox_result result;

	if (!take_select_options(&args, &list) ||
		!imap_take_astring(s->command, &args, &list.reference) ||
		!str_take_char(&args, ' ') ||
		!take_patterns(s, &args, &list) ||
		!take_return_options(&args, &list))
		return BAD_SYNTAX;
	if (list.pattern_count == 1 && list.patterns[0].len == 0) {
		io_text(s->io, "* LIST (\\Noselect) \".\" \"\"\r\n");
		return OK_("List completed");
	}
	result = read_names(s, &list);
	if (result == MAILBOX_OK)
		tell_matching(s, &list, list.options & SELECT_SUBSCRIBED ?
			&list.subscribed : &list.all);
	return answer_of(result, "List completed");
}

/* A parent of subscribed names that matches where they do not: \Noselect,
 * RFC 3501 6.3.9. */
struct answer verb_lsub(struct session *s, struct str args)
{
	struct listing list = { .word = "LSUB" };
	enum mailbox_result result;

	if (!imap_take_astring(s->command, &args, &list.reference) ||
		!str_take_char(&args, ' ') ||
		!imap_take_pattern(s->command, &args, &list.patterns[0]) ||
		args.len > 0)
		return BAD_SYNTAX;
	list.pattern_count = 1;
	result = read_names(s, &list);
	if (result == MAILBOX_OK)
		tell_matching(s, &list, &list.subscribed);
	return answer_of(result, "Lsub completed");
}
