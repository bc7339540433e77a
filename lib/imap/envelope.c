#include "imap/envelope.h"

#include "imap/format.h"
#include "mail/header.h"
#include "mail/list.h"

enum field {
	DATE,
	SUBJECT,
	FROM,
	SENDER,
	REPLY_TO,
	TO,
	CC,
	BCC,
	IN_REPLY_TO,
	MESSAGE_ID,
	FIELDS,
};

static const struct {
	const char *name;
	bool is_list;
	enum field instead; /* if it is not there; itself: NIL */
} fields[FIELDS] = {
	[DATE] = { "Date", false, DATE },
	[SUBJECT] = { "Subject", false, SUBJECT },
	[FROM] = { "From", true, FROM },
	[SENDER] = { "Sender", true, FROM },
	[REPLY_TO] = { "Reply-To", true, FROM },
	[TO] = { "To", true, TO },
	[CC] = { "Cc", true, CC },
	[BCC] = { "Bcc", true, BCC },
	[IN_REPLY_TO] = { "In-Reply-To", false, IN_REPLY_TO },
	[MESSAGE_ID] = { "Message-ID", false, MESSAGE_ID },
};

enum {
	ADDRESSES_MOST = 5000,
};

static void mailbox_format(struct buf *out, const struct mail_mailbox *m)
{
	buf_char(out, '(');
	imap_nstring_format(out, m->name);
	buf_char(out, ' ');
	imap_nstring_format(out, m->route);
	buf_char(out, ' ');
	imap_string_format(out, m->local);
	buf_char(out, ' ');
	/* NIL here would mean a group: a lone local-part gets an empty one. */
	imap_string_format(out, str_is_none(m->domain) ? STR("") : m->domain);
	buf_char(out, ')');
}

static void item_format(struct buf *out, enum mail_list_item item,
	const struct mail_mailbox *m)
{
	if (item == MAIL_LIST_ADDRESS) {
		mailbox_format(out, m);
	} else if (item == MAIL_LIST_GROUP) {
		buf_text(out, "(NIL NIL ");
		imap_string_format(out,
			str_is_none(m->name) ? STR("") : m->name);
		buf_text(out, " NIL)");
	} else if (item == MAIL_LIST_GROUP_END) {
		buf_text(out, "(NIL NIL NIL NIL)");
	}
}

static void list_format(struct arena *arena, struct buf *out,
	struct str text)
{
	struct buf addresses = BUF_IN(arena);
	struct mail_list list = mail_list_of(text);
	struct mail_mailbox m;
	enum mail_list_item item;

	for (size_t i = 0; i < ADDRESSES_MOST; i++) {
		item = mail_list_next(arena, &list, &m);
		if (item == MAIL_LIST_END)
			break;
		item_format(&addresses, item, &m);
	}
	if (addresses.len == 0) {
		buf_text(out, "NIL");
		return;
	}
	buf_char(out, '(');
	buf_add(out, buf_str(&addresses));
	buf_char(out, ')');
}

void imap_envelope_format(struct arena *arena, struct buf *out,
	struct str header)
{
	struct str bodies[FIELDS] = { 0 };
	struct mail_header field;

	while (mail_header_take(&header, &field))
		for (size_t i = 0; i < FIELDS; i++)
			if (str_is_none(bodies[i]) &&
				mail_header_is(&field, fields[i].name))
				bodies[i] = mail_header_unfold(arena,
					field.body);
	buf_char(out, '(');
	for (size_t i = 0; i < FIELDS; i++) {
		struct str body = bodies[i];

		if (i > 0)
			buf_char(out, ' ');
		if (fields[i].is_list && body.len == 0)
			body = bodies[fields[i].instead];
		if (fields[i].is_list)
			list_format(arena, out, body);
		else
			imap_nstring_format(out, body);
	}
	buf_char(out, ')');
}
