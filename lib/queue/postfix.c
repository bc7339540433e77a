#include "queue/postfix.h"

#include "base/encode.h"
#include "queue/submission.h"

bool postfix_record_take(struct str *in, char *type, struct str *data)
{
	struct str rest = *in;
	size_t len = 0;

	if (rest.len < 2)
		return false;
	*type = rest.p[0];
	rest = str_skip(rest, 1);
	for (unsigned shift = 0;; shift += 7) {
		unsigned char octet;

		if (rest.len == 0 || shift > 28)
			return false;
		octet = (unsigned char)rest.p[0];
		len |= (size_t)(octet & 0x7f) << shift;
		rest = str_skip(rest, 1);
		if (!(octet & 0x80))
			break;
	}
	if (len > rest.len)
		return false;
	*data = str_first(rest, len);
	*in = str_skip(rest, len);
	return true;
}

struct reader {
	struct arena *arena;
	struct str whole, rest;
	struct envelope *envelope;
	struct buf content;
	size_t capacity;
	/* What stands before the recipient that it is about. */
	struct str orig, orcpt;
	uint64_t notify;
	struct str redirect;
	enum { ENVELOPE, CONTENT, EXTRACTED, END } part;
	bool has_sender;
};

static bool take_number(struct str *in, uint64_t *value)
{
	while (str_take_char(in, ' '))
		;
	return str_take_u64(in, INT64_MAX, value);
}

/* "seconds microseconds", or seconds alone. */
static bool read_time(struct reader *r, struct str data)
{
	uint64_t s, us = 0;

	if (!take_number(&data, &s) || s > INT64_MAX / 2000000)
		return false;
	(void)!take_number(&data, &us);
	r->envelope->arrival_us = s * 1000000 + us % 1000000;
	return true;
}

/* Content size, offset, recipients, qmgr's flags, length, SMTPUTF8. */
static bool read_size(struct reader *r, struct str data)
{
	uint64_t number = 0;
	int count = 0;

	while (count < 6 && take_number(&data, &number))
		count++;
	if (count == 6 && number & 1)
		r->envelope->flags |= SUBMIT_SMTPUTF8;
	return count >= 1;
}

static bool read_sender(struct reader *r, struct str data)
{
	r->envelope->sender = data;
	r->has_sender = true;
	return true;
}

static const struct attribute {
	const char *name;
	size_t offset;
} attributes[] = {
#define AT(field) offsetof(struct envelope, field)
	{ "encoding", AT(encoding) },
	{ "client_name", AT(client_name) },
	{ "client_address", AT(client_address) },
	{ "client_port", AT(client_port) },
	{ "helo_name", AT(helo) },
	{ "protocol_name", AT(protocol) },
	{ "sasl_method", AT(sasl_method) },
	{ "sasl_username", AT(sasl_username) },
	{ "sasl_sender", AT(sasl_sender) },
	{ "message_id", AT(message_id) },
	{ "envelope_id", AT(dsn_envid) },
	{ "dsn_envid", AT(dsn_envid) },
#undef AT
};

static bool read_ret(struct reader *r, struct str data)
{
	return str_parse_u64(data, DSN_RET_HDRS, &r->envelope->dsn_ret);
}

static bool read_envid(struct reader *r, struct str data)
{
	r->envelope->dsn_envid = data;
	return true;
}

static bool read_filter(struct reader *r, struct str data)
{
	r->envelope->content_filter = data;
	return true;
}

/* All of it goes to one address instead. */
static bool read_redirect(struct reader *r, struct str data)
{
	r->redirect = data;
	return true;
}

static bool read_verp(struct reader *r, struct str data)
{
	r->envelope->verp = data;
	return true;
}

static bool read_orig(struct reader *r, struct str data)
{
	r->orig = data;
	return true;
}

/* Decoded there, xtext here. */
static bool read_orcpt(struct reader *r, struct str data)
{
	struct buf orcpt = BUF_IN(r->arena);
	size_t type = str_find_char(data, ';');

	r->orcpt = STR_NONE;
	if (type == SIZE_MAX)
		return true;
	buf_add(&orcpt, str_first(data, type + 1));
	xtext_format(&orcpt, str_skip(data, type + 1));
	r->orcpt = buf_str(&orcpt);
	return true;
}

static bool read_notify(struct reader *r, struct str data)
{
	return str_parse_u64(data, 15, &r->notify);
}

static bool read_attribute(struct reader *r, struct str data)
{
	struct str name = str_take_until(&data, '=');

	if (str_is(name, "rewrite_context") && str_is(data, "local"))
		r->envelope->flags |= SUBMIT_LOCAL_HEADERS;
	if (str_is(name, "dsn_orig_rcpt"))
		return read_orcpt(r, data);
	if (str_is(name, "notify_flags") || str_is(name, "dsn_notify"))
		return read_notify(r, data);
	if (str_is(name, "ret_flags") || str_is(name, "dsn_ret"))
		return read_ret(r, data);
	for (size_t i = 0; i < COUNT(attributes); i++)
		if (str_is(name, attributes[i].name))
			*(struct str *)(void *)((char *)r->envelope +
				attributes[i].offset) = data;
	return true;
}

static bool end_recipient(struct reader *r, struct str data)
{
	(void)data;
	r->orig = r->orcpt = STR_NONE;
	r->notify = 0;
	return true;
}

static bool read_recipient(struct reader *r, struct str data)
{
	struct envelope *e = r->envelope;

	if (e->recipient_count >= MESSAGE_RECIPIENTS_MOST)
		return false;
	arena_grow(r->arena, &e->recipients, &r->capacity,
		e->recipient_count + 1, sizeof(*e->recipients));
	e->recipients[e->recipient_count++] = (struct recipient){
		.address = data,
		.orig = r->orig.len ? r->orig : data,
		.orcpt = r->orcpt,
		.notify = r->notify,
	};
	return end_recipient(r, data);
}

static bool begin_content(struct reader *r, struct str data)
{
	(void)data;
	r->part = CONTENT;
	return true;
}

static bool end_content(struct reader *r, struct str data)
{
	(void)data;
	r->part = EXTRACTED;
	return true;
}

static bool end_file(struct reader *r, struct str data)
{
	bool whole = r->part == EXTRACTED;

	(void)data;
	r->part = END;
	return whole;
}

static bool add_text(struct reader *r, struct str data)
{
	if (r->part != CONTENT)
		return false;
	buf_add(&r->content, data);
	return !r->content.failed;
}

static bool add_line(struct reader *r, struct str data)
{
	if (!add_text(r, data))
		return false;
	buf_char(&r->content, '\n');
	return !r->content.failed;
}

/* On to another place of the file; 0: just on. */
static bool jump(struct reader *r, struct str data)
{
	uint64_t offset;

	if (!take_number(&data, &offset) || offset > r->whole.len)
		return false;
	if (offset)
		r->rest = str_skip(r->whole, (size_t)offset);
	return true;
}

static const struct record {
	char type;
	bool (*read)(struct reader *r, struct str data);
} records[] = {
	{ 'C', read_size },      { 'T', read_time },
	{ 'A', read_attribute }, { 'S', read_sender },
	{ '<', read_ret },       { 'i', read_envid },
	{ 'L', add_text },       { 'N', add_line },
	{ 'V', read_verp },      { 'O', read_orig },
	{ 'o', read_orcpt },     { 'n', read_notify },
	{ 'R', read_recipient }, { 'D', end_recipient },
	{ '/', end_recipient },  { 'M', begin_content },
	{ 'X', end_content },    { 'E', end_file },
	{ 'p', jump },	       { '>', read_redirect },
};

/* Types that mean nothing to us are passed over. */
static bool read_record(struct reader *r, char type, struct str data)
{
	/* What was said before the content stands before it, what was found
	 * out by rules behind it. */
	if (type == 'L' && r->part != CONTENT)
		return read_filter(r, data);
	for (size_t i = 0; i < COUNT(records); i++)
		if (records[i].type == type)
			return records[i].read(r, data);
	return true;
}

bool postfix_message_parse(struct arena *arena, struct str octets,
	struct envelope *envelope, struct str *content)
{
	struct reader r = { .arena = arena, .whole = octets, .rest = octets,
		.envelope = envelope, .content = BUF_IN(arena),
		.orig = STR_NONE, .orcpt = STR_NONE };
	struct str data;
	char type;

	*envelope = (struct envelope){ .sender = STR_NONE };
	/* Pointers may lead back; records are at least two octets long. */
	for (size_t left = octets.len; r.part != END; left--) {
		if (left == 0 || !postfix_record_take(&r.rest, &type, &data) ||
			!read_record(&r, type, data))
			return false;
	}
	if (r.redirect.len && envelope->recipient_count) {
		envelope->recipients[0].address = r.redirect;
		envelope->recipient_count = 1;
	}
	*content = buf_str(&r.content);
	return r.has_sender;
}
