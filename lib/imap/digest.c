#include "imap/digest.h"

#include "imap/charset.h"
#include "imap/fold.h"
#include "imap/subject.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/list.h"
#include "mail/message_id.h"

enum {
	TEXT_MOST = 1000, /* octets that are compared */
};

/* In front of the texts in a row. */
struct row_header {
	int64_t sent_s;
	uint16_t lens[IMAP_DIGEST_TEXTS - 1];
	uint16_t is_reply;
	uint32_t references_len;
};

static struct str folded(struct arena *arena, struct str text)
{
	struct buf out = BUF_IN(arena);

	imap_casemap_format(&out, str_first(text, TEXT_MOST));
	return buf_str(&out);
}

/* RFC 5256 3: the local part; a group counts by its name. */
static void first_address(struct arena *arena, struct str body,
	struct str *local, struct str *display)
{
	struct mail_list list = mail_list_of(mail_header_unfold(arena, body));
	struct mail_mailbox m;
	enum mail_list_item item;

	do {
		item = mail_list_next(arena, &list, &m);
	} while (item == MAIL_LIST_JUNK || item == MAIL_LIST_GROUP_END);
	if (item == MAIL_LIST_END)
		return;
	*local = folded(arena, item == MAIL_LIST_GROUP ? m.name : m.local);
	if (!display)
		return;
	if (m.name.len > 0)
		*display = folded(arena, imap_words_decode(arena, m.name));
	else
		*display = folded(arena, arena_fmt(arena, "%.*s@%.*s",
			STR_ARG(m.local), STR_ARG(m.domain)));
}

static struct str bare_id(struct arena *arena, struct str id)
{
	struct buf out = BUF_IN(arena);

	/* "<"a b"@c>" and <a\ b@c> are the same id. */
	for (size_t i = 0; i < id.len && out.len < TEXT_MOST; i++)
		if (!strchr("<>\"\\\n", id.p[i]))
			buf_char(&out, id.p[i]);
	return buf_str(&out);
}

/* The first field of each name, found in one pass. */
enum field {
	DATE,
	SUBJECT,
	FROM,
	TO,
	CC,
	MESSAGE_ID,
	REFERENCES,
	IN_REPLY_TO,
	FIELDS,
};

static const char *const names[FIELDS] = {
	[DATE] = "Date",
	[SUBJECT] = "Subject",
	[FROM] = "From",
	[TO] = "To",
	[CC] = "Cc",
	[MESSAGE_ID] = "Message-ID",
	[REFERENCES] = "References",
	[IN_REPLY_TO] = "In-Reply-To",
};

/* NONE: not there. */
static void find_fields(struct str header, struct str bodies[FIELDS])
{
	struct mail_header field;

	while (mail_header_take(&header, &field))
		for (size_t i = 0; i < FIELDS; i++)
			if (str_is_none(bodies[i]) &&
				mail_header_is(&field, names[i]))
				bodies[i] = field.body;
}

/* RFC 5256 3: all of References, else the first of In-Reply-To. */
static struct str references(struct arena *arena, struct str all,
	struct str in_reply_to)
{
	struct str ids[IMAP_REFERENCES_MOST], id;
	struct buf out = BUF_IN(arena);
	size_t count = 0, from;

	while (mail_message_id_take(&all, &id))
		ids[count++ % IMAP_REFERENCES_MOST] = id;
	if (count == 0 && mail_message_id_take(&in_reply_to, &id))
		ids[count++] = id;
	from = count > IMAP_REFERENCES_MOST ? count - IMAP_REFERENCES_MOST : 0;
	for (size_t i = from; i < count; i++) {
		buf_add(&out, bare_id(arena, ids[i % IMAP_REFERENCES_MOST]));
		buf_char(&out, '\n');
	}
	return buf_str(&out);
}

static const struct {
	enum field field;
	enum imap_digest_text local, display; /* TEXTS: none */
} addresses[] = {
	{ FROM, IMAP_DIGEST_FROM, IMAP_DIGEST_DISPLAY_FROM },
	{ TO, IMAP_DIGEST_TO, IMAP_DIGEST_DISPLAY_TO },
	{ CC, IMAP_DIGEST_CC, IMAP_DIGEST_TEXTS },
};

void imap_digest_make(struct arena *arena, struct str header,
	struct imap_digest *digest)
{
	struct str bodies[FIELDS] = { 0 };
	struct mail_date date;
	struct str id;

	*digest = (struct imap_digest){ .sent_s = IMAP_NOT_SENT };
	find_fields(header, bodies);
	if (mail_date_parse(mail_header_unfold(arena, bodies[DATE]), &date))
		digest->sent_s = date.unix_s;
	if (!str_is_none(bodies[SUBJECT]))
		digest->texts[IMAP_DIGEST_SUBJECT] = folded(arena,
			imap_subject_base(arena, bodies[SUBJECT],
				&digest->is_reply));
	for (size_t i = 0; i < COUNT(addresses); i++)
		if (!str_is_none(bodies[addresses[i].field]))
			first_address(arena, bodies[addresses[i].field],
				&digest->texts[addresses[i].local],
				addresses[i].display == IMAP_DIGEST_TEXTS ?
					NULL :
					&digest->texts[addresses[i].display]);
	if (mail_message_id_take(&bodies[MESSAGE_ID], &id))
		digest->texts[IMAP_DIGEST_ID] = bare_id(arena, id);
	digest->texts[IMAP_DIGEST_REFERENCES] = references(arena,
		bodies[REFERENCES], bodies[IN_REPLY_TO]);
}

void imap_digest_format(struct buf *out, const struct imap_digest *digest)
{
	struct row_header h = { .sent_s = digest->sent_s,
		.is_reply = digest->is_reply };

	for (size_t i = 0; i < COUNT(h.lens); i++)
		h.lens[i] = (uint16_t)digest->texts[i].len;
	h.references_len =
		(uint32_t)digest->texts[IMAP_DIGEST_REFERENCES].len;
	buf_add(out, str_of(&h, sizeof(h)));
	for (size_t i = 0; i < IMAP_DIGEST_TEXTS; i++)
		buf_add(out, digest->texts[i]);
}

bool imap_digest_parse(struct str row, struct imap_digest *digest)
{
	struct row_header h;

	if (row.len < sizeof(h))
		return false;
	memcpy(&h, row.p, sizeof(h));
	row = str_skip(row, sizeof(h));
	digest->sent_s = h.sent_s;
	digest->is_reply = h.is_reply != 0;
	for (size_t i = 0; i < IMAP_DIGEST_TEXTS; i++) {
		size_t len = i == IMAP_DIGEST_REFERENCES ? h.references_len :
							   h.lens[i];

		if (len > row.len)
			return false;
		digest->texts[i] = str_first(row, len);
		row = str_skip(row, len);
	}
	return row.len == 0;
}
