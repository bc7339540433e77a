/*
 * Names of mailboxes on the wire: modified UTF-7, or UTF-8 after ENABLE
 * UTF8=ACCEPT (RFC 6855 3) or IMAP4rev2 (RFC 9051 5.1); with the prefix and
 * the separator of the namespace, which the store does not know. They are
 * taken in any form of normalization, and are in form C from here on.
 */
#include "session.h"

#include "imap/format.h"
#include "imap/mutf7.h"
#include "imap/nfc.h"

/* Of what is no name at all, refused as one that no mailbox can have. */
#define NO_NAME STR("*")

static bool is_plain(struct str text)
{
	return str_is_ascii(text) && !memchr(text.p, '&', text.len);
}

static struct str mutf7_of(struct session *s, struct str wire)
{
	struct str shown = s->utf8 ? imap_mutf7_of_utf8(s->command, wire) :
				     wire;

	return str_is_none(shown) ? NO_NAME : shown;
}

struct str name_shown_of_wire(struct session *s, struct str wire)
{
	struct str utf8;

	if (is_plain(wire))
		return wire;
	utf8 = s->utf8 ? wire : imap_mutf7_to_utf8(s->command, wire);
	if (str_is_none(utf8) || !str_is_utf8(utf8))
		return NO_NAME;
	return imap_mutf7_of_utf8(s->command, imap_nfc(s->command, utf8));
}

struct str pattern_of_wire(struct session *s, struct str wire)
{
	struct str shown;

	if (is_plain(wire))
		return wire;
	if (s->utf8)
		return str_is_utf8(wire) ? imap_nfc(s->command, wire) : wire;
	/* In a pattern, a part of modified UTF-7 may be missing. */
	shown = name_shown_of_wire(s, wire);
	return str_eq(shown, NO_NAME) ? wire : shown;
}

/* INBOX is the same in any case also where it is the parent, or there would be
 * two: unless other programs made a mailbox of that very name. */
static struct str one_inbox(struct session *s, struct str name)
{
	struct str below = name;

	if (mailbox_namespace_is_below_inbox(s->ns) ||
		!str_take_prefix_nocase(&below, STR("INBOX.")) ||
		str_starts(name, STR("INBOX.")) ||
		mailbox_store_has(s->store, name))
		return name;
	return arena_join(s->command, STR("INBOX."), below);
}

struct str name_of_wire(struct session *s, struct str wire)
{
	return one_inbox(s, mailbox_namespace_inner(s->command, s->ns,
		name_shown_of_wire(s, wire)));
}

bool name_take_said(struct session *s, struct str *in, struct str *name,
	struct str *said)
{
	if (!imap_take_astring(s->command, in, said))
		return false;
	*name = name_of_wire(s, *said);
	*said = mailbox_namespace_inner(s->command, s->ns, mutf7_of(s, *said));
	return true;
}

bool name_take(struct session *s, struct str *in, struct str *name)
{
	struct str said;

	return name_take_said(s, in, name, &said);
}

struct str name_shown(struct session *s, struct str name)
{
	return mailbox_namespace_shown(s->command, s->ns, name);
}

struct str shown_on_wire(struct session *s, struct str shown)
{
	struct str wire = s->utf8 ? imap_mutf7_to_utf8(s->command, shown) :
				    shown;

	return str_is_none(wire) ? shown : wire;
}

void shown_format(struct session *s, struct buf *out, struct str shown)
{
	struct str wire = shown_on_wire(s, shown);

	if (str_is_ascii(wire)) {
		imap_astring_format(out, wire);
		return;
	}
	/* Neither quote nor backslash needs to be thought of otherwise. */
	buf_char(out, '"');
	for (size_t i = 0; i < wire.len; i++) {
		if (wire.p[i] == '"' || wire.p[i] == '\\')
			buf_char(out, '\\');
		buf_char(out, wire.p[i]);
	}
	buf_char(out, '"');
}

void name_format(struct session *s, struct buf *out, struct str name)
{
	shown_format(s, out, name_shown(s, name));
}
