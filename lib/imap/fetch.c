#include "imap/fetch.h"

#include "imap/format.h"
#include "imap/take.h"
#include "mail/header.h"
#include "mail/transfer.h"

static const struct {
	const char *name;
	unsigned items;
} macros[] = {
	{ "ALL", IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE |
			IMAP_FETCH_SIZE | IMAP_FETCH_ENVELOPE },
	{ "FAST", IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE |
			IMAP_FETCH_SIZE },
	{ "FULL", IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE |
			IMAP_FETCH_SIZE | IMAP_FETCH_ENVELOPE |
			IMAP_FETCH_BODY },
}, items[] = {
	{ "UID", IMAP_FETCH_UID },
	{ "FLAGS", IMAP_FETCH_FLAGS },
	{ "INTERNALDATE", IMAP_FETCH_INTERNALDATE },
	{ "RFC822.SIZE", IMAP_FETCH_SIZE },
	{ "ENVELOPE", IMAP_FETCH_ENVELOPE },
	{ "BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE },
	{ "BODY", IMAP_FETCH_BODY },
	{ "MODSEQ", IMAP_FETCH_MODSEQ },
	{ "SAVEDATE", IMAP_FETCH_SAVEDATE },
	{ "PREVIEW", IMAP_FETCH_PREVIEW },
	{ "EMAILID", IMAP_FETCH_EMAILID },
	{ "THREADID", IMAP_FETCH_THREADID },
};

static const struct {
	const char *name;
	enum imap_section_kind kind;
	bool peek;
} aliases[] = {
	{ "RFC822", IMAP_SECTION_WHOLE, false },
	{ "RFC822.HEADER", IMAP_SECTION_HEADER, true },
	{ "RFC822.TEXT", IMAP_SECTION_TEXT, false },
};

/* Longest first: a name must not be the beginning of a later one. */
static const struct {
	const char *name;
	enum imap_section_kind kind;
} kinds[] = {
	{ "HEADER.FIELDS.NOT", IMAP_SECTION_FIELDS_NOT },
	{ "HEADER.FIELDS", IMAP_SECTION_FIELDS },
	{ "HEADER", IMAP_SECTION_HEADER },
	{ "TEXT", IMAP_SECTION_TEXT },
	{ "MIME", IMAP_SECTION_MIME },
};

static struct imap_section *add_section(struct arena *arena,
	struct imap_fetch *fetch)
{
	if (fetch->count == IMAP_SECTIONS_MOST)
		return NULL;
	arena_grow(arena, &fetch->sections, &fetch->capacity, fetch->count + 1,
		sizeof(*fetch->sections));
	fetch->sections[fetch->count] = (struct imap_section){ 0 };
	return &fetch->sections[fetch->count++];
}

static bool take_fields(struct arena *arena, struct str *in,
	struct imap_section *section)
{
	size_t capacity = 0;

	if (!str_take_prefix(in, STR(" (")))
		return false;
	do {
		struct str field;

		if (section->field_count == IMAP_FIELDS_MOST ||
			!imap_take_astring(arena, in, &field) ||
			field.len == 0)
			return false;
		arena_grow(arena, &section->fields, &capacity,
			section->field_count + 1, sizeof(field));
		section->fields[section->field_count++] = field;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')');
}

static bool take_numbers(struct arena *arena, struct str *in,
	struct imap_section *section)
{
	size_t capacity = 0;
	uint32_t number;

	while (in->len > 0 && ascii_is_digit((unsigned char)in->p[0])) {
		if (section->depth == IMAP_SECTION_DEPTH ||
			!imap_take_nz_number(in, &number))
			return false;
		arena_grow(arena, &section->numbers, &capacity,
			section->depth + 1, sizeof(*section->numbers));
		section->numbers[section->depth++] = number;
		if (in->len > 0 && in->p[0] == ']')
			return true;
		if (!str_take_char(in, '.'))
			return false;
	}
	return true;
}

/* What stands between [ and ]. */
static bool take_section(struct arena *arena, struct str *in,
	struct imap_section *section)
{
	if (!take_numbers(arena, in, section))
		return false;
	if (str_take_char(in, ']'))
		return section->depth == 0 ||
			in->p[-2] != '.'; /* "1.]" */
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (!str_take_prefix_nocase(in, str_from(kinds[i].name)))
			continue;
		section->kind = kinds[i].kind;
		if ((section->kind == IMAP_SECTION_FIELDS ||
			section->kind == IMAP_SECTION_FIELDS_NOT) &&
			!take_fields(arena, in, section))
			return false;
		if (section->kind == IMAP_SECTION_MIME && section->depth == 0)
			return false;
		return str_take_char(in, ']');
	}
	return false;
}

static bool take_partial(struct str *in, struct imap_section *section)
{
	if (!str_take_char(in, '<'))
		return true;
	section->is_partial = true;
	return imap_take_number(in, &section->from) &&
		str_take_char(in, '.') &&
		imap_take_nz_number(in, &section->most) &&
		str_take_char(in, '>');
}

/* The label says what was asked for; but a literal of a client may have a form
 * that a server's cannot have, so that such fields become astrings again. */
static void make_label(struct arena *arena, struct imap_section *section,
	struct str raw)
{
	struct buf out = BUF_IN(arena);
	const char *gap = "";

	buf_text(&out, "BODY");
	if (str_find_char(raw, '\n') == SIZE_MAX) {
		buf_add(&out, raw);
		section->label = buf_str(&out);
		return;
	}
	buf_add(&out, str_first(raw, str_find_char(raw, '(') + 1));
	for (size_t i = 0; i < section->field_count; i++) {
		buf_text(&out, gap);
		imap_astring_format(&out, section->fields[i]);
		gap = " ";
	}
	buf_text(&out, ")]");
	section->label = buf_str(&out);
}

static bool take_body(struct arena *arena, struct str *in,
	struct imap_fetch *fetch)
{
	struct imap_section *section = add_section(arena, fetch);
	struct str rest = *in;

	if (!section || !str_take_prefix_nocase(&rest, STR("BODY")))
		return false;
	section->peek = str_take_prefix_nocase(&rest, STR(".PEEK"));
	*in = rest;
	if (!str_take_char(&rest, '[') ||
		!take_section(arena, &rest, section))
		return false;
	make_label(arena, section, str_first(*in, (size_t)(rest.p - in->p)));
	*in = rest;
	return take_partial(in, section);
}

/* "BINARY[1.2]<0.10>", "BINARY.PEEK[]", "BINARY.SIZE[3]" */
static bool take_binary(struct arena *arena, struct str *in,
	struct imap_fetch *fetch)
{
	struct imap_section *section = add_section(arena, fetch);
	struct str rest = *in, numbers;

	if (!section || !str_take_prefix_nocase(&rest, STR("BINARY")))
		return false;
	section->kind = IMAP_SECTION_BINARY;
	section->is_size = str_take_prefix_nocase(&rest, STR(".SIZE"));
	section->peek = section->is_size ||
		str_take_prefix_nocase(&rest, STR(".PEEK"));
	numbers = rest;
	if (!str_take_char(&rest, '[') || !take_numbers(arena, &rest, section)
		|| !str_take_char(&rest, ']') ||
		(section->depth > 0 && rest.p[-2] == '.'))
		return false;
	section->label = arena_fmt(arena, "BINARY%s%.*s",
		section->is_size ? ".SIZE" : "",
		(int)(rest.p - numbers.p), numbers.p);
	*in = rest;
	return section->is_size || take_partial(in, section);
}

static bool is_body_section(struct str in)
{
	return str_starts_nocase(in, STR("BODY[")) ||
		str_starts_nocase(in, STR("BODY.PEEK["));
}

static bool take_item(struct arena *arena, struct str *in,
	struct imap_fetch *fetch)
{
	struct imap_section *section;
	struct str word;

	if (is_body_section(*in))
		return take_body(arena, in, fetch);
	if (str_starts_nocase(*in, STR("BINARY")))
		return take_binary(arena, in, fetch);
	if (!imap_take_atom(in, &word))
		return false;
	for (size_t i = 0; i < COUNT(items); i++)
		if (str_is_nocase(word, items[i].name)) {
			fetch->items |= items[i].items;
			/* RFC 8970 3.1: what it allows is not needed. */
			if (items[i].items == IMAP_FETCH_PREVIEW)
				str_take_prefix_nocase(in, STR(" (LAZY)"));
			return true;
		}
	for (size_t i = 0; i < COUNT(aliases); i++) {
		if (!str_is_nocase(word, aliases[i].name))
			continue;
		section = add_section(arena, fetch);
		if (!section)
			return false;
		section->kind = aliases[i].kind;
		section->peek = aliases[i].peek;
		section->alias = aliases[i].name;
		return true;
	}
	return false;
}

static bool take_macro(struct str *in, struct imap_fetch *fetch)
{
	struct str rest = *in, word;

	if (!imap_take_atom(&rest, &word))
		return false;
	for (size_t i = 0; i < COUNT(macros); i++)
		if (str_is_nocase(word, macros[i].name)) {
			fetch->items = macros[i].items;
			*in = rest;
			return true;
		}
	return false;
}

bool imap_fetch_take_items(struct arena *arena, struct str *in,
	struct imap_fetch *fetch)
{
	if (take_macro(in, fetch))
		return true;
	if (!str_take_char(in, '('))
		return take_item(arena, in, fetch);
	do {
		if (!take_item(arena, in, fetch))
			return false;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')');
}

static bool take_changed_since(struct str *in, struct imap_fetch *fetch)
{
	fetch->has_changed_since = true;
	fetch->items |= IMAP_FETCH_MODSEQ;
	return str_take_char(in, ' ') &&
		imap_take_number64(in, &fetch->changed_since);
}

static bool take_modifier(struct str *in, struct imap_fetch *fetch)
{
	struct str word;

	if (!imap_take_atom(in, &word))
		return false;
	if (str_is_nocase(word, "CHANGEDSINCE"))
		return take_changed_since(in, fetch);
	if (str_is_nocase(word, "VANISHED"))
		return fetch->has_vanished = true;
	if (!str_is_nocase(word, "PARTIAL"))
		return false;
	fetch->has_partial = true;
	return str_take_char(in, ' ') &&
		imap_partial_take(in, &fetch->partial);
}

/* " (CHANGEDSINCE 17 VANISHED)" */
static bool take_modifiers(struct str *in, struct imap_fetch *fetch)
{
	if (in->len == 0)
		return true;
	if (!str_take_prefix(in, STR(" (")))
		return false;
	do {
		if (!take_modifier(in, fetch))
			return false;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')');
}

bool imap_fetch_parse(struct arena *arena, struct str in,
	struct imap_fetch *fetch)
{
	*fetch = (struct imap_fetch){ 0 };
	return imap_fetch_take_items(arena, &in, fetch) &&
		take_modifiers(&in, fetch) && in.len == 0;
}

static bool is_wanted(const struct imap_section *section, struct str name)
{
	for (size_t i = 0; i < section->field_count; i++)
		if (str_eq_nocase(section->fields[i], name))
			return section->kind == IMAP_SECTION_FIELDS;
	return section->kind == IMAP_SECTION_FIELDS_NOT;
}

static struct str select_fields(struct arena *arena, struct str header,
	const struct imap_section *section)
{
	struct buf out = BUF_IN(arena);
	struct mail_header field;

	while (mail_header_take(&header, &field))
		if (is_wanted(section, field.name))
			buf_add(&out, field.raw);
	if (out.len > 0 && out.p[out.len - 1] != '\n')
		buf_text(&out, "\r\n");
	buf_text(&out, "\r\n");
	return buf_str(&out);
}

bool imap_section_find(struct arena *arena, struct str message,
	const struct mime_part *root, const struct imap_section *section,
	struct str *octets)
{
	const struct mime_part *part = section->depth == 0 ?
		root :
		mime_part_find(root, section->numbers, section->depth);
	struct str header;

	if (!part)
		return false;
	if (section->kind == IMAP_SECTION_WHOLE) {
		*octets = section->depth == 0 ?
			message :
			str_first(str_skip(message, part->body_at),
				part->body_len);
		return true;
	}
	if (section->kind != IMAP_SECTION_MIME && section->depth > 0) {
		if (part->kind != MIME_MESSAGE)
			return false;
		part = part->children;
	}
	header = str_first(str_skip(message, part->header_at),
		part->header_len);
	if (section->kind == IMAP_SECTION_TEXT)
		*octets = str_first(str_skip(message, part->body_at),
			part->body_len);
	else if (section->kind == IMAP_SECTION_HEADER ||
		section->kind == IMAP_SECTION_MIME)
		*octets = header;
	else
		*octets = select_fields(arena, header, section);
	return true;
}

/* LF that has no CR before it gets one. */
static struct str crlf(struct arena *arena, struct str text)
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\n' &&
			(i == 0 || text.p[i - 1] != '\r'))
			buf_char(&out, '\r');
		buf_char(&out, text.p[i]);
	}
	return buf_str(&out);
}

enum imap_binary imap_section_decode(struct arena *arena, struct str message,
	const struct mime_part *root, const struct imap_section *section,
	struct str *octets)
{
	const struct mime_part *part = section->depth == 0 ? root :
		mime_part_find(root, section->numbers, section->depth);
	struct mail_decoder decoder;
	struct buf out = BUF_IN(arena);
	enum mail_encoding encoding;
	struct str body;

	if (!part)
		return IMAP_BINARY_NO_PART;
	if (section->depth == 0) {
		*octets = crlf(arena, message);
		return IMAP_BINARY_OK;
	}
	body = str_first(str_skip(message, part->body_at), part->body_len);
	/* Only the leaves of the tree may have an encoding, RFC 2045 6.4. */
	encoding = part->kind != MIME_SINGLE || part->encoding.len == 0 ?
		MAIL_ENCODING_7BIT : mail_encoding_parse(part->encoding);
	if (encoding == MAIL_ENCODING_UNKNOWN)
		return IMAP_BINARY_UNKNOWN;
	mail_decoder_init(&decoder, encoding);
	mail_decode(&decoder, body, &out);
	mail_decode_end(&decoder, &out);
	/* Lines on disk end in LF; what base64 hides is as it was. */
	*octets = encoding == MAIL_ENCODING_BASE64 ? buf_str(&out) :
						     crlf(arena, buf_str(&out));
	return IMAP_BINARY_OK;
}
