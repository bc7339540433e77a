/*
 * Names of mailboxes on the wire: modified UTF-7, or UTF-8 after ENABLE
 * UTF8=ACCEPT (RFC 6855 3) or IMAP4rev2 (RFC 9051 5.1); with the prefix and
 * the separator of the namespace, which the store does not know.
 */
#include "session.h"

#include "imap/format.h"
#include "imap/mutf7.h"

struct str name_shown_of_wire(struct session *s, struct str wire)
{
	struct str shown;

	if (!s->utf8)
		return wire;
	shown = imap_mutf7_of_utf8(s->command, wire);
	/* What is no UTF-8 is a name that cannot be, and is refused as one. */
	return str_is_none(shown) ? STR("*") : shown;
}

struct str name_of_wire(struct session *s, struct str wire)
{
	return mailbox_namespace_inner(s->command, s->ns,
		name_shown_of_wire(s, wire));
}

bool name_take(struct session *s, struct str *in, struct str *name)
{
	if (!imap_take_astring(s->command, in, name))
		return false;
	*name = name_of_wire(s, *name);
	return true;
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
