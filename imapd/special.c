/*
 * Special uses of mailboxes, RFC 6154: what was said with CREATE or
 * SETMETADATA; else the usual names, as far as no mailbox was said to be it.
 */
#include "session.h"

#include "mailbox/metadata.h"

static const struct {
	const char *name, *use;
} usual[] = {
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

/* \All and \Flagged would be views, which we do not have. */
static const char *const uses[] = {
	"\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash",
};

bool special_is_good(struct str value)
{
	struct str word;

	while (str_take_item(&value, " ", &word)) {
		bool known = false;

		for (size_t i = 0; i < COUNT(uses); i++)
			known = known || str_is_nocase(word, uses[i]);
		if (!known)
			return false;
	}
	return true;
}

static bool is_said(const struct special_uses *special, const char *use)
{
	for (size_t i = 0; i < special->count; i++)
		if (str_find_nocase(special->said[i], str_from(use)) !=
			SIZE_MAX)
			return true;
	return false;
}

bool special_read(struct session *s, const struct mailbox_names *names,
	const enum mailbox_met *met, struct special_uses *special)
{
	bool *have = arena_array(s->command, names->count + 1, sizeof(*have));

	special->names = names;
	special->count = names->count;
	special->said = arena_array(s->command, names->count + 1,
		sizeof(*special->said));
	mailbox_metadata_have(s->store, names->names, names->count, met,
		have);
	for (size_t i = 0; i < names->count; i++) {
		struct mailbox_metadata metadata = { 0 };

		if (have[i] && !mailbox_metadata_read(s->store, s->command,
			    names->names[i], &metadata))
			return false;
		special->said[i] = mailbox_metadata_find(&metadata,
			MAILBOX_SPECIAL_USE);
	}
	return true;
}

struct str special_find(const struct special_uses *special, size_t i)
{
	struct str name = special->names->names[i];

	if (!str_is_none(special->said[i]))
		return special->said[i];
	for (size_t u = 0; u < COUNT(usual); u++)
		if (str_is_nocase(name, usual[u].name) &&
			!is_said(special, usual[u].use))
			return str_from(usual[u].use);
	return STR("");
}
