/*
 * Names of mailboxes on the wire: modified UTF-7, or UTF-8 after ENABLE
 * UTF8=ACCEPT (RFC 6855 3) or IMAP4rev2 (RFC 9051 5.1).
 */
#include "session.h"

#include "imap/format.h"
#include "imap/mutf7.h"

struct str name_of_wire(struct session *s, struct str wire)
{
	struct str inner;

	if (!s->utf8)
		return wire;
	inner = imap_mutf7_of_utf8(s->command, wire);
	/* What is no UTF-8 is a name that cannot be, and is refused as one. */
	return str_is_none(inner) ? STR("*") : inner;
}

bool name_take(struct session *s, struct str *in, struct str *name)
{
	if (!imap_take_astring(s->command, in, name))
		return false;
	*name = name_of_wire(s, *name);
	return true;
}

struct str name_on_wire(struct session *s, struct str name)
{
	struct str wire = s->utf8 ? imap_mutf7_to_utf8(s->command, name) :
				    name;

	return str_is_none(wire) ? name : wire;
}

void name_format(struct session *s, struct buf *out, struct str name)
{
	struct str wire = name_on_wire(s, name);

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
