#include "milter/packet.h"

#include "smtp/reply.h"

/* ---- numbers, texts, packets ---- */

static uint32_t number_at(const char *p)
{
	const unsigned char *octets = (const unsigned char *)p;

	return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 |
		(uint32_t)octets[2] << 8 | octets[3];
}

static bool take_number(struct str *in, uint32_t *number)
{
	if (in->len < 4)
		return false;
	*number = number_at(in->p);
	*in = str_skip(*in, 4);
	return true;
}

/* A text and its NUL. */
static bool take_text(struct str *in, struct str *text)
{
	size_t end = str_find_char(*in, '\0');

	if (end == SIZE_MAX)
		return false;
	*text = str_first(*in, end);
	*in = str_skip(*in, end + 1);
	return true;
}

bool milter_length_parse(struct str four, size_t *len)
{
	uint32_t number;

	if (!take_number(&four, &number) || number == 0 ||
		number > MILTER_DATA_MOST + 1)
		return false;
	*len = number;
	return true;
}

bool milter_packet_parse(struct str octets, struct milter_packet *packet)
{
	if (octets.len == 0)
		return false;
	*packet = (struct milter_packet){ octets.p[0], str_skip(octets, 1) };
	return true;
}

void milter_number_format(struct buf *out, uint32_t number)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_char(out, (char)(number >> shift & 0xff));
}

void milter_text_format(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		buf_char(out, text.p[i] ? text.p[i] : ' ');
	buf_char(out, '\0');
}

void milter_head_format(struct buf *out, char kind, size_t len)
{
	milter_number_format(out, (uint32_t)len + 1);
	buf_char(out, kind);
}

/* ---- options ---- */

enum {
	ACTIONS_2 = 0x3f,
	ACTIONS_6 = 0x1ff,
	STEPS_2 = 0x7f,
	STEPS_3 = STEPS_2 | MILTER_SILENT_HEADER | MILTER_NO_UNKNOWN,
	STEPS_4 = STEPS_3 | MILTER_NO_DATA,
	STEPS_6 = 0x1fffff,
};

struct milter_options milter_options_of(unsigned version)
{
	struct milter_options options = { .version = version,
		.actions = version >= 6 ? ACTIONS_6 : ACTIONS_2,
		.steps = version >= 6 ? STEPS_6 : version >= 4 ? STEPS_4 :
			version == 3 ? STEPS_3 : STEPS_2 };

	for (size_t i = 0; i < MILTER_STAGES; i++)
		options.symbols[i] = STR_NONE;
	return options;
}

void milter_options_format(struct buf *out,
	const struct milter_options *options)
{
	milter_number_format(out, options->version);
	milter_number_format(out, options->actions);
	milter_number_format(out, options->steps);
}

static bool take_symbols(struct str *in, struct milter_options *options)
{
	uint32_t stage;
	struct str names;

	if (!take_number(in, &stage) || !take_text(in, &names))
		return false;
	if (stage < MILTER_STAGES)
		options->symbols[stage] = names;
	return true;
}

bool milter_options_parse(struct str data,
	const struct milter_options *offered, struct milter_options *options)
{
	struct milter_options got = milter_options_of(0);

	if (!take_number(&data, &got.version) ||
		!take_number(&data, &got.actions) ||
		!take_number(&data, &got.steps) ||
		got.version < MILTER_VERSION_LEAST ||
		got.version > offered->version)
		return false;
	got.actions &= offered->actions;
	got.steps &= offered->steps;
	while (data.len > 0)
		if (!take_symbols(&data, &got))
			return false;
	*options = got;
	return true;
}

/* ---- answers ---- */

enum form {
	NOTHING,
	TEXT,    /* and a NUL */
	TEXT_AND, /* perhaps another text */
	FIELD,   /* name and value */
	FIELD_AT, /* the same behind an index */
	OCTETS,
};

/* clang-format off */
static const struct answer {
	char kind;
	enum form form;
	bool is_edit;
} answers[] = {
	{ MILTER_ADD_RECIPIENT,      TEXT,     true  },
	{ MILTER_ADD_RECIPIENT_WITH, TEXT_AND, true  },
	{ MILTER_DELETE_RECIPIENT,   TEXT,     true  },
	{ MILTER_SHUTDOWN,           NOTHING,  false },
	{ MILTER_ACCEPT,             NOTHING,  false },
	{ MILTER_REPLACE_BODY,       OCTETS,   true  },
	{ MILTER_CONTINUE,           NOTHING,  false },
	{ MILTER_DISCARD,            NOTHING,  false },
	{ MILTER_CHANGE_SENDER,      TEXT_AND, true  },
	{ MILTER_CONNECTION_FAILED,  NOTHING,  false },
	{ MILTER_ADD_HEADER,         FIELD,    true  },
	{ MILTER_INSERT_HEADER,      FIELD_AT, true  },
	{ MILTER_CHANGE_HEADER,      FIELD_AT, true  },
	{ MILTER_PROGRESS,           NOTHING,  false },
	{ MILTER_QUARANTINE,         TEXT,     true  },
	{ MILTER_REJECT,             NOTHING,  false },
	{ MILTER_SKIP,               NOTHING,  false },
	{ MILTER_TEMPFAIL,           NOTHING,  false },
	{ MILTER_REPLY,              TEXT,     false },
};
/* clang-format on */

static const struct answer *find_answer(char kind)
{
	for (size_t i = 0; i < COUNT(answers); i++)
		if (answers[i].kind == kind)
			return &answers[i];
	return NULL;
}

static bool take_field(struct str *in, struct milter_reply *reply)
{
	return take_text(in, &reply->name) && take_text(in, &reply->value) &&
		reply->name.len > 0;
}

static bool take_form(struct str in, enum form form,
	struct milter_reply *reply)
{
	switch (form) {
	case NOTHING:
		return true;
	case TEXT:
		return take_text(&in, &reply->name);
	case TEXT_AND:
		return take_text(&in, &reply->name) &&
			(in.len == 0 || take_text(&in, &reply->value));
	case FIELD:
		return take_field(&in, reply);
	case FIELD_AT:
		return take_number(&in, &reply->index) &&
			take_field(&in, reply);
	case OCTETS:
		reply->name = in;
		return true;
	}
	return false;
}

bool milter_reply_parse(const struct milter_packet *packet,
	struct milter_reply *reply)
{
	const struct answer *row = find_answer(packet->kind);
	struct milter_reply got = { .kind = packet->kind, .name = STR_NONE,
		.value = STR_NONE };

	if (!row || !take_form(packet->data, row->form, &got))
		return false;
	*reply = got;
	return true;
}

bool milter_reply_is_edit(const struct milter_reply *reply)
{
	const struct answer *row = find_answer(reply->kind);

	return row && row->is_edit;
}

/* Libraries double each '%'. Control octets would break a line. */
static void add_clean(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '%' && i + 1 < text.len && text.p[i + 1] == '%')
			i++;
		buf_char(out, c < ' ' || c == 0x7f ? '?' : (char)c);
	}
}

static void take_codes(const struct smtp_reply_line *line,
	struct status *status)
{
	status->code = line->code;
	status->subject = line->subject;
	status->detail = line->detail;
	if (line->class != line->code / 100)
		status->subject = status->detail = 0;
}

bool milter_status_parse(struct arena *arena, struct str text,
	struct status *status)
{
	struct buf out = BUF_IN(arena);
	struct smtp_reply_line parsed;
	struct status got = { 0 };
	struct str line;

	while (str_take_line(&text, &line)) {
		if (!smtp_reply_line_parse(line, &parsed) ||
			parsed.code < 400 ||
			(got.code > 0 && parsed.code != got.code))
			return false;
		if (got.code > 0)
			buf_char(&out, '\n');
		else
			take_codes(&parsed, &got);
		add_clean(&out, parsed.text);
	}
	got.text = buf_str(&out);
	if (got.code > 0)
		*status = got;
	return got.code > 0;
}
