/*
 * GETMETADATA and SETMETADATA, RFC 5464: annotations of mailboxes and of the
 * server, which here is the user's store.
 */
#include "session.h"

#include <limits.h>

#include "imap/format.h"
#include "mailbox/metadata.h"

enum {
	NAME_MOST = 500,
	CHANGES_MOST = 200,
};

/* RFC 5464 4: in ASCII, without "*", "%", "//", or "/" at the end. */
static bool is_entry(struct str name)
{
	if (name.len > NAME_MOST || name.p[name.len - 1] == '/' ||
		str_find(name, STR("//")) != SIZE_MAX ||
		!(str_starts_nocase(name, STR("/private/")) ||
			str_starts_nocase(name, STR("/shared/"))))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_print((unsigned char)name.p[i]) ||
			strchr("*%", name.p[i]))
			return false;
	return true;
}

static bool take_entry(struct session *s, struct str *in, struct str *name)
{
	if (!imap_take_astring(s->command, in, name) || name->len == 0)
		return false;
	*name = arena_lower(s->command, *name);
	return true;
}

/* ---- GETMETADATA ---- */

static const struct {
	const char *name;
	unsigned depth;
} depths[] = {
	{ "0", 0 }, { "1", 1 }, { "infinity", UINT_MAX },
};

static bool take_option(struct str *in, struct metadata_query *query)
{
	struct str word;

	if (str_take_prefix_nocase(in, STR("MAXSIZE "))) {
		query->has_most = true;
		return imap_take_number(in, &query->most);
	}
	if (!str_take_prefix_nocase(in, STR("DEPTH ")) ||
		!imap_take_atom(in, &word))
		return false;
	for (size_t i = 0; i < COUNT(depths); i++)
		if (str_is_nocase(word, depths[i].name)) {
			query->depth = depths[i].depth;
			return true;
		}
	return false;
}

/* "(MAXSIZE 1024 DEPTH 1)" */
static bool take_options(struct str *in, struct metadata_query *query)
{
	if (!str_take_char(in, '('))
		return false;
	do {
		if (!take_option(in, query))
			return false;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')');
}

/* An entry, or some in parentheses. */
bool metadata_take(struct session *s, struct str *in,
	struct metadata_query *query)
{
	bool list = str_take_char(in, '(');

	query->count = 0;
	do {
		if (query->count == METADATA_ENTRIES_MOST ||
			!take_entry(s, in, &query->names[query->count++]))
			return false;
	} while (list && str_take_char(in, ' '));
	return !list || str_take_char(in, ')');
}

static bool is_asked(const struct metadata_query *query, struct str entry)
{
	for (size_t i = 0; i < query->count; i++) {
		struct str rest = entry;
		unsigned levels = 0;

		if (!str_take_prefix(&rest, query->names[i]) ||
			(rest.len > 0 && rest.p[0] != '/'))
			continue;
		for (size_t at = 0; at < rest.len; at++)
			levels += rest.p[at] == '/';
		if (levels <= query->depth)
			return true;
	}
	return false;
}

static void add_value(struct buf *out, const char **gap, struct str name,
	struct str value)
{
	buf_fmt(out, "%s%.*s ", *gap, STR_ARG(name));
	*gap = " ";
	if (value.len > 0 && memchr(value.p, 0, value.len)) {
		buf_fmt(out, "~{%zu}\r\n", value.len);
		buf_add(out, value);
	} else {
		imap_nstring_format(out, value);
	}
}

bool metadata_tell(struct session *s, struct str mailbox,
	const struct metadata_query *query, size_t *longest)
{
	struct buf out = BUF_IN(s->command);
	struct mailbox_metadata all;
	const char *gap = "";

	*longest = 0;
	if (!mailbox_metadata_read(s->store, s->command, mailbox, &all))
		return false;
	buf_text(&out, "* METADATA ");
	if (mailbox.len)
		name_format(s, &out, mailbox);
	else
		buf_text(&out, "\"\"");
	buf_text(&out, " (");
	for (size_t i = 0; i < all.count; i++) {
		if (!is_asked(query, all.items[i].name))
			continue;
		if (query->has_most && all.items[i].value.len > query->most) {
			if (all.items[i].value.len > *longest)
				*longest = all.items[i].value.len;
			continue;
		}
		add_value(&out, &gap, all.items[i].name, all.items[i].value);
	}
	for (size_t i = 0; query->depth == 0 && i < query->count; i++) {
		char *name = arena_cstr(s->command, query->names[i]);

		if (str_is_none(mailbox_metadata_find(&all, name)))
			add_value(&out, &gap, query->names[i], STR_NONE);
	}
	buf_text(&out, ")\r\n");
	if (gap[0])
		io_write(s->io, buf_str(&out));
	return longest;
}

/* The options stand before the mailbox in the grammar, and behind it in the
 * examples: both are taken. */
struct answer verb_get_metadata(struct session *s, struct str args)
{
	struct metadata_query query = { 0 };
	struct str mailbox, rest;
	size_t longest;

	if (args.len > 0 && args.p[0] == '(' &&
		(!take_options(&args, &query) || !str_take_char(&args, ' ')))
		return BAD_SYNTAX;
	if (!name_take(s, &args, &mailbox) || !str_take_char(&args, ' '))
		return BAD_SYNTAX;
	rest = args;
	if (take_options(&rest, &query) && str_take_char(&rest, ' '))
		args = rest;
	if (!metadata_take(s, &args, &query) || args.len > 0)
		return BAD_SYNTAX;
	if (mailbox.len > 0 && !mailbox_store_has(s->store, mailbox))
		return answer_of(MAILBOX_NONEXISTENT, NULL);
	if (!metadata_tell(s, mailbox_name_of(mailbox), &query, &longest))
		return answer_of(MAILBOX_TRY_LATER, NULL);
	return longest ? answer_f(s, "OK", "[METADATA LONGENTRIES %zu] "
		"Getmetadata completed", longest) :
		OK_("Getmetadata completed");
}

/* ---- SETMETADATA ---- */

static bool take_value(struct session *s, struct str *in, struct str *value)
{
	str_take_char(in, '~');
	return imap_take_nstring(s->command, in, value);
}

static bool take_changes(struct session *s, struct str *in,
	struct mailbox_entry_value *changes, size_t *count)
{
	*count = 0;
	if (!str_take_char(in, '('))
		return false;
	do {
		if (*count == CHANGES_MOST ||
			!take_entry(s, in, &changes[*count].name) ||
			!str_take_char(in, ' ') ||
			!take_value(s, in, &changes[*count].value))
			return false;
		(*count)++;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')') && in->len == 0;
}

static bool is_refused(const struct mailbox_entry_value *change,
	struct answer *answer)
{
	if (!is_entry(change->name))
		*answer = BAD_("Not an entry name");
	else if (change->value.len > MAILBOX_VALUE_MOST)
		*answer = NO_("[METADATA MAXSIZE 65536] Value is too large");
	else if (str_is(change->name, MAILBOX_SPECIAL_USE) &&
		!special_is_good(change->value))
		*answer = NO_("[USEATTR] No such special use here");
	else
		return false;
	return true;
}

struct answer verb_set_metadata(struct session *s, struct str args)
{
	struct mailbox_entry_value *changes = arena_array(s->command,
		CHANGES_MOST, sizeof(*changes));
	enum mailbox_result result;
	struct answer answer;
	struct str mailbox;
	size_t count;

	if (!name_take(s, &args, &mailbox) || !str_take_char(&args, ' ') ||
		!take_changes(s, &args, changes, &count))
		return BAD_SYNTAX;
	for (size_t i = 0; i < count; i++)
		if (is_refused(&changes[i], &answer))
			return answer;
	result = mailbox_metadata_change(s->store, mailbox, changes, count);
	if (result == MAILBOX_LIMIT)
		return NO_("[METADATA TOOMANY] Too many entries");
	for (size_t i = 0; result == MAILBOX_OK && i < count; i++)
		notify_own(s, MAILBOX_EVENT_METADATA, mailbox.len ?
			mailbox_name_of(mailbox) : mailbox, changes[i].name);
	return answer_of(result, "Setmetadata completed");
}
